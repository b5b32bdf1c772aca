"""Limits of what rules may promise: the smallest rate, the number of kinds of lines, and the named line."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from api.http.requests import DRAFT_BYTES_MAX
from api.rules.routes import Draft
from contracts.money import MoneyError, to_rate_ppm
from contracts.plans.compliance import breaches
from contracts.rules.document import RuleDocument
from contracts.rules.promise import KINDS_OF_LINES_MAX, RATE_LISTS_MAX, Promise, TooManyKinds, highest_promise
from contracts.rules.view import Conditions, Differential, Market, Override, Plan, TeamBonus, Terms, Unilevel

TEA, CUP = 5, 6
TEAS = 7

UP_TO_TWO_LEVELS = Unilevel("levels", (10, 20))
ONLY_TEA = Conditions(products=(TEA,))
ONLY_TEAS = Conditions(categories=(TEAS,))


def test_a_rate_that_is_too_fine_is_named() -> None:
    with pytest.raises(MoneyError, match=r"^rate 0\.1234567 is finer than one part per million$"):
        to_rate_ppm(Decimal("0.1234567"))


def test_the_smallest_rate_for_a_leader_is_a_payment() -> None:
    market = Market("cn", downline_pay=False, team_pay=False)
    terms = Terms("T", "cn", 300_000, (TeamBonus("teams", 1),))

    assert [breach.limit for breach in breaches(terms, market)] == ["downline_pay", "team_pay"]


@pytest.mark.parametrize(
    ("plans", "rate_ppm", "product_id", "category_id", "by_plan"),
    [
        # All lines have the same pay: none is named.
        ([UP_TO_TWO_LEVELS, TeamBonus("team", 7)], 37, None, None, {"levels": 30, "team": 7}),
        # Only tea is covered, or only teas.
        ([Unilevel("levels", (10,), conditions=ONLY_TEA)], 10, TEA, None, {"levels": 10}),
        ([Unilevel("levels", (10,), conditions=ONLY_TEAS)], 10, None, TEAS, {"levels": 10}),
        # An uncovered product is promised nothing.
        (
            [
                Unilevel("tea", (10,), conditions=ONLY_TEA),
                Unilevel("cup", (20,), conditions=Conditions(products=(CUP,))),
            ],
            20,
            CUP,
            None,
            {"tea": 0, "cup": 20},
        ),
        # One plan pays for the product, the other for the category: a tea of the teas gets 10 + 20.
        (
            [Unilevel("tea", (10,), conditions=ONLY_TEA), Unilevel("teas", (20,), conditions=ONLY_TEAS)],
            30,
            TEA,
            TEAS,
            {"tea": 10, "teas": 20},
        ),
        # The rate of a product that is covered only within its category.
        (
            [Unilevel("levels", (10,), (Override((50,), product_id=TEA),), conditions=ONLY_TEAS)],
            50,
            TEA,
            TEAS,
            {"levels": 50},
        ),
        # Gold has 50 at level 1 and none has less than 20 at level 2: 50 + 20.
        ([Unilevel("levels", (10, 20), (Override((50,), tier="gold"),))], 70, None, None, {"levels": 70}),
        # A level that no list pays is no promise.
        ([Unilevel("levels", (10, 0), (Override((50,), tier="gold"),))], 50, None, None, {"levels": 50}),
    ],
)
def test_the_line_with_the_highest_promise_is_named(
    plans: list[Plan], rate_ppm: int, product_id: int | None, category_id: int | None, by_plan: dict[str, int]
) -> None:
    assert highest_promise(plans) == Promise(rate_ppm, product_id, category_id, by_plan)


@pytest.mark.parametrize(("levels_max", "most"), [(1, 50), (2, 60), (3, 60), (4, 70), (5, 70)])
def test_every_second_level_may_be_a_peer(levels_max: int, most: int) -> None:
    assert highest_promise([Differential("d", {"silver": 30, "gold": 50}, 10, levels_max)]).rate_ppm == most


def by_category(count: int) -> Unilevel:
    """This number of categories with different rates; lines of other categories are one more kind."""
    return Unilevel("levels", (0,), tuple(Override((number,), category_id=number) for number in range(1, count + 1)))


def test_the_largest_number_of_kinds_of_lines_is_allowed() -> None:
    assert highest_promise([by_category(KINDS_OF_LINES_MAX - 1)]).rate_ppm == KINDS_OF_LINES_MAX - 1


def test_too_many_kinds_of_lines_are_an_error() -> None:
    error = r"^more than 20000 kinds of lines are paid differently; use fewer overrides by product or by category$"

    with pytest.raises(TooManyKinds, match=error):
        highest_promise([by_category(KINDS_OF_LINES_MAX)])


def test_products_with_their_own_rates_are_counted_once() -> None:
    products = tuple(Override((number,), product_id=number) for number in range(1, 201))
    plan = by_category(200)

    assert highest_promise([Unilevel("levels", (0,), plan.overrides + products)]).rate_ppm == 200


def test_too_many_tiers_for_the_kinds_of_lines_are_an_error() -> None:
    part = 1_000
    kinds = KINDS_OF_LINES_MAX // part
    lists_each = RATE_LISTS_MAX // part // kinds

    def with_tiers(count: int) -> Unilevel:
        plan = by_category(kinds - 1)
        return Unilevel("levels", (0,), plan.overrides + tuple(Override((1,), tier=f"t{n}") for n in range(count)))

    # Every tier, and the rates without one.
    assert highest_promise([with_tiers(lists_each - 1)], part=part).rate_ppm == kinds - 1
    with pytest.raises(TooManyKinds, match=r"^20 kinds of lines are paid differently, by too many tiers; use fewer"):
        highest_promise([with_tiers(lists_each)], part=part)


def products_by_categories(count: int, plans: int) -> dict[str, Any]:
    """A draft in which each of `count` products is paid differently in each of `count` categories."""
    products = [{"product_id": n, "tier": "a", "rates": [f"0.0{100 + n}"]} for n in range(1, count + 1)]
    categories = [{"category_id": n, "rates": [f"0.0{100 + n}"]} for n in range(1, count + 1)]
    first = {"plan": "unilevel", "name": "p", "rates": ["0.01"], "overrides": products + categories}
    others = [
        {"plan": "unilevel", "name": f"p{n}", "rates": ["0"], "overrides": [{"product_id": n, "rates": ["0"]}]}
        for n in range(1, plans)
    ]
    return {"rules": {"title": "T", "pool_rate": "1", "plans": [first, *others]}}


@pytest.mark.parametrize("count", [30, 140])
@pytest.mark.parametrize("plans", [1, 20])
def test_no_draft_of_its_size_takes_long(count: int, plans: int) -> None:
    """What is compared grows with the product of products, categories and plans; 14 KB of it took seconds."""
    draft = products_by_categories(count, plans)
    assert len(json.dumps(draft)) < DRAFT_BYTES_MAX

    def took_s() -> float:
        begun = time.thread_time()
        with suppress(ValidationError):
            Draft.model_validate(draft)
        return time.thread_time() - begun

    assert min(took_s() for _ in range(3)) < 0.1


def test_a_draft_has_fewer_kinds_of_lines_than_a_proposal() -> None:
    rules = products_by_categories(32, 1)["rules"]
    assert RuleDocument.model_validate(rules).plans[0].name == "p"
    with pytest.raises(ValidationError, match="more than 1000 kinds of lines are paid differently"):
        Draft.model_validate({"rules": rules})
