"""The points of each order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self


@dataclass(frozen=True, slots=True)
class Credit:
    """The points that an order, given by its key, earned its seller."""

    key: str
    distributor_id: int
    points: int


@dataclass(frozen=True, slots=True)
class State:
    credits: Mapping[str, Credit] = field(default_factory=dict)

    def with_credit(self, credit: Credit) -> Self:
        return replace(self, credits={**self.credits, credit.key: credit})
