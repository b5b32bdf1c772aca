"""The rule book data for one message. Rule sets and markets are published views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.plans.compliance import DEFAULTS
from contracts.rules.view import Market, RuleSet, Tenure


@dataclass(frozen=True, slots=True)
class Turn:
    """Counts the decisions about a market's limits or active rules.

    Both kinds of decision read what the other writes. Each takes the next turn, so that of two concurrent ones one is
    retried.
    """

    market: str
    number: int


@dataclass(frozen=True, slots=True)
class State:
    """The rule set that a message names, or all of them if the message concerns rules in force; and the markets."""

    rules: Mapping[int, RuleSet] = field(default_factory=dict)
    markets: Mapping[str, Market] = field(default_factory=dict)
    turns: Mapping[str, Turn] = field(default_factory=dict)

    def market(self, name: str) -> Market | None:
        """The market's limits; the default market has built-in ones until it is defined."""
        return self.markets.get(name, DEFAULTS if name == DEFAULTS.market else None)

    @property
    def tenures(self) -> list[Tenure]:
        return [tenure for rules in self.rules.values() if (tenure := rules.tenure) is not None]

    def active_in(self, market: str) -> Iterable[RuleSet]:
        return [rules for rules in self.rules.values() if rules.stage == "active" and rules.terms.market == market]

    def with_rules(self, rules: RuleSet) -> Self:
        return replace(self, rules={**self.rules, rules.rule_version: rules})

    def with_market(self, market: Market) -> Self:
        return replace(self, markets={**self.markets, market.market: market})

    def with_turn_of(self, market: str) -> Self:
        last = self.turns.get(market)
        turn = Turn(market, last.number + 1 if last else 1)
        return replace(self, turns={**self.turns, market: turn})
