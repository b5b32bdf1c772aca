"""Rule messages, version 1. A rule version is immutable once published and holds from `effective_from` on."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.envelope import Command, Event, Timestamp
from contracts.fields import Amount, Code, Currency, Id64, Rate

LEVELS_MAX = 3
"""Paid levels beyond this need an override that no spine rule set has; see the compliance notes in the README."""


class CategoryRates(BaseModel):
    """Rates of one product category, by level, in place of the default ones."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    category_id: Id64
    rates: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=LEVELS_MAX)]


class SalesTarget(BaseModel):
    """A bonus for own paid sales (net) of a calendar month, in UTC, reaching `target`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reward: Code
    currency: Currency
    target: Amount
    bonus: Amount


class PublishRules(Command, type="rules.publish.v1"):
    """Rates by level (level 1 is the seller), overridden by category; `pool_rate` bounds what a line may pay in all."""

    rule_version: Annotated[int, Field(strict=True, ge=1, le=2**31)]
    effective_from: Timestamp
    rates: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=LEVELS_MAX)]
    categories: Annotated[tuple[CategoryRates, ...], Field(max_length=10_000)] = ()
    pool_rate: Rate
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
    rule_version: int
    effective_from: Timestamp

    def about(self) -> str:
        return f"rules/{self.rule_version}"


class RulesRefused(Event, type="rules.refused.v1"):
    rule_version: int
    reason: Code
    detail: str

    def about(self) -> str:
        return f"rules/{self.rule_version}"
