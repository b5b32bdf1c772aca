"""A market's legal limits are data, and a breach is reported with its clause."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from contracts.plans.compliance import DEFAULTS, Breach, breaches, highest_level_paid, limits_of
from contracts.rules.v1 import DefineMarket, LevelsOverride
from contracts.rules.view import Differential, Fixed, Market, Override, Plan, TeamBonus, Terms, Unilevel

OWN_SALES_ONLY = Market(
    "cn",
    levels_paid_max=1,
    pay_rate_max_ppm=300_000,
    downline_pay=False,
    team_pay=False,
    clauses={"pay_rate_max": "直销管理条例 第二十四条", "downline_pay": "禁止传销条例 第七条"},
)
ONE_LEVEL = Unilevel("one", (250_000,))
TWO_LEVELS = Unilevel("two", (100_000, 50_000))
THREE_LEVELS = Unilevel("three", (100_000, 50_000, 1))
TEAM = TeamBonus("teams", 20_000)


def terms(*plans: Plan, pool_rate_ppm: int = 300_000) -> Terms:
    return Terms("T", "default", pool_rate_ppm, plans)


@pytest.mark.parametrize(
    ("plan", "level"),
    [
        (ONE_LEVEL, 1),
        (THREE_LEVELS, 3),
        (Unilevel("zeros", (10, 0, 0)), 1),
        (Unilevel("nothing", (0,)), 0),
        (Unilevel("deeper for gold", (10,), (Override((1, 1, 1), tier="gold"),)), 3),
        (Fixed("f", {"CNY": (5, 2), "JPY": (5, 2, 0, 1)}), 4),
        (Fixed("f", {}), 0),
        (Differential("d", {"gold": 5}, levels_max=7), 7),
        (Differential("d", {"gold": 0}, levels_max=7), 0),
        (TEAM, 0),
    ],
)
def test_the_highest_level_that_is_paid(plan: Plan, level: int) -> None:
    assert highest_level_paid(plan) == level


def limits_broken(market: Market, *plans: Plan, pool_rate_ppm: int = 300_000) -> list[str]:
    return [breach.limit for breach in breaches(terms(*plans, pool_rate_ppm=pool_rate_ppm), market)]


@pytest.mark.parametrize(
    ("plans", "broken"),
    [
        ((ONE_LEVEL,), []),
        ((TWO_LEVELS, TEAM, Differential("d", {"gold": 5}, levels_max=2)), []),
        ((THREE_LEVELS,), ["levels_paid_max"]),
        ((Differential("d", {"gold": 5}),), ["levels_paid_max"]),
        ((Fixed("f", {"CNY": (1, 1, 1)}), THREE_LEVELS), ["levels_paid_max", "levels_paid_max"]),
    ],
)
def test_the_default_market_pays_two_levels(plans: tuple[Plan, ...], broken: list[str]) -> None:
    assert limits_broken(DEFAULTS, *plans) == broken


@pytest.mark.parametrize(
    ("plans", "broken"),
    [
        ((ONE_LEVEL,), []),
        ((TWO_LEVELS,), ["levels_paid_max", "downline_pay"]),
        ((Differential("d", {"gold": 5}, levels_max=1),), []),
        ((Differential("d", {"gold": 5}, levels_max=2),), ["levels_paid_max", "downline_pay"]),
        ((TEAM,), ["downline_pay", "team_pay"]),
        ((TeamBonus("teams", 0),), []),
    ],
)
def test_a_market_may_allow_pay_for_own_sales_only(plans: tuple[Plan, ...], broken: list[str]) -> None:
    assert limits_broken(OWN_SALES_ONLY, *plans) == broken


def test_team_pay_may_be_forbidden_alone() -> None:
    assert limits_broken(replace(DEFAULTS, team_pay=False), TWO_LEVELS, TEAM) == ["team_pay"]


def test_the_pool_may_reach_but_not_exceed_the_limit() -> None:
    assert limits_broken(DEFAULTS, ONE_LEVEL, pool_rate_ppm=500_000) == []
    assert limits_broken(DEFAULTS, ONE_LEVEL, pool_rate_ppm=500_001) == ["pay_rate_max"]


def test_a_breach_is_reported_with_its_clause() -> None:
    found = breaches(terms(TWO_LEVELS, pool_rate_ppm=310_000), replace(OWN_SALES_ONLY, levels_paid_max=2))

    assert found == (
        Breach(
            "pay_rate_max",
            "pool_rate: a line may pay 0.31 of its net, and market cn allows 0.3",
            "直销管理条例 第二十四条",
        ),
        Breach(
            "downline_pay",
            "plan two: it pays others than the seller, which market cn does not allow",
            "禁止传销条例 第七条",
        ),
    )
    [without] = breaches(terms(THREE_LEVELS), DEFAULTS)
    assert without.clause is None
    assert without.detail == "plan three: it pays up to level 3, and market default allows 2"


def test_a_definition_states_all_limits() -> None:
    override = LevelsOverride(by="li.na", reason="licence")
    definition = DefineMarket(
        market="sg",
        levels_paid_max=5,
        pay_rate_max=Decimal("0.4"),
        downline_pay=False,
        team_pay=False,
        clauses={"team_pay": "Act 1"},
        override=override,
    )

    assert limits_of(definition) == Market("sg", 5, 400_000, False, False, {"team_pay": "Act 1"}, "li.na", "licence")
    assert limits_of(DefineMarket(market="default")) == DEFAULTS
