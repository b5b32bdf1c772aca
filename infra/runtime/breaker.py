"""Stops the calls to a destination that does not answer: otherwise each would wait for its deadline."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.wire.answer import Outcome
from infra.ports.time import Time

_DESTINATIONS_MAX = 1_000
"""Beyond it, the destination that failed first is forgotten, and called again."""


@dataclass(slots=True)
class _Failing:
    failures: int = 0
    paused_until: float = 0.0


class Breaker:
    """After `failures_max` calls in a row that were `unavailable` or `unknown`, a destination is paused for `pause_s`;
    then one call tries, and if that fails too, the next pause begins. Kept in the process: each replica finds out by
    itself.
    """

    def __init__(self, time: Time, *, failures_max: int, pause_s: float) -> None:
        self._time = time
        self._failures_max = failures_max
        self._pause_s = pause_s
        self._failing: dict[str, _Failing] = {}

    def pause_s(self, destination: str) -> float:
        """How long calls there must wait; 0 lets the caller make one, and the others wait for its answer."""
        state = self._failing.get(destination)
        if state is None or state.failures < self._failures_max:
            return 0.0
        left_s = state.paused_until - self._time.monotonic()
        if left_s > 0:
            return left_s
        state.paused_until = self._time.monotonic() + self._pause_s
        return 0.0

    def record(self, destination: str, outcome: Outcome) -> None:
        """A refusal is an answer: the destination works."""
        if outcome in ("done", "refused"):
            self._failing.pop(destination, None)
            return
        state = self._failing.setdefault(destination, _Failing())
        state.failures += 1
        if state.failures >= self._failures_max:
            state.paused_until = self._time.monotonic() + self._pause_s
        if len(self._failing) > _DESTINATIONS_MAX:
            del self._failing[next(iter(self._failing))]
