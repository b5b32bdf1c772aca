"""What a plan covers and who qualifies for it: worked examples, calculated on paper."""

from __future__ import annotations

import pytest

from contracts.commissions.view import Earned
from contracts.rules.view import Conditions, Plan
from tests.unit.sales import (
    CUP,
    CUPS,
    LEADER,
    SELLER,
    SPONSOR,
    TEA,
    TEAS,
    a_line,
    a_sale,
    differential,
    earner,
    fixed,
    leader,
    money,
    outcome,
    results,
    team_bonus,
    unilevel,
)

ANYONE = Conditions(active=False)


# conditions, product, category, whether the line is covered
COVERED = {
    "no condition": (Conditions(), TEA, TEAS, True),
    "its category": (Conditions(categories=(CUPS, TEAS)), TEA, TEAS, True),
    "another category": (Conditions(categories=(CUPS,)), TEA, TEAS, False),
    "its product": (Conditions(products=(CUP, TEA)), TEA, TEAS, True),
    "another product": (Conditions(products=(CUP,)), TEA, TEAS, False),
    "by its category only": (Conditions(categories=(TEAS,), products=(CUP,)), TEA, TEAS, True),
    "by its product only": (Conditions(categories=(CUPS,), products=(TEA,)), TEA, TEAS, True),
    "by neither": (Conditions(categories=(CUPS,), products=(CUP,)), TEA, TEAS, False),
}


@pytest.mark.parametrize(("conditions", "product_id", "category_id", "covered"), COVERED.values(), ids=COVERED)
def test_a_plan_pays_only_the_lines_that_it_covers(
    conditions: Conditions, product_id: int, category_id: int, covered: bool
) -> None:
    sale = a_sale(
        a_line(product_id=product_id, category_id=category_id), tiers="standard, (standard)", leading=leader()
    )
    not_covered = "not_covered, not_covered"
    plans_and_results: list[tuple[Plan, str, str]] = [
        (unilevel("10% 5%", conditions=conditions), "9.00, inactive", not_covered),
        (differential(conditions=conditions), "1.80, inactive", not_covered),
        (fixed({"CNY": "0.50"}, conditions=conditions), "0.50, inactive", not_covered),
        (team_bonus(conditions=conditions), "0.90", "not_covered"),
    ]
    for plan, paid, passed in plans_and_results:
        assert results(sale, outcome(sale, plan), plan) == (paid if covered else passed)
        assert conditions.covers(product_id, category_id) is covered


def test_inactive_distributors_are_paid_where_activity_is_no_condition() -> None:
    sale = a_sale(tiers="standard, (standard)")

    for plan, expected in (
        (unilevel("10% 5%", conditions=ANYONE), "9.00, 4.50"),
        (differential(conditions=ANYONE), "1.80, not_above_tiers_below"),
        (fixed({"CNY": "0.50 0.20"}, conditions=ANYONE), "0.50, 0.20"),
    ):
        assert results(sale, outcome(sale, plan), plan) == expected


# earlier own sales of the month: the seller's, the sponsor's; chain; results; 1,000.00 are required, the order is 90.00
OWN_SALES = {
    "both exactly": ("910.00", "1000.00", "standard, standard", "9.00, 4.50"),
    "both by a cent too little": (
        "909.99",
        "999.99",
        "standard, standard",
        "own_sales_below_minimum, own_sales_below_minimum",
    ),
    "the order is the seller's only": ("910.00", "910.00", "standard, standard", "9.00, own_sales_below_minimum"),
    "both more": ("5000.00", "1000.01", "standard, standard", "9.00, 4.50"),
    "inactive comes first": ("0.00", "0.00", "standard, (standard)", "own_sales_below_minimum, inactive"),
    "before the last level": (
        "910.00",
        "1000.00",
        "standard, standard, standard",
        "9.00, 4.50, own_sales_below_minimum",
    ),
}


@pytest.mark.parametrize(("sellers", "sponsors", "tiers", "expected"), OWN_SALES.values(), ids=OWN_SALES)
def test_own_sales_of_the_month(sellers: str, sponsors: str, tiers: str, expected: str) -> None:
    plan = unilevel("10% 5%", conditions=Conditions(own_sales_min=money("CNY 1000.00")))
    earned = Earned(own_sales_minor={SELLER: money(f"CNY {sellers}")["CNY"], SPONSOR: money(f"CNY {sponsors}")["CNY"]})
    sale = a_sale(tiers=tiers)

    assert results(sale, outcome(sale, plan, earned=earned), plan) == expected


def test_own_sales_include_lines_that_the_plan_does_not_cover() -> None:
    plan = unilevel("10%", conditions=Conditions(own_sales_min=money("CNY 100.00"), products=(TEA,)))
    enough = a_sale(a_line("90.00"), a_line("10.00", line=2, product_id=CUP))
    too_little = a_sale(a_line("90.00"), a_line("9.99", line=2, product_id=CUP))

    assert results(enough, outcome(enough, plan), plan) == "9.00"
    assert results(too_little, outcome(too_little, plan), plan) == "own_sales_below_minimum"


def test_own_sales_are_no_condition_in_a_currency_without_a_minimum() -> None:
    plan = unilevel("10%", conditions=Conditions(own_sales_min=money("JPY 1000000")))

    sale = a_sale()

    assert results(sale, outcome(sale, plan), plan) == "9.00"


def test_compression_skips_distributors_with_too_few_own_sales() -> None:
    plan = unilevel("10% 5%", compression=True, conditions=Conditions(own_sales_min=money("CNY 50.00")))
    sale = a_sale(tiers="standard, standard, standard")
    earned = Earned(own_sales_minor={103: 5_000})

    assert results(sale, outcome(sale, plan, earned=earned), plan) == "9.00, own_sales_below_minimum, 4.50"


def test_the_difference_of_an_unqualified_tier_goes_to_the_next() -> None:
    plan = differential(conditions=Conditions(own_sales_min=money("CNY 50.00")))
    sale = a_sale(tiers="standard, gold, silver")
    earned = Earned(own_sales_minor={103: 5_000})

    assert results(sale, outcome(sale, plan, earned=earned), plan) == "1.80, own_sales_below_minimum, 1.80"


@pytest.mark.parametrize(
    ("distributor_id", "before", "expected"),
    [(LEADER, 10_000, "0.90"), (LEADER, 9_999, "own_sales_below_minimum"), (SELLER, 1_000, "0.90"),
     (SELLER, 999, "own_sales_below_minimum")],
)  # fmt: skip
def test_a_leader_must_qualify_and_the_orders_it_sells_count(distributor_id: int, before: int, expected: str) -> None:
    plan = team_bonus(own_sales=True, conditions=Conditions(own_sales_min=money("CNY 100.00")))
    sale = a_sale(leading=earner(0, distributor_id, "standard"))
    earned = Earned(own_sales_minor={distributor_id: before})

    assert results(sale, outcome(sale, plan, earned=earned), plan) == expected
