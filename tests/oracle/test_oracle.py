"""The oracle against figures calculated by hand: it checks the engine, so it must be correct itself."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from tests.oracle.oracle import Answer, Key, left_after, recalculate, rounded_with_earlier_lines
from tests.oracle.reading import read

SELLER, SPONSOR, GRAND, TOP = 11, 22, 33, 44
NOTHING_BEFORE: dict[str, dict[Any, int]] = {"own_sales": {}, "day": {}, "month": {}}


def a_line(
    net_minor: int, *, number: int = 1, product_id: int = 100, category_id: int = 7, quantity: int = 1
) -> dict[str, int]:
    return {
        "line": number,
        "product_id": product_id,
        "category_id": category_id,
        "quantity": quantity,
        "net_minor": net_minor,
    }


def an_order(
    *lines: dict[str, int],
    tiers: tuple[str, ...] = ("standard", "silver", "gold", "gold"),
    inactive: tuple[int, ...] = (),
    leader: int | None = None,
    currency: str = "USD",
) -> dict[str, Any]:
    def person(distributor_id: int, tier: str) -> dict[str, Any]:
        return {"distributor_id": distributor_id, "tier": tier, "active": distributor_id not in inactive}

    chain = [person(one, tier) for one, tier in zip((SELLER, SPONSOR, GRAND, TOP), tiers, strict=False)]
    team_leader = None if leader is None else person(leader, "gold")
    return {"currency": currency, "lines": list(lines), "chain": chain, "leader": team_leader}


def recalculated(
    plan: dict[str, Any] | list[dict[str, Any]],
    order: dict[str, Any],
    *,
    pool: str = "0.50",
    books: Any = NOTHING_BEFORE,
) -> Answer:
    plans = plan if isinstance(plan, list) else [plan]
    return recalculate(read({"pool_rate": pool, "plans": [{"name": "p", **one} for one in plans]}), order, books)


def by_level(figures: dict[Key, Any]) -> dict[int, Any]:
    """For orders of one line and one plan: the level is enough as a key."""
    return {level: figure for (_, _, level, _), figure in sorted(figures.items())}


def test_levels_are_rounded_together() -> None:
    # 10.01: 5 % = 50.05, 3 % = 30.03, 1 % = 10.01 cents; sum 90.09, so 90 cents: no cent is left over.
    answer = recalculated({"plan": "unilevel", "rates": ["0.05", "0.03", "0.01"]}, an_order(a_line(1001)))
    assert by_level(answer.entries) == {1: 50, 2: 30, 3: 10}
    assert by_level(answer.unpaid) == {4: "beyond_last_level"}
    assert answer.pools == {1: 500}


def test_the_remainder_goes_to_the_largest_fraction_then_to_the_first() -> None:
    # 0.33: 5 % = 1.65, 5 % = 1.65, 1 % = 0.33; sum 3.63, so 4 cents: 1 + 1 + 0, and both left go to fractions of 0.65.
    answer = recalculated({"plan": "unilevel", "rates": ["0.05", "0.05", "0.01"]}, an_order(a_line(33)))
    assert by_level(answer.entries) == {1: 2, 2: 2}
    assert by_level(answer.rounding) == {1: 1, 2: 1}
    assert answer.unpaid[1, "p", 3, GRAND] == "rounded_to_nothing"
    # 0.30: 1.5 + 1.5 = 3 cents; equal fractions, so the seller gets the third.
    answer = recalculated({"plan": "unilevel", "rates": ["0.05", "0.05"]}, an_order(a_line(30)))
    assert by_level(answer.entries) == {1: 2, 2: 1}


def test_half_a_cent_in_the_sum_is_rounded_up_but_never_above_the_pool() -> None:
    assert by_level(recalculated({"plan": "unilevel", "rates": ["0.05"]}, an_order(a_line(50))).entries) == {1: 3}
    # Pool: 5 % of 0.50 = 2.5, so 2 whole cents; the share is not cut, but it cannot be rounded up.
    cut = recalculated({"plan": "unilevel", "rates": ["0.05"]}, an_order(a_line(50)), pool="0.05")
    assert by_level(cut.entries) == {1: 2}
    assert by_level(cut.limited_by) == {1: ""}


def test_the_narrowest_override_wins() -> None:
    plan = {
        "plan": "unilevel",
        "rates": ["0.01"],
        "overrides": [
            {"tier": "gold", "rates": ["0.02"]},
            {"category_id": 7, "rates": ["0.03"]},
            {"category_id": 7, "tier": "gold", "rates": ["0.04"]},
            {"product_id": 100, "rates": ["0.05"]},
            {"product_id": 100, "tier": "gold", "rates": ["0.06"]},
        ],
    }
    table = [
        # product, category, tier, amount of 100.00, where the rate came from
        (100, 7, "gold", 600, "product+tier"),
        (100, 7, "silver", 500, "product"),
        (101, 7, "gold", 400, "category+tier"),
        (101, 7, "silver", 300, "category"),
        (101, 8, "gold", 200, "tier"),
        (101, 8, "silver", 100, "plan"),
    ]
    for product_id, category_id, tier, amount, basis in table:
        order = an_order(a_line(10_000, product_id=product_id, category_id=category_id), tiers=(tier,))
        answer = recalculated(plan, order)
        assert by_level(answer.entries) == {1: amount}
        assert by_level(answer.basis) == {1: f"rates of {basis}"}


def test_compression_passes_over_unqualified_uplines() -> None:
    plan = {"plan": "unilevel", "rates": ["0.05", "0.03"]}
    order = an_order(a_line(10_000), inactive=(SELLER, GRAND))
    assert by_level(recalculated(plan, order).entries) == {2: 300}
    assert by_level(recalculated(plan, order).unpaid) == {1: "inactive", 3: "inactive", 4: "beyond_last_level"}
    compressed = recalculated({**plan, "compression": True}, order)
    assert by_level(compressed.entries) == {2: 500, 4: 300}
    assert by_level(compressed.unpaid) == {1: "inactive", 3: "inactive"}


def test_own_sales_count_this_order_for_the_seller_alone() -> None:
    plan = {
        "plan": "unilevel",
        "rates": ["0.05", "0.03", "0.01"],
        "conditions": {"own_sales_min": [{"currency": "USD", "amount": "100.00"}]},
    }
    books = {**NOTHING_BEFORE, "own_sales": {SELLER: 4_000, SPONSOR: 9_999, GRAND: 10_000}}
    answer = recalculated(plan, an_order(a_line(6_000)), books=books)
    assert by_level(answer.entries) == {1: 300, 3: 60}
    assert by_level(answer.unpaid) == {2: "own_sales_below_minimum", 4: "own_sales_below_minimum"}
    assert by_level(recalculated(plan, an_order(a_line(5_999)), books=books).entries) == {3: 60}
    in_yen = recalculated(plan, an_order(a_line(6_000), currency="JPY"), books=books)
    assert by_level(in_yen.entries) == {1: 300, 2: 180, 3: 60}


def test_a_differential_pays_the_difference_to_the_tiers_below() -> None:
    plan = {"plan": "differential", "rates": {"silver": "0.02", "gold": "0.05"}, "peer_rate": "0.01"}
    # standard has no rate; silver gets 2 %; gold 5 - 2 = 3 %; the second gold the peer rate of 1 %.
    answer = recalculated(plan, an_order(a_line(10_000)))
    assert by_level(answer.entries) == {2: 200, 3: 300, 4: 100}
    assert by_level(answer.unpaid) == {1: "tier_without_rate"}
    # gold gets 5 %, its peer 1 %; the third gold gets no peer bonus, and silver is not above them.
    answer = recalculated(plan, an_order(a_line(10_000), tiers=("gold", "gold", "silver", "gold")))
    assert by_level(answer.entries) == {1: 500, 2: 100}
    assert by_level(answer.unpaid) == {3: "not_above_tiers_below", 4: "not_above_tiers_below"}
    # The inactive silver leaves the gold above the whole 5 %; the last is beyond the plan's levels.
    answer = recalculated({**plan, "levels_max": 3}, an_order(a_line(10_000), inactive=(SPONSOR,)))
    assert by_level(answer.entries) == {3: 500}
    assert by_level(answer.unpaid) == {1: "tier_without_rate", 2: "inactive", 4: "beyond_last_level"}
    # Qualification is checked before the plan's levels, as in a unilevel plan.
    answer = recalculated({**plan, "levels_max": 3}, an_order(a_line(10_000), inactive=(TOP,)))
    assert by_level(answer.unpaid) == {1: "tier_without_rate", 4: "inactive"}


@pytest.mark.parametrize(
    ("leader", "own_sales", "inactive", "paid", "reason"),
    [
        (None, False, (), {}, {0: "no_team"}),
        (77, False, (), {0: 200}, {}),
        (77, False, (77,), {}, {0: "inactive"}),
        (SELLER, False, (), {}, {0: "own_sale"}),
        (SELLER, True, (), {0: 200}, {}),
        (SPONSOR, False, (), {0: 200}, {}),
    ],
)
def test_a_team_bonus(leader: int | None, own_sales: bool, inactive: tuple[int, ...], paid: Any, reason: Any) -> None:
    plan = {"plan": "team_bonus", "rate": "0.02", "own_sales": own_sales}
    answer = recalculated(plan, an_order(a_line(10_000), leader=leader, inactive=inactive))
    assert by_level(answer.entries) == paid
    assert by_level(answer.unpaid) == reason


def test_fixed_amounts_are_paid_per_unit() -> None:
    plan = {"plan": "fixed", "amounts": [{"currency": "KWD", "levels": ["0.125", "0", "0.010"]}]}
    answer = recalculated(plan, an_order(a_line(5_000, quantity=3), currency="KWD"))
    assert by_level(answer.entries) == {1: 375, 3: 30}
    assert by_level(answer.unpaid) == {2: "no_rate_at_level", 4: "beyond_last_level"}
    in_dollars = recalculated(plan, an_order(a_line(5_000, quantity=3)))
    assert set(by_level(in_dollars.unpaid).values()) == {"no_amount_in_currency"}


def test_an_uncovered_line_pays_no_one() -> None:
    plan = {"plan": "unilevel", "rates": ["0.05"], "conditions": {"categories": [8], "products": [100]}}
    lines = (
        a_line(1_000),
        a_line(1_000, number=2, product_id=101),
        a_line(1_000, number=3, product_id=102, category_id=8),
    )
    answer = recalculated(plan, an_order(*lines, tiers=("gold",), inactive=(SPONSOR,)))
    assert answer.entries == {(1, "p", 1, SELLER): 50, (3, "p", 1, SELLER): 50}
    assert answer.unpaid == {(2, "p", 1, SELLER): "not_covered"}


@pytest.mark.parametrize(
    ("per", "books", "first", "second", "reason"),
    [
        # 5 % of 10.00 and of 20.00 are 50 and 100 cents; the cap is 60 cents.
        ("entry", {}, 50, 60, None),
        ("order", {}, 50, 10, None),
        ("day", {"day": {("p", SELLER): 5}}, 50, 5, None),
        ("month", {"month": {("p", SELLER): 10}}, 50, None, "cap_reached"),
        ("month", {"month": {("p", SELLER): 70}}, None, None, "cap_reached"),
        ("day", {"day": {("p", SPONSOR): 60}, "month": {("p", SELLER): 60}}, 50, 10, None),
    ],
)
def test_caps(per: str, books: Any, first: int | None, second: int | None, reason: str | None) -> None:
    plan = {"plan": "unilevel", "rates": ["0.05"], "caps": [{"per": per, "currency": "USD", "amount": "0.60"}]}
    lines = (a_line(1_000), a_line(2_000, number=2))
    answer = recalculated(plan, an_order(*lines, tiers=("gold",)), books={**NOTHING_BEFORE, **books})
    assert (answer.entries.get((1, "p", 1, SELLER)), answer.entries.get((2, "p", 1, SELLER))) == (first, second)
    assert answer.unpaid.get((2, "p", 1, SELLER)) == reason
    if second:
        assert answer.limited_by[2, "p", 1, SELLER] == per


def test_the_tightest_limit_is_named_and_the_first_of_equal_ones() -> None:
    caps = [{"per": per, "currency": "USD", "amount": amount} for per, amount in (("month", "0.20"), ("order", "0.20"))]
    caps.append({"per": "entry", "currency": "USD", "amount": "0.30"})
    plan = {"plan": "unilevel", "rates": ["0.05"], "caps": caps}
    assert by_level(recalculated(plan, an_order(a_line(1_000), tiers=("gold",))).limited_by) == {1: "order"}
    assert by_level(recalculated(plan, an_order(a_line(1_000), tiers=("gold",)), pool="0.01").limited_by) == {1: "pool"}


def test_the_minimum_applies_to_the_exact_share() -> None:
    plan = {"plan": "unilevel", "rates": ["0.05", "0.0499"], "minimum": [{"currency": "USD", "amount": "0.50"}]}
    answer = recalculated(plan, an_order(a_line(1_000), tiers=("gold", "gold")))
    assert by_level(answer.entries) == {1: 50}
    assert by_level(answer.unpaid) == {2: "below_minimum"}


def test_the_minimum_applies_after_caps_and_pool() -> None:
    plan = {
        "plan": "unilevel",
        "rates": ["0.05", "0.04", "0.02"],
        "minimum": [{"currency": "USD", "amount": "0.50"}],
        "caps": [{"per": "order", "currency": "USD", "amount": "0.60"}],
    }
    # 50 cents of the first line leave 10 of the seller's cap: too little, so they are not paid.
    order = an_order(a_line(1_000), a_line(1_000, number=2), a_line(100, number=3), tiers=("gold",))
    answer = recalculated(plan, order)
    assert answer.entries == {(1, "p", 1, SELLER): 50}
    assert answer.unpaid == {(2, "p", 1, SELLER): "below_minimum", (3, "p", 1, SELLER): "below_minimum"}
    # Of a pool of 100, 60 (cut by the cap) go to the seller; the 40 left are too little for the sponsor's 80.
    answer = recalculated(plan, an_order(a_line(2_000), tiers=("gold", "gold", "gold")), pool="0.05")
    assert by_level(answer.entries) == {1: 60}
    assert by_level(answer.unpaid) == {2: "below_minimum", 3: "below_minimum"}
    assert answer.cut_below_minimum == {(1, "p", 2, SPONSOR)}


def test_a_differential_depends_on_what_was_paid_below() -> None:
    plan = {"plan": "differential", "rates": {"standard": "0.01", "silver": "0.02", "gold": "0.05"}}
    minimum = [{"currency": "USD", "amount": "1.50"}]
    # 100.00: 1 % is below the minimum, so silver has its whole 2 %, and gold 5 - 2 = 3 %.
    answer = recalculated({**plan, "minimum": minimum}, an_order(a_line(10_000), tiers=("standard", "silver", "gold")))
    assert by_level(answer.entries) == {2: 200, 3: 300}
    assert by_level(answer.unpaid) == {1: "below_minimum"}
    # Silver is at its cap of the day and gets nothing, gold is above standard: 5 - 1 = 4 %, cut to 3.00.
    capped = {**plan, "caps": [{"per": "day", "currency": "USD", "amount": "3.00"}]}
    order = an_order(a_line(10_000), tiers=("standard", "silver", "gold"))
    answer = recalculated(capped, order, books={**NOTHING_BEFORE, "day": {("p", SPONSOR): 300}})
    assert by_level(answer.entries) == {1: 100, 3: 300}
    assert by_level(answer.exact) == {1: 100, 3: 400}
    assert by_level(answer.unpaid) == {2: "cap_reached"}
    # An unpaid peer leaves the peer rate to the next one.
    peers = {**capped, "peer_rate": "0.01"}
    order = an_order(a_line(10_000), tiers=("silver", "silver", "silver"))
    answer = recalculated(peers, order, books={**NOTHING_BEFORE, "day": {("p", SPONSOR): 300}})
    assert by_level(answer.entries) == {1: 200, 3: 100}
    # A share rounded to nothing counts as paid: 0.40 at 1 % is 0.4 cents, and gold has 5 - 1 = 4 %, 1.6 cents.
    answer = recalculated(plan, an_order(a_line(40), tiers=("standard", "gold")))
    assert by_level(answer.entries) == {2: 2}
    assert by_level(answer.exact) == {2: Fraction("1.6")}
    assert by_level(answer.unpaid) == {1: "rounded_to_nothing"}


def test_plans_draw_on_the_pool_in_their_order() -> None:
    first = {"plan": "fixed", "amounts": [{"currency": "USD", "levels": ["0.70", "0.20"]}]}
    second = {"plan": "unilevel", "name": "q", "rates": ["0.0333", "0.05"]}
    # Pool 100 cents: 70 + 20, then 10 of 33.3; nothing is left for the sponsor's 50.
    answer = recalculated([first, second], an_order(a_line(1_000), tiers=("gold", "gold")), pool="0.10")
    assert answer.entries == {(1, "p", 1, SELLER): 70, (1, "p", 2, SPONSOR): 20, (1, "q", 1, SELLER): 10}
    assert answer.unpaid == {(1, "q", 2, SPONSOR): "pool_exhausted"}
    assert answer.limited_by[1, "q", 1, SELLER] == "pool"
    assert answer.exact[1, "q", 1, SELLER] == Fraction("33.3")


def test_a_line_that_cost_nothing_rounds_to_nothing() -> None:
    answer = recalculated({"plan": "unilevel", "rates": ["0.05"]}, an_order(a_line(0), tiers=("gold",)))
    assert by_level(answer.unpaid) == {1: "rounded_to_nothing"}


def test_refunds_take_back_in_proportion_and_the_last_takes_the_rest() -> None:
    rules = read(
        {
            "pool_rate": "0.5",
            "plans": [
                {"plan": "unilevel", "name": "levels", "rates": ["0.05"]},
                {"plan": "fixed", "name": "units", "amounts": []},
            ],
        }
    )
    line = a_line(1_000, quantity=3)
    entries = {(1, "levels", 1, SELLER): 50, (1, "levels", 2, SPONSOR): 31, (1, "units", 1, SELLER): 20}

    def left(pool: int, *back: int) -> list[int]:
        answer = Answer(pools={1: pool}, entries=entries)
        return list(left_after(rules, answer, [line], {1: (back[0], back[1])}).values())

    # Half of the money leaves 25 and 15.5, one unit of three 13 1/3: 53 5/6 are 54, the unit to the half.
    assert left(500, 500, 1) == [25, 16, 13]
    # A pool of 102 leaves 51: 25, 15.5 and the rest, 10.5; all 51 are paid.
    assert left(102, 500, 1) == [25, 16, 10]
    # Nine tenths of the money, no unit: 5, 3.1, and 2.1 of 20 instead of all; the pool has 10.2, so 10.
    assert left(102, 900, 0) == [5, 3, 2]
    # All of the money but not all units, or none: the line is refunded in full, the amount for each unit included.
    assert left(500, 1_000, 2) == left(500, 1_000, 0) == left(500, 1_000, 3) == [0, 0, 0]
    assert left(500, 0, 0) == [50, 31, 20]


def test_what_refunds_round_off_counts_on_the_next_line() -> None:
    rules = read({"pool_rate": "0.5", "plans": [{"plan": "unilevel", "name": "levels", "rates": ["0.1", "0.1"]}]})
    lines = [{**a_line(100), "line": number} for number in (1, 2, 3)]
    entries = {(number, "levels", level, level): 5 for number in (1, 2, 3) for level in (1, 2)}
    answer = Answer(pools=dict.fromkeys((1, 2, 3), 50), entries=entries)
    # 2.5 and 2.5 on the first and the third; nothing came back of the second.
    back = {1: (50, 0), 3: (50, 0)}
    assert list(left_after(rules, answer, lines, back).values()) == [3, 2, 5, 5, 2, 3]


def test_a_gift_is_taken_back_by_its_units() -> None:
    rules = read({"pool_rate": "0.5", "plans": [{"plan": "fixed", "name": "units", "amounts": []}]})
    answer = Answer(pools={1: 9}, entries={(1, "units", 1, SELLER): 9})
    assert left_after(rules, answer, [a_line(0, quantity=3)], {1: (0, 1)}) == {(1, "units", 1, SELLER): 6}


def test_what_rounding_kept_back_counts_on_the_next_line() -> None:
    shares = {(1, "p", level, level): Fraction(5, 2) for level in (1, 2, 3)}
    kept_back: dict[tuple[str, int], Fraction] = {}
    assert list(rounded_with_earlier_lines(shares, 7, kept_back).values()) == [3, 2, 2]
    assert list(kept_back.values()) == [Fraction(-1, 2), Fraction(1, 2), Fraction(1, 2)]
    # 0 + 1 + 1: two units, to those whose last unit was kept back.
    assert list(rounded_with_earlier_lines(shares, 8, kept_back).values()) == [2, 3, 3]
    assert not any(kept_back.values())
    # Without a fraction there is no unit to get.
    kept_back = dict.fromkeys(kept_back, Fraction(9, 10))
    assert list(rounded_with_earlier_lines(dict.fromkeys(shares, Fraction(2)), 9, kept_back).values()) == [2, 2, 2]
    # More than two units are due, but the third has had one in advance.
    kept_back["p", 3] = Fraction(-3, 4)
    kept_back["p", 2] = kept_back["p", 1] = Fraction(5, 2)
    assert list(rounded_with_earlier_lines(shares, 9, kept_back).values()) == [3, 3, 2]
