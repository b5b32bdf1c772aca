"""Impossible readings of a sum are found, and possible ones are not reported."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.auditing.running_sum import RunningSum
from tests.builders import NOW

LATER = NOW + timedelta(hours=6)
SOON = NOW + timedelta(hours=2, minutes=59)


def a_sum(*steps: tuple[int | None, datetime, int]) -> RunningSum:
    """Each step is the reading, or None; the time; and the added amount."""
    sum_ = RunningSum()
    for before, at, amount in steps:
        if before is None:
            sum_.add(amount, at)
        else:
            sum_.read(before, at, amount)
    return sum_


def faults(*steps: tuple[int | None, datetime, int]) -> list[str]:
    return list(a_sum(*steps).faults())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=20), st.randoms(use_true_random=False))
def test_real_readings_are_no_fault_in_any_order(steps: list[tuple[bool, int]], random: object) -> None:
    total, reported = 0, list[tuple[int | None, datetime, int]]()
    for number, (reads, amount) in enumerate(steps):
        reported.append((total if reads else None, NOW + timedelta(minutes=7 * number), amount))
        total += amount
    random.shuffle(reported)  # type: ignore[attr-defined]

    assert faults(*reported) == []


@pytest.mark.parametrize("read", [0, 9, 11, 20])
def test_readings_that_do_not_continue_each_other_are_found(read: int) -> None:
    assert faults((0, NOW, 10), (10, NOW, 5)) == []
    assert faults((0, NOW, 10), (read, NOW, 5)) != []


@pytest.mark.parametrize("step", [1, 100, 1_000, 1_250])
def test_one_wrong_reading_among_many_equal_orders_is_found(step: int) -> None:
    """Equal steps between different figures must not cancel out."""
    count = 40
    for changed in range(count):
        for read in range(count):
            reads = [read if number == changed else number for number in range(count)]
            found = faults(*((figure * step, NOW, step) for figure in reads))
            assert bool(found) == (read != changed), (changed, read)


def test_two_equal_readings_are_found_although_others_added_too() -> None:
    assert faults((0, NOW, 10), (0, NOW, 10), (None, NOW, 3)) == ["orders brought it to at most 10, but they added 20"]


def test_an_old_addition_must_have_been_read() -> None:
    assert faults((None, NOW, 50), (0, LATER, 10)) == [
        "an order at 2026-11-02 15:00 or soon after read 0, but it was at least 50"
    ]
    assert faults((None, NOW, 50), (50, LATER, 10)) == []


def test_a_recent_addition_or_one_of_unknown_time_need_not_have_been_read() -> None:
    assert faults((None, NOW, 50), (0, SOON, 10)) == []
    sum_ = a_sum((0, LATER, 10))
    sum_.add(50, None)
    assert list(sum_.faults()) == []


def test_a_reading_above_the_total_is_found() -> None:
    assert faults((None, NOW, 50), (51, NOW, 0)) == ["orders brought it to 51, but the sum of all is 50"]
