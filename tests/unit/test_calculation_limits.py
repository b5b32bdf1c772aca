"""Minimum, caps and pool: worked examples at, just below and just above each limit, calculated on paper."""

from __future__ import annotations

import pytest

from contracts.commissions.view import Earned
from contracts.plans.calculation import Sale
from contracts.rules.view import Caps, Plan
from tests.unit.sales import (
    SELLER,
    SPONSOR,
    a_line,
    a_sale,
    caps,
    differential,
    leader,
    minor,
    money,
    outcome,
    rate,
    results,
    team_bonus,
    unilevel,
)


def results_by_line(sale: Sale, *plans: Plan, pool: str = "100%", earned: Earned | None = None) -> str:
    """The results of the first plan on each line."""
    calculated = outcome(sale, *plans, pool=pool, earned=earned or Earned())
    return " / ".join(results(sale, calculated, plans[0], line.line) for line in sale.lines)


# 10 % of each line goes to the seller, before the cap.
# cap, amount, nets of the lines, results
CAPS = {
    "entry: a cent more than the share": ("entry", "9.01", "90.00", "9.00"),
    "entry: exactly the share": ("entry", "9.00", "90.00", "9.00"),
    "entry: a cent less than the share": ("entry", "8.99", "90.00", "8.99 (entry)"),
    "entry: nothing at all": ("entry", "0.00", "90.00", "cap_reached"),
    "entry: each line by itself": ("entry", "5.00", "90.00 90.00", "5.00 (entry) / 5.00 (entry)"),
    # 8.995 is cut to 8.99; it would have been rounded to 9.00.
    "entry: the exact share counts, not the rounded": ("entry", "8.99", "89.95", "8.99 (entry)"),
    "order: more than both lines": ("order", "18.01", "90.00 90.00", "9.00 / 9.00"),
    "order: exactly both lines": ("order", "18.00", "90.00 90.00", "9.00 / 9.00"),
    "order: a cent less than both": ("order", "17.99", "90.00 90.00", "9.00 / 8.99 (order)"),
    "order: exactly the first line": ("order", "9.00", "90.00 90.00 10.00", "9.00 / cap_reached / cap_reached"),
    "order: a cent for the second": ("order", "9.01", "90.00 90.00 10.00", "9.00 / 0.01 (order) / cap_reached"),
    "order: room for a small third": ("order", "19.00", "90.00 90.00 10.00", "9.00 / 9.00 / 1.00"),
    # 5.5 is rounded to 6, so 5 of 11 are left for the second 5.5.
    "order: a rounded share uses up the cap": ("order", "0.11", "0.55 0.55", "0.06 / 0.05 (order)"),
    "order: a share of nothing is not capped": ("order", "9.00", "90.00 0.00", "9.00 / rounded_to_nothing"),
    "day: the order itself counts": ("day", "17.99", "90.00 90.00", "9.00 / 8.99 (day)"),
    "month: the order itself counts": ("month", "17.99", "90.00 90.00", "9.00 / 8.99 (month)"),
}


@pytest.mark.parametrize(("limit", "amount", "nets", "expected"), CAPS.values(), ids=CAPS)
def test_caps(limit: str, amount: str, nets: str, expected: str) -> None:
    sale = a_sale(*(a_line(net, line=number) for number, net in enumerate(nets.split(), start=1)))

    assert results_by_line(sale, unilevel("10%", caps=caps(**{limit: f"CNY {amount}"}))) == expected


# what the seller had earned from the plan, the cap, the results; the shares are 9.00 and 1.00
EARNED_BEFORE = {
    "exactly enough is left": ("5.00", "15.00", "9.00 / 1.00"),
    "a cent too little is left": ("5.01", "15.00", "9.00 / 0.99 ({})"),
    "some of the first line is left": ("10.00", "15.00", "5.00 ({}) / cap_reached"),
    "a cent is left": ("14.99", "15.00", "0.01 ({}) / cap_reached"),
    "nothing is left": ("15.00", "15.00", "cap_reached / cap_reached"),
    "an older rule set had allowed more": ("20.00", "15.00", "cap_reached / cap_reached"),
}


