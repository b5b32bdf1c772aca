"""Worked examples of each plan, calculated on paper; a business person can check the tables.

A chain reads from the seller upwards; brackets mean inactive. The results are in the same order: the amount
of each, or the reason why it gets nothing.
"""

from __future__ import annotations

import pytest

from contracts.commissions.view import Unpaid
from contracts.rules.view import Conditions, Plan
from tests.unit.sales import (
    CUP,
    LEADER,
    SELLER,
    SPONSOR,
    a_line,
    a_sale,
    differential,
    fixed,
    leader,
    outcome,
    results,
    team_bonus,
    unilevel,
)

ANYONE = Conditions(active=False)


def results_of(net: str, tiers: str, plan: Plan, currency: str = "CNY", pool: str = "20%", quantity: int = 1) -> str:
    sale = a_sale(a_line(net, currency=currency, quantity=quantity), tiers=tiers, currency=currency)
    return results(sale, outcome(sale, plan, pool=pool), plan)


# net, chain, rates by level, results
UNILEVEL = {
    "whole cents": ("90.00", "standard, standard, standard", "10% 5% 3%", "9.00, 4.50, 2.70"),
    # 5.5 + 2.75 + 1.65 = 9.9 cents, so 10; 5 + 2 + 1 leaves two, which go to .75 and .65.
    "largest fractions": ("0.55", "standard, standard, standard", "10% 5% 3%", "0.05, 0.03, 0.02"),
    # 0.5 + 0.5 = 1 cent: equal fractions, so the lower level gets it.
    "a tie": ("0.10", "standard, standard", "5% 5%", "0.01, rounded_to_nothing"),
    "less than half a cent": ("0.09", "standard", "5%", "rounded_to_nothing"),
    "half a cent": ("0.10", "standard", "5%", "0.01"),
    # 20 % of 4 cents is less than a cent: the pool has no whole one.
    "a pool of less than a cent": ("0.04", "standard", "15%", "rounded_to_nothing"),
    "an inactive upline": ("90.00", "standard, (standard), standard", "10% 5% 3%", "9.00, inactive, 2.70"),
    "an inactive seller": ("90.00", "(standard), standard", "10% 5% 3%", "inactive, 4.50"),
    "beyond the last level": ("90.00", "standard, standard, standard", "10% 5%", "9.00, 4.50, beyond_last_level"),
    "inactive and beyond": ("90.00", "standard, (standard), standard", "10%", "9.00, inactive, beyond_last_level"),
    "a level without a rate": ("90.00", "standard, standard, standard", "10% 0% 3%", "9.00, no_rate_at_level, 2.70"),
    "a last level without a rate": (
        "90.00",
        "standard, standard, standard",
        "10% 0%",
        "9.00, no_rate_at_level, beyond_last_level",
    ),
    "a short chain": ("90.00", "standard", "10% 5% 3%", "9.00"),
    "nothing sold": ("0.00", "standard, standard", "10% 5%", "rounded_to_nothing, rounded_to_nothing"),
}


@pytest.mark.parametrize(("net", "tiers", "by_level", "expected"), UNILEVEL.values(), ids=UNILEVEL)
def test_unilevel(net: str, tiers: str, by_level: str, expected: str) -> None:
    assert results_of(net, tiers, unilevel(by_level)) == expected


# chain, rates by level, results without compression, results with it; of 90.00
COMPRESSION = {
    "everyone qualifies": ("standard, standard", "10% 5%", "9.00, 4.50", "9.00, 4.50"),
    "the next takes the level": (
        "standard, (standard), standard",
        "10% 5%",
        "9.00, inactive, beyond_last_level",
        "9.00, inactive, 4.50",
    ),
    "over several": (
        "(standard), standard, (standard), (standard), standard, standard",
        "10% 5%",
        "inactive, 4.50, inactive, inactive, beyond_last_level, beyond_last_level",
        "inactive, 9.00, inactive, inactive, 4.50, beyond_last_level",
    ),
    "a level without a rate is used up": (
        "standard, (standard), standard, standard",
        "10% 0% 3%",
        "9.00, inactive, 2.70, beyond_last_level",
        "9.00, inactive, no_rate_at_level, 2.70",
    ),
}


@pytest.mark.parametrize(("tiers", "by_level", "without", "with_it"), COMPRESSION.values(), ids=COMPRESSION)
def test_compression(tiers: str, by_level: str, without: str, with_it: str) -> None:
    assert results_of("90.00", tiers, unilevel(by_level)) == without
    assert results_of("90.00", tiers, unilevel(by_level, compression=True)) == with_it


