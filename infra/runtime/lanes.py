"""What the lanes of a queue share: a place for each owner's calls, the breaker of its destinations, and their life.
All lanes of a process share a gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

from infra.ports.time import Time
from infra.runtime.breaker import Breaker
from infra.settings import Settings

_LOOK_EVERY_S = 0.05


@dataclass(slots=True)
class Gate:
    """The lanes of all queues of a process that are at work, and whether the others wait because one is alone."""

    at_work: int = 0
    is_closed: bool = False


class SharedByLanes:
    """How many of them work for each owner, and which destinations are paused."""

    def __init__(self, time: Time, settings: Settings, gate: Gate) -> None:
        self.breaker = Breaker(time, failures_max=settings.calls_failed_max, pause_s=settings.destination_pause_s)
        self.life = uuid4().hex
        """The run of the process: only its end is a death, not that of a lane's connection."""
        self._time = time
        self._gate = gate
        self._of_owner_max = settings.calls_of_owner_max
        self._lanes: Counter[str] = Counter()

    def enter(self, owner: str) -> bool:
        """Whether one more lane may work for this owner; it then leaves at the end."""
        if self._lanes[owner] >= self._of_owner_max:
            return False
        self._lanes[owner] += 1
        return True

    def leave(self, owner: str) -> None:
        self._lanes[owner] -= 1
        if not self._lanes[owner]:
            del self._lanes[owner]

    @asynccontextmanager
    async def beside_others(self) -> AsyncIterator[None]:
        """Work in a lane, once no other is `alone`."""
        await self._until(lambda: not self._gate.is_closed)
        self._gate.at_work += 1
        try:
            yield
        finally:
            self._gate.at_work -= 1

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Work while all other lanes of the process are empty: if it dies, it is the doing of this one message."""
        await self._until(lambda: not self._gate.is_closed)
        self._gate.is_closed = True
        try:
            await self._until(lambda: not self._gate.at_work)
            yield
        finally:
            self._gate.is_closed = False

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._time.sleep(_LOOK_EVERY_S)