@pytest.mark.parametrize("limit", ["day", "month"])
@pytest.mark.parametrize(("before", "cap", "expected"), EARNED_BEFORE.values(), ids=EARNED_BEFORE)
def test_caps_of_a_day_and_a_month_count_what_was_earned_before(
    limit: str, before: str, cap: str, expected: str
) -> None:
    sale = a_sale(a_line("90.00"), a_line("10.00", line=2))
    earned = Earned(**{f"{limit}_minor": {"levels": {SELLER: minor(before)}}})  # type: ignore[arg-type]
    plan = unilevel("10%", caps=caps(**{limit: f"CNY {cap}"}))

    assert results_by_line(sale, plan, earned=earned) == expected.format(limit)


@pytest.mark.parametrize(
    "earned",
    [
        Earned(day_minor={"levels": {SPONSOR: 1_000}}),
        Earned(day_minor={"other": {SELLER: 1_000}}),
        Earned(month_minor={"levels": {SELLER: 1_000}}),
        Earned(own_sales_minor={SELLER: 1_000}),
    ],
    ids=["another distributor", "another plan", "another limit", "sales"],
)
def test_a_cap_counts_only_its_distributor_plan_and_period(earned: Earned) -> None:
    assert results_by_line(a_sale(), unilevel("10%", caps=caps(day="CNY 9.00")), earned=earned) == "9.00"
    monthly = Earned(day_minor=earned.month_minor, month_minor=earned.day_minor)
    assert results_by_line(a_sale(), unilevel("10%", caps=caps(month="CNY 9.00")), earned=monthly) == "9.00"


def test_earlier_earnings_do_not_count_towards_entry_and_order_caps() -> None:
    earned = Earned(day_minor={"levels": {SELLER: 10_000}}, month_minor={"levels": {SELLER: 10_000}})

    assert (
        results_by_line(a_sale(), unilevel("10%", caps=caps(entry="CNY 9.00", order="CNY 9.00")), earned=earned)
        == "9.00"
    )


def test_a_cap_applies_to_each_distributor_and_plan_separately() -> None:
    sale = a_sale(a_line(), a_line(line=2), tiers="standard, standard")
    first = unilevel("10% 10%", caps=caps(order="CNY 15.00"))
    second = unilevel("5%", name="more", caps=caps(order="CNY 5.00"))
    calculated = outcome(sale, first, second, pool="100%")

    assert results(sale, calculated, first, 1) == "9.00, 9.00"
    assert results(sale, calculated, first, 2) == "6.00 (order), 6.00 (order)"
    assert results(sale, calculated, second, 1) == "4.50, beyond_last_level"
    assert results(sale, calculated, second, 2) == "0.50 (order), beyond_last_level"


def test_a_leader_in_the_upline_is_capped_by_each_plan_separately() -> None:
    sale = a_sale(tiers="standard, standard", leading=leader(distributor_id=SPONSOR))
    bonus = team_bonus("10%", caps=caps(order="CNY 8.00"))

    calculated = outcome(sale, unilevel("10% 10%", caps=caps(order="CNY 7.00")), bonus)

    assert [(entry.plan, entry.distributor_id, entry.amount_minor) for entry in calculated.entries] == [
        ("levels", SELLER, 700),
        ("levels", SPONSOR, 700),
        ("team", SPONSOR, 400),
    ]


def test_a_cap_in_another_currency_does_not_apply() -> None:
    plan = unilevel("10%", caps=caps("JPY 1", "JPY 1", "JPY 1", "JPY 1"), minimum=money("JPY 100000"))

    assert results_by_line(a_sale(), plan) == "9.00"


