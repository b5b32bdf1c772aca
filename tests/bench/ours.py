"""Our own workers on a backlog, which is published first and timed from the first order taken to the last finished."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from contracts.commissions.view import COMMISSIONS
from contracts.orders.view import ORDERS
from infra.adapters import rabbitmq as broker
from infra.adapters.mongo import MongoStore
from infra.demo.quiet import wait_until_quiet
from infra.demo.shop import Shop
from infra.operators.verification import verify_live
from infra.ports.time import RealTime
from infra.processes import process
from infra.processes.fleet import Fleet, Member
from infra.runtime import roster
from infra.runtime.topology import topology_of
from infra.settings import Settings
from tests.bench.world import Sent, World

_INTAKE = "order_intake"
GROUPS = roster.groups((_INTAKE,), ("stock_reservation", "reward_checks", "alerting"))
"""The workers of each process."""

OF_ORDERS = tuple(
    worker.name
    for worker in roster.load_all()
    if any(handler.noun_and_verb.startswith("order.") for handler in worker.handlers)
)
"""The workers that every order goes through."""

_FIRST_QUEUE = "order_intake.order.place"
_COUNTED = "reward_checks.sales"
"""The last step inserts a document for each order here."""

_LOOK_EVERY_S = 0.05
_TIMEOUT_S = 900.0
_STAGE_TIMEOUT_S = 300.0

Check = Callable[[MongoStore, int], Awaitable[None]]
"""Raises BenchFailure where the books do not show exactly this number of new orders."""


class BenchFailure(Exception):
    """A run with a wrong result does not count; the text states what was wrong."""


@dataclass(frozen=True, slots=True)
class Run:
    """`seconds` from the first order taken to the last one finished.

    `rss_mb` is the peak memory and `cpu_s` the processor time of each process.
    """

    orders: int
    seconds: float
    rss_mb: dict[str, float] = field(default_factory=dict)
    cpu_s: dict[str, float] = field(default_factory=dict)

    @property
    def orders_per_s(self) -> float:
        return self.orders / self.seconds


@dataclass(slots=True)
class Ours:
    """One database and one set of queues, emptied before every run."""

    settings: Settings
    environment: dict[str, str]
    logs: Path
    groups: Sequence[Sequence[str]] = GROUPS

    async def run(self, world: World, backlog: Sequence[Sent]) -> Run:
        """Load the reference data, publish the backlog while `order_intake` is stopped, then start it and time the run.

        Raises BenchFailure where the books do not hold afterwards.
        """
        async with self.staged(world) as store:
            return await self.take(store, backlog, self.check)

    @asynccontextmanager
    async def staged(self, world: World) -> AsyncIterator[MongoStore]:
        """The database with reference data, for one backlog after another; it is dropped at the end."""
        async with AsyncExitStack() as stack:
            yield await self._stage(world, stack)

    async def take(self, store: MongoStore, backlog: Sequence[Sent], check: Check) -> Run:
        """Time a backlog of new orders, added to the stored ones, and check their results."""
        intake = [group for group in self.groups if _INTAKE in group]
        others = [group for group in self.groups if _INTAKE not in group]
        orders = sum(sent.orders for sent in backlog)
        stored = await store.count(COMMISSIONS), await store.count(_COUNTED)
        async with AsyncExitStack() as stack:
            shop = await stack.enter_async_context(Shop(self.settings.rabbitmq_url))
            waiting = await stack.enter_async_context(self.running(others))
            await shop.send([sent.as_published for sent in backlog])
            taking = await stack.enter_async_context(self.running(intake, wait=False))
            await self._first_taken(len(backlog))
            members = [*waiting.members, *taking.members]
            cpu_before = [_cpu_s(member) for member in members]
            started = time.monotonic()
            await self._last_finished(store, orders, stored)
            seconds = time.monotonic() - started
            names = ["+".join(member.names) for member in members]
            rss_mb = dict(zip(names, map(_peak_rss_mb, members), strict=True))
            cpu_s = {name: _cpu_s(m) - b for name, m, b in zip(names, members, cpu_before, strict=True)}
            await check(store, orders)
        return Run(orders, seconds, rss_mb, cpu_s)

    @asynccontextmanager
    async def ready(self, world: World) -> AsyncIterator[None]:
        """Run every worker with the reference data of `world`; check the books when its orders have gone through."""
        async with AsyncExitStack() as stack:
            store = await self._stage(world, stack)
            await stack.enter_async_context(self.running(self.groups))
            yield
            await self._last_finished(store, len(world.events))
            await self.check(store, len(world.events))

    async def _stage(self, world: World, stack: AsyncExitStack) -> MongoStore:
        """Empty the database and the queues, then let the workers store all reference data."""
        store = MongoStore.connect(self.settings.mongodb_url, self.settings.database)
        stack.callback(store.close)
        await store.drop()
        stack.push_async_callback(store.drop)
        await process.prepare(self.settings)
        await self._purge()
        async with Shop(self.settings.rabbitmq_url) as shop, self.running(self.groups):
            for wave in world.waves:
                await shop.command(wave, lambda _: None)
                await self.quiet(store)
        return store

    async def quiet(self, store: MongoStore) -> None:
        """Wait until every queue is empty; needs all workers running."""
        workers = roster.load_all()
        topology = topology_of(workers, self.settings)
        await wait_until_quiet(
            self.settings.rabbitmq_url, store, topology, workers, with_retries=True, timeout_s=_STAGE_TIMEOUT_S
        )

    @asynccontextmanager
    async def running(self, groups: Sequence[Sequence[str]], *, wait: bool = True) -> AsyncIterator[Fleet]:
        """The processes of these groups; with `wait`, all of them consume already."""
        self.logs.mkdir(parents=True, exist_ok=True)
        fleet = Fleet(groups, self.environment, logs=self.logs)
        fleet.start()
        try:
            if wait:
                await self._until_consumed({name for group in groups for name in group})
            yield fleet
        finally:
            await asyncio.to_thread(fleet.stop)

    async def _until_consumed(self, names: set[str]) -> None:
        queues = [w.queue_of(h) for w in roster.load_all() if w.name in names for h in w.handlers]
        async with asyncio.timeout(_STAGE_TIMEOUT_S):
            while True:
                depths = await broker.depths(self.settings.rabbitmq_url, queues)
                if all(depth and depth.consumers for depth in depths.values()):
                    return
                await asyncio.sleep(0.1)

    async def _purge(self) -> None:
        """Messages left by an interrupted run would count in this one."""
        connection = await broker.connect(self.settings.rabbitmq_url)
        try:
            channel = await connection.channel()
            for queue in topology_of(roster.load_all(), self.settings).queues:
                await (await channel.get_queue(queue.name, ensure=False)).purge()
        finally:
            await connection.close()

    async def _first_taken(self, backlog: int) -> None:
        async with asyncio.timeout(_STAGE_TIMEOUT_S):
            while True:
                depth = (await broker.depths(self.settings.rabbitmq_url, [_FIRST_QUEUE]))[_FIRST_QUEUE]
                if depth is not None and depth.ready < backlog:
                    return
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _last_finished(self, store: MongoStore, orders: int, stored: tuple[int, int] = (0, 0)) -> None:
        """Wait for the commissions and counted sales of `orders` more than the `stored` ones of each."""
        commissions, counted = (before + orders for before in stored)
        deadline = time.monotonic() + _TIMEOUT_S
        while await store.count(COMMISSIONS) < commissions or await store.count(_COUNTED) < counted:
            if time.monotonic() > deadline:
                raise BenchFailure(f"not finished after {_TIMEOUT_S:.0f} s; logs are in {self.logs}")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def check(self, store: MongoStore, orders: int) -> None:
        """Verify all stored state; exactly `orders` must be paid. Raises BenchFailure.

        Waits until the workers have handled the untimed messages, or verify would report them missing.
        """
        await self.quiet(store)
        await verified(store)
        paid = await store.find(ORDERS, {"status": "paid"}, fields=("_id",))
        if len(paid) != orders:
            raise BenchFailure(f"{len(paid)} of {orders} orders are paid")


async def verified(store: MongoStore) -> None:
    """Raises BenchFailure where an invariant does not hold."""
    report = await verify_live(store, roster.load_all(), RealTime())
    if report.breach_count:
        raise BenchFailure(f"the books do not hold: {report.breach_count} breaches, first {report.breaches[0]}")


def _peak_rss_mb(member: Member) -> float:
    assert member.pid is not None, "only for running members"
    return peak_rss_mb(member.pid)


def peak_rss_mb(pid: int) -> float:
    """Peak memory of a process so far; 0 where it has just ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def _cpu_s(member: Member) -> float:
    assert member.pid is not None, "only for running members"
    return cpu_s_of(member.pid)


def cpu_s_of(pid: int) -> float:
    """Processor time of a process so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
