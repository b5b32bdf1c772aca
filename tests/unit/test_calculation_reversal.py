"""What refunds take back of commissions booked before arithmetic 3: worked examples, then properties. Only the refunded
sums count, not the steps to them.
"""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commissions.view import Entry, LineRefund
from contracts.plans.reversal import pool_left, taken_back


def entries(*amounts: int, fixed: tuple[int, ...] = ()) -> list[Entry]:
    """Percentage entries of these amounts, then fixed ones."""
    return [
        *(Entry(1, 501, "levels", 1, 101, "gold", 9_000, 3, 50_000, 0, amount, 0) for amount in amounts),
        *(Entry(1, 501, "units", 1, 101, "gold", 9_000, 3, 0, 1, amount, 0) for amount in fixed),
    ]


def refund(money: int, of_money: int, units: int, of_units: int) -> LineRefund:
    return LineRefund(1, of_money, of_units, money, units)


def pool_taken_back(pool_minor: int, state: LineRefund) -> int:
    return pool_minor - pool_left(pool_minor, state, 2)


# money refunded of 90.00, units of 3; what is taken back of percentages of 9.00, 4.50, 2.70 and a fixed 1.50, in cents
WORKED = {
    "nothing yet": (0, 0, (0, 0, 0, 0)),
    "a third": (3_000, 1, (300, 150, 90, 50)),
    "two thirds": (6_000, 2, (600, 300, 180, 100)),
    "all": (9_000, 3, (900, 450, 270, 150)),
    "money only": (4_500, 0, (450, 225, 135, 0)),
    "units only": (0, 2, (0, 0, 0, 100)),
    "all of the money, not all units": (9_000, 2, (900, 450, 270, 150)),
    "all of the money, no units": (9_000, 0, (900, 450, 270, 150)),
    "all units, not all of the money": (8_000, 3, (800, 400, 240, 150)),
    # 900, 450, 270 x 1/9000 = 0.1 + 0.05 + 0.03 = 0.18: no cent yet.
    "a cent": (1, 0, (0, 0, 0, 0)),
    # x 3/9000 = 0.3 + 0.15 + 0.09 = 0.54: one cent, from the largest.
    "three cents": (3, 0, (1, 0, 0, 0)),
    # x 8999/9000 = 899.9 + 449.95 + 269.97 = 1619.82, so 1620: all three are full.
    "all but a cent": (8_999, 2, (900, 450, 270, 100)),
}


@pytest.mark.parametrize(("money", "units", "expected"), WORKED.values(), ids=WORKED)
def test_worked_examples(money: int, units: int, expected: tuple[int, ...]) -> None:
    assert taken_back(entries(900, 450, 270, fixed=(150,)), refund(money, 9_000, units, 3)) == expected


def test_equal_fractions_are_taken_from_the_earlier_entry() -> None:
    # Half of 1, 1 and 1 is 1.5, so 2.
    assert taken_back(entries(1, 1, 1), refund(50, 100, 1, 2)) == (1, 1, 0)
    assert taken_back(entries(1, fixed=(1,)), refund(50, 100, 1, 2)) == (1, 0)


def test_units_decide_for_a_line_without_a_price() -> None:
    gift = entries(900, fixed=(150,))

    assert taken_back(gift, refund(0, 0, 0, 3)) == (0, 0)
    assert taken_back(gift, refund(0, 0, 1, 3)) == (300, 50)
    assert taken_back(gift, refund(0, 0, 3, 3)) == (900, 150)
    assert pool_taken_back(900, refund(0, 0, 1, 3)) == 300


def test_a_line_without_entries_gives_nothing_back() -> None:
    assert taken_back([], refund(4_500, 9_000, 1, 3)) == ()


# pool, money refunded, of how much, what is taken back
POOL = [
    (1_800, 0, 9_000, 0),
    (1_800, 3_000, 9_000, 600),
    (1_800, 9_000, 9_000, 1_800),
    # 11 x 4/55 = 0.8; 11 x 2/55 = 0.4; 11 x 5/110 = 0.5, rounded up.
    (11, 4, 55, 1),
    (11, 2, 55, 0),
    (11, 5, 110, 1),
    (0, 5, 110, 0),
]


@pytest.mark.parametrize(("pool", "money", "of_money", "expected"), POOL)
def test_the_pool_falls_with_the_money(pool: int, money: int, of_money: int, expected: int) -> None:
    assert pool_taken_back(pool, refund(money, of_money, 0, 3)) == expected
    assert pool_taken_back(pool, refund(money, of_money, 3, 3)) == expected