# caps, pool, which of the limits is named; the share is 9.00
WHICH_LIMIT = {
    "entry before order": (caps(entry="CNY 5.00", order="CNY 5.00"), "100%", "5.00 (entry)"),
    "order before day": (caps(order="CNY 5.00", day="CNY 5.00"), "100%", "5.00 (order)"),
    "day before month": (caps(day="CNY 5.00", month="CNY 5.00"), "100%", "5.00 (day)"),
    "the smaller, if later": (caps(entry="CNY 5.00", month="CNY 4.99"), "100%", "4.99 (month)"),
    "the smaller, if earlier": (caps(order="CNY 4.99", day="CNY 5.00"), "100%", "4.99 (order)"),
    "each smaller than the one before": (
        caps("CNY 8.00", "CNY 7.00", "CNY 6.00", "CNY 5.00"),
        "100%",
        "5.00 (month)",
    ),
    "a cap before an equal pool": (caps(entry="CNY 4.50"), "5%", "4.50 (entry)"),
    "the smaller pool": (caps(entry="CNY 4.51"), "5%", "4.50 (pool)"),
    "the smaller cap": (caps(entry="CNY 4.49"), "5%", "4.49 (entry)"),
    "a cap of nothing before a pool of nothing": (caps(order="CNY 0"), "0%", "cap_reached"),
    "a pool of nothing": (caps(order="CNY 0.01"), "0%", "pool_exhausted"),
}


@pytest.mark.parametrize(("limits", "pool", "expected"), WHICH_LIMIT.values(), ids=WHICH_LIMIT)
def test_the_tightest_limit_is_named_or_the_first_of_equals(limits: Caps, pool: str, expected: str) -> None:
    assert results_by_line(a_sale(), unilevel("10%", caps=limits), pool=pool) == expected


# minimum, rate of 90.00, result
MINIMUM = {
    "a cent more than the share": ("9.01", "10%", "below_minimum"),
    "exactly the share": ("9.00", "10%", "9.00"),
    "a cent less than the share": ("8.99", "10%", "9.00"),
    # 10.0001 % of 90.00 is 9.00009.
    "the exact share counts, not the rounded": ("9.01", "10.0001%", "below_minimum"),
    "none": ("0.00", "10%", "9.00"),
}


@pytest.mark.parametrize(("minimum", "percent", "expected"), MINIMUM.values(), ids=MINIMUM)
def test_minimum(minimum: str, percent: str, expected: str) -> None:
    assert results_by_line(a_sale(), unilevel(percent, minimum=money(f"CNY {minimum}"))) == expected


def test_a_share_just_below_the_minimum_is_not_rounded_up_to_it() -> None:
    # 10 % of 8.99 is 89.9 cents.
    assert results_by_line(a_sale(a_line("8.99")), unilevel("10%", minimum=money("CNY 0.90"))) == "below_minimum"


# cap of an entry, pool rate, result; the share is 9.00 and the minimum 5.00
MINIMUM_AND_LIMITS = {
    "the cap leaves the minimum": ("5.00", "100%", "5.00 (entry)"),
    "the cap leaves a cent less": ("4.99", "100%", "below_minimum"),
    "the cap leaves nothing": ("0.00", "100%", "cap_reached"),
    # 5.5556 % of 90.00 is 5.00004, in whole cents 5.00.
    "the pool leaves the minimum": ("9.00", "5.5556%", "5.00 (pool)"),
    "the pool leaves a cent less": ("9.00", "5.55%", "below_minimum"),
    "the pool leaves nothing": ("9.00", "0%", "pool_exhausted"),
}


@pytest.mark.parametrize(("cap", "pool", "expected"), MINIMUM_AND_LIMITS.values(), ids=MINIMUM_AND_LIMITS)
def test_the_minimum_applies_after_caps_and_pool(cap: str, pool: str, expected: str) -> None:
    plan = unilevel("10%", minimum=money("CNY 5.00"), caps=caps(entry=f"CNY {cap}"))

    assert results_by_line(a_sale(), plan, pool=pool) == expected


def test_a_share_below_the_minimum_uses_neither_cap_nor_pool() -> None:
    # The first line takes 9.00 of the cap of 9.49; the 0.49 left is below the minimum. A cap of 9.50 leaves enough.
    nets = ("90.00", "90.00", "5.00")
    sale = a_sale(*(a_line(net, line=number) for number, net in enumerate(nets, start=1)))
    plan = unilevel("10%", minimum=money("CNY 0.50"), caps=caps(order="CNY 9.49"))
    assert results_by_line(sale, plan) == "9.00 / below_minimum / below_minimum"
    assert results_by_line(sale, unilevel("10%", minimum=money("CNY 0.50"), caps=caps(order="CNY 9.50"))) == (
        "9.00 / 0.50 (order) / cap_reached"
    )

    # Of a pool of 12.60, 3.60 are left for the sponsor, below the minimum of 4.00; the next plan gets them.
    chain = a_sale(tiers="standard, standard")
    first, second = unilevel("10% 5%", minimum=money("CNY 4.00")), unilevel("5%", name="more")
    calculated = outcome(chain, first, second, pool="14%")
    assert results(chain, calculated, first) == "9.00, below_minimum"
    assert results(chain, calculated, second) == "3.60 (pool), beyond_last_level"


