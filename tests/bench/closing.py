"""How fast settlement closes a period: alone, and beside a running order load with a kill in the middle.

Accounts are bulk-loaded (`tests.bench.closing_accounts`) into the month before this one. A command closes them, in
real workers on real servers; settlement has a process of its own, so its processor time and memory are its own.
Afterwards every account has one statement, and the audits of settlement hold.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from contracts.commissions.view import COMMISSIONS
from contracts.rules.view import DEFAULT_MARKET
from contracts.settlement.v1 import ClosePeriod
from contracts.settlement.view import STATEMENTS
from infra.adapters.mongo import MongoStore
from infra.demo.shop import Shop
from infra.operators.verification import verify_live
from infra.ports.time import RealTime
from infra.processes.fleet import Fleet, Member
from infra.runtime import roster
from tests.bench.closing_accounts import add_accounts
from tests.bench.ours import GROUPS, BenchFailure, Ours, cpu_s_of, peak_rss_mb
from tests.bench.run import Bench
from tests.bench.world import World, one_line_world

_SETTLEMENT, _INTAKE = "settlement", "order_intake"
_ORDER_GROUPS = tuple(tuple(name for name in group if name != _SETTLEMENT) for group in GROUPS)
_PROVED = {"I12", "I13", "I14"}
_LOOK_EVERY_S, _TIMEOUT_S = 0.05, 1_800.0


@dataclass(frozen=True, slots=True)
class ClosingSizes:
    """Each number of accounts is a case. `orders_alone` are handled before the close begins, and give the rate to
    compare with; beside the close there are as many more as it has accounts.
    """

    accounts: Sequence[int] = (1_000, 100_000)
    orders_alone: int = 4_000


@dataclass(frozen=True, slots=True)
class Closed:
    """A close of `accounts`: seconds, processor time of settlement and of MongoDB (None: not on this machine), and the
    peak memory of settlement's process.
    """

    accounts: int
    seconds: float
    cpu_s: float
    mongodb_cpu_s: float | None
    rss_mb: float

    @property
    def accounts_per_s(self) -> float:
        return self.accounts / self.seconds

    @property
    def cpu_us_per_account(self) -> float:
        return 1e6 * self.cpu_s / self.accounts

    @property
    def mongodb_us_per_account(self) -> float | None:
        return None if self.mongodb_cpu_s is None else 1e6 * self.mongodb_cpu_s / self.accounts


@dataclass(frozen=True, slots=True)
class Beside:
    """The same close beside an order load, killed once; and the orders per second before and during it."""

    closed: Closed
    orders_per_s_before: float
    orders_per_s_during: float

    @property
    def fall(self) -> float:
        """The share by which the rate of orders falls."""
        return 1 - self.orders_per_s_during / self.orders_per_s_before


@dataclass(slots=True)
class ClosingFindings:
    """By number of accounts."""

    alone: dict[int, Closed] = field(default_factory=dict)
    beside: dict[int, Beside] = field(default_factory=dict)

    @property
    def growth(self) -> float:
        """Processor time of an account in the largest case, divided by that in the smallest."""
        largest, smallest = self.alone[max(self.alone)], self.alone[min(self.alone)]
        return largest.cpu_us_per_account / smallest.cpu_us_per_account


async def closing(bench: Bench, sizes: ClosingSizes) -> ClosingFindings:
    """Measure every number of accounts, alone and beside orders. Raises BenchFailure where the books are wrong."""
    found = ClosingFindings()
    for accounts in sizes.accounts:
        world = one_line_world(sizes.orders_alone + accounts)
        ours = bench.ours(name=f"ours_closing_{accounts}")
        async with _staged(bench, ours, one_line_world(1), accounts) as (store, fleet):
            bench.progress(f"closing {accounts:,} accounts", 0, 0)
            found.alone[accounts] = alone = await _close(bench, ours, store, fleet, accounts)
            bench.progress(f"closed in {alone.seconds:.1f} s, {alone.cpu_us_per_account:.0f} µs each; checking", 0, 0)
            await _check(store, accounts)
        async with _staged(bench, ours, world, accounts) as (store, fleet):
            bench.progress(f"closing {accounts:,} accounts beside orders", 0, 0)
            beside = await _beside(bench, ours, store, fleet, world, accounts, sizes.orders_alone)
            found.beside[accounts] = beside
            bench.progress(f"closed in {beside.closed.seconds:.1f} s, orders fall by {beside.fall:.0%}; checking", 0, 0)
            await _check(store, accounts)
    return found


@asynccontextmanager
async def _staged(bench: Bench, ours: Ours, world: World, accounts: int) -> AsyncIterator[tuple[MongoStore, Fleet]]:
    """A database with open accounts, and the running process of settlement."""
    bench.progress(f"loading {accounts:,} accounts", 0, 0)
    async with ours.staged(world) as store:
        await add_accounts(store, accounts, _month_before(datetime.now(UTC)))
        async with ours.running([(_SETTLEMENT,)]) as fleet:
            yield store, fleet


async def _beside(
    bench: Bench, ours: Ours, store: MongoStore, fleet: Fleet, world: World, accounts: int, alone: int
) -> Beside:
    """Close while a backlog of orders is handled; the rate during the close counts until one of them ends."""
    waiting = [group for group in _ORDER_GROUPS if _INTAKE not in group]
    async with ours.running(waiting), Shop(ours.settings.rabbitmq_url) as shop:
        await shop.send([sent.as_published for sent in world.singly()])
        async with ours.running([(_INTAKE,)], wait=False):
            await _until_handled(store, 1)
            before = await _until_handled(store, alone)
            load = asyncio.create_task(_until_handled(store, len(world.events)))
            first, started = await store.count(COMMISSIONS), time.monotonic()
            try:
                closed = await _close(bench, ours, store, fleet, accounts, kill=True)
                during = load.result() if load.done() else await _rate(store, first, started)
                await load
                await ours.quiet(store)
            finally:
                load.cancel()
    return Beside(closed, before, during)


async def _until_handled(store: MongoStore, orders: int) -> float:
    """Wait until the commissions of this many orders are calculated; the rate of those since the call."""
    first, started = await store.count(COMMISSIONS), time.monotonic()
    while await store.count(COMMISSIONS) < orders:
        _require_in_time(started, "orders")
        await asyncio.sleep(_LOOK_EVERY_S)
    return await _rate(store, first, started)


async def _rate(store: MongoStore, first: int, started: float) -> float:
    return (await store.count(COMMISSIONS) - first) / max(time.monotonic() - started, _LOOK_EVERY_S)


async def _close(
    bench: Bench, ours: Ours, store: MongoStore, fleet: Fleet, accounts: int, *, kill: bool = False
) -> Closed:
    """Close the month before this one; with `kill`, kill the process of settlement once half of it is closed."""
    [member] = fleet.members
    usage = _Usage(member, bench.servers.get("mongodb"))
    started = time.monotonic()
    async with Shop(ours.settings.rabbitmq_url) as shop:
        period = f"{_month_before(datetime.now(UTC)):%Y-%m}"
        await shop.command([ClosePeriod(market=DEFAULT_MARKET, period=period, by="bench")], lambda _: None)
    while (closed := await store.count(STATEMENTS)) < accounts:
        usage.look()
        if kill and closed >= accounts / 2 and member.process is not None:
            member.process.kill()
            member.process.join()
            kill = False
        fleet.tend()
        _require_in_time(started, "accounts")
        await asyncio.sleep(_LOOK_EVERY_S)
    seconds = time.monotonic() - started
    usage.look()
    if kill:
        raise BenchFailure(f"{accounts:,} accounts were closed before the kill; take more accounts")
    return Closed(accounts, seconds, usage.cpu_s, usage.mongodb_cpu_s, usage.rss_mb)


@dataclass(slots=True)
class _Usage:
    """Processor time since the start, and peak memory, of a member that may be restarted."""

    member: Member
    server: int | None
    rss_mb: float = 0.0
    _cpu_before_s: float = 0.0
    _cpu_s: dict[int, float] = field(default_factory=dict)
    _server_before_s: float = 0.0

    def __post_init__(self) -> None:
        self.look()
        self._cpu_before_s = self.cpu_s
        self._server_before_s = cpu_s_of(self.server) if self.server else 0.0

    def look(self) -> None:
        process, pid = self.member.process, self.member.pid
        if process is not None and pid is not None and process.exitcode is None:
            self.rss_mb = max(self.rss_mb, peak_rss_mb(pid))
            self._cpu_s[pid] = cpu_s_of(pid)

    @property
    def cpu_s(self) -> float:
        return sum(self._cpu_s.values()) - self._cpu_before_s

    @property
    def mongodb_cpu_s(self) -> float | None:
        return cpu_s_of(self.server) - self._server_before_s if self.server else None


async def _check(store: MongoStore, accounts: int) -> None:
    """Raises BenchFailure unless every account has one statement and the audits of settlement hold."""
    report = await verify_live(store, [roster.load(_SETTLEMENT)], RealTime())
    wrong = [breach for breach in report.breaches if breach.invariant in _PROVED]
    if wrong:
        raise BenchFailure(f"the books of settlement do not hold: {len(wrong)} breaches, first {wrong[0]}")
    statements = await store.find(STATEMENTS, {"outcome": "payable"}, fields=("number",))
    if {statement["number"] for statement in statements} != set(range(1, accounts + 1)):
        raise BenchFailure(f"{len(statements):,} payable statements for {accounts:,} accounts")


def _month_before(now: datetime) -> datetime:
    last = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    return last.replace(day=1)


def _require_in_time(started: float, what: str) -> None:
    if time.monotonic() - started > _TIMEOUT_S:
        raise BenchFailure(f"not all {what} are handled after {_TIMEOUT_S:.0f} s")
