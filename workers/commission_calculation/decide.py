"""The rules of a commission's life: accrued and held when the order is paid, released after its hold period, taken
back by refunds. Events that precede the payment are stored as notices, and applied together with the accrual. So the
order of arrival decides only whether a reversal is taken from the held or from the available amount.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from contracts.calendar import local_date
from contracts.clock.v1 import ClockTicked
from contracts.commissions.v1 import (
    CommissionAccrued,
    CommissionReleased,
    CommissionReversed,
    ReversedEntry,
    Share,
    message_entries,
    message_unpaid,
)
from contracts.commissions.view import Account, AfterSale, Commission, Entry, Leg, LineRefund, Posting, Reversal
from contracts.money import to_amount, to_minor
from contracts.orders.v1 import AfterSaleChanged, OrderCancelled, OrderCompleted, OrderPaid, OrderRefunded
from contracts.plans.calculation import ARITHMETIC, Earner, Sale, SaleLine, calculate, needs
from contracts.plans.reversal import left_of, pool_left
from contracts.rules.view import DEFAULT_MARKET
from contracts.times import plus
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message, Payload
from workers.commission_calculation.model import Claim, Notices, State

Answer = Decision[State] | NotYet[State]
Step = tuple[Commission, tuple[Posting, ...], tuple[Payload, ...]]
"""A commission after a change, with its postings and events."""


def accrue(state: State, message: Message[OrderPaid]) -> Answer:
    """Accrue what the rules of the order's time give for its snapshot; it is held until released.

    Notices of the order are applied at once, in the order of events.
    """
    order = message.data
    if order.key in state.commissions:
        return Decision(state, outcome="duplicate")
    rules = state.rules.get(order.rule_version)
    if rules is None:
        return NotYet("rules_unknown")
    sale = sale_of(order)
    zone, day = rules.terms.zone, local_date(order.placed_at, rules.terms.zone)
    earned = state.earned(sale, day, rules.terms.market, needs(rules.terms))
    outcome = calculate(rules.terms, sale, earned)
    commission = Commission(
        key=order.key,
        currency=order.currency,
        rule_version=order.rule_version,
        order_version=order.version,
        placed_at=order.placed_at,
        accrued_at=message.time,
        seller_id=order.distributor_id,
        pool_minor=sum(outcome.pools_minor),
        entries=outcome.entries,
        unpaid=outcome.unpaid,
        lines=tuple(LineRefund(line.line, line.net_minor, line.quantity) for line in sale.lines),
        hold_days=rules.terms.hold_days,
        earned=earned,
        pools_minor=outcome.pools_minor,
        market=rules.terms.market,
        arithmetic=ARITHMETIC,
        placed_on=None if zone == "UTC" else day.isoformat(),
    )
    postings: tuple[Posting, ...] = (_accrual(message.id, commission),)
    events: tuple[Payload, ...] = (_accrued(commission),)
    noted = state.noted(order.key)
    for claim in sorted(noted.claims, key=lambda claim: claim.order_version):
        commission, posted, reversed_ = _take_back(commission, claim)
        postings, events = postings + posted, events + reversed_
    if noted.completed_at or noted.after_sale:
        commission = _schedule(replace(commission, completed_at=noted.completed_at, after_sale=noted.after_sale))
    after = state.with_notices(replace(noted, accrued=True)).with_commissions([commission], postings)
    return Decision(after, events, "accrued")


def start_hold(state: State, message: Message[OrderCompleted]) -> Answer:
    """The customer has the goods: the hold period starts."""
    order = message.data
    known = state.commissions.get(order.key) or state.noted(order.key)
    if known.completed_at is not None:
        return Decision(state, outcome="duplicate")
    return _keep(state, replace(known, completed_at=order.completed_at), "hold_started")


def note_after_sale(state: State, message: Message[AfterSaleChanged]) -> Answer:
    """While an after-sale is open nothing is released, and afterwards not before its end.

    An older change that arrives late changes nothing.
    """
    order = message.data
    known = state.commissions.get(order.key) or state.noted(order.key)
    if known.after_sale is not None and known.after_sale.order_version >= order.version:
        return Decision(state, outcome="duplicate")
    after_sale = AfterSale(order.version, order.open, message.time)
    return _keep(state, replace(known, after_sale=after_sale), "hold_extended" if order.open else "hold_resumed")


def take_back(state: State, message: Message[OrderRefunded]) -> Answer:
    """Take back the refunded share of each line from every level and plan, by new negative amounts.

    The event has the sums of all refunds so far, so an older one that arrives late takes nothing.
    """
    order = message.data
    lines = tuple(
        LineRefund(
            line.line,
            to_minor(line.net, order.currency),
            line.quantity,
            to_minor(line.refunded, order.currency),
            line.refunded_quantity,
        )
        for line in order.lines
    )
    claim = Claim(message.id, order.version, order.refund_id, "order_refunded", message.time, lines)
    return _claim(state, order.key, claim)


def take_back_all(state: State, message: Message[OrderCancelled]) -> Answer:
    """Take back all that is left of an order that was paid and then cancelled."""
    order = message.data
    if not order.was_paid:
        return Decision(state, outcome="nothing_accrued")
    return _claim(
        state,
        order.key,
        Claim(message.id, order.version, "cancelled", order.reason, message.time, closes=True),
    )


def release(state: State, message: Message[ClockTicked]) -> Answer:
    """Make the rest of a commission available when its hold period is over. Its event is published even if nothing is
    left of it, or nothing was earned: rewards wait for the hold of their sales.
    """
    released: list[Commission] = []
    postings: list[Posting] = []
    events: list[Payload] = []
    for commission in state.commissions.values():
        if commission.release_at is None or commission.release_at > message.data.at:
            continue
        released.append(
            replace(commission, status="released", release_at=None, released_at=commission.release_at),
        )
        shares = _shares(commission.entries, commission.remaining_minor())
        if shares:
            moves: dict[tuple[Account, int], int] = {("held", earner): -amount for earner, amount in shares.items()}
            moves |= {("available", earner): amount for earner, amount in shares.items()}
            posting_id = f"{message.id}/{commission.key}"
            postings.append(post(posting_id, commission, message.time, "release", moves))
        events.append(_released(commission, commission.release_at, shares))
    after = state.with_commissions(released, postings)
    return Decision(after, tuple(events), "released" if released else "nothing_due")


def sale_of(order: OrderPaid) -> Sale:
    """The order as the plans see it."""
    team = order.team
    return Sale(
        order.currency,
        tuple(
            SaleLine(line.line, line.product_id, line.category_id, line.quantity, to_minor(line.net, order.currency))
            for line in order.lines
        ),
        tuple(Earner(up.level, up.distributor_id, up.tier, up.active) for up in order.upline),
        Earner(0, team.leader_id, team.leader_tier, team.leader_active) if team else None,
    )


def post(
    posting_id: str,
    commission: Commission,
    at: datetime,
    kind: Literal["accrual", "release", "reversal"],
    moves: dict[tuple[Account, int], int],
) -> Posting:
    """A balanced posting: the moves between pool and distributors; breakage is the unpaid rest of the pool."""
    moves[("breakage", 0)] = -sum(moves.values())
    legs = tuple(Leg(account, amount, earner) for (account, earner), amount in sorted(moves.items()) if amount)
    return Posting(posting_id, commission.key, commission.currency, at, kind, legs)


def _claim(state: State, key: str, claim: Claim) -> Answer:
    commission = state.commissions.get(key)
    if commission is None:
        noted = state.noted(key)
        if any(known.order_version == claim.order_version for known in noted.claims):
            return Decision(state, outcome="duplicate")
        return _keep(state, replace(noted, claims=(*noted.claims, claim)), "noted")
    after, postings, events = _take_back(commission, claim)
    if after is commission:
        return Decision(state, outcome="duplicate")
    return Decision(state.with_commissions([after], postings), events, "reversed")


def _keep(state: State, known: Commission | Notices, outcome: str) -> Answer:
    """Store the change in the commission, or in the notices until it accrues."""
    if isinstance(known, Commission):
        return Decision(state.with_commissions([_schedule(known)]), outcome=outcome)
    return Decision(state.with_notices(known), outcome="noted")


def _schedule(commission: Commission) -> Commission:
    """Set when a held commission is released: at the end of the hold period, or of an after-sale if that is later."""
    if commission.status == "released" or commission.completed_at is None:
        return commission
    held_until = plus(commission.completed_at, timedelta(days=commission.hold_days))
    after_sale = commission.after_sale
    if after_sale is None:
        return replace(commission, release_at=held_until)
    return replace(commission, release_at=None if after_sale.open else max(held_until, after_sale.since))


def _take_back(commission: Commission, claim: Claim) -> Step:
    """Reduce each line's entries to what its refunded sums leave; the same commission if no line changes."""
    lines = tuple(map(claim.raises, commission.lines))
    if lines == commission.lines:
        return commission, (), ()
    left = left_of(commission.entries, commission.pools_minor, lines, commission.arithmetic)
    amounts = tuple(now - before for now, before in zip(left, commission.remaining_minor(), strict=True))
    pool_minor = _pool_left(commission, commission.lines) - _pool_left(commission, lines)
    account: Literal["held", "available"] = "held" if commission.status == "held" else "available"
    reversal = Reversal(claim.reference, claim.reason, claim.at, account, amounts)
    after = replace(commission, lines=lines, reversals=(*commission.reversals, reversal))
    moves: dict[tuple[Account, int], int] = {
        (account, earner): amount for earner, amount in _shares(commission.entries, amounts).items()
    }
    posting = post(claim.message_id, commission, claim.at, "reversal", moves | {("pool", 0): pool_minor})
    return after, (posting,) if posting.legs else (), (_reversed(commission, reversal),) if any(amounts) else ()


