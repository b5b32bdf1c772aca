"""One run of a scenario: publish the messages, let the worker die at its point, restart it, and read the result.

The lab plays everything around the worker: the shop that publishes, the supervisor that restarts it, and a consumer of
every event.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel

from infra.local import Endpoints
from infra.settings import Settings
from tests.faults.crash_ending import Ending
from tests.faults.crash_launcher import Launcher
from tests.faults.crash_outside import Book
from tests.faults.crash_processes import DIED, CrashPlan
from tests.faults.crash_scenario import MESSAGE_BYTES_MAX
from tests.faults.crash_stage import Stage
from tests.faults.scenarios import SCENARIOS

DATABASE = "crash_points"
RUN_MAX_S = 25.0
"""A run that is not at rest by then never will be."""
LOOK_EVERY_S = 0.003
LOST_AFTER_S = 5.0
"""A message that is neither journaled nor in a queue for this long is lost. On a busy machine a worker that seems idle
may take more than a second to read what the broker has sent it."""


class NeverQuiet(Exception):
    """The run did not come to rest, or the worker ended by itself; the text states how far it was."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How the worker takes its messages: one at a time, or in batches of those that wait."""

    name: str
    gathers: bool
    settings: Mapping[str, Any]


_ONE_LANE = {"calls_in_flight_max": 1}
"""Several lanes of a performer would have their effects in any order."""

ONE = Mode("one", False, {"batch_events_max": 1, "prefetch_commands": 1, "prefetch_events": 1, **_ONE_LANE})
MANY = Mode("many", True, _ONE_LANE)
MODES = {mode.name: mode for mode in (ONE, MANY)}


@dataclass(slots=True)
class Run:
    """The result of a run. `died_after` names the last effect before the crash; None where there was none."""

    effects: int = 0
    died_after: str | None = None
    unrecorded: list[str] = field(default_factory=list)
    """Events that were published when the worker died although its journal did not contain them."""
    ending: Ending = field(default_factory=Ending)


class Lab:
    """The servers, the launcher of workers, and the stage of one worker at a time."""

    def __init__(self, endpoints: Endpoints, launcher: Launcher, channel: AbstractChannel, book: Book) -> None:
        self._endpoints = endpoints
        self._launcher = launcher
        self._channel = channel
        self._book = book
        self._stage: Stage | None = None
        self._name = ""

    async def run(
        self,
        name: str,
        mode: Mode,
        *,
        dies_at: int | None = None,
        dies_after: str | None = None,
        bug: str | None = None,
        aborts_orphans: bool = True,
        within_s: float = RUN_MAX_S,
    ) -> Run:
        """Run the scenario of that name; raises NeverQuiet.

        The worker dies after effect number `dies_at`, or after the first effect whose name begins with `dies_after`.
        """
        settings = {**self._settings, **mode.settings}
        stage = await self._staged(name)
        await stage.empty()
        plan = CrashPlan(stage.scenario.worker, settings, dies_at, dies_after, mode.gathers, bug, str(self._book.path))
        trial = _Trial(stage, self._launcher, plan, aborts_orphans, within_s)
        try:
            await trial.run_phases()
        finally:
            await self._launcher.end_worker()
        return trial.run

    async def close(self) -> None:
        if self._stage is not None:
            await self._stage.remove()
            self._stage = None

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "rabbitmq_url": self._endpoints.rabbitmq_url,
            "rabbitmq_management_url": self._endpoints.rabbitmq_management_url,
            "mongodb_url": self._endpoints.mongodb_url,
            "database": DATABASE,
            "retry_delays_s": (0,),
            "message_bytes_max": MESSAGE_BYTES_MAX,
            "health_port": 0,
        }

    async def _staged(self, name: str) -> Stage:
        if self._stage is None or self._name != name:
            await self.close()
            self._name = name
            self._stage = Stage(SCENARIOS[name](), Settings(**self._settings), self._channel, self._book)
            await self._stage.build()
        return self._stage


