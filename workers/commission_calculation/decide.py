"""The rules of commissions. Each line has a closed pool; shares are exact and rounded once, together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from contracts.commissions.v1 import CommissionAccrued, CommissionReversed
from contracts.commissions.v1 import Entry as EntryMessage
from contracts.commissions.v1 import Unpaid as UnpaidMessage
from contracts.decision import Decision, NotYet
from contracts.envelope import Message
from contracts.money import RATE_SCALE, largest_remainder, to_amount, to_minor, to_rate
from contracts.orders.v1 import OrderCancelled, OrderPaid, Upline
from workers.commission_calculation.model import Accounts, Commission, Entry, Leg, Posting, Unpaid

Answer = Decision[Accounts] | NotYet[Accounts]


def accrue(accounts: Accounts, message: Message[OrderPaid]) -> Answer:
    """Give each active upline its share of every line, by the rule version and sponsor chain of the order's time."""
    order = message.data
    if order.key in accounts.commissions:
        return Decision(accounts, outcome="duplicate")
    rules = accounts.rules.get(order.rule_version)
    if rules is None:
        return NotYet("rules_unknown")
    entries: list[Entry] = []
    pool_minor = 0
    for line in order.lines:
        base = to_minor(line.net, order.currency)
        pool = base * rules.pool_rate_ppm // RATE_SCALE
        pool_minor += pool
        entries += shares(line.line, line.product_id, base, rules.rates_of(line.category_id), order.upline, pool)
    commission = Commission(
        key=order.key,
        currency=order.currency,
        rule_version=order.rule_version,
        order_version=order.version,
        pool_minor=pool_minor,
        entries=tuple(entries),
        unpaid=tuple(unpaid(order.upline, [rules.rates_of(line.category_id) for line in order.lines])),
    )
    accrued = CommissionAccrued(
        shop_id=order.shop_id,
        order_id=order.order_id,
        order_version=order.version,
        currency=order.currency,
        rule_version=order.rule_version,
        pool=to_amount(pool_minor, order.currency),
        total=to_amount(commission.total_minor, order.currency),
        entries=_said(commission.entries, order.currency),
        unpaid=tuple(
            UnpaidMessage(level=u.level, distributor_id=u.distributor_id, reason=u.reason) for u in commission.unpaid
        ),
    )
    posting = post(message.id, commission.key, order.currency, message.time, commission.entries)
    return Decision(accounts.with_commission(commission, posting), (accrued,), "accrued")


def reverse(accounts: Accounts, message: Message[OrderCancelled]) -> Answer:
    """Take back what a cancelled order paid, by new negative entries; the old ones stay as they are."""
    order = message.data
    if not order.was_paid:
        return Decision(accounts, outcome="nothing_accrued")
    commission = accounts.commissions.get(order.key)
    if commission is None:
        return NotYet("accrual_unknown")
    if commission.status == "reversed":
        return Decision(accounts, outcome="duplicate")
    negated = tuple(
        replace(entry, amount_minor=-entry.amount_minor, rounding=-entry.rounding) for entry in commission.entries
    )
    reversed_ = CommissionReversed(
        shop_id=order.shop_id,
        order_id=order.order_id,
        order_version=order.version,
        currency=commission.currency,
        total=to_amount(-commission.total_minor, commission.currency),
        entries=_said(negated, commission.currency),
        reason=order.reason,
    )
    posting = post(message.id, commission.key, commission.currency, message.time, negated)
    after = accounts.with_commission(replace(commission, status="reversed"), posting)
    return Decision(after, (reversed_,), "reversed")


def shares(
    line: int, product_id: int, base_minor: int, rates_ppm: Sequence[int], upline: Sequence[Upline], pool_minor: int
) -> list[Entry]:
    """One line's entries: base x rate for each active level that has a rate, never more than the pool together."""
    paid = [(up, rates_ppm[up.level - 1]) for up in upline if up.active and up.level <= len(rates_ppm)]
    numerators = [base_minor * rate for _, rate in paid]
    amounts = largest_remainder(numerators, RATE_SCALE, limit=pool_minor)
    return [
        Entry(
            line=line,
            product_id=product_id,
            level=up.level,
            distributor_id=up.distributor_id,
            base_minor=base_minor,
            rate_ppm=rate,
            amount_minor=amount,
            rounding=amount - numerator // RATE_SCALE,
        )
        for (up, rate), numerator, amount in zip(paid, numerators, amounts, strict=True)
    ]


def unpaid(upline: Iterable[Upline], rates_by_line: Iterable[Sequence[int]]) -> Iterable[Unpaid]:
    """Those of the chain that get nothing on any line of this order, and why."""
    levels_paid = max(map(len, rates_by_line), default=0)
    for up in upline:
        if up.level > levels_paid:
            yield Unpaid(up.level, up.distributor_id, "beyond_last_level")
        elif not up.active:
            yield Unpaid(up.level, up.distributor_id, "inactive")


def post(posting_id: str, key: str, currency: str, at: datetime, entries: Iterable[Entry]) -> Posting:
    """The balanced posting of some entries: what distributors hold comes out of the pool."""
    held: Counter[int] = Counter()
    for entry in entries:
        held[entry.distributor_id] += entry.amount_minor
    legs = [Leg("held", amount, distributor_id) for distributor_id, amount in sorted(held.items()) if amount]
    total = sum(leg.amount_minor for leg in legs)
    return Posting(posting_id, key, currency, at, (*legs, Leg("pool", -total)))


def _said(entries: Iterable[Entry], currency: str) -> tuple[EntryMessage, ...]:
    return tuple(
        EntryMessage(
            line=entry.line,
            product_id=entry.product_id,
            level=entry.level,
            distributor_id=entry.distributor_id,
            base=to_amount(entry.base_minor, currency),
            rate=to_rate(entry.rate_ppm),
            amount=to_amount(entry.amount_minor, currency),
            rounding=entry.rounding,
        )
        for entry in entries
    )
