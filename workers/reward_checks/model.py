"""A distributor's own paid sales of one calendar month (UTC) in one currency, and the rewards that stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from contracts.rules.view import RuleSet


@dataclass(frozen=True, slots=True)
class Progress:
    """`rule_version` is the newest of the month's orders: its targets count, whatever order the orders came in."""

    key: str
    distributor_id: int
    month: str
    currency: str
    sales_minor: int = 0
    rule_version: int = 0
    granted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sale:
    """An order in its month: `counted` once paid; `taken_back_minor` is what all refunds together gave back, or
    everything once it was cancelled. Both only ever grow, so it does not matter which was heard of first.
    """

    key: str
    month: str
    net_minor: int
    counted: bool = False
    taken_back_minor: int = 0

    @property
    def worth_minor(self) -> int:
        """What it adds to the month's sales: nothing before it is paid."""
        return self.net_minor - self.taken_back_minor if self.counted else 0


@dataclass(frozen=True, slots=True)
class Board:
    """What one message sees: its order's sale, the progress it moves, and the rule sets."""

    progress: Mapping[str, Progress] = field(default_factory=dict)
    rules: Mapping[int, RuleSet] = field(default_factory=dict)
    sales: Mapping[str, Sale] = field(default_factory=dict)

    def with_progress(self, progress: Progress) -> Self:
        return replace(self, progress={**self.progress, progress.key: progress})

    def with_sale(self, sale: Sale) -> Self:
        return replace(self, sales={**self.sales, sale.key: sale})


def month_of(placed_at: datetime) -> str:
    """Year and month; every order asks several times, and formatting a time by a pattern takes longer."""
    return f"{placed_at.year:04}-{placed_at.month:02}"


def progress_key(distributor_id: int, placed_at: datetime, currency: str) -> str:
    """`distributor/month/currency`; the month is that of the order's `placed_at` in UTC."""
    return f"{distributor_id}/{month_of(placed_at)}/{currency}"