@dataclass(slots=True)
class _Trial:
    """A run in progress."""

    stage: Stage
    launcher: Launcher
    plan: CrashPlan
    aborts_orphans: bool
    within_s: float
    run: Run = field(default_factory=Run)
    began_at: float = field(default_factory=time.monotonic)
    moment_s: float = LOOK_EVERY_S

    async def run_phases(self) -> None:
        phases = self.stage.scenario.phases
        await self.stage.publish(phases[0])
        await self.launcher.start_worker(self.plan)
        for number, phase in enumerate(phases):
            if number > 0:
                await self.stage.publish(phase)
            await self._until(self._journaled(self.stage.keys_of(phase)))
        await self._until(self._is_quiet)
        while True:
            self.run.effects += self.launcher.effects
            await self.launcher.end_worker()
            await self._until(self._is_disconnected, alone=True)
            if not await self.stage.waiting():
                break
            # A delivery was on its way when the worker seemed idle: look for longer next time.
            self.moment_s *= 4
            await self.launcher.start_worker(replace(self.plan, dies_at=None, dies_after=None))
            await self._until(self._is_quiet)
        self.run.ending = await self.stage.ending()

    async def _until(self, reached: Callable[[], Awaitable[bool]], *, alone: bool = False) -> None:
        """Wait, and start the worker again when it dies as planned."""
        while not await reached():
            if not alone and self.launcher.exit_code is not None:
                await self._start_next()
            if time.monotonic() > self.began_at + self.within_s:
                waiting = await self.stage.waiting()
                raise NeverQuiet(
                    f"not at rest after {self.within_s:.0f} s; waiting: {waiting}\n{self.launcher.log_tail()}"
                )
            await asyncio.sleep(LOOK_EVERY_S)

    async def _start_next(self) -> None:
        """Read what the dead worker left, and start the next."""
        if self.launcher.exit_code != DIED or self.run.died_after is not None:
            raise NeverQuiet(f"a worker ended with {self.launcher.exit_code}\n{self.launcher.log_tail()}")
        self.run.effects = self.launcher.effects
        self.run.died_after = self.launcher.last_effect
        if self.aborts_orphans:
            self.stage.abort_orphans()
        self.run.unrecorded = await self.stage.unrecorded()
        await self.launcher.start_worker(replace(self.plan, dies_at=None, dies_after=None))

    def _journaled(self, keys: set[str]) -> Callable[[], Awaitable[bool]]:
        busy_at = time.monotonic()

        async def reached() -> bool:
            nonlocal busy_at
            missing = self.stage.unaccounted(keys)
            if missing and not await self._is_quiet():
                busy_at = time.monotonic()
            if missing and time.monotonic() > busy_at + LOST_AFTER_S:
                raise NeverQuiet(f"lost: {', '.join(sorted(missing))}")
            return not missing

        return reached

    async def _is_quiet(self) -> bool:
        """Nothing waits at the broker and no worker is busy, now and a moment later."""
        for _ in range(2):
            if not self.launcher.is_idle or await self.stage.waiting():
                return False
            await asyncio.sleep(self.moment_s)
        return self.launcher.is_idle

    async def _is_disconnected(self) -> bool:
        """The broker has noticed the end of the worker and requeued what it held."""
        return not await self.stage.has_consumers()


@asynccontextmanager
async def lab(endpoints: Endpoints) -> AsyncIterator[Lab]:
    """A lab on these servers, which nothing else may use."""
    with tempfile.TemporaryDirectory(prefix="crash-points-") as folder:
        launcher = Launcher(Path(folder))
        connection = await aio_pika.connect(endpoints.rabbitmq_url, timeout=10)
        try:
            await launcher.start()
            opened = Lab(endpoints, launcher, await connection.channel(), Book(Path(folder) / "book"))
            try:
                yield opened
            finally:
                await opened.close()
        finally:
            await launcher.stop()
            await connection.close()