def test_uplines_above_one_below_the_minimum_are_still_paid() -> None:
    sale = a_sale(tiers="standard, standard, standard")

    assert results_by_line(sale, unilevel("10% 1% 5%", minimum=money("CNY 4.50"))) == "9.00, below_minimum, 4.50"
    assert results_by_line(sale, unilevel("10% 1% 5%", minimum=money("CNY 3.60")), pool="14%") == (
        "9.00, below_minimum, 3.60 (pool)"
    )


# chain, peer rate, the plan's limits, what 102 had that day, pool, results; standard 2 %, silver 4 %, gold 6 % of 90.00
PAID_BELOW = {
    "no cut": ("standard, silver, gold", "0%", {}, "0.00", "100%", "1.80, 1.80, 1.80"),
    "below the minimum": ("standard, silver, gold", "0%", {"minimum": "3.00"}, "0.00", "100%",
                          "below_minimum, 3.60, below_minimum"),
    "at the cap": ("standard, silver, gold", "0%", {"day": "9.00"}, "9.00", "100%", "1.80, cap_reached, 3.60"),
    "cut, and still paid": ("standard, silver, gold", "0%", {"day": "9.00"}, "8.99", "100%", "1.80, 0.01 (day), 1.80"),
    "cut to less than the minimum": ("standard, silver, gold", "0%", {"day": "9.00", "minimum": "1.00"}, "8.50", "100%",
                                     "1.80, below_minimum, 3.60"),
    "an equal takes the place": ("standard, silver, silver", "1%", {"day": "9.00"}, "9.00", "100%",
                                 "1.80, cap_reached, 1.80"),
    "and the next one is its peer": ("standard, silver, silver, silver", "1%", {"day": "9.00"}, "9.00", "100%",
                                     "1.80, cap_reached, 1.80, 0.90"),
    "a peer at the cap": ("silver, silver, silver, silver", "1%", {"day": "9.00"}, "9.00", "100%",
                          "3.60, cap_reached, 0.90, not_above_tiers_below"),
    "a lower tier is paid": ("(gold), gold, silver", "0%", {"day": "9.00"}, "9.00", "100%",
                                       "inactive, cap_reached, 3.60"),
    "the pool is empty": ("silver, gold, gold", "1%", {}, "0.00", "4%", "3.60, pool_exhausted, pool_exhausted"),
    "the pool is empty, equal tiers get nothing": ("silver, silver, gold", "0%", {}, "0.00", "4%",
                                                  "3.60, not_above_tiers_below, pool_exhausted"),
}  # fmt: skip


@pytest.mark.parametrize(("tiers", "peer", "limits", "before", "pool", "expected"), PAID_BELOW.values(), ids=PAID_BELOW)
def test_a_differential_pays_the_rate_above_what_was_paid_below(
    tiers: str, peer: str, limits: dict[str, str], before: str, pool: str, expected: str
) -> None:
    plan = differential(
        peer=peer,
        minimum=money(f"CNY {limits.get('minimum', '0.00')}"),
        caps=caps(day=f"CNY {limits.get('day', '99.00')}"),
    )
    earned = Earned(day_minor={"tiers": {SPONSOR: minor(before)}})

    assert results_by_line(a_sale(tiers=tiers), plan, pool=pool, earned=earned) == expected


