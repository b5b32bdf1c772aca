"""What the rules of commissions see beside the published view: what came before the accrual, and who earned how much.

Amounts in minor units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from contracts.commissions.calculation import Needs, Sale
from contracts.commissions.view import AfterSale, Commission, Earned, Entry, LineRefund, Posting
from contracts.rules.view import RuleSet


@dataclass(frozen=True, slots=True)
class Claim:
    """What a refund or cancellation takes back, named after its message: the sums of the lines it tells of.

    With `closes`, all that is left of every line.
    """

    message_id: str
    order_version: int
    reference: str
    reason: str
    at: datetime
    lines: tuple[LineRefund, ...] = ()
    closes: bool = False

    def raises(self, line: LineRefund) -> LineRefund:
        """The line after the claim. Sums only grow, so an older claim that comes late changes nothing."""
        if self.closes:
            return replace(line, refunded_minor=line.net_minor, refunded_quantity=line.quantity)
        for told in self.lines:
            if told.line == line.line:
                return replace(
                    line,
                    refunded_minor=max(line.refunded_minor, told.refunded_minor),
                    refunded_quantity=max(line.refunded_quantity, told.refunded_quantity),
                )
        return line


@dataclass(frozen=True, slots=True)
class Notices:
    """What was heard of an order before it was paid; applied by the decision that accrues, which sets `accrued`.

    The accrual writes it in any case: of an accrual and a notice at the same moment the second then finds the first.
    """

    key: str
    claims: tuple[Claim, ...] = ()
    completed_at: datetime | None = None
    after_sale: AfterSale | None = None
    accrued: bool = False


@dataclass(frozen=True, slots=True)
class Earnings:
    """A distributor's month in one currency: own paid sales, and what capped plans accrued, by plan and by day.

    Kept only where the rules of an order ask for it; counted at accrual, and never reopened by what is taken back.
    """

    key: str
    own_sales_minor: int = 0
    month_minor: Mapping[str, int] = field(default_factory=dict)
    day_minor: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def on_day(self, plan: str, placed_at: datetime) -> int:
        return self.day_minor.get(day_of(placed_at), {}).get(plan, 0)

    def with_sale(self, net_minor: int) -> Self:
        return replace(self, own_sales_minor=self.own_sales_minor + net_minor)

    def with_month(self, plan: str, amount_minor: int) -> Self:
        return replace(self, month_minor=_plus(self.month_minor, plan, amount_minor))

    def with_day(self, plan: str, placed_at: datetime, amount_minor: int) -> Self:
        day = day_of(placed_at)
        of_day = _plus(self.day_minor.get(day, {}), plan, amount_minor)
        return replace(self, day_minor={**self.day_minor, day: of_day})


@dataclass(frozen=True, slots=True)
class Accounts:
    """What one message sees: its order's commission and notices, or the commissions that are due; the rules; what the
    order's uplines earned before; and the postings it makes.
    """

    commissions: Mapping[str, Commission] = field(default_factory=dict)
    notices: Mapping[str, Notices] = field(default_factory=dict)
    earnings: Mapping[str, Earnings] = field(default_factory=dict)
    rules: Mapping[int, RuleSet] = field(default_factory=dict)
    postings: tuple[Posting, ...] = ()

    def with_commissions(self, changed: Iterable[Commission], postings: Iterable[Posting] = ()) -> Self:
        return replace(
            self,
            commissions={**self.commissions, **{commission.key: commission for commission in changed}},
            postings=(*self.postings, *postings),
        )

    def noted(self, key: str) -> Notices:
        """What was heard of an order so far that has not accrued."""
        return self.notices.get(key) or Notices(key)

    def earned(self, sale: Sale, placed_at: datetime, asked: Needs) -> Earned:
        """What those who may earn from a sale had earned before it, as far as the rules ask; zeros are left out."""
        if not asked.anything:
            return Earned()
        known = {
            earner: earnings
            for earner in earner_ids(sale)
            if (earnings := self.earnings.get(earnings_key(earner, placed_at, sale.currency))) is not None
        }
        return Earned(
            own_sales_minor={d: e.own_sales_minor for d, e in known.items() if asked.own_sales and e.own_sales_minor},
            day_minor={
                plan: {d: e.on_day(plan, placed_at) for d, e in known.items() if e.on_day(plan, placed_at)}
                for plan in sorted(asked.day)
            },
            month_minor={
                plan: {d: e.month_minor[plan] for d, e in known.items() if plan in e.month_minor}
                for plan in sorted(asked.month)
            },
        )

    def with_earnings(self, sale: Sale, placed_at: datetime, entries: Iterable[Entry], asked: Needs) -> Self:
        """Count a sale and its entries, as far as the rules ask for it."""
        if not asked.anything:
            return self
        changed = dict(self.earnings)

        def of(earner: int) -> Earnings:
            key = earnings_key(earner, placed_at, sale.currency)
            return changed.get(key) or Earnings(key)

        if asked.own_sales:
            seller = of(sale.upline[0].distributor_id)
            changed[seller.key] = seller.with_sale(sum(line.net_minor for line in sale.lines))
        for entry in entries if asked.day or asked.month else ():
            if entry.plan in asked.day:
                earnings = of(entry.distributor_id).with_day(entry.plan, placed_at, entry.amount_minor)
                changed[earnings.key] = earnings
            if entry.plan in asked.month:
                earnings = of(entry.distributor_id).with_month(entry.plan, entry.amount_minor)
                changed[earnings.key] = earnings
        return replace(self, earnings=changed)

    def with_notices(self, notices: Notices) -> Self:
        return replace(self, notices={**self.notices, notices.key: notices})


def earner_ids(sale: Sale) -> tuple[int, ...]:
    """Everyone who may earn from a sale."""
    leader = () if sale.leader is None else (sale.leader.distributor_id,)
    return tuple(dict.fromkeys([*(up.distributor_id for up in sale.upline), *leader]))


def earnings_key(distributor_id: int, placed_at: datetime, currency: str) -> str:
    """`distributor/month/currency`; the month is that of the order's `placed_at` in UTC."""
    return f"{distributor_id}/{placed_at:%Y-%m}/{currency}"


def day_of(placed_at: datetime) -> str:
    """The day of the month in UTC, as two digits."""
    return f"{placed_at:%d}"


def _plus(sums: Mapping[str, int], name: str, amount: int) -> Mapping[str, int]:
    return {**sums, name: sums.get(name, 0) + amount}
