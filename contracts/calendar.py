"""Periods of a calendar in a time zone: days, weeks, two weeks and months, with the instants where they begin and end.

A day begins at local midnight, and where a change to daylight saving time skips midnight, at that change. So a day has
23, 24 or 25 hours. Zones are those of the IANA database in the package tzdata, so replicas agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, reset_tzpath

# The system's own database comes first otherwise: it may be older, and it has names such as `localtime`.
reset_tzpath(())

PeriodKind = Literal["day", "week", "two_weeks", "month"]

_WEEK = timedelta(days=7)
_FORTNIGHTS_SINCE = date(1970, 1, 5)
"""The Monday from which two weeks are counted."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`anchor` is the weekday on which weeks begin (1 is Monday), or the day on which months begin (1 to 28)."""

    zone: str = "UTC"
    period: PeriodKind = "month"
    anchor: int = 1


@dataclass(frozen=True, slots=True)
class Span:
    """A period from `starts_at`, inclusive, to `ends_at`, exclusive."""

    name: str
    starts_at: datetime
    ends_at: datetime


Since = tuple[datetime, Schedule]
"""A schedule, and the instant from which it holds."""

ALWAYS = datetime.min.replace(tzinfo=UTC)


def is_zone(name: str) -> bool:
    """Whether the IANA database has this zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def checked_zone(name: str) -> str:
    """Raises ValueError for a zone that the IANA database does not have."""
    if not is_zone(name):
        raise ValueError(f"{name!r} is not a time zone of the IANA database; write for example 'Asia/Shanghai'")
    return name


def span_at(moment: datetime, schedules: Sequence[Since]) -> Span:
    """The period that contains `moment`. `schedules` are ordered by time, and the first one holds always.

    A schedule begins where a period of the one before it ends. Its first period ends at the first boundary that is at
    least half a period later and gives it a name of its own.
    """
    place = max(bisect_right(schedules, moment, key=lambda since: since[0]) - 1, 0)
    since, schedule = schedules[place]
    first = _first_day(schedule, moment)
    starts_at = midnight(first, schedule.zone)
    if place and first <= (earliest := _earliest(since, schedule, schedules[place - 1][1])):
        first, starts_at = earliest, since
    ends_at = midnight(_next(schedule, first), schedule.zone)
    if place + 1 < len(schedules):
        ends_at = min(ends_at, schedules[place + 1][0])
    return Span(_name(schedule, first), starts_at, ends_at)


def local_date(moment: datetime, zone: str) -> date:
    """The day of `moment` in a zone."""
    return moment.date() if zone == "UTC" else moment.astimezone(ZoneInfo(zone)).date()


def days_near(moment: datetime) -> tuple[date, ...]:
    """The days that a moment may lie on, in all zones: its day in UTC, the one before and the one after."""
    ordinals = (moment.toordinal() + days for days in (-1, 0, 1))
    return tuple(date.fromordinal(day) for day in ordinals if date.min.toordinal() <= day <= date.max.toordinal())


def _first_day(schedule: Schedule, moment: datetime) -> date:
    """The first day of the calendar's period that contains the moment."""
    day = local_date(moment, schedule.zone)
    if schedule.period == "day":
        return day
    if schedule.period == "month":
        first = day.replace(day=schedule.anchor)
        return first if first <= day else (first.replace(day=1) - timedelta(days=1)).replace(day=schedule.anchor)
    length = 7 if schedule.period == "week" else 14
    since = _FORTNIGHTS_SINCE + timedelta(days=schedule.anchor - 1)
    return day - timedelta(days=(day - since).days % length)


def _earliest(since: datetime, schedule: Schedule, before: Schedule) -> date:
    """The first day of the first period of a schedule that begins at `since`, after another one."""
    last = _name(before, _first_day(before, since - timedelta(seconds=1)))
    first = _first_day(schedule, since)
    starts_at, ends_at = midnight(first, schedule.zone), midnight(_next(schedule, first), schedule.zone)
    if 2 * (ends_at - since) < ends_at - starts_at:
        first = _next(schedule, first)
    return _next(schedule, first) if _name(schedule, first) == last else first


def _next(schedule: Schedule, first: date) -> date:
    if schedule.period == "month":
        return (first.replace(day=1) + timedelta(days=31)).replace(day=schedule.anchor)
    return first + {"day": timedelta(days=1), "week": _WEEK, "two_weeks": 2 * _WEEK}[schedule.period]


def midnight(day: date, zone: str) -> datetime:
    """The UTC time at which a day of a zone begins. The first and the last day of the calendar are those of UTC:
    in other zones they may begin outside of it.
    """
    is_within = date.min < day < date.max
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone) if is_within else UTC).astimezone(UTC)


def _name(schedule: Schedule, first: date) -> str:
    """`2026-11` for a month, `2026-W45` for a week, the date for a day. Periods with another anchor name the day on
    which they begin: `2026-11-15-1m`, `2026-W45-4`. Two weeks end in `2w`. So one name never has two periods.
    """
    if schedule.period == "day":
        return first.isoformat()
    if schedule.period == "month":
        return f"{first:%Y-%m}" if schedule.anchor == 1 else f"{first.isoformat()}-1m"
    year, week, weekday = first.isocalendar()
    name = f"{year}-W{week:02}" if weekday == 1 else f"{year}-W{week:02}-{weekday}"
    return name if schedule.period == "week" else f"{name}-2w"
