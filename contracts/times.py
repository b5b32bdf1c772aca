"""How far a sender's clock is trusted, and time arithmetic that never leaves the calendar.

Our own clock limits every sender's time: it may delay a payment, but never advance it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

CLOCK_SKEW_MAX = timedelta(minutes=10)
"""How far synchronised clocks may differ. A time further ahead of our receipt is wrong, and refused."""

ORDER_AGE_MAX = timedelta(days=31)
"""How late an order may reach us, for example from a shop that was offline; an older one is history."""

_LAST = datetime.max.replace(microsecond=999_000, tzinfo=UTC)


def plus(moment: datetime, span: timedelta) -> datetime:
    """Return the UTC time `moment + span`, at most the last one of the calendar: 9999-12-31 plus a week is no error."""
    return moment + span if moment <= _LAST - span else _LAST
