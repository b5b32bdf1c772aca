"""The sums of a rehearsal by currency: sales, and commissions before and after, by month, plan and distributor.

All amounts are in minor units, and net of refunds on both sides, except those of a single line.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.money import RATE_SCALE
from contracts.plans.sale import SaleLine
from infra.rehearsal.orders import Paid, PastOrder

THIN_LINES_SHOWN_MAX = 10


class Change(NamedTuple):
    distributor_id: int
    before_minor: int
    after_minor: int

    @property
    def change_minor(self) -> int:
        return self.after_minor - self.before_minor


class ThinLine(NamedTuple):
    """A line that keeps less than the margin floor: its net, and the draft's commissions on it."""

    margin_ppm: int
    key: str
    line: int
    product_id: int
    net_minor: int
    commission_minor: int


@dataclass(slots=True)
class Month:
    sales_minor: int = 0
    before_minor: int = 0
    after_minor: int = 0


@dataclass(slots=True)
class Comparison:
    """Both sides of one currency. A line is thin if net - commissions is below the floor's share of its net."""

    margin_floor_ppm: int = 0
    orders: int = 0
    lines: int = 0
    sales_minor: int = 0
    before_minor: int = 0
    after_minor: int = 0
    thin_before: int = 0
    thin_after: int = 0
    by_month: dict[str, Month] = field(default_factory=dict)
    plans_before: Counter[str] = field(default_factory=Counter)
    plans_after: Counter[str] = field(default_factory=Counter)
    _people_before: dict[int, int] = field(default_factory=dict)
    _people_after: dict[int, int] = field(default_factory=dict)
    _thinnest: list[tuple[int, int, ThinLine]] = field(default_factory=list)

    def add(self, order: PastOrder, before: Iterable[Paid], after: Iterable[Paid]) -> None:
        self.orders += 1
        self.lines += len(order.sale.lines)
        self.sales_minor += order.kept_minor
        before_minor, lines_before = _count(before, self._people_before, self.plans_before)
        after_minor, lines_after = _count(after, self._people_after, self.plans_after)
        self.before_minor += before_minor
        self.after_minor += after_minor
        of_month = f"{order.placed_at:%Y-%m}"
        month = self.by_month.get(of_month)
        if month is None:
            month = self.by_month[of_month] = Month()
        month.sales_minor += order.kept_minor
        month.before_minor += before_minor
        month.after_minor += after_minor
        self._look_for_thin_lines(order, lines_before, lines_after)

    def changes(self) -> list[Change]:
        """All distributors with commissions on either side, the largest gain first, ties by id."""
        everyone = self._people_before.keys() | self._people_after.keys()
        found = [Change(who, self._people_before.get(who, 0), self._people_after.get(who, 0)) for who in everyone]
        return sorted(found, key=lambda change: (-change.change_minor, change.distributor_id))

    def thinnest(self) -> list[ThinLine]:
        """The thin lines of the draft with the smallest margins, the smallest first."""
        return [line for _, _, line in sorted(self._thinnest, reverse=True)]

    def _look_for_thin_lines(self, order: PastOrder, before: dict[int, int], after: dict[int, int]) -> None:
        for line in order.sale.lines:
            limit = line.net_minor * (RATE_SCALE - self.margin_floor_ppm)
            if before.get(line.line, 0) * RATE_SCALE > limit:
                self.thin_before += 1
            commission_minor = after.get(line.line, 0)
            if commission_minor * RATE_SCALE > limit:
                self.thin_after += 1
                self._keep(order, line, commission_minor)

    def _keep(self, order: PastOrder, line: SaleLine, commission_minor: int) -> None:
        margin_ppm = (line.net_minor - commission_minor) * RATE_SCALE // line.net_minor
        found = ThinLine(margin_ppm, order.key, line.line, line.product_id, line.net_minor, commission_minor)
        # Among lines with the same margin the first ones are kept.
        item = (-margin_ppm, -self.thin_after, found)
        if len(self._thinnest) < THIN_LINES_SHOWN_MAX:
            heapq.heappush(self._thinnest, item)
        else:
            heapq.heappushpop(self._thinnest, item)


def _count(paid: Iterable[Paid], people: dict[int, int], plans: Counter[str]) -> tuple[int, dict[int, int]]:
    """Add up the entries; return their total after refunds, and what each line paid before any refund."""
    total_minor = 0
    by_line: dict[int, int] = {}
    for line, plan, distributor_id, amount_minor, left_minor in paid:
        total_minor += left_minor
        by_line[line] = by_line.get(line, 0) + amount_minor
        people[distributor_id] = people.get(distributor_id, 0) + left_minor
        plans[plan] += left_minor
    return total_minor, by_line


def gains_and_losses(changes: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    """Those who gain, the largest gain first, and those who lose, the largest loss first."""
    gains = [change for change in changes if change.change_minor > 0]
    losses = [change for change in reversed(changes) if change.change_minor < 0]
    return gains, losses
