"""The highest pay of a line, compared with trying every line and every choice of earners."""

from __future__ import annotations

from collections import Counter
from itertools import product as every

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commissions.view import Earned
from contracts.plans.calculation import Sale, calculate
from contracts.rules.promise import highest_promise
from contracts.rules.view import Conditions, Differential, Fixed, Override, Plan, TeamBonus, Terms, Unilevel
from tests.unit.test_calculation_properties import cases

LEVELS = 2
PRODUCTS = (1, 2, 99)
CATEGORIES = (1, 2, 99)
TIERS = ("gold", "silver", "new")
"""The last of each is one that no rule names."""

rates = st.lists(st.integers(0, 9), min_size=1, max_size=LEVELS).map(tuple)
keys = st.tuples(st.sampled_from([(1, None), (2, None), (None, 1), (None, 2), (None, None)]), st.sampled_from(
    ["gold", "silver", None]
)).filter(lambda key: key != ((None, None), None))  # fmt: skip
conditions = st.builds(
    Conditions,
    categories=st.sets(st.sampled_from([1, 2])).map(tuple),
    products=st.sets(st.sampled_from([1, 2])).map(tuple),
)
overrides = st.dictionaries(keys, rates, max_size=5).map(
    lambda found: tuple(Override(ppm, key[0], key[1], tier) for (key, tier), ppm in found.items())
)
unilevels = st.builds(Unilevel, name=st.just("a"), rates_ppm=rates, overrides=overrides, conditions=conditions)
teams = st.builds(TeamBonus, name=st.just("b"), rate_ppm=st.integers(0, 9), conditions=conditions)
others = st.builds(Unilevel, name=st.just("c"), rates_ppm=rates, overrides=overrides, conditions=conditions)


def rates_for(plan: Unilevel, product: int, category: int, tier: str) -> tuple[int, ...]:
    """The narrowest override by the contract: product, category, neither; each with a tier before without."""
    wanted = [(product, None, tier), (product, None, None), (None, category, tier), (None, category, None)]
    for key in [*wanted, (None, None, tier)]:
        for other in plan.overrides:
            if (other.product_id, other.category_id, other.tier) == key:
                return other.rates_ppm
    return plan.rates_ppm


def at_most(plan: Plan, product: int, category: int) -> int:
    if not plan.conditions.covers(product, category):
        return 0
    if isinstance(plan, TeamBonus):
        return plan.rate_ppm
    assert isinstance(plan, Unilevel)
    sums = []
    for chain in every(TIERS, repeat=LEVELS):
        lists = [rates_for(plan, product, category, tier) for tier in chain]
        sums.append(sum(ppm[level] for level, ppm in enumerate(lists) if level < len(ppm)))
    return max(sums)


@given(unilevels, teams, others)
def test_the_highest_promise_is_the_maximum_over_lines_and_earners(
    first: Unilevel, second: TeamBonus, third: Unilevel
) -> None:
    plans: list[Plan] = [first, second, third]
    tried = max(sum(at_most(plan, p, c) for plan in plans) for p, c in every(PRODUCTS, CATEGORIES))
    found = highest_promise(plans)

    assert found.rate_ppm == tried == sum(found.by_plan_ppm.values())
    line = found.product_id or 99, found.category_id or 99
    assert found.by_plan_ppm == {plan.name: at_most(plan, *line) for plan in plans}


@pytest.mark.parametrize(
    ("rates_by_tier", "peer", "levels_max", "most"),
    [
        ({"silver": 30, "gold": 50}, 0, 10, 50),
        ({"silver": 30, "gold": 50}, 10, 10, 50 + 2 * 10),
        ({"silver": 30, "gold": 50, "star": 50, "none": 0}, 10, 10, 50 + 2 * 10),
        ({"silver": 30, "gold": 50}, 10, 3, 50 + 10),
        ({"silver": 30, "gold": 50}, 10, 1, 50),
        ({"none": 0}, 10, 10, 0),
    ],
)
def test_a_differential_pays_its_highest_rate_and_a_peer_of_each_rate(
    rates_by_tier: dict[str, int], peer: int, levels_max: int, most: int
) -> None:
    assert highest_promise([Differential("d", rates_by_tier, peer, levels_max)]).rate_ppm == most


def test_fixed_amounts_promise_no_rate() -> None:
    assert highest_promise([Fixed("f", {"CNY": (50,)})]).rate_ppm == 0


def test_ten_thousand_products_with_equal_rates_are_one_kind() -> None:
    same = tuple(Override((number % 3,), product_id=number) for number in range(1, 10_001))
    other = tuple(Override((number % 3,), category_id=number) for number in range(1, 10_001))

    assert highest_promise([Unilevel("a", (1,), same), Unilevel("b", (1,), other)]).rate_ppm == 4


@given(cases())
def test_no_sale_is_paid_at_more_than_the_highest_promise(case: tuple[Terms, Sale, Earned]) -> None:
    """The sum of the rates of a line's entries, with any caps and minimums."""
    terms, sale, earned = case
    promised = highest_promise(terms.plans).rate_ppm
    rates: Counter[int] = Counter()
    for entry in calculate(terms, sale, earned).entries:
        rates[entry.line] += entry.rate_ppm

    assert max(rates.values(), default=0) <= promised
