"""The rule book as one message sees it. Its entities are the published view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.rules.view import RuleSet


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rule set of the version that a message names, where it exists."""

    rules: Mapping[int, RuleSet] = field(default_factory=dict)

    def with_rules(self, rules: RuleSet) -> Self:
        return replace(self, rules={**self.rules, rules.rule_version: rules})
