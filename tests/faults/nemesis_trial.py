"""One trial: a load of real orders, a fault in the middle of it, recovery, quiet, and then all data are checked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError

from infra.adapters.mongo import MongoStore
from infra.auditing.audit import Report
from infra.demo.quiet import NeverQuietError, wait_until_quiet
from infra.local import StackError
from infra.operators.verification import verify
from infra.ports.messaging import BrokerUnavailable
from infra.ports.store import StoreUnavailable
from infra.ports.time import RealTime
from infra.ports.topology import Topology
from infra.processes import process
from infra.runtime import roster
from infra.runtime.topology import topology_of
from infra.runtime.worker import Worker
from infra.settings import Settings
from infra.terminal.environment import environment_for
from tests.faults.nemesis_accounts import Accounts, account
from tests.faults.nemesis_bench import Bench
from tests.faults.nemesis_fleet import NotReadyError, TrialFleet
from tests.faults.nemesis_load import Shops, Timed, steady
from tests.faults.nemesis_stage import GROUPS, Stage
from tests.faults.servers import ServersError

LOOK_EVERY_S = 0.25
_CONFIRM_WITHIN_S = 120.0
_QUIET_WITHIN_S = 90.0
_CHECK_WITHIN_S = 75.0
_FAILED = (
    NotReadyError,
    NeverQuietError,
    ServersError,
    StackError,
    BrokerUnavailable,
    StoreUnavailable,
    PyMongoError,
    ExceptionGroup,
    TimeoutError,
)
"""Exceptions that fail a trial but not the whole run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a trial: seconds of load, the processes, their twists, and how the load is changed."""

    load_s: float = 12.0
    groups: tuple[tuple[str, ...], ...] = GROUPS
    twists: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    shape: Callable[[Stage, list[Timed]], list[Timed]] = lambda _, schedule: schedule
    start_workers: bool = True
    restart_within_s: float = 4.0
    recovery_within_s: float = 120.0
    within_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a trial. `recovery_s` is None where it never recovered; `breaches` are sentences."""

    fault: str
    accounts: Accounts
    recovery_s: float | None
    report: Report | None
    seconds: float
    doubted: int
    observed: str
    breaches: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.breaches and self.recovery_s is not None


