"""Rule messages, version 1. A rule version is immutable once published and holds from `effective_from` on."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.envelope import Command, Event, Timestamp
from contracts.fields import Amount, CategoryId, Code, Currency, Detail, Rate, RuleVersion

LEVELS_MAX = 3
"""Paid levels beyond this need an override that no spine rule set has; see the compliance notes in the README."""


class CategoryRates(BaseModel):
    """Rates of one product category, by level, in place of the default ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category_id: CategoryId
    rates: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=LEVELS_MAX, examples=[["0.08", "0.04"]])]


class SalesTarget(BaseModel):
    """A bonus for own paid sales (net) of a calendar month, in UTC, reaching `target`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reward: Annotated[Code, Field(description="The reward's name.", examples=["monthly_sales"])]
    currency: Currency
    target: Annotated[Amount, Field(description="Net sales of the month to reach.", examples=["10000.00"])]
    bonus: Annotated[Amount, Field(description="Paid once for the month.", examples=["200.00"])]


class PublishRules(Command, type="rules.publish.v1"):
    """Rates by level (level 1 is the seller), overridden by category; `pool_rate` bounds what a line may pay in all."""

    rule_version: Annotated[
        int,
        Field(
            strict=True,
            ge=1,
            le=2**31,
            description="A number of your own that has not been used; a published version is never changed.",
            examples=[1],
        ),
    ]
    effective_from: Annotated[
        Timestamp, Field(description="Orders placed from then on follow these rules, until a later version starts.")
    ]
    rates: Annotated[
        tuple[Rate, ...],
        Field(
            min_length=1,
            max_length=LEVELS_MAX,
            description="By level, the seller's first; together not more than `pool_rate`.",
            examples=[["0.10", "0.05"]],
        ),
    ]
    categories: Annotated[tuple[CategoryRates, ...], Field(max_length=10_000)] = ()
    pool_rate: Annotated[
        Rate, Field(description="The most that one order line pays in all, as a share of its net.", examples=["0.20"])
    ]
    targets: Annotated[tuple[SalesTarget, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _within_pool(self) -> Self:
        for where, rates in (
            ("rates", self.rates),
            *((f"category {c.category_id}", c.rates) for c in self.categories),
        ):
            if sum(rates) > self.pool_rate:
                raise ValueError(f"{where}: the levels add up to {sum(rates)}, more than pool_rate {self.pool_rate}")
        if len({category.category_id for category in self.categories}) < len(self.categories):
            raise ValueError("categories: a category is listed twice")
        if len({(t.reward, t.currency) for t in self.targets}) < len(self.targets):
            raise ValueError("targets: a reward is listed twice for one currency")
        return self

    def about(self) -> str:
        return f"rules/{self.rule_version}"


class RulesPublished(Event, type="rules.published.v1"):
    rule_version: RuleVersion
    effective_from: Timestamp

    def about(self) -> str:
        return f"rules/{self.rule_version}"


class RulesRefused(Event, type="rules.refused.v1"):
    rule_version: RuleVersion
    reason: Code
    detail: Detail

    def about(self) -> str:
        return f"rules/{self.rule_version}"
