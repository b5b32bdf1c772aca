"""What refunds leave of an order stays within the pools of what is left, and is rounded over all its lines."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commissions.view import Earned, Entry, LineRefund
from contracts.money import RATE_SCALE, to_minor
from contracts.plans.calculation import ARITHMETIC, Earner, Outcome, Sale, SaleLine, calculate
from contracts.plans.reversal import left_of, pool_left
from contracts.rules.view import Fixed, Terms, Unilevel

LEVELS = Terms("levels", "default", 150_000, (Unilevel("levels", (100_000, 50_000)),))
UNITS = Terms("units", "default", 200_000, (Fixed("units", {"CNY": (1_000,)}),))
BOTH = Terms("both", "default", 200_000, (Fixed("units", {"CNY": (3, 2)}), Unilevel("levels", (100_000, 30_000))))


def paid(terms: Terms, *lines: tuple[int, int]) -> Outcome:
    """What lines of these net amounts and units pay."""
    sale_lines = tuple(SaleLine(n, 501, 7, quantity, net) for n, (net, quantity) in enumerate(lines, start=1))
    upline = tuple(Earner(level, level, "gold", True) for level in (1, 2))
    return calculate(terms, Sale("CNY", sale_lines, upline), Earned())


def left(outcome: Outcome, lines: list[LineRefund]) -> tuple[int, ...]:
    return left_of(outcome.entries, outcome.pools_minor, lines, ARITHMETIC)


def by_level(entries: tuple[Entry, ...], amounts: tuple[int, ...]) -> Counter[int]:
    sums: Counter[int] = Counter()
    for entry, amount in zip(entries, amounts, strict=True):
        sums[entry.level] += amount
    return sums


@pytest.mark.parametrize(
    ("money", "units", "expected"),
    [
        # Two units for 100.00, 10.00 for each; the pool is a fifth.
        (0, 0, 2_000),
        (0, 1, 1_000),
        (5_000, 0, 1_000),
        (5_000, 1, 1_000),
        # 49.99 are left: a pool of 9.99.
        (5_001, 1, 999),
        (9_999, 0, 0),
        (9_995, 1, 1),
        (10_000, 0, 0),
    ],
)
def test_a_fixed_amount_is_cut_to_the_pool_that_is_left(money: int, units: int, expected: int) -> None:
    outcome = paid(UNITS, (10_000, 2))

    assert left(outcome, [LineRefund(1, 10_000, 2, money, units)]) == (expected,)


def examples() -> list[tuple[str, ...]]:
    """The rows of the second table of refunds in docs/commissions.md."""
    text = (Path(__file__).parents[2] / "docs/commissions.md").read_text()
    return re.findall(r"^\| (levels|units), (.*?) \| (.*?) \| (\S+), (\w+) units? \| (.*?) \|$", text, re.MULTILINE)


@pytest.mark.parametrize(("plan", "line", "paid_out", "money", "units", "remains"), examples())
def test_the_examples_of_the_document_are_true(
    plan: str, line: str, paid_out: str, money: str, units: str, remains: str
) -> None:
    quantity, net = (int(part[0]), part[1]) if (part := line.split(" for "))[1:] else (1, line)
    outcome = paid(LEVELS if plan == "levels" else UNITS, (minor(net), quantity))
    refund = LineRefund(1, minor(net), quantity, minor(money), 0 if units == "no" else int(units))
    kept = by_level(outcome.entries, left(outcome, [refund]))

    amounts = by_level(outcome.entries, tuple(entry.amount_minor for entry in outcome.entries))
    assert [amounts[level] for level, _ in enumerate(paid_out.split(", "), start=1)] == minors(paid_out)
    assert [kept[level] for level, _ in enumerate(remains.split(", "), start=1)] == minors(remains)


def test_the_document_has_examples() -> None:
    assert len(examples()) == 5


def minor(amount: str) -> int:
    return to_minor(Decimal(amount), "CNY")


def minors(amounts: str) -> list[int]:
    return list(map(minor, amounts.split(", ")))


def test_an_earlier_plan_is_cut_last() -> None:
    outcome = paid(BOTH, (100, 2))
    assert [entry.amount_minor for entry in outcome.entries] == [6, 4, 10]

    # A pool of 20 of 1.00; of 0.50 it is 10: 6 and 4 for the units, and nothing of the 5 for the level.
    assert left(outcome, [LineRefund(1, 100, 2, 50, 0)]) == (6, 4, 0)
    assert left(outcome, [LineRefund(1, 100, 2, 50, 1)]) == (3, 2, 5)


def test_small_refunds_of_many_lines_leave_no_more_than_their_pools() -> None:
    outcome = paid(LEVELS, *[(7, 1)] * 500)
    assert sum(entry.amount_minor for entry in outcome.entries) == 500

    # 15.00 of 35.00 are back. The pool of each line is floor(4/7 of a cent).
    assert not any(left(outcome, [LineRefund(number, 7, 1, 3) for number in range(1, 501)]))


def test_what_rounding_keeps_back_counts_on_the_next_refunded_line() -> None:
    outcome = paid(LEVELS, *[(105, 1)] * 4)
    assert by_level(outcome.entries, tuple(entry.amount_minor for entry in outcome.entries)) == {1: 40, 2: 20}

    # Of 10 and 5 on each line 9.523 and 4.761 are left, together 14.285: 14, the unit to who is owed most by then.
    amounts = left(outcome, [LineRefund(number, 105, 1, 5) for number in range(1, 5)])
    assert amounts == (9, 5, 10, 4, 9, 5, 10, 4)
    # The third line came back as a whole; the second not at all.
    some = [LineRefund(1, 105, 1, 5), LineRefund(2, 105, 1), LineRefund(3, 105, 1, 105, 1), LineRefund(4, 105, 1, 5)]
    assert left(outcome, some) == (9, 5, 10, 5, 0, 0, 10, 4)


def test_units_decide_for_a_line_without_a_price() -> None:
    entry = Entry(1, 501, "units", 1, 1, "gold", 0, 3, 0, 3, 9, 0)

    assert left_of([entry], [9], [LineRefund(1, 0, 3, 0, 1)], ARITHMETIC) == (6,)
    assert pool_left(9, LineRefund(1, 0, 3, 0, 1), ARITHMETIC) == 6


@st.composite
def refunded_orders(draw: st.DrawFn) -> tuple[Outcome, list[LineRefund]]:
    """An order, and any state that refunds of its lines may reach."""
    lines = draw(st.lists(st.tuples(st.integers(0, 300) | st.integers(0, 10**8), st.integers(1, 5)), max_size=8))
    outcome = paid(draw(st.sampled_from([LEVELS, UNITS, BOTH])), *lines)
    state = [
        LineRefund(n, net, quantity, draw(st.integers(0, net)), draw(st.integers(0, quantity)))
        for n, (net, quantity) in enumerate(lines, start=1)
    ]
    return outcome, state


@given(refunded_orders())
def test_each_line_stays_within_the_pool_that_is_left(case: tuple[Outcome, list[LineRefund]]) -> None:
    outcome, lines = case
    amounts = left(outcome, lines)

    for pool_minor, line in zip(outcome.pools_minor, lines, strict=True):
        of_line = [
            (entry.amount_minor, amount)
            for entry, amount in zip(outcome.entries, amounts, strict=True)
            if entry.line == line.line
        ]
        assert all(0 <= amount <= paid_minor for paid_minor, amount in of_line)
        assert sum(amount for _, amount in of_line) <= pool_left(pool_minor, line, ARITHMETIC)
        if line.net_minor:
            assert pool_left(pool_minor, line, ARITHMETIC) <= Fraction(
                pool_minor * (line.net_minor - line.refunded_minor), line.net_minor
            )
        if not (line.refunded_minor or line.refunded_quantity):
            assert all(paid_minor == amount for paid_minor, amount in of_line)


@given(refunded_orders())
def test_no_one_keeps_a_whole_unit_more_than_the_exact_shares(case: tuple[Outcome, list[LineRefund]]) -> None:
    outcome, lines = case
    by_number = {line.line: line for line in lines}
    exact: Counter[tuple[str, int]] = Counter()
    kept: Counter[tuple[str, int]] = Counter()
    for entry, amount in zip(outcome.entries, left(outcome, lines), strict=True):
        line = by_number[entry.line]
        money = 1 - Fraction(line.refunded_minor, line.net_minor)
        units = 1 - Fraction(line.refunded_quantity, line.quantity) if money else money
        exact[entry.plan, entry.level] += entry.amount_minor * (units if entry.unit_minor else money)  # type: ignore[assignment]
        kept[entry.plan, entry.level] += amount

    assert all(amount < exact[key] + 1 for key, amount in kept.items())


@given(refunded_orders(), st.randoms(use_true_random=False))
def test_refunds_in_any_order_end_the_same(case: tuple[Outcome, list[LineRefund]], dice: Random) -> None:
    """Two refunds of each line, in any order: what each changes adds up to what their sums leave."""
    outcome, lines = case
    parts = [
        (place, money, units)
        for place, line in enumerate(lines)
        for half in (dice.randint(0, line.refunded_minor),)
        for money, units in ((half, 0), (line.refunded_minor - half, line.refunded_quantity))
    ]
    for _ in range(2):
        dice.shuffle(parts)
        state = [replace(line, refunded_minor=0, refunded_quantity=0) for line in lines]
        amounts = left(outcome, state)
        for place, money, units in parts:
            known = state[place]
            state[place] = replace(
                known, refunded_minor=known.refunded_minor + money, refunded_quantity=known.refunded_quantity + units
            )
            changed = [now - before for now, before in zip(left(outcome, state), amounts, strict=True)]
            amounts = tuple(before + change for before, change in zip(amounts, changed, strict=True))
        assert amounts == left(outcome, lines)


@given(refunded_orders())
def test_a_full_refund_leaves_nothing(case: tuple[Outcome, list[LineRefund]]) -> None:
    outcome, lines = case
    closed = [replace(line, refunded_minor=line.net_minor) for line in lines]

    assert not any(left(outcome, closed))


def test_the_exact_parts_are_whole_millionths() -> None:
    # Three thirds of 0.5: each part is cut to 0.166666, so together they are less than half a unit.
    entries = [Entry(1, 501, f"p{n}", 1, n, "gold", 6, 1, 1, 0, 1, 0) for n in (1, 2, 3)]

    assert left_of(entries, [3], [LineRefund(1, 6, 1, 5, 1)], ARITHMETIC) == (0, 0, 0)
    assert left_of(entries, [6], [LineRefund(1, 4, 1, 3, 1)], ARITHMETIC) == (1, 0, 0)
    assert RATE_SCALE == 1_000_000