def _pool_left(commission: Commission, lines: Sequence[LineRefund]) -> int:
    pools = zip(commission.pools_minor, lines, strict=True)
    return sum(pool_left(pool_minor, line, commission.arithmetic) for pool_minor, line in pools)


def _accrual(posting_id: str, commission: Commission) -> Posting:
    amounts = (entry.amount_minor for entry in commission.entries)
    moves: dict[tuple[Account, int], int] = {
        ("held", earner): amount for earner, amount in _shares(commission.entries, amounts).items()
    }
    return post(posting_id, commission, commission.accrued_at, "accrual", moves | {("pool", 0): -commission.pool_minor})


def _shares(entries: Iterable[Entry], amounts_minor: Iterable[int]) -> dict[int, int]:
    """The sum of the amounts by distributor; zero sums are left out."""
    shares: Counter[int] = Counter()
    for entry, amount in zip(entries, amounts_minor, strict=True):
        shares[entry.distributor_id] += amount
    return {earner: amount for earner, amount in sorted(shares.items()) if amount}


def _accrued(commission: Commission) -> CommissionAccrued:
    shop_id, order_id = commission.shop_and_order
    currency = commission.currency
    return CommissionAccrued(
        shop_id=shop_id,
        order_id=order_id,
        order_version=commission.order_version,
        currency=currency,
        rule_version=commission.rule_version,
        pool=to_amount(commission.pool_minor, currency),
        total=to_amount(commission.total_minor, currency),
        entries=message_entries(commission.entries, currency),
        unpaid=message_unpaid(commission.unpaid),
        hold_days=commission.hold_days,
    )


