"""One run of a scenario: the messages go in, the worker dies where it is told, is started again, and the end is read.

The lab plays everyone around the worker: the shop that publishes, the supervisor that restarts it, the neighbour who
listens to every event.
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
from tests.faults.crash_nursery import DIED, Life
from tests.faults.crash_scenario import MESSAGE_BYTES_MAX
from tests.faults.crash_stage import Stage
from tests.faults.crash_workers import Nursery
from tests.faults.scenarios import SCENARIOS

DATABASE = "crash_points"
RUN_MAX_S = 25.0
"""A run that has not come to rest by then never will."""
LOOK_EVERY_S = 0.003
LOST_AFTER_S = 1.0
"""A message that is neither in the books nor anywhere else for so long is lost."""


class NeverQuiet(Exception):
    """The run did not come to rest, or the worker ended by itself; the text says how far it was."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How the worker takes its messages: one at a time, or as many as have gathered."""

    name: str
    gathers: bool
    settings: Mapping[str, Any]


ONE = Mode("one", False, {"batch_events_max": 1, "prefetch_commands": 1, "prefetch_events": 1})
MANY = Mode("many", True, {})
MODES = {mode.name: mode for mode in (ONE, MANY)}


@dataclass(slots=True)
class Run:
    """What came of a run. `died_after` names the last effect before the crash; None where there was none."""

    effects: int = 0
    died_after: str | None = None
    unrecorded: list[str] = field(default_factory=list)
    """Events that were out when the worker died though its journal did not tell of them."""
    ending: Ending = field(default_factory=Ending)


class Lab:
    """The servers, the nursery, and the stage of one worker at a time."""

    def __init__(self, endpoints: Endpoints, nursery: Nursery, channel: AbstractChannel) -> None:
        self._endpoints = endpoints
        self._nursery = nursery
        self._channel = channel
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
        """Play the scenario of that name; raises NeverQuiet.

        Its worker dies after effect number `dies_at`, or after the first whose name begins with `dies_after`.
        """
        chosen = {**self._settings, **mode.settings}
        stage = await self._staged(name)
        await stage.empty()
        life = Life(stage.scenario.worker, chosen, dies_at, dies_after, mode.gathers, bug)
        trial = _Trial(stage, self._nursery, life, aborts_orphans, within_s)
        try:
            await trial.play()
        finally:
            await self._nursery.end_worker()
        return trial.run

    async def close(self) -> None:
        if self._stage is not None:
            await self._stage.strike()
            self._stage = None

    @property
    def _settings(self) -> dict[str, Any]:
        return {
            "rabbitmq_url": self._endpoints.rabbitmq_url,
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
            self._stage = Stage(SCENARIOS[name](), Settings(**self._settings), self._channel)
            await self._stage.build()
        return self._stage


@dataclass(slots=True)
class _Trial:
    """A run while it runs."""

    stage: Stage
    nursery: Nursery
    life: Life
    aborts_orphans: bool
    within_s: float
    run: Run = field(default_factory=Run)
    began_at: float = field(default_factory=time.monotonic)
    moment_s: float = LOOK_EVERY_S

    async def play(self) -> None:
        phases = self.stage.scenario.phases
        await self.stage.publish(phases[0])
        await self.nursery.bear(self.life)
        for number, phase in enumerate(phases):
            if number > 0:
                await self.stage.publish(phase)
            await self._until(self._books_hold(self.stage.keys_of(phase)))
        await self._until(self._is_quiet)
        while True:
            self.run.effects += self.nursery.effects
            await self.nursery.end_worker()
            await self._until(self._is_forgotten, alone=True)
            if not await self.stage.waiting():
                break
            # A delivery was on its way when the worker seemed to have nothing left to do: look for longer next time.
            self.moment_s *= 4
            await self.nursery.bear(replace(self.life, dies_at=None, dies_after=None))
            await self._until(self._is_quiet)
        self.run.ending = await self.stage.ending()

    async def _until(self, reached: Callable[[], Awaitable[bool]], *, alone: bool = False) -> None:
        """Wait, and start the worker again when it dies as it was told to."""
        while not await reached():
            if not alone and self.nursery.exit_code is not None:
                await self._succeed()
            if time.monotonic() > self.began_at + self.within_s:
                waiting = await self.stage.waiting()
                raise NeverQuiet(f"not at rest after {self.within_s:.0f} s; waiting: {waiting}\n{self.nursery.said()}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _succeed(self) -> None:
        """Look at what the dead worker left behind, and start the next."""
        if self.nursery.exit_code != DIED or self.run.died_after is not None:
            raise NeverQuiet(f"a worker ended with {self.nursery.exit_code}\n{self.nursery.said()}")
        self.run.effects = self.nursery.effects
        self.run.died_after = self.nursery.last_effect
        if self.aborts_orphans:
            self.stage.abort_orphans()
        self.run.unrecorded = await self.stage.unrecorded()
        await self.nursery.bear(replace(self.life, dies_at=None, dies_after=None))

    def _books_hold(self, keys: set[str]) -> Callable[[], Awaitable[bool]]:
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
        """Nothing waits at the broker and nobody is busy, now and a moment later."""
        for _ in range(2):
            if not self.nursery.is_idle or await self.stage.waiting():
                return False
            await asyncio.sleep(self.moment_s)
        return self.nursery.is_idle

    async def _is_forgotten(self) -> bool:
        """The broker has noticed the end of the worker and taken back what it held."""
        return not await self.stage.has_consumers()


@asynccontextmanager
async def lab(endpoints: Endpoints) -> AsyncIterator[Lab]:
    """A lab on these servers, which it shares with nobody."""
    with tempfile.TemporaryDirectory(prefix="crash-points-") as folder:
        nursery = Nursery(Path(folder))
        connection = await aio_pika.connect(endpoints.rabbitmq_url, timeout=10)
        try:
            await nursery.start()
            opened = Lab(endpoints, nursery, await connection.channel())
            try:
                yield opened
            finally:
                await opened.close()
        finally:
            await nursery.stop()
            await connection.close()
