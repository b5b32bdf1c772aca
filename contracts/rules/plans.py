"""The plans of a rule document, as a person writes them: rates and amounts are decimal strings.

`promised` returns each plan as the engine reads it, without its amounts of money, which need a currency's digits.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from contracts.fields import Amount, CategoryId, Code, Currency, ProductId, Rate
from contracts.money import to_rate_ppm
from contracts.rules import view

LEVELS_MAX = 10
"""No plan pays more levels, even if a market allows more: chains are stored to a limited depth."""

LISTED_MAX = 10_000
"""Products, categories and overrides that one plan may list."""


class Part(BaseModel):
    """A part of a rule document. Unknown fields are refused: a misspelt condition must not pass silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AmountIn(Part):
    currency: Currency
    amount: Amount


class Cap(Part):
    per: Annotated[
        Literal["entry", "order", "day", "month"],
        Field(description="One order line, one order, or all orders placed on a day or in a month, in UTC."),
    ]
    currency: Currency
    amount: Amount


class FixedAmounts(Part):
    currency: Currency
    levels: Annotated[
        tuple[Amount, ...],
        Field(
            min_length=1,
            max_length=LEVELS_MAX,
            description="For each unit sold, by level, the seller's first.",
            examples=[["0.50", "0.20"]],
        ),
    ]


def _once_per_currency(listed: tuple[Any, ...]) -> tuple[Any, ...]:
    seen = set()
    for item in listed:
        key = (getattr(item, "per", None), item.currency)
        if key in seen:
            raise ValueError(f"{item.currency} is listed twice; keep one of them")
        seen.add(key)
    return listed


AmountsIn = Annotated[tuple[AmountIn, ...], Field(max_length=200), AfterValidator(_once_per_currency)]
LevelRates = Annotated[
    tuple[Rate, ...],
    Field(
        min_length=1,
        max_length=LEVELS_MAX,
        description="By level, the seller's first.",
        examples=[["0.10", "0.05"]],
    ),
]
TierName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$", description="A distributor's rank.", examples=["gold"]),
]
Compression = Annotated[
    bool, Field(strict=True, description="Uplines who do not qualify are passed over and use up no level.")
]


class Conditions(Part):
    """Who and what a plan covers. With categories or products, a line of either is covered; without, every line."""

    active: Annotated[bool, Field(strict=True, description="Only active distributors earn.")] = True
    own_sales_min: Annotated[
        AmountsIn,
        Field(description="Own paid net sales of the calendar month to reach; unlisted currencies require none."),
    ] = ()
    categories: Annotated[tuple[CategoryId, ...], Field(max_length=LISTED_MAX)] = ()
    products: Annotated[tuple[ProductId, ...], Field(max_length=LISTED_MAX)] = ()


class LevelOverride(Part):
    """Other rates for a product or a category, for earners of a tier, or for both. The narrowest override counts."""

    product_id: Annotated[ProductId | None, Field(description="Not together with category_id.")] = None
    category_id: Annotated[CategoryId | None, Field(description="Not together with product_id.")] = None
    tier: TierName | None = None
    rates: LevelRates


class _PlanPart(Part):
    name: Annotated[Code, Field(description="Unique within the rule set; every entry carries it.", examples=["direct"])]
    conditions: Conditions = Conditions()
    caps: Annotated[
        tuple[Cap, ...],
        Field(max_length=800, description="The most that one distributor gets from this plan."),
        AfterValidator(_once_per_currency),
    ] = ()
    minimum: Annotated[
        AmountsIn, Field(description="A share that is less than this after caps and pool is not paid.")
    ] = ()

    def _terms(self) -> dict[str, Any]:
        """The fields that all plans share, without amounts."""
        conditions = self.conditions
        return {
            "name": self.name,
            "conditions": view.Conditions(conditions.active, {}, conditions.categories, conditions.products),
        }


class UnilevelPlan(_PlanPart):
    """A share of the line's net for each level: the seller, the seller's sponsor, and so on."""

    plan: Literal["unilevel"]
    rates: LevelRates
    overrides: Annotated[tuple[LevelOverride, ...], Field(max_length=LISTED_MAX)] = ()
    compression: Compression = False

    def promised(self) -> view.Unilevel:
        return view.Unilevel(
            rates_ppm=_ppm(self.rates),
            overrides=tuple(
                view.Override(_ppm(other.rates), other.product_id, other.category_id, other.tier)
                for other in self.overrides
            ),
            compression=self.compression,
            **self._terms(),
        )


class DifferentialPlan(_PlanPart):
    """Each tier has a rate; an upline gets its own rate minus the highest rate paid below it (级差)."""

    plan: Literal["differential"]
    rates: Annotated[
        dict[TierName, Rate], Field(min_length=1, max_length=100, examples=[{"silver": "0.04", "gold": "0.06"}])
    ]
    peer_rate: Annotated[
        Rate, Field(description="For the nearest upline with exactly the highest rate paid below it, once per rate.")
    ] = Decimal(0)
    levels_max: Annotated[
        int, Field(strict=True, ge=1, le=30, description="The highest level that is paid; the seller is level 1.")
    ] = 10

    def promised(self) -> view.Differential:
        return view.Differential(
            rates_ppm={tier: to_rate_ppm(rate) for tier, rate in self.rates.items()},
            peer_rate_ppm=to_rate_ppm(self.peer_rate),
            levels_max=self.levels_max,
            **self._terms(),
        )


class TeamBonusPlan(_PlanPart):
    """A share for the leader of the seller's team."""

    plan: Literal["team_bonus"]
    rate: Rate
    own_sales: Annotated[bool, Field(strict=True, description="Whether leaders get it on their own sales.")] = False

    def promised(self) -> view.TeamBonus:
        return view.TeamBonus(rate_ppm=to_rate_ppm(self.rate), own_sales=self.own_sales, **self._terms())


class FixedPlan(_PlanPart):
    """An amount for each unit sold, by level, in each currency that is listed."""

    plan: Literal["fixed"]
    amounts: Annotated[
        tuple[FixedAmounts, ...], Field(min_length=1, max_length=200), AfterValidator(_once_per_currency)
    ]
    compression: Compression = False

    def promised(self) -> view.Fixed:
        return view.Fixed(amounts_minor={}, compression=self.compression, **self._terms())


def _kind(plan: Any) -> str:
    kind = plan.get("plan") if isinstance(plan, dict) else getattr(plan, "plan", None)
    return f"plan.{kind}"


# The dot in a tag keeps it out of the places in errors: people look for the field.
Plan = Annotated[
    Annotated[UnilevelPlan, Tag("plan.unilevel")]
    | Annotated[DifferentialPlan, Tag("plan.differential")]
    | Annotated[TeamBonusPlan, Tag("plan.team_bonus")]
    | Annotated[FixedPlan, Tag("plan.fixed")],
    Discriminator(
        _kind,
        custom_error_type="unknown_plan",
        custom_error_message="`plan` is one of unilevel, differential, team_bonus and fixed",
    ),
]


def _ppm(rates: tuple[Decimal, ...]) -> tuple[int, ...]:
    return tuple(map(to_rate_ppm, rates))
