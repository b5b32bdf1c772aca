"""How an order is divided into lines moves no money from one earner to another: worked examples and properties."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commissions.view import Earned, LineRefund
from contracts.money import RATE_SCALE
from contracts.plans.calculation import ARITHMETIC, Outcome, calculate
from contracts.plans.reversal import left_of
from contracts.plans.sale import Earner, Sale, SaleLine
from contracts.rules.view import Terms, Unilevel
from tests.unit.sales import SELLER, SPONSOR, a_line, a_sale, caps, outcome, terms, unilevel


def paid(calculated: Outcome) -> dict[int, int]:
    sums: Counter[int] = Counter()
    for entry in calculated.entries:
        sums[entry.distributor_id] += entry.amount_minor
    return dict(sums)


def divided(net: str, lines: int) -> Sale:
    return a_sale(*(a_line(net, line=number) for number in range(1, lines + 1)), tiers="standard, standard")


# net of a line, lines, pool, what the seller (10 %) and the sponsor (5 %) get
DIVIDED = {
    "one line": ("525.00", 1, "15%", (5_250, 2_625)),
    # 15.75 of each line are in the pool, so 15: 10.5 and 5.25 are rounded down.
    "lines of 1.05": ("1.05", 500, "15%", (5_000, 2_500)),
    # 10.7 + 5.35 = 16.05, so 16: of three units in two lines the seller gets two.
    "lines of 1.07": ("1.07", 500, "15%", (5_338, 2_662)),
    # 0.7 + 0.35 = 1.05, so 1: exactly they would get 350 and 175.
    "lines of 0.07": ("0.07", 500, "15%", (338, 162)),
    # 0.5 + 0.25 = 0.75 of a pool of one cent, which is not paid on each line: exactly 250 and 125.
    "lines of 0.05": ("0.05", 500, "20%", (250, 125)),
    # A tie on the first line, which the other wins on the second.
    "lines of 0.10": ("0.10", 2, "20%", (2, 1)),
    "lines without a whole cent in the pool": ("0.06", 500, "15%", (0, 0)),
}


@pytest.mark.parametrize(("net", "lines", "pool", "expected"), DIVIDED.values(), ids=DIVIDED)
def test_small_lines_do_not_move_the_sponsors_share_to_the_seller(
    net: str, lines: int, pool: str, expected: tuple[int, int]
) -> None:
    got = paid(outcome(divided(net, lines), unilevel("10% 5%"), pool=pool))

    assert (got.get(SELLER, 0), got.get(SPONSOR, 0)) == expected


def test_equal_shares_take_turns() -> None:
    calculated = outcome(divided("0.10", 4), unilevel("5% 5%"))

    assert [(entry.line, entry.distributor_id) for entry in calculated.entries] == [
        (1, SELLER),
        (2, SPONSOR),
        (3, SELLER),
        (4, SPONSOR),
    ]


def test_what_is_owed_is_counted_for_each_plan() -> None:
    # 0.5 + 0.5 on each line: the first plan gets the unit of the first line, the second that of the second.
    first, second = unilevel("5%"), unilevel("5%", name="more")
    calculated = outcome(a_sale(a_line("0.10"), a_line("0.10", line=2)), first, second)

    assert [(entry.line, entry.plan) for entry in calculated.entries] == [(1, "levels"), (2, "more")]


def test_what_is_owed_never_exceeds_a_cap() -> None:
    # 0.4 is owed from the first line; the cap of one cent leaves no fraction on the second.
    sale = a_sale(a_line("0.04"), a_line("0.19", line=2))

    calculated = outcome(sale, unilevel("10%", caps=caps(entry="CNY 0.01")), pool="100%")

    assert [(entry.line, entry.amount_minor, entry.limited_by) for entry in calculated.entries] == [(2, 1, "entry")]


def test_earlier_commissions_are_recomputed_by_the_arithmetic_of_their_time() -> None:
    """As earlier releases booked them: the pool was cut to 15 before the shares, and each line rounded by itself."""
    known = terms(unilevel("10% 5%"), pool="15%")

    calculated = calculate(known, divided("1.05", 2), Earned(), 1)

    assert [(e.distributor_id, e.amount_minor, e.rounding, e.limited_by) for e in calculated.entries] == [
        (SELLER, 11, 1, None),
        (SPONSOR, 4, 0, "pool"),
    ] * 2
    assert paid(calculate(known, divided("0.07", 500), Earned(), 1)) == {SELLER: 500}


nets = st.lists(st.integers(0, 40) | st.integers(0, 3_000), min_size=1, max_size=60)
rates = st.lists(st.integers(1, 150_000), min_size=1, max_size=4).map(tuple)


def sold(nets_minor: list[int], earners: int) -> Sale:
    lines = tuple(SaleLine(number, 501, 7, 1, net) for number, net in enumerate(nets_minor, start=1))
    return Sale("CNY", lines, tuple(Earner(level, level, "gold", True) for level in range(1, earners + 1)))


@given(nets, rates, st.integers(0, 600_000))
def test_over_an_order_no_one_gets_a_whole_unit_more_than_the_exact_shares(
    nets_minor: list[int], rates_ppm: tuple[int, ...], pool_ppm: int
) -> None:
    known = Terms("any", "default", pool_ppm, (Unilevel("levels", rates_ppm),))

    calculated = calculate(known, sold(nets_minor, len(rates_ppm)), Earned())

    for level, amount in paid(calculated).items():
        assert amount < Fraction(sum(nets_minor) * rates_ppm[level - 1], RATE_SCALE) + 1


@given(nets, rates)
def test_where_the_pool_has_room_the_number_of_lines_costs_no_one_more_than_a_few_units(
    nets_minor: list[int], rates_ppm: tuple[int, ...]
) -> None:
    """The bound is that of the earners, however many lines there are."""
    earners = len(rates_ppm)
    room = sum(rates_ppm) + 300_000
    known = Terms("any", "default", room, (Unilevel("levels", rates_ppm),))
    nets_minor = [net * 20 + 7 for net in nets_minor]

    got = paid(calculate(known, sold(nets_minor, earners), Earned()))

    for level, rate_ppm in enumerate(rates_ppm, start=1):
        exact = Fraction(sum(nets_minor) * rate_ppm, RATE_SCALE)
        assert got.get(level, 0) > exact - earners


@given(nets, rates, st.integers(0, 600_000))
def test_each_line_stays_within_its_pool_and_closes_to_zero(
    nets_minor: list[int], rates_ppm: tuple[int, ...], pool_ppm: int
) -> None:
    known = Terms("any", "default", pool_ppm, (Unilevel("levels", rates_ppm),))
    sale = sold(nets_minor, len(rates_ppm))

    calculated = calculate(known, sale, Earned())

    for line, pool_minor in zip(sale.lines, calculated.pools_minor, strict=True):
        entries = [entry for entry in calculated.entries if entry.line == line.line]
        assert sum(entry.amount_minor for entry in entries) <= pool_minor == line.net_minor * pool_ppm // RATE_SCALE
        closed = LineRefund(line.line, line.net_minor, 1, line.net_minor, 1)
        assert not any(left_of(entries, [pool_minor], [closed], ARITHMETIC))


@given(st.integers(0, 10_000), rates, st.integers(0, 600_000))
def test_a_single_line_gives_the_units_to_the_largest_fractions(
    net_minor: int, rates_ppm: tuple[int, ...], pool_ppm: int
) -> None:
    known = Terms("any", "default", pool_ppm, (Unilevel("levels", rates_ppm),))

    calculated = calculate(known, sold([net_minor], len(rates_ppm)), Earned())

    raised = {entry.level for entry in calculated.entries if entry.rounding}
    uncut = [level for level, rate_ppm in enumerate(rates_ppm, start=1) if not _is_cut(calculated, level)]
    fractions = {level: net_minor * rates_ppm[level - 1] % RATE_SCALE for level in uncut}
    for higher in raised & fractions.keys():
        assert all((-fractions[higher], higher) < (-fractions[other], other) for other in fractions.keys() - raised), (
            fractions
        )


def _is_cut(calculated: Outcome, level: int) -> bool:
    """Whether a limit cut the level's share, or nothing states what it was."""
    return not any(entry.level == level and entry.limited_by is None for entry in calculated.entries)
