"""The published view of the rules: collections `rule_book.rules` and `rule_book.markets`, owned by `rule_book`.

Rates are whole parts per million, amounts minor units. Level 1 is the seller; level 2 the seller's sponsor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

RULES = "rule_book.rules"
MARKETS = "rule_book.markets"

DEFAULT_MARKET = "default"
"""The market of a shop or rule set that names none."""

Reason = Literal[
    "no_team",
    "not_covered",
    "no_amount_in_currency",
    "own_sale",
    "inactive",
    "own_sales_below_minimum",
    "beyond_last_level",
    "no_rate_at_level",
    "tier_without_rate",
    "not_above_tiers_below",
    "cap_reached",
    "pool_exhausted",
    "below_minimum",
    "rounded_to_nothing",
]
"""Why an upline got nothing from a plan, in the order of the checks: the first that fails is the reason."""

Limit = Literal["entry", "order", "day", "month", "pool"]
"""What cut an entry: a cap of its plan, or the pool of its line."""

Money = Mapping[str, int]
"""Minor units by currency."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Who and what a plan covers. No categories and no products means all of them; with both, a match of either."""

    active: bool = True
    own_sales_min: Money = field(default_factory=dict)
    categories: tuple[int, ...] = ()
    products: tuple[int, ...] = ()

    def covers(self, product_id: int, category_id: int) -> bool:
        if not self.categories and not self.products:
            return True
        return product_id in self.products or category_id in self.categories


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that one distributor gets from a plan: from one line, order, calendar day or month (of `Terms.zone`)."""

    entry: Money = field(default_factory=dict)
    order: Money = field(default_factory=dict)
    day: Money = field(default_factory=dict)
    month: Money = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Override:
    """Other rates for a product or a category, for earners of a tier, or for both. At most one of product and category
    may be given. The narrowest override wins: product, category, neither; each with the tier before without it.
    """

    rates_ppm: tuple[int, ...]
    product_id: int | None = None
    category_id: int | None = None
    tier: str | None = None


@dataclass(frozen=True, slots=True)
class Unilevel:
    """Rates by level. With `compression`, unqualified uplines are passed over; the next above takes the level."""

    name: str
    rates_ppm: tuple[int, ...]
    overrides: tuple[Override, ...] = ()
    compression: bool = False
    conditions: Conditions = Conditions()
    caps: Caps = Caps()
    minimum: Money = field(default_factory=dict)
    plan: Literal["unilevel"] = "unilevel"


@dataclass(frozen=True, slots=True)
class Differential:
    """Each tier has a rate; on each line an upline gets its own rate minus the highest rate paid below it.

    The nearest upline with exactly that highest rate gets `peer_rate`, once for each rate. An upline counts as paid, at
    the full rate of the tier, if minimum, caps and pool leave part of the share; rounding does not matter.
    """

    name: str
    rates_ppm: Mapping[str, int]
    peer_rate_ppm: int = 0
    levels_max: int = 10
    conditions: Conditions = Conditions()
    caps: Caps = Caps()
    minimum: Money = field(default_factory=dict)
    plan: Literal["differential"] = "differential"


@dataclass(frozen=True, slots=True)
class TeamBonus:
    """A share for the leader of the seller's team; on the leader's own sales only with `own_sales`."""

    name: str
    rate_ppm: int
    own_sales: bool = False
    conditions: Conditions = Conditions()
    caps: Caps = Caps()
    minimum: Money = field(default_factory=dict)
    plan: Literal["team_bonus"] = "team_bonus"


@dataclass(frozen=True, slots=True)
class Fixed:
    """An amount per unit sold, by level, in each currency that has one."""

    name: str
    amounts_minor: Mapping[str, tuple[int, ...]]
    compression: bool = False
    conditions: Conditions = Conditions()
    caps: Caps = Caps()
    minimum: Money = field(default_factory=dict)
    plan: Literal["fixed"] = "fixed"


Plan = Annotated[Unilevel | Differential | TeamBonus | Fixed, Field(discriminator="plan")]


@dataclass(frozen=True, slots=True)
class SalesTarget:
    """Amounts in minor units of `currency`."""

    reward: str
    currency: str
    target_minor: int
    bonus_minor: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule set promises. The plans are in the order in which they draw on the pool of a line.

    `zone` is the IANA time zone of the market's days and months.
    """

    title: str
    market: str
    pool_rate_ppm: int
    plans: tuple[Plan, ...]
    hold_days: int = 7
    targets: tuple[SalesTarget, ...] = ()
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Tenure:
    """Where and when an active rule set holds: enough to find the rules of an order."""

    rule_version: int
    market: str
    effective_from: datetime
    retired_from: datetime | None = None

    def holds_at(self, moment: datetime) -> bool:
        return self.effective_from <= moment and (self.retired_from is None or moment < self.retired_from)


Stage = Literal["proposed", "approved", "active"]

PROPOSAL_LIFE = timedelta(days=30)
"""How long a proposal may be approved and put in force; then it takes two persons again."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """`_id` is the rule version. Once active, only its end may still be set; `terms` never change again.

    `digest` identifies the terms: an approval names what it approves. The users are those of the operating system, if
    a person acted on the command line.
    """

    rule_version: int
    stage: Stage
    digest: str
    terms: Terms
    proposed_by: str
    approved_by: str | None = None
    activated_by: str | None = None
    effective_from: datetime | None = None
    retired_from: datetime | None = None
    retired_by: str | None = None
    proposed_at: datetime | None = None
    proposed_os_user: str | None = None
    approved_os_user: str | None = None
    activated_os_user: str | None = None
    retired_os_user: str | None = None

    @property
    def tenure(self) -> Tenure | None:
        """None before it is active."""
        if self.effective_from is None:
            return None
        return Tenure(self.rule_version, self.terms.market, self.effective_from, self.retired_from)


@dataclass(frozen=True, slots=True)
class Market:
    """The legal limits of a market, as data. `clauses` cites the source of each limit by the limit's name.

    `levels_paid_max` counts the seller as level 1. `override_reason` is why more than three levels are allowed.
    """

    market: str
    levels_paid_max: int = 2
    pay_rate_max_ppm: int = 500_000
    downline_pay: bool = True
    team_pay: bool = True
    clauses: Mapping[str, str] = field(default_factory=dict)
    override_by: str | None = None
    override_reason: str | None = None


def in_force(moment: datetime, market: str, tenures: Iterable[Tenure]) -> int | None:
    """The version that holds at `moment`: the one that began last; of two that began together, the higher one."""
    holding = (tenure for tenure in tenures if tenure.market == market and tenure.holds_at(moment))
    newest = max(holding, key=lambda tenure: (tenure.effective_from, tenure.rule_version), default=None)
    return newest.rule_version if newest else None
