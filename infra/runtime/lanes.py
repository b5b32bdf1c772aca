"""What the lanes of a queue share: a place for each owner's calls, and the breaker of its destinations."""

from __future__ import annotations

from collections import Counter

from infra.ports.time import Time
from infra.runtime.breaker import Breaker
from infra.settings import Settings


class SharedByLanes:
    """How many of them work for each owner, and which destinations are paused."""

    def __init__(self, time: Time, settings: Settings) -> None:
        self.breaker = Breaker(time, failures_max=settings.calls_failed_max, pause_s=settings.destination_pause_s)
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