def test_a_later_refund_may_move_a_rounding_unit_between_entries() -> None:
    three = entries(1, 1, 3)

    # 0.5, 0.5 and 1.5 are 2.5, so 3: two units for three equal fractions.
    assert taken_back(three, refund(5, 10, 0, 1)) == (1, 1, 1)
    # 0.6, 0.6 and 1.8 are 3: .8 comes first now, and the second entry gets its unit back.
    assert taken_back(three, refund(6, 10, 0, 1)) == (1, 0, 2)
    assert taken_back(three, refund(10, 10, 1, 1)) == (1, 1, 3)


@st.composite
def refunded_lines(draw: st.DrawFn) -> tuple[list[Entry], LineRefund]:
    """A line with entries of both kinds, and any state that refunds of it may reach."""
    amounts = st.lists(st.integers(1, 40) | st.integers(1, 10**9), max_size=6)
    net = draw(st.integers(0, 50) | st.integers(0, 10**9))
    quantity = draw(st.integers(1, 12))
    state = LineRefund(1, net, quantity, draw(st.integers(0, net)), draw(st.integers(0, quantity)))
    return entries(*draw(amounts), fixed=tuple(draw(amounts))), state


@given(refunded_lines())
def test_each_entry_gives_back_its_share_within_a_unit_and_the_sum_is_rounded(
    case: tuple[list[Entry], LineRefund],
) -> None:
    given_entries, state = case
    by_units = Fraction(state.refunded_quantity, state.quantity)
    by_money = Fraction(state.refunded_minor, state.net_minor) if state.net_minor else by_units
    if by_money == 1:
        by_units = by_money
    exact = [entry.amount_minor * (by_units if entry.unit_minor else by_money) for entry in given_entries]

    amounts = taken_back(given_entries, state)

    assert sum(amounts) == int(sum(exact) + Fraction(1, 2))
    assert all(abs(amount - part) < 1 for amount, part in zip(amounts, exact, strict=True))
    assert all(0 <= amount <= entry.amount_minor for amount, entry in zip(amounts, given_entries, strict=True))


@given(refunded_lines())
def test_a_full_refund_of_a_line_leaves_nothing(case: tuple[list[Entry], LineRefund]) -> None:
    given_entries, state = case
    units = state.refunded_quantity if state.net_minor else state.quantity
    closed = LineRefund(1, state.net_minor, state.quantity, state.net_minor, units)

    assert taken_back(given_entries, closed) == tuple(entry.amount_minor for entry in given_entries)
    assert pool_taken_back(12_345, closed) == 12_345


@given(refunded_lines(), st.randoms(use_true_random=False), st.integers(2, 6))
def test_any_steps_to_the_same_sums_take_back_the_same(
    case: tuple[list[Entry], LineRefund], random: Random, parts: int
) -> None:
    """Each path books, refund by refund, the difference to what was booked before."""
    given_entries, state = case
    assert _booked_along(given_entries, _path(state, parts, random)) == taken_back(given_entries, state)
    assert _booked_along(given_entries, [state]) == taken_back(given_entries, state)
    # An event that was overtaken by a later one adds nothing: the sums are those of the latest.
    steps = _path(state, parts, random)
    assert _booked_along(given_entries, [*steps, steps[0], state]) == taken_back(given_entries, state)


def _path(state: LineRefund, parts: int, random: Random) -> list[LineRefund]:
    money = sorted(random.randint(0, state.refunded_minor) for _ in range(parts - 1))
    units = sorted(random.randint(0, state.refunded_quantity) for _ in range(parts - 1))
    between = [LineRefund(1, state.net_minor, state.quantity, m, u) for m, u in zip(money, units, strict=True)]
    return [*between, state]


def _booked_along(given_entries: list[Entry], steps: list[LineRefund]) -> tuple[int, ...]:
    booked = [0] * len(given_entries)
    for step in steps:
        change = [now - before for now, before in zip(taken_back(given_entries, step), booked, strict=True)]
        booked = [before + delta for before, delta in zip(booked, change, strict=True)]
    return tuple(booked)


@given(refunded_lines(), st.integers(0, 10**9))
def test_a_larger_refund_never_takes_back_less(case: tuple[list[Entry], LineRefund], more: int) -> None:
    given_entries, state = case
    money = min(state.net_minor, state.refunded_minor + more)
    units = min(state.quantity, state.refunded_quantity + more)
    later = LineRefund(1, state.net_minor, state.quantity, money, units)

    assert sum(taken_back(given_entries, later)) >= sum(taken_back(given_entries, state))
    assert pool_taken_back(more, later) >= pool_taken_back(more, state)


@given(refunded_lines(), st.integers(0, 1_000))
def test_the_pool_covers_what_percentages_give_back(case: tuple[list[Entry], LineRefund], breakage: int) -> None:
    given_entries, state = case
    percentages = [entry for entry in given_entries if entry.unit_minor == 0]
    pool = sum(entry.amount_minor for entry in percentages) + breakage

    assert sum(taken_back(percentages, state)) <= pool_taken_back(pool, state) <= pool