def test_a_compressed_entry_has_its_level_in_the_upline() -> None:
    sale = a_sale(tiers="(standard), (standard), standard")

    (entry,) = outcome(sale, unilevel("10%", compression=True)).entries

    assert (entry.level, entry.distributor_id, entry.rate_ppm) == (3, 103, 100_000)


# 10 %, 5 % and 3 % of the same digits: 100.5 + 50.25 + 30.15 = 180.9, so 181, and the one unit left goes to .5.
CURRENCIES = [
    ("CNY", "10.05", "1.01, 0.50, 0.30"),
    ("JPY", "1005", "101, 50, 30"),
    ("KWD", "1.005", "0.101, 0.050, 0.030"),
]


@pytest.mark.parametrize(("currency", "net", "expected"), CURRENCIES)
def test_minor_units_are_those_of_the_currency(currency: str, net: str, expected: str) -> None:
    assert results_of(net, "standard, standard, standard", unilevel("10% 5% 3%"), currency) == expected


# chain, peer rate, results; standard 2 %, silver 4 %, gold 6 %, guest 0 %, of 100.00
DIFFERENTIAL = {
    "a climbing chain": ("standard, silver, gold", "0%", "2.00, 2.00, 2.00"),
    "the highest sells": ("gold, silver, standard", "0%", "6.00, not_above_tiers_below, not_above_tiers_below"),
    "a tier is left out": ("standard, gold, silver", "0%", "2.00, 4.00, not_above_tiers_below"),
    "equals without a peer rate": (
        "silver, silver, gold, gold",
        "0%",
        "4.00, not_above_tiers_below, 2.00, not_above_tiers_below",
    ),
    "the nearest equal of each rate": (
        "silver, silver, silver, gold, gold, gold",
        "0.5%",
        "4.00, 0.50, not_above_tiers_below, 2.00, 0.50, not_above_tiers_below",
    ),
    "an equal above a lower one": ("silver, standard, silver", "0.5%", "4.00, not_above_tiers_below, 0.50"),
    "no peer of an exceeded rate": ("silver, gold, silver", "0.5%", "4.00, 2.00, not_above_tiers_below"),
    "a tier that is not listed": ("bronze, silver, bronze", "0%", "tier_without_rate, 4.00, tier_without_rate"),
    "a tier with rate 0": ("guest, guest, silver", "0.5%", "tier_without_rate, tier_without_rate, 4.00"),
    "the inactive are ignored": ("(gold), silver, gold", "0%", "inactive, 4.00, 2.00"),
    "an inactive equal leaves the peer rate": ("silver, (silver), silver", "0.5%", "4.00, inactive, 0.50"),
    "inactive and without a rate": ("(bronze), silver", "0%", "inactive, 4.00"),
}


@pytest.mark.parametrize(("tiers", "peer", "expected"), DIFFERENTIAL.values(), ids=DIFFERENTIAL)
def test_differential(tiers: str, peer: str, expected: str) -> None:
    plan = differential("guest 0%, standard 2%, silver 4%, gold 6%", peer)

    assert results_of("100.00", tiers, plan) == expected


@pytest.mark.parametrize(
    ("levels_max", "expected"),
    [
        (1, "2.00, beyond_last_level, beyond_last_level, inactive"),
        (2, "2.00, 2.00, beyond_last_level, inactive"),
        (3, "2.00, 2.00, 2.00, inactive"),
    ],
)
def test_differential_ends_at_its_last_level(levels_max: int, expected: str) -> None:
    assert results_of("100.00", "standard, silver, gold, (gold)", differential(levels_max=levels_max)) == expected


def test_the_smallest_peer_rate_is_a_millionth() -> None:
    # A millionth of 10,000.00 is a cent.
    assert results_of("10000.00", "silver, silver", differential(peer="0.0001%")) == "400.00, 0.01"


def test_differential_shares_are_rounded_together() -> None:
    # 2.5 three times is 7.5 cents, so 8: two units for three equal fractions, the lower levels first.
    assert results_of("1.25", "standard, silver, gold", differential()) == "0.03, 0.03, 0.02"
    assert results_of("1250", "standard, silver, gold", differential(), "JPY") == "25, 25, 25"
    assert results_of("1.250", "standard, silver, gold", differential(), "KWD") == "0.025, 0.025, 0.025"


def test_differential_entries_state_the_remaining_rate() -> None:
    sale = a_sale(tiers="silver, silver, gold")

    entries = outcome(sale, differential(peer="0.5%")).entries

    assert [(entry.level, entry.tier, entry.rate_ppm) for entry in entries] == [
        (1, "silver", 40_000),
        (2, "silver", 5_000),
        (3, "gold", 20_000),
    ]