@dataclass(slots=True)
class Trial:
    """What a fault can use. The workers reach the servers by `worker_settings`, shops and the trial by `settings`."""

    name: str
    settings: Settings
    worker_settings: Settings
    stage: Stage
    plan: Plan
    logs: Path
    quick: bool
    bench: Bench
    report: Callable[[str], None]
    workers: Sequence[Worker] = field(default_factory=roster.load_all)
    observations: list[str] = field(default_factory=list)
    unmet: list[str] = field(default_factory=list)
    healed_at: float = 0.0
    resources: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)
    """What a fault opened; closed with the trial."""

    _store: MongoStore | None = None
    _fleet: TrialFleet | None = None
    _shops: Shops | None = None

    @property
    def store(self) -> MongoStore:
        assert self._store is not None, "the trial has begun"
        return self._store

    @property
    def fleet(self) -> TrialFleet:
        assert self._fleet is not None, "the trial has begun"
        return self._fleet

    @property
    def shops(self) -> Shops:
        assert self._shops is not None, "the trial has begun"
        return self._shops

    @property
    def topology(self) -> Topology:
        return topology_of(self.workers, self.settings)

    def observe(self, sentence: str) -> None:
        """Keep a finding for the report."""
        self.observations.append(sentence)

    def healed(self) -> None:
        """Recovery is measured from the last call of this."""
        self.healed_at = time.monotonic()
        self.report("healed")

    async def until(self, holds: Callable[[], Awaitable[Any]], what: str, within_s: float) -> None:
        """Wait for a condition. A wait that takes too long fails the trial."""
        deadline = time.monotonic() + within_s
        while not await holds():
            if time.monotonic() > deadline:
                raise NotReadyError(f"not reached in {within_s:.0f} s: {what}")
            await asyncio.sleep(LOOK_EVERY_S)

    def require(self, holds: bool, sentence: str) -> None:
        """Fail the trial with this sentence where the condition does not hold."""
        if not holds:
            self.unmet.append(sentence)

    async def run(self, prepare: Act, act: Act, check: Act) -> Result:
        started = time.monotonic()
        breaches: list[str] = []
        recovery_s: float | None = None
        accounts, report = Accounts(), None
        async with self._running():
            try:
                async with asyncio.timeout(self.plan.within_s):
                    recovery_s = await self._under_load(prepare, act)
            except _FAILED as error:
                breaches.append(_sentence(error))
            self.report("checking the data")
            try:
                async with asyncio.timeout(self.plan.within_s):
                    accounts, report = await self._check_books(patient=not breaches)
                    await check(self)
            except _FAILED as error:
                breaches.append(_sentence(error))
        breaches += [*self.unmet, *accounts.lost, *accounts.doubled]
        if report is not None:
            breaches += [f"{b.invariant} {b.about}: {b.detail}" for b in report.breaches]
        return Result(
            fault=self.name,
            accounts=accounts,
            recovery_s=recovery_s,
            report=report,
            seconds=time.monotonic() - started,
            doubted=self.shops.doubted,
            observed=" ".join(self.observations),
            breaches=tuple(breaches),
        )

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        self.report("preparing its database")
        await process.prepare(self.settings)
        await asyncio.to_thread(self.stage.copy_into, self.settings.mongodb_url, self.settings.database)
        self.logs.mkdir(parents=True, exist_ok=True)
        self._store = MongoStore.connect(self.settings.mongodb_url, self.settings.database)
        self._shops = Shops(self.settings.rabbitmq_url, _CONFIRM_WITHIN_S)
        self._fleet = TrialFleet(self.plan.groups, trial_environment(self.worker_settings), logs=self.logs)
        self._fleet.twists, self._fleet.restart_within_s = self.plan.twists, self.plan.restart_within_s
        tending: asyncio.Task[None] | None = None
        try:
            await self._shops.open()
            if self.plan.start_workers:
                self.report("starting the workers")
                self._fleet.start()
            tending = asyncio.create_task(self._fleet.tend_for_ever())
            yield
        finally:
            self.report("stopping the workers")
            self._fleet.stopping = True
            if tending is not None:
                await tending
            await asyncio.to_thread(self._fleet.stop)
            await self.resources.aclose()
            self.report("disconnecting")
            await self._shops.close()
            self._store.close()

    async def _under_load(self, prepare: Act, act: Act) -> float:
        """Load, fault, recovery and quiet; returns the time from the end of the fault until its backlog was handled."""
        if self.plan.start_workers:
            await self.fleet.until_ready()
        await prepare(self)
        schedule = self.plan.shape(self.stage, steady(self.stage.publications, self.plan.load_s))

        def on_progress(done: int, total: int) -> None:
            self.report(f"{done} of {total} messages confirmed")

        load = asyncio.create_task(self.shops.run(schedule, on_progress))
        try:
            await asyncio.sleep(self.plan.load_s / 4)
            await act(self)
            if not self.healed_at:
                self.healed()
            recovery_s = await self._recovered()
            await load
        finally:
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
        await self._quiet()
        return recovery_s

    async def _recovered(self) -> float:
        """Send an order behind all that waits, and wait until it and all orders before it were handled to the end."""
        before = [offer for offer in self.shops.history if offer.offered_at <= self.healed_at]
        probe = self.stage.order("probe")
        about = f"order/{probe.order_keys[0]}"
        await self.shops.offer(probe)
        journals = ("journal.commission_calculation", "journal.reward_checks")

        async def passed() -> bool:
            everywhere = [await self.store.find(name, {"about": about}, limit=1, fields=("at",)) for name in journals]
            return all(everywhere) and all(offer.confirmed_at is not None for offer in before)

        await self.until(passed, "an order that came after the fault was handled", self.plan.recovery_within_s)
        return time.monotonic() - self.healed_at

    async def _quiet(self) -> None:
        self.report("waiting until nothing moves")
        await wait_until_quiet(
            self.settings.rabbitmq_url,
            self.store,
            self.topology,
            self.workers,
            with_retries=True,
            timeout_s=_QUIET_WITHIN_S,
        )
        await self.fleet.until_ready()

    async def _check_books(self, *, patient: bool) -> tuple[Accounts, Report]:
        """Verify and count. The broker may still hold a message that no queue shows: repeat for a while."""
        deadline = time.monotonic() + (_CHECK_WITHIN_S if patient else 0.0)
        while True:
            report = await verify(self.store, self.workers, RealTime())
            publications = [offer.publication for offer in self.shops.history]
            accounts = await account(self.store, self.workers, publications)
            if not (report.breach_count or accounts.lost) or time.monotonic() > deadline:
                return accounts, report
            await asyncio.sleep(2)
            await self._quiet()


Act = Callable[[Trial], Awaitable[None]]


def trial_environment(settings: Settings) -> dict[str, str]:
    return {
        **environment_for(settings),
        "TRIBUTARY_DATABASE": settings.database,
        "TRIBUTARY_RETRY_DELAYS_S": json.dumps(settings.retry_delays_s),
    }


def _sentence(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{error.__class__.__name__}: {str(error) or 'it took longer than a trial may'}"