def test_what_was_paid_below_is_separate_for_each_line() -> None:
    # Silver's cap of 2.00 is used up by the first line, so gold has 6 - 2 = 4 % of the second.
    lines = (a_line(line=1), a_line("10.00", line=2), a_line(line=3))
    sale = a_sale(*lines, tiers="standard, silver, gold")
    earned = Earned(day_minor={"tiers": {SPONSOR: minor("7.00")}})

    calculated = outcome(sale, differential(caps=caps(day="CNY 9.00")), pool="100%", earned=earned)

    assert results_by_line(sale, differential(caps=caps(day="CNY 9.00")), earned=earned) == (
        "1.80, 1.80, 1.80 / 0.20, 0.20, 0.20 / 1.80, cap_reached, 3.60"
    )
    assert [(unpaid.reason, unpaid.lines) for unpaid in calculated.unpaid] == [("cap_reached", (3,))]


def test_a_share_rounded_to_nothing_counts_as_paid() -> None:
    # 2 % of 0.20 is 0.4 cents, silver has 4 - 2 = 2 % as well, gold too: 1.2 cents in all; the cent goes to the first.
    assert results_by_line(a_sale(a_line("0.20"), tiers="standard, silver, gold"), differential()) == (
        "0.01, rounded_to_nothing, rounded_to_nothing"
    )
    # 0.2 and 1.8 cents: gold is 6 - 0.6 % above.
    small = differential("standard 0.6%, gold 6%")
    calculated = outcome(a_sale(a_line("0.33"), tiers="standard, gold"), small)
    assert [(entry.rate_ppm, entry.amount_minor) for entry in calculated.entries] == [(rate("5.4%"), 2)]


def test_uplines_above_one_at_its_cap_are_still_paid() -> None:
    sale = a_sale(tiers="standard, standard")
    earned = Earned(day_minor={"levels": {SELLER: 1_000}})

    assert results_by_line(sale, unilevel("10% 5%", caps=caps(day="CNY 10.00")), earned=earned) == "cap_reached, 4.50"


# pool rate, results of two plans of 10 % and 5 % for two levels each; 90.00
POOL = {
    "more than all of it": ("31%", "9.00, 9.00", "4.50, 4.50"),
    "exactly all of it": ("30%", "9.00, 9.00", "4.50, 4.50"),
    "not quite all of it": ("29%", "9.00, 9.00", "4.50, 3.60 (pool)"),
    "exactly all but the last": ("25%", "9.00, 9.00", "4.50, pool_exhausted"),
    "exactly the first plan": ("20%", "9.00, 9.00", "pool_exhausted, pool_exhausted"),
    "not quite the first plan": ("19%", "9.00, 8.10 (pool)", "pool_exhausted, pool_exhausted"),
    "nothing": ("0%", "pool_exhausted, pool_exhausted", "pool_exhausted, pool_exhausted"),
}


@pytest.mark.parametrize(("pool", "first_results", "second_results"), POOL.values(), ids=POOL)
def test_plans_draw_on_the_pool_in_their_order(pool: str, first_results: str, second_results: str) -> None:
    sale = a_sale(tiers="standard, standard")
    first, second = unilevel("10% 10%"), unilevel("5% 5%", name="more")

    calculated = outcome(sale, first, second, pool=pool)

    assert results(sale, calculated, first) == first_results
    assert results(sale, calculated, second) == second_results
    assert calculated.pools_minor == (9_000 * rate(pool) // 1_000_000,)


def test_draws_are_exact_and_their_sum_stays_within_the_whole_units_of_the_pool() -> None:
    # 20 % of 0.58 is 11.6. 15 % are 8.7, and 2.9 of 5.8 are left; 11 whole cents are in the pool: 8 + 2, and one more
    # for the .9; the seller's .7 is rounded off.
    sale = a_sale(a_line("0.58"), tiers="standard, standard")
    plan = unilevel("15% 10%")

    calculated = outcome(sale, plan)

    assert calculated.pools_minor == (11,)
    assert [(entry.amount_minor, entry.rounding, entry.limited_by) for entry in calculated.entries] == [
        (8, 0, None),
        (3, 1, "pool"),
    ]


def test_each_line_has_a_pool_of_its_own() -> None:
    sale = a_sale(a_line("90.00"), a_line("0.99", line=2), a_line("0.00", line=3))

    calculated = outcome(sale, unilevel("30%"))

    assert calculated.pools_minor == (1_800, 19, 0)
    assert results_by_line(sale, unilevel("30%"), pool="20%") == "18.00 (pool) / 0.19 (pool) / rounded_to_nothing"
