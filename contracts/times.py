"""How far a sender's clock is believed, and arithmetic on times that never leaves the calendar.

Our own clock bounds every other: what a sender claims may make money wait longer, never come sooner.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

CLOCK_SKEW_MAX = timedelta(minutes=10)
"""How far clocks that are kept in order may differ. A time further ahead of our receipt is wrong, and refused."""

ORDER_AGE_MAX = timedelta(days=31)
"""How late an order may reach us, such as from a shop that was offline; an older one is history."""

_LAST = datetime.max.replace(microsecond=999_000, tzinfo=UTC)


def plus(moment: datetime, span: timedelta) -> datetime:
    """Return the UTC time `moment + span`, at most the last one of the calendar: 9999-12-31 plus a week is no error."""
    return moment + span if moment <= _LAST - span else _LAST
