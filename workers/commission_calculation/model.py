"""What the rules of commissions see beside the published view: what came before the accrual, and who earned how much.

Amounts in minor units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from contracts.commissions.earnings import Earnings, Tally, day_of, earnings_key, tallies_of
from contracts.commissions.view import AfterSale, Commission, Earned, LineRefund, Posting
from contracts.plans.calculation import Needs, Sale
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
    """What was received about an order before it was paid; applied by the decision that accrues, which sets `accrued`.

    The accrual writes it in any case: of an accrual and a notice at the same moment the second then finds the first.
    """

    key: str
    claims: tuple[Claim, ...] = ()
    completed_at: datetime | None = None
    after_sale: AfterSale | None = None
    accrued: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What one message sees: its order's commission and notices, or the commissions that are due; the rules; what the
    order's uplines earned before, where its rules ask; and what it makes: postings, and tallies to add to `earnings`.
    """

    commissions: Mapping[str, Commission] = field(default_factory=dict)
    notices: Mapping[str, Notices] = field(default_factory=dict)
    earnings: Mapping[str, Earnings] = field(default_factory=dict)
    rules: Mapping[int, RuleSet] = field(default_factory=dict)
    postings: tuple[Posting, ...] = ()
    tallies: tuple[Tally, ...] = ()

    def with_commissions(self, changed: Sequence[Commission], postings: Iterable[Posting] = ()) -> Self:
        """The accounts after these commissions are new or have changed, which the months of those concerned count."""
        tallies = [tally for after in changed for tally in tallies_of(self.commissions.get(after.key), after)]
        return replace(
            self,
            commissions={**self.commissions, **{commission.key: commission for commission in changed}},
            postings=(*self.postings, *postings),
            tallies=(*self.tallies, *tallies),
        )

    def noted(self, key: str) -> Notices:
        """What was received so far about an order that has not accrued."""
        return self.notices.get(key) or Notices(key)

    def earned(self, sale: Sale, placed_at: datetime, market: str, asked: Needs) -> Earned:
        """What those who may earn from a sale had earned before it, as far as the rules ask; zeros are left out."""
        if not asked.anything:
            return Earned()
        known = {
            earner: self._month(earnings_key(earner, placed_at, sale.currency, market)) for earner in earner_ids(sale)
        }

        sellers = known if asked.own_sales else {}
        day = day_of(placed_at)
        return Earned(
            _without_zeros((d, month.own_sales_minor - month.own_refunded_minor) for d, month in sellers.items()),
            {
                plan: _without_zeros((d, month.day_minor.get((day, plan), 0)) for d, month in known.items())
                for plan in sorted(asked.day)
            },
            {
                plan: _without_zeros((d, month.month_minor.get(plan, 0)) for d, month in known.items())
                for plan in sorted(asked.month)
            },
            _without_zeros((d, month.own_refunded_minor) for d, month in sellers.items()) or None,
        )

    def _month(self, key: str) -> Earnings:
        """What was stored of a month, and what this message adds to it."""
        month = self.earnings.get(key) or Earnings()
        for tally in self.tallies:
            if tally.key == key:
                month = month.plus(tally)
        return month

    def with_notices(self, notices: Notices) -> Self:
        return replace(self, notices={**self.notices, notices.key: notices})


def earner_ids(sale: Sale) -> tuple[int, ...]:
    """Everyone who may earn from a sale."""
    leader = () if sale.leader is None else (sale.leader.distributor_id,)
    return tuple(dict.fromkeys([*(up.distributor_id for up in sale.upline), *leader]))


def _without_zeros(sums: Iterable[tuple[int, int]]) -> dict[int, int]:
    return {distributor_id: amount for distributor_id, amount in sums if amount}
