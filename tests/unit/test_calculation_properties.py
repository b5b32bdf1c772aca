"""Properties of every rule set and sale: pools and caps are never exceeded, and everyone gets a result."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commissions.view import Earned, LineRefund
from contracts.money import RATE_SCALE
from contracts.plans.calculation import ARITHMETIC, Earner, Outcome, Sale, SaleLine, calculate, needs
from contracts.plans.reversal import left_of, pool_left
from contracts.rules.view import Caps, Conditions, Differential, Fixed, Override, Plan, TeamBonus, Terms, Unilevel

pytestmark = pytest.mark.slow

TIERS = ("standard", "silver", "gold")
PRODUCTS = (501, 502, 601)
CATEGORIES = (7, 8)
CURRENCIES = ("CNY", "JPY")


def _criteria(override: Override) -> list[object]:
    """What an override applies to; a document without any is refused."""
    return [value for value in (override.product_id, override.category_id, override.tier) if value is not None]


rates_ppm = st.sampled_from([0, 10_000, 20_000, 50_000]) | st.integers(0, 400_000)
levels = st.lists(rates_ppm, min_size=1, max_size=4).map(tuple)
amounts_minor = st.integers(0, 60) | st.integers(0, 100_000)
money = st.dictionaries(st.sampled_from(CURRENCIES), amounts_minor, max_size=2)
optional_money: st.SearchStrategy[dict[str, int]] = st.just({}) | money
conditions = st.builds(
    Conditions,
    active=st.booleans(),
    own_sales_min=optional_money,
    categories=st.just(()) | st.sampled_from([(7,), (7, 8)]),
    products=st.just(()) | st.sampled_from([(501,), (502, 601)]),
)
common = {
    "conditions": st.just(Conditions()) | conditions,
    "caps": st.just(Caps())
    | st.builds(Caps, entry=optional_money, order=optional_money, day=optional_money, month=optional_money),
    "minimum": optional_money,
}
overrides = st.builds(
    Override,
    rates_ppm=levels,
    product_id=st.none() | st.sampled_from(PRODUCTS),
    category_id=st.none() | st.sampled_from(CATEGORIES),
    tier=st.none() | st.sampled_from(TIERS),
).filter(lambda one: (one.product_id is None or one.category_id is None) and bool(_criteria(one)))
by_tier = st.dictionaries(st.sampled_from(TIERS), rates_ppm, min_size=1)
per_unit = st.dictionaries(st.sampled_from(CURRENCIES), st.lists(amounts_minor, min_size=1, max_size=3).map(tuple))
name = st.just("?")
plans: st.SearchStrategy[Plan] = st.one_of(
    st.builds(
        Unilevel,
        name=name,
        rates_ppm=levels,
        overrides=st.lists(overrides, max_size=4).map(tuple),
        compression=st.booleans(),
        **common,
    ),
    st.builds(
        Differential, name=name, rates_ppm=by_tier, peer_rate_ppm=rates_ppm, levels_max=st.integers(1, 5), **common
    ),
    st.builds(TeamBonus, name=name, rate_ppm=rates_ppm, own_sales=st.booleans(), **common),
    st.builds(Fixed, name=name, amounts_minor=per_unit, compression=st.booleans(), **common),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Terms, Sale, Earned]:
    """Any terms, including those that no market allows, with any sale."""
    named = [replace(plan, name=f"plan-{n}") for n, plan in enumerate(draw(st.lists(plans, min_size=1, max_size=4)))]
    terms = Terms("any", "default", draw(st.integers(0, RATE_SCALE)), tuple(named))
    ids = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6, unique=True))

    def earner(level: int, distributor_id: int) -> Earner:
        return Earner(level, distributor_id, draw(st.sampled_from(TIERS)), draw(st.booleans()))

    upline = tuple(earner(level, distributor_id) for level, distributor_id in enumerate(ids, start=1))
    leader = earner(0, draw(st.integers(1, 12))) if draw(st.booleans()) else None
    lines = tuple(
        SaleLine(number, *draw(st.tuples(st.sampled_from(PRODUCTS), st.sampled_from(CATEGORIES))), quantity, net)
        for number, (quantity, net) in enumerate(
            draw(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 200) | st.integers(0, 10**7)), max_size=5)),
            start=1,
        )
    )
    by_distributor = st.dictionaries(st.integers(1, 12), amounts_minor, max_size=4)
    by_plan = st.dictionaries(st.sampled_from([plan.name for plan in named]), by_distributor, max_size=4)
    earned = Earned(draw(by_distributor), draw(by_plan), draw(by_plan))
    return terms, Sale(draw(st.sampled_from(CURRENCIES)), lines, upline, leader), earned


@given(cases())
def test_entries_never_exceed_the_pool_and_are_never_zero(
    case: tuple[Terms, Sale, Earned],
) -> None:
    terms, sale, _ = case
    outcome = calculate(*case)

    assert outcome.pools_minor == tuple(line.net_minor * terms.pool_rate_ppm // RATE_SCALE for line in sale.lines)
    for line, pool in zip(sale.lines, outcome.pools_minor, strict=True):
        assert sum(entry.amount_minor for entry in outcome.entries if entry.line == line.line) <= pool
    assert all(entry.amount_minor > 0 for entry in outcome.entries)


@given(cases())
def test_every_candidate_has_one_result_for_each_line(case: tuple[Terms, Sale, Earned]) -> None:
    terms, sale, _ = case
    outcome = calculate(*case)
    results = Counter((entry.plan, entry.line, entry.level, entry.distributor_id) for entry in outcome.entries)
    for unpaid in outcome.unpaid:
        for line in unpaid.lines or [line.line for line in sale.lines]:
            results.update((unpaid.plan, line, upline.level, upline.distributor_id) for upline in unpaid.uplines)

    def earners(plan: Plan) -> tuple[Earner, ...]:
        if plan.plan != "team_bonus":
            return sale.upline
        return (sale.leader,) if sale.leader else ()

    assert results == Counter(
        (plan.name, line.line, earner.level, earner.distributor_id)
        for plan in terms.plans
        for line in sale.lines
        for earner in earners(plan)
    )


@given(cases())
def test_unpaid_records_are_merged(case: tuple[Terms, Sale, Earned]) -> None:
    _, sale, _ = case
    unpaid = calculate(*case).unpaid

    keys = [(record.plan, record.reason, record.lines) for record in unpaid]
    assert len(keys) == len(set(keys))
    for record in unpaid:
        assert list(record.lines) == sorted(set(record.lines))
        assert len(record.lines) < max(len(sale.lines), 1)
        assert [upline.level for upline in record.uplines] == sorted({upline.level for upline in record.uplines})
        assert bool(record.uplines) is (record.reason != "no_team")


@given(cases())
def test_an_entry_is_its_rounded_share_or_what_its_limit_leaves(case: tuple[Terms, Sale, Earned]) -> None:
    _, sale, _ = case
    by_line = {line.line: line for line in sale.lines}
    for entry in calculate(*case).entries:
        line = by_line[entry.line]
        share = Fraction(line.net_minor * entry.rate_ppm, RATE_SCALE) + line.quantity * entry.unit_minor
        assert (entry.base_minor, entry.quantity, entry.product_id) == (line.net_minor, line.quantity, line.product_id)
        assert (entry.rate_ppm == 0) is (entry.unit_minor > 0)
        assert entry.rounding in (0, 1)
        if entry.limited_by is None:
            assert entry.amount_minor - entry.rounding == share.numerator // share.denominator
            assert abs(entry.amount_minor - share) < 1
        elif entry.limited_by == "pool":
            assert entry.amount_minor - entry.rounding < share
        else:
            assert entry.rounding == 0
            assert entry.amount_minor < share


@given(cases())
def test_caps_are_kept_for_each_distributor_and_plan(case: tuple[Terms, Sale, Earned]) -> None:
    terms, sale, earned = case
    outcome = calculate(*case)
    for plan in terms.plans:
        entries = [entry for entry in outcome.entries if entry.plan == plan.name]
        drawn: Counter[int] = Counter()
        for entry in entries:
            drawn[entry.distributor_id] += entry.amount_minor
            assert entry.amount_minor <= plan.caps.entry.get(sale.currency, entry.amount_minor)
        for distributor_id, amount in drawn.items():
            day = earned.day_minor.get(plan.name, {}).get(distributor_id, 0) + amount
            month = earned.month_minor.get(plan.name, {}).get(distributor_id, 0) + amount
            assert amount <= plan.caps.order.get(sale.currency, amount)
            assert day <= plan.caps.day.get(sale.currency, day)
            assert month <= plan.caps.month.get(sale.currency, month)


@given(cases())
def test_earnings_that_the_terms_do_not_need_change_nothing(case: tuple[Terms, Sale, Earned]) -> None:
    terms, sale, earned = case
    needed = needs(terms)
    trimmed = Earned(
        own_sales_minor=earned.own_sales_minor if needed.own_sales else {},
        day_minor={plan: sums for plan, sums in earned.day_minor.items() if plan in needed.day},
        month_minor={plan: sums for plan, sums in earned.month_minor.items() if plan in needed.month},
    )

    assert calculate(terms, sale, trimmed) == calculate(terms, sale, earned)


@given(cases())
def test_an_equal_copy_of_the_rules_gives_the_same_outcome(case: tuple[Terms, Sale, Earned]) -> None:
    terms, sale, earned = case

    assert calculate(replace(terms), sale, earned) == calculate(terms, sale, earned)


@given(cases())
def test_a_full_refund_takes_back_everything(case: tuple[Terms, Sale, Earned]) -> None:
    _, sale, _ = case
    outcome = calculate(*case)
    untouched = [LineRefund(line.line, line.net_minor, line.quantity) for line in sale.lines]
    closed = [replace(line, refunded_minor=line.net_minor, refunded_quantity=line.quantity) for line in untouched]

    for arithmetic in (1, ARITHMETIC):
        assert not any(left_of(outcome.entries, outcome.pools_minor, closed, arithmetic))
        assert sum(left_of(outcome.entries, outcome.pools_minor, untouched, arithmetic)) == sum(
            entry.amount_minor for entry in outcome.entries
        )
        for line, pool in zip(untouched, outcome.pools_minor, strict=True):
            assert pool_left(pool, line, arithmetic) == pool
        assert not any(map(pool_left, outcome.pools_minor, closed, [arithmetic] * len(closed)))


equal_shares = st.tuples(st.integers(2, 5), st.integers(1, 150_000), st.integers(0, 5_000))


@given(equal_shares)
def test_the_remainder_of_equal_levels_goes_to_the_lowest(case: tuple[int, int, int]) -> None:
    """Exchanging equal uplines changes only who gets the remainder."""
    count, rate, net = case
    terms = Terms("equal", "default", RATE_SCALE, (Unilevel("levels", (rate,) * count),))
    exact = Fraction(net * rate, RATE_SCALE)
    total = int(exact * count + Fraction(1, 2))
    floor = exact.numerator // exact.denominator
    expected = [floor + (1 if level < total - floor * count else 0) for level in range(count)]
    for ids in (range(1, count + 1), range(count, 0, -1)):
        upline = tuple(Earner(level, distributor_id, "gold", True) for level, distributor_id in enumerate(ids, start=1))
        outcome = calculate(terms, Sale("CNY", (SaleLine(1, 501, 7, 1, net),), upline), Earned())
        assert _by_level(outcome, count) == expected


@given(st.integers(1, 150_000), st.integers(0, 5_000))
def test_the_remainder_of_equal_plans_goes_to_the_first(rate: int, net: int) -> None:
    sale = Sale("CNY", (SaleLine(1, 501, 7, 1, net),), (Earner(1, 1, "gold", True),))
    seen = set()
    for names in permutations(("a", "b", "c")):
        outcome = calculate(
            Terms("equal", "default", RATE_SCALE, tuple(Unilevel(n, (rate,)) for n in names)), sale, Earned()
        )
        paid = {entry.plan: entry.amount_minor for entry in outcome.entries}
        seen.add(tuple(paid.get(n, 0) for n in names))
    (by_place,) = seen
    assert list(by_place) == sorted(by_place, reverse=True)
    assert by_place[0] - by_place[-1] <= 1


@given(cases(), st.randoms(use_true_random=False))
def test_without_order_caps_the_order_of_lines_moves_only_units_of_rounding(
    case: tuple[Terms, Sale, Earned], random: Random
) -> None:
    terms, sale, earned = case
    free = replace(terms, plans=tuple(replace(plan, caps=Caps(entry=plan.caps.entry)) for plan in terms.plans))
    shuffled = list(sale.lines)
    random.shuffle(shuffled)

    one, other = calculate(free, sale, earned), calculate(free, replace(sale, lines=tuple(shuffled)), earned)

    assert _before_rounding(one) == _before_rounding(other)
    assert _reasons_but_rounding(sale, one) == _reasons_but_rounding(sale, other)


def _before_rounding(outcome: Outcome) -> Counter[tuple[str, int, int]]:
    """What each share is in whole units before rounding; zeros are left out."""
    floors: Counter[tuple[str, int, int]] = Counter()
    for entry in outcome.entries:
        floors[entry.plan, entry.line, entry.level] += entry.amount_minor - entry.rounding
    return +floors


def _reasons_but_rounding(sale: Sale, outcome: Outcome) -> set[tuple[str, str, int, int]]:
    every_line = tuple(line.line for line in sale.lines)
    return {
        (unpaid.plan, unpaid.reason, line, upline.level)
        for unpaid in outcome.unpaid
        if unpaid.reason != "rounded_to_nothing"
        for line in unpaid.lines or every_line
        for upline in unpaid.uplines
    }


def _by_level(outcome: Outcome, count: int) -> list[int]:
    paid = {entry.level: entry.amount_minor for entry in outcome.entries}
    return [paid.get(level, 0) for level in range(1, count + 1)]
