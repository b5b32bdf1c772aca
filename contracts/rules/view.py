"""The published view of the rules: collection `rule_book.rules`, owned by `rule_book`; rates in parts per million."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

RULES = "rule_book.rules"


@dataclass(frozen=True, slots=True)
class CategoryRates:
    category_id: int
    rates_ppm: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SalesTarget:
    """Amounts in minor units of `currency`."""

    reward: str
    currency: str
    target_minor: int
    bonus_minor: int


@dataclass(frozen=True, slots=True)
class RuleSet:
    """`_id` is the rule version. Immutable: a reader may keep it for as long as it likes."""

    rule_version: int
    effective_from: datetime
    rates_ppm: tuple[int, ...]
    categories: tuple[CategoryRates, ...]
    pool_rate_ppm: int
    targets: tuple[SalesTarget, ...]

    def rates_of(self, category_id: int) -> tuple[int, ...]:
        """Rates by level for a category, the default ones where it has none of its own."""
        for category in self.categories:
            if category.category_id == category_id:
                return category.rates_ppm
        return self.rates_ppm


def active_at(moment: datetime, rule_sets: Iterable[RuleSet]) -> RuleSet | None:
    """The rule set in force at `moment`: the latest that holds by then, the higher version where two start together."""
    in_force = [rules for rules in rule_sets if rules.effective_from <= moment]
    return max(in_force, key=lambda rules: (rules.effective_from, rules.rule_version), default=None)
