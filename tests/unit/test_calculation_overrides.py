"""Which rates of a unilevel plan apply to a product, a category and a tier: worked examples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.rules.view import Override, Plan
from tests.unit.sales import (
    CUP,
    CUPS,
    POT,
    TEA,
    TEAS,
    a_line,
    a_sale,
    outcome,
    rates,
    results,
    unilevel,
)


def results_of(tiers: str, plan: Plan) -> str:
    sale = a_sale(a_line("100.00"), tiers=tiers)
    return results(sale, outcome(sale, plan), plan)


NARROWING = unilevel(
    "1%",
    overrides=(
        Override(rates("2%"), tier="gold"),
        Override(rates("3%"), category_id=TEAS),
        Override(rates("4%"), category_id=TEAS, tier="gold"),
        Override(rates("5%"), product_id=TEA),
        Override(rates("6%"), product_id=TEA, tier="gold"),
    ),
)
# product, category, tier, what is paid of 100.00
WHICH_RATE = [
    (TEA, TEAS, "gold", "6.00"),
    (TEA, TEAS, "standard", "5.00"),
    (TEA, CUPS, "standard", "5.00"),
    (POT, TEAS, "gold", "4.00"),
    (POT, TEAS, "standard", "3.00"),
    (CUP, CUPS, "gold", "2.00"),
    (CUP, CUPS, "standard", "1.00"),
]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("product_id", "category_id", "tier", "expected"), WHICH_RATE)
def test_the_narrowest_override_wins_in_any_order(
    product_id: int, category_id: int, tier: str, expected: str, reverse: bool
) -> None:
    plan = replace(NARROWING, overrides=NARROWING.overrides[::-1]) if reverse else NARROWING
    sale = a_sale(a_line("100.00", product_id=product_id, category_id=category_id), tiers=tier)

    assert results(sale, outcome(sale, plan), plan) == expected


GOLD_ONLY = unilevel(
    "1%",
    overrides=(
        Override(rates("7%"), product_id=TEA, tier="gold"),
        Override(rates("4%"), category_id=TEAS, tier="gold"),
        Override(rates("3%"), category_id=TEAS, tier="silver"),
        Override(rates("2%"), tier="bronze"),
    ),
)


@pytest.mark.parametrize(
    ("tier", "expected"), [("gold", "7.00"), ("silver", "3.00"), ("bronze", "2.00"), ("standard", "1.00")]
)
def test_tiers_without_an_override_get_the_next_wider_rates(tier: str, expected: str) -> None:
    assert results_of(tier, GOLD_ONLY) == expected


def test_each_upline_has_the_rates_of_its_own_tier_at_its_own_level() -> None:
    plan = unilevel("10% 5%", overrides=(Override(rates("1% 2% 3%"), tier="gold"),))

    assert results_of("standard, gold, gold, gold, standard", plan) == (
        "10.00, 2.00, 3.00, beyond_last_level, beyond_last_level"
    )


def test_lines_with_different_overrides_are_paid_by_their_own() -> None:
    plan = unilevel("1%", overrides=(Override(rates("5%"), product_id=TEA), Override(rates("3%"), category_id=CUPS)))
    sold = [(TEA, TEAS), (POT, TEAS), (CUP, CUPS), (TEA, CUPS), (POT, CUPS), (POT, TEAS)]
    sale = a_sale(*(a_line("100.00", line=n, product_id=p, category_id=c) for n, (p, c) in enumerate(sold, start=1)))

    calculated = outcome(sale, plan)

    assert [results(sale, calculated, plan, line.line) for line in sale.lines] == [
        "5.00", "1.00", "3.00", "5.00", "3.00", "1.00",
    ]  # fmt: skip


def test_the_first_of_two_overrides_for_the_same_product_wins() -> None:
    twice = unilevel("1%", overrides=(Override(rates("5%"), product_id=TEA), Override(rates("6%"), product_id=TEA)))

    assert results_of("standard", twice) == "5.00"


def test_every_product_and_every_category_of_an_order_has_its_own_override() -> None:
    plan = unilevel(
        "1%",
        overrides=(
            Override(rates("2%"), category_id=TEAS),
            Override(rates("3%"), category_id=CUPS),
            Override(rates("5%"), product_id=TEA),
            Override(rates("6%"), product_id=POT),
            Override(rates("7%"), product_id=CUP, tier="gold"),
        ),
    )
    # 700 and 701 have no override of their own; 9 is a category without one.
    sold = [(TEA, TEAS), (POT, TEAS), (700, TEAS), (700, CUPS), (701, CUPS), (CUP, TEAS), (CUP, CUPS), (700, 9)]
    sale = a_sale(*(a_line("100.00", line=n, product_id=p, category_id=c) for n, (p, c) in enumerate(sold, start=1)))

    calculated = outcome(sale, plan)

    assert [results(sale, calculated, plan, line.line) for line in sale.lines] == [
        "5.00", "6.00", "2.00", "3.00", "3.00", "2.00", "3.00", "1.00",
    ]  # fmt: skip
