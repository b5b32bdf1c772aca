"""The clock, version 1."""

from __future__ import annotations

from contracts.envelope import Event, Timestamp


class ClockTicked(Event, type="clock.ticked.v1"):
    """A time slot began. The message id is made from the slot, so that two clocks are as good as one."""

    at: Timestamp
    interval_s: int

    def about(self) -> str:
        return "clock"