def _released(commission: Commission, released_at: datetime, shares: dict[int, int]) -> CommissionReleased:
    shop_id, order_id = commission.shop_and_order
    return CommissionReleased(
        shop_id=shop_id,
        order_id=order_id,
        currency=commission.currency,
        total=to_amount(sum(shares.values()), commission.currency),
        shares=tuple(
            Share(distributor_id=earner, amount=to_amount(amount, commission.currency))
            for earner, amount in shares.items()
        ),
        released_at=released_at,
        market=_market_of(commission),
    )


def _reversed(commission: Commission, reversal: Reversal) -> CommissionReversed:
    shop_id, order_id = commission.shop_and_order
    changed = zip(commission.entries, reversal.amounts_minor, strict=True)
    return CommissionReversed(
        shop_id=shop_id,
        order_id=order_id,
        currency=commission.currency,
        reference=reversal.reference,
        account=reversal.account,
        total=to_amount(sum(reversal.amounts_minor), commission.currency),
        entries=tuple(
            ReversedEntry(
                line=entry.line,
                plan=entry.plan,
                level=entry.level,
                distributor_id=entry.distributor_id,
                amount=to_amount(amount, commission.currency),
            )
            for entry, amount in changed
            if amount
        ),
        reason=reversal.reason,
        market=_market_of(commission),
    )


def _market_of(commission: Commission) -> str | None:
    """The market in the form of the events."""
    return None if commission.market == DEFAULT_MARKET else commission.market