# leader, plan, result; 1 % of 90.00, sold by 101
TEAM = {
    "the leader of the team": (leader(), team_bonus(), "0.90"),
    "the leader is in the chain": (leader(distributor_id=SPONSOR), team_bonus(), "0.90"),
    "an inactive leader": (leader("(standard)"), team_bonus(), "inactive"),
    "an inactive leader, where that is allowed": (leader("(standard)"), team_bonus(conditions=ANYONE), "0.90"),
    "the leader sells": (leader(distributor_id=SELLER), team_bonus(), "own_sale"),
    "the leader sells, inactive": (leader("(standard)", SELLER), team_bonus(), "own_sale"),
    "the leader sells, where that is allowed": (leader(distributor_id=SELLER), team_bonus(own_sales=True), "0.90"),
    "inactive, own sales allowed": (leader("(standard)", SELLER), team_bonus(own_sales=True), "inactive"),
    "a line that is not covered": (leader(), team_bonus(conditions=Conditions(products=(CUP,))), "not_covered"),
    "a rate of nothing": (leader(), team_bonus("0%"), "no_rate_at_level"),
}


@pytest.mark.parametrize(("leading", "plan", "expected"), TEAM.values(), ids=TEAM)
def test_team_bonus(leading: object, plan: Plan, expected: str) -> None:
    sale = a_sale(tiers="standard, standard", leading=leading)  # type: ignore[arg-type]

    assert results(sale, outcome(sale, plan), plan) == expected


def test_no_team_is_a_record_without_uplines() -> None:
    sale = a_sale(a_line(line=1), a_line(line=2, product_id=CUP), tiers="standard, standard")

    assert outcome(sale, team_bonus()).unpaid == (Unpaid("team", "no_team", (), ()),)
    partly = team_bonus(conditions=Conditions(products=(CUP,)))
    assert outcome(sale, partly).unpaid == (Unpaid("team", "no_team", (), ()),)


def test_a_leaders_entry_has_level_0_and_the_upline_gets_none() -> None:
    calculated = outcome(a_sale(tiers="standard, (standard)", leading=leader("gold")), team_bonus())

    (entry,) = calculated.entries
    assert (entry.level, entry.distributor_id, entry.tier) == (0, LEADER, "gold")
    assert calculated.unpaid == ()


PER_UNIT = {"CNY": "0.50 0.20", "JPY": "50 20", "KWD": "0.500 0.200"}

# currency, net, quantity, chain, results; the pool is 20 % of the net
FIXED = {
    "one unit": ("CNY", "90.00", 1, "standard, standard, standard", "0.50, 0.20, beyond_last_level"),
    "three units": ("CNY", "90.00", 3, "standard, standard", "1.50, 0.60"),
    "an inactive upline": ("CNY", "90.00", 3, "(standard), standard", "inactive, 0.60"),
    "in yen": ("JPY", "9000", 3, "standard, standard", "150, 60"),
    "in dinar": ("KWD", "90.000", 3, "standard, standard", "1.500, 0.600"),
    "a currency without amounts": (
        "EUR",
        "90.00",
        3,
        "standard, (standard)",
        "no_amount_in_currency, no_amount_in_currency",
    ),
    # The pool is 0.40 of 2.00, 0.70 of 3.50, and 0.50 of 2.50.
    "more than the pool": ("CNY", "2.00", 1, "standard, standard", "0.40 (pool), pool_exhausted"),
    "exactly the pool": ("CNY", "3.50", 1, "standard, standard", "0.50, 0.20"),
    "the pool ends between them": ("CNY", "2.50", 1, "standard, standard", "0.50, pool_exhausted"),
    "a gift": ("CNY", "0.00", 1, "standard, standard", "pool_exhausted, pool_exhausted"),
}


@pytest.mark.parametrize(("currency", "net", "quantity", "tiers", "expected"), FIXED.values(), ids=FIXED)
def test_fixed(currency: str, net: str, quantity: int, tiers: str, expected: str) -> None:
    assert results_of(net, tiers, fixed(PER_UNIT), currency, quantity=quantity) == expected


def test_fixed_with_compression_and_a_level_without_an_amount() -> None:
    compressed = fixed({"CNY": "0.50 0 0.10"}, compression=True)

    assert results_of("90.00", "standard, (standard), standard, standard", compressed, quantity=2) == (
        "1.00, inactive, no_rate_at_level, 0.20"
    )
    assert results_of("90.00", "standard, standard, standard", fixed({"CNY": "0.50 0 0.10"}), quantity=2) == (
        "1.00, no_rate_at_level, 0.20"
    )
