"""Whether a rule set keeps to the legal limits of its market. The limits are data; this is not legal advice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from contracts.money import to_rate, to_rate_ppm
from contracts.rules.v1 import DefineMarket
from contracts.rules.view import DEFAULT_MARKET, Differential, Fixed, Market, Plan, TeamBonus, Terms, Unilevel

LEVELS_PAID_WITHOUT_OVERRIDE_MAX = 3
"""A market that allows more paid levels must state who decided so and why."""

DEFAULTS = Market(DEFAULT_MARKET)
"""The limits of the default market, until it is defined."""


@dataclass(frozen=True, slots=True)
class Breach:
    """The name of the market's limit, what breaks it, and the clause that the market cites for it, if any."""

    limit: str
    detail: str
    clause: str | None = None


def limits_of(definition: DefineMarket) -> Market:
    """The limits in the definition of a market."""
    return Market(
        market=definition.market,
        levels_paid_max=definition.levels_paid_max,
        pay_rate_max_ppm=to_rate_ppm(definition.pay_rate_max),
        downline_pay=definition.downline_pay,
        team_pay=definition.team_pay,
        clauses=dict(definition.clauses.items()),
        override_by=definition.override.by if definition.override else None,
        override_reason=definition.override.reason if definition.override else None,
    )


def breaches(terms: Terms, market: Market) -> tuple[Breach, ...]:
    """All breaches of the market's limits by the terms; none if they may be put in force."""
    found = chain(_of_the_pool(terms, market), *(_of_a_plan(plan, market) for plan in terms.plans))
    return tuple(Breach(limit, detail, market.clauses.get(limit)) for limit, detail in found)


def highest_level_paid(plan: Plan) -> int:
    """The highest level that the plan pays, counting the seller as 1; 0 for a leader, who has no level."""
    match plan:
        case Unilevel():
            lists = [plan.rates_ppm, *(other.rates_ppm for other in plan.overrides)]
        case Fixed():
            lists = list(plan.amounts_minor.values())
        case Differential():
            return plan.levels_max if any(plan.rates_ppm.values()) else 0
        case TeamBonus():  # pragma: no branch (mypy proves that there is no fifth plan)
            return 0
    return max((level for rates in lists for level, rate in enumerate(rates, start=1) if rate), default=0)


def _of_the_pool(terms: Terms, market: Market) -> Iterator[tuple[str, str]]:
    if terms.pool_rate_ppm > market.pay_rate_max_ppm:
        yield (
            "pay_rate_max",
            f"pool_rate: a line may pay {to_rate(terms.pool_rate_ppm):f} of its net, "
            f"and market {market.market} allows {to_rate(market.pay_rate_max_ppm):f}",
        )


def _of_a_plan(plan: Plan, market: Market) -> Iterator[tuple[str, str]]:
    level = highest_level_paid(plan)
    if level > market.levels_paid_max:
        detail = f"it pays up to level {level}, and market {market.market} allows {market.levels_paid_max}"
        yield "levels_paid_max", f"plan {plan.name}: {detail}"
    pays_team = isinstance(plan, TeamBonus) and plan.rate_ppm > 0
    if not market.downline_pay and (level > 1 or pays_team):
        detail = f"it pays others than the seller, which market {market.market} does not allow"
        yield "downline_pay", f"plan {plan.name}: {detail}"
    if not market.team_pay and pays_team:
        yield "team_pay", f"plan {plan.name}: it pays a team's leader, which market {market.market} does not allow"
