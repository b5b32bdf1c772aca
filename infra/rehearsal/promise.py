"""The commissions that a rule set would have booked for past orders, one after another, with its running figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import date

from contracts.calendar import days_near, local_date
from contracts.commissions.view import Earned, LineRefund
from contracts.plans.calculation import ARITHMETIC, Outcome, calculate
from contracts.plans.reversal import left_of
from contracts.plans.sale import Sale
from contracts.rules.view import Terms
from infra.rehearsal.orders import Paid, PastOrder

TermsOf = Callable[[PastOrder], Terms]


class Promise:
    """One version of the past: the rules that apply to each order, and what everyone had earned before it.

    Orders must come in the order in which they were placed. Own sales and caps count by month and day of `placed_at` in
    the zone of the rules, per market and currency; only the current month is kept, and for a day the one before.
    Refunded amounts never count as own sales, because past orders do not contain the time of a refund.
    """

    def __init__(self, terms_of: TermsOf) -> None:
        self._terms_of = terms_of
        self._yesterday = date.min
        self._of_month: dict[tuple[date, str, str], _Period] = {}
        self._of_day: dict[tuple[date, str, str], _Period] = {}

    def book(self, order: PastOrder, sale: Sale | None = None) -> tuple[Paid, ...]:
        """Return the entries of the order; with `sale`, the entries of that sale instead."""
        sale = sale or order.sale
        terms = self._terms_of(order)
        self._forget_before(days_near(order.placed_at)[0])
        placed_on, where = local_date(order.placed_at, terms.zone), (terms.market, sale.currency)
        month = self._of_month.setdefault((placed_on.replace(day=1), *where), _Period())
        day = self._of_day.setdefault((placed_on, *where), _Period())
        outcome = calculate(terms, sale, Earned(month.own_sales, day.by_plan, month.by_plan))
        month.own_sales[sale.upline[0].distributor_id] += order.kept_minor
        for entry in outcome.entries:
            month.by_plan[entry.plan][entry.distributor_id] += entry.amount_minor
            day.by_plan[entry.plan][entry.distributor_id] += entry.amount_minor
        return _after_refunds(order, sale, outcome)

    def _forget_before(self, yesterday: date) -> None:
        """Orders in zones in the west may still count on the day before that of UTC."""
        if yesterday != self._yesterday:
            self._yesterday = yesterday
            month = yesterday.replace(day=1)
            self._of_month = {key: period for key, period in self._of_month.items() if key[0] >= month}
            self._of_day = {key: period for key, period in self._of_day.items() if key[0] >= yesterday}


class _Period:
    """Own sales by distributor, and what each plan booked to whom, in one currency."""

    def __init__(self) -> None:
        self.own_sales: defaultdict[int, int] = defaultdict(int)
        self.by_plan: defaultdict[str, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))


def _after_refunds(order: PastOrder, sale: Sale, outcome: Outcome) -> tuple[Paid, ...]:
    """The entries with their amounts left after the order's refunds."""
    left = [entry.amount_minor for entry in outcome.entries]
    if order.refunds:
        lines = [
            order.refunds.get(line.line) or LineRefund(line.line, line.net_minor, line.quantity) for line in sale.lines
        ]
        left = list(left_of(outcome.entries, outcome.pools_minor, lines, ARITHMETIC))
    return tuple(
        Paid(entry.line, entry.plan, entry.distributor_id, entry.amount_minor, left_minor)
        for entry, left_minor in zip(outcome.entries, left, strict=True)
    )
