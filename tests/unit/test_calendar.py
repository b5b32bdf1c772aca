"""Periods of the calendar: their instants, their names, and what happens where a schedule changes."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.calendar import ALWAYS, PeriodKind, Schedule, Since, Span, is_zone, span_at


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def period(moment: str, schedule: Schedule) -> tuple[str, str, str]:
    span = span_at(at(moment), [(ALWAYS, schedule)])
    return span.name, f"{span.starts_at:%Y-%m-%dT%H}", f"{span.ends_at:%Y-%m-%dT%H}"


@pytest.mark.parametrize(
    ("moment", "schedule", "expected"),
    [
        ("2026-10-31T15:59:59Z", Schedule("Asia/Shanghai"), ("2026-10", "2026-09-30T16", "2026-10-31T16")),
        ("2026-10-31T16:00:00Z", Schedule("Asia/Shanghai"), ("2026-11", "2026-10-31T16", "2026-11-30T16")),
        ("2026-11-05T00:00:00Z", Schedule(anchor=15), ("2026-10-15-1m", "2026-10-15T00", "2026-11-15T00")),
        ("2026-12-31T00:00:00Z", Schedule(), ("2026-12", "2026-12-01T00", "2027-01-01T00")),
        ("2026-11-05T00:00:00Z", Schedule(period="day"), ("2026-11-05", "2026-11-05T00", "2026-11-06T00")),
        ("2026-11-05T00:00:00Z", Schedule(period="week"), ("2026-W45", "2026-11-02T00", "2026-11-09T00")),
        ("2026-11-05T00:00:00Z", Schedule(period="week", anchor=4), ("2026-W45-4", "2026-11-05T00", "2026-11-12T00")),
        ("2026-11-05T00:00:00Z", Schedule(period="two_weeks"), ("2026-W44-2w", "2026-10-26T00", "2026-11-09T00")),
    ],
)
def test_a_moment_is_in_one_period(moment: str, schedule: Schedule, expected: tuple[str, str, str]) -> None:
    assert period(moment, schedule) == expected


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)])
def test_case_25_a_day_of_a_clock_change_is_one_day(day: str, hours: int) -> None:
    span = span_at(at(f"{day}T12:00:00Z"), [(ALWAYS, Schedule("Europe/Berlin", "day"))])

    assert (span.name, span.ends_at - span.starts_at) == (day, timedelta(hours=hours))


def test_a_day_whose_midnight_is_skipped_begins_at_the_change() -> None:
    span = span_at(at("2018-11-04T12:00:00Z"), [(ALWAYS, Schedule("America/Sao_Paulo", "day"))])

    assert (span.starts_at, span.ends_at - span.starts_at) == (at("2018-11-04T03:00:00Z"), timedelta(hours=23))


@pytest.mark.parametrize(
    ("zones", "since", "first"),
    [
        (("Asia/Shanghai", "UTC"), "2026-10-31T16:00:00Z", ("2026-11", "2026-12-01T00:00:00Z")),
        (("UTC", "Asia/Shanghai"), "2026-11-01T00:00:00Z", ("2026-11", "2026-11-30T16:00:00Z")),
    ],
)
def test_case_25_another_zone_begins_where_a_period_of_the_old_one_ends(
    zones: tuple[str, str], since: str, first: tuple[str, str]
) -> None:
    before, after = zones
    schedules = [(ALWAYS, Schedule(before)), (at(since), Schedule(after))]

    assert span_at(at(since), schedules) == Span(first[0], at(since), at(first[1]))
    assert span_at(at(since) - timedelta(seconds=1), schedules).ends_at == at(since)


def test_the_first_period_of_a_schedule_is_no_shorter_than_half_of_one() -> None:
    schedules = [(ALWAYS, Schedule()), (at("2026-12-01T00:00:00Z"), Schedule(anchor=5))]

    long = Span("2026-12-05-1m", at("2026-12-01T00:00:00Z"), at("2027-01-05T00:00:00Z"))
    assert span_at(at("2026-12-02T00:00:00Z"), schedules) == long
    assert span_at(at("2026-12-20T00:00:00Z"), schedules) == long


def test_zones_are_those_of_iana() -> None:
    assert is_zone("Asia/Shanghai")
    assert not is_zone("Asia/Nowhere")
    assert not is_zone("../etc/passwd")


@pytest.mark.parametrize("name", ["localtime", "posixrules", "right/UTC"])
def test_zones_are_not_those_of_the_system(name: str) -> None:
    """Machines with other releases of it would close the same period at other times."""
    assert zoneinfo.TZPATH == ()
    assert not is_zone(name)


_schedules = st.builds(
    Schedule,
    st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"]),
    st.sampled_from(get_args(PeriodKind)),
    st.integers(1, 7),
).map(lambda one: Schedule(one.zone, one.period, 1 if one.period == "day" else one.anchor))


@given(_schedules, _schedules, st.integers(0, 1000))
def test_periods_follow_each_other_without_gaps_and_with_different_names(
    one: Schedule, other: Schedule, day: int
) -> None:
    changes_at = span_at(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day), [(ALWAYS, one)]).ends_at
    schedules: list[Since] = [(ALWAYS, one), (changes_at, other)]
    spans = [span_at(changes_at - timedelta(days=40), schedules)]
    for _ in range(60):
        spans.append(span_at(spans[-1].ends_at, schedules))

    assert all(before.ends_at == after.starts_at for before, after in pairwise(spans))
    assert len({span.name for span in spans}) == len(spans)
    assert changes_at in {span.starts_at for span in spans} or spans[-1].ends_at <= changes_at
    for span in spans:
        assert span_at(span.ends_at - timedelta(milliseconds=1), schedules) == span
