"""The clock, version 1."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictInt

from contracts.wire.envelope import Event, Timestamp


class ClockTicked(Event, type="clock.ticked.v1"):
    """A time slot began. The message id is derived from the slot, so a second clock only sends duplicates."""

    at: Annotated[Timestamp, Field(description="When the slot began.")]
    interval_s: Annotated[StrictInt, Field(description="How long a slot is, in seconds.", examples=[60])]

    def about(self) -> str:
        return "clock"
