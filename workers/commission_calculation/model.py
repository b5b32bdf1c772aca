"""The data of the rules beside the published view: notices before the accrual, and earlier earnings.

Amounts in minor units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Self

from contracts.commissions.earnings import Earnings, Tally, day_of, earnings_key, tallies_of
from contracts.commissions.view import AfterSale, Commission, Earned, LineRefund, Posting
from contracts.plans.calculation import Needs, Sale
from contracts.rules.view import RuleSet


@dataclass(frozen=True, slots=True)
class Claim:
    """What a refund or cancellation takes back, named after its message: the refunded sums of its lines.

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
        """The line after the claim. Sums only grow, so an older claim that arrives late changes nothing."""
        if self.closes:
            return replace(line, refunded_minor=line.net_minor, refunded_quantity=line.quantity)
        for claimed in self.lines:
            if claimed.line == line.line:
                return replace(
                    line,
                    refunded_minor=max(line.refunded_minor, claimed.refunded_minor),
                    refunded_quantity=max(line.refunded_quantity, claimed.refunded_quantity),
                )
        return line


@dataclass(frozen=True, slots=True)
class Notices:
    """Events of an order that preceded its payment; the accrual applies them and sets `accrued`.

    The accrual always writes this document, so that of a simultaneous accrual and notice the second sees the first.
    """

    key: str
    claims: tuple[Claim, ...] = ()
    completed_at: datetime | None = None
    after_sale: AfterSale | None = None
    accrued: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message: its order's commission and notices, or the due commissions; the rules; the uplines'
    earlier earnings, if the rules need them; and its results: postings, and tallies to add to `earnings`.
    """

    commissions: Mapping[str, Commission] = field(default_factory=dict)
    notices: Mapping[str, Notices] = field(default_factory=dict)
    earnings: Mapping[str, Earnings] = field(default_factory=dict)
    rules: Mapping[int, RuleSet] = field(default_factory=dict)
    postings: tuple[Posting, ...] = ()
    tallies: tuple[Tally, ...] = ()

    def with_commissions(self, changed: Sequence[Commission], postings: Iterable[Posting] = ()) -> Self:
        """The state with these new or changed commissions, whose tallies count in the months of their distributors."""
        tallies = [tally for after in changed for tally in tallies_of(self.commissions.get(after.key), after)]
        return replace(
            self,
            commissions={**self.commissions, **{commission.key: commission for commission in changed}},
            postings=(*self.postings, *postings),
            tallies=(*self.tallies, *tallies),
        )

    def noted(self, key: str) -> Notices:
        """The notices so far of an order that has not accrued."""
        return self.notices.get(key) or Notices(key)

    def earned(self, sale: Sale, placed_on: date, market: str, needed: Needs) -> Earned:
        """The earlier earnings of a sale's possible earners, as far as the rules need them; zeros are left out."""
        if not needed.anything:
            return Earned()
        known = {
            earner: self._month(earnings_key(earner, placed_on, sale.currency, market)) for earner in earner_ids(sale)
        }

        sellers = known if needed.own_sales else {}
        day = day_of(placed_on)
        return Earned(
            _without_zeros((d, month.own_sales_minor - month.own_refunded_minor) for d, month in sellers.items()),
            {
                plan: _without_zeros((d, month.day_minor.get((day, plan), 0)) for d, month in known.items())
                for plan in sorted(needed.day)
            },
            {
                plan: _without_zeros((d, month.month_minor.get(plan, 0)) for d, month in known.items())
                for plan in sorted(needed.month)
            },
            _without_zeros((d, month.own_refunded_minor) for d, month in sellers.items()) or None,
        )

    def _month(self, key: str) -> Earnings:
        """The stored month, plus what this message adds."""
        month = self.earnings.get(key) or Earnings()
        for tally in self.tallies:
            if tally.key == key:
                month = month.plus(tally)
        return month

    def with_notices(self, notices: Notices) -> Self:
        return replace(self, notices={**self.notices, notices.key: notices})


def earner_ids(sale: Sale) -> tuple[int, ...]:
    """The possible earners of a sale."""
    leader = () if sale.leader is None else (sale.leader.distributor_id,)
    return tuple(dict.fromkeys([*(up.distributor_id for up in sale.upline), *leader]))


def _without_zeros(sums: Iterable[tuple[int, int]]) -> dict[int, int]:
    return {distributor_id: amount for distributor_id, amount in sums if amount}
