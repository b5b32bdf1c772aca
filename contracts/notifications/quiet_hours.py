"""Hours in which a route is quiet, by the clock of a place with a fixed offset from UTC."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", description="Hours and minutes.")]


class QuietHours(BaseModel):
    """From `begins` to `ends` each day, over midnight if it ends earlier than it begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begins: Annotated[TimeOfDay, Field(examples=["22:00"])]
    ends: Annotated[TimeOfDay, Field(examples=["07:30"])]
    utc_offset_min: Annotated[
        StrictInt,
        Field(
            ge=-14 * 60, le=14 * 60, description="Minutes that the place is ahead of UTC: China 480.", examples=[480]
        ),
    ] = 0

    @model_validator(mode="after")
    def _has_a_length(self) -> Self:
        if self.begins == self.ends:
            raise ValueError("begins and ends are the same; leave quiet_hours out, or remove the route")
        return self


def quiet_until(quiet: QuietHours | None, at: datetime) -> datetime | None:
    """When the quiet hours that `at` is in end; None outside of them."""
    if quiet is None:
        return None
    here = at + timedelta(minutes=quiet.utc_offset_min)
    minute = timedelta(hours=here.hour, minutes=here.minute, seconds=here.second, microseconds=here.microsecond)
    begins, ends = _since_midnight(quiet.begins), _since_midnight(quiet.ends)
    day = timedelta(days=1)
    if (minute - begins) % day >= (ends - begins) % day:
        return None
    return at + (ends - minute) % day


def _since_midnight(text: str) -> timedelta:
    return timedelta(hours=int(text[:2]), minutes=int(text[3:]))
