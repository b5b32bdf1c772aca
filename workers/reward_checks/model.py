"""A distributor's own paid sales of a calendar month in one currency and market, and the granted rewards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Self

from contracts.commissions.earnings import earnings_key
from contracts.orders.v1 import OrderPaid
from contracts.rewards import view
from contracts.rules.view import RuleSet

_EARLIEST = datetime.min.replace(tzinfo=UTC)

SALES_MINOR_MAX = 2**62
"""The most that a month counts: half of what 64 bits hold, so one more order never exceeds them."""


@dataclass(frozen=True, slots=True)
class Progress(view.Progress):
    """The targets are those of the month's last placed paid order, in whatever order the payments arrived."""

    def with_order(self, order: OrderPaid, rules: Mapping[int, RuleSet]) -> Self:
        """The month after one more paid order. Of orders placed at the same time, the rules that began last count,
        then the higher rule version.
        """

        def place(placed_at: datetime, rule_version: int) -> tuple[datetime, datetime, int]:
            known = rules.get(rule_version)
            return placed_at, known.effective_from if known and known.effective_from else _EARLIEST, rule_version

        ours = place(self.placed_at, self.rule_version) if self.placed_at else None
        if ours is not None and ours >= place(order.placed_at, order.rule_version):
            return self
        return replace(self, rule_version=order.rule_version, placed_at=order.placed_at)


@dataclass(frozen=True, slots=True)
class Sale:
    """An order in its month: `counted` once paid; `taken_back_minor` is the sum of all refunds, or everything once
    it was cancelled. Both only grow, so the order of arrival does not matter.

    `month` is the key of its month, final once it is paid: a refund does not name the market. `too_large` is a paid
    order that is not counted, since its month was at `SALES_MINOR_MAX`; it stays so. `released` is whether the hold of
    its commission has ended, which may be known before it is paid; None if an earlier release counted it.
    """

    key: str
    month: str
    net_minor: int
    counted: bool = False
    taken_back_minor: int = 0
    too_large: bool | None = None
    released: bool | None = None

    @property
    def worth_minor(self) -> int:
        """What it adds to the month's sales; 0 before it is paid."""
        return self.net_minor - self.taken_back_minor if self.counted else 0

    @property
    def held_minor(self) -> int:
        """The part of its worth that no reward is available for: all of it until its commission is released."""
        return self.worth_minor if self.released is False else 0


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message: its order's sale, the progress it changes, and the rule sets."""

    progress: Mapping[str, Progress] = field(default_factory=dict)
    rules: Mapping[int, RuleSet] = field(default_factory=dict)
    sales: Mapping[str, Sale] = field(default_factory=dict)

    def with_progress(self, progress: Progress) -> Self:
        return replace(self, progress={**self.progress, progress.key: progress})

    def with_sale(self, sale: Sale) -> Self:
        return replace(self, sales={**self.sales, sale.key: sale})


def progress_key(distributor_id: int, placed_on: date, currency: str, market: str) -> str:
    """The key of the month's earnings: `distributor/month/currency`, with `/market` unless it is the default market."""
    return earnings_key(distributor_id, placed_on, currency, market)
