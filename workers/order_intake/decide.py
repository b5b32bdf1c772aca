"""The rules of an order's life cycle. Each step is taken once; a past step changes nothing, an early one waits."""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.clock.v1 import ClockTicked
from contracts.orders.placing import PlacingError
from contracts.orders.v1 import (
    AfterSaleChanged,
    AfterSaleRefused,
    ChangeAfterSale,
    OrderAccepted,
    OrderCancelled,
    OrderCompleted,
    OrderPaid,
    OrderRefunded,
    OrderRefused,
    OrderRejected,
    OrderShipped,
    RefundOrder,
    RefundRefused,
    StatusRefused,
    UnpaidCancelled,
    UpdateStatus,
)
from contracts.orders.v2 import PlaceOrder
from contracts.stock.v1 import StockReleaseRequested, StockReserved, StockShort
from contracts.times import plus
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.order_intake.acceptance import UnknownReference, accept
from workers.order_intake.content import fingerprint_of, refund_fingerprint_of
from workers.order_intake.model import Order, Refund, State
from workers.order_intake.refunds import (
    REFUND_LINES_MAX,
    REFUNDS_MAX,
    REFUNDS_TIMES_LINES_MAX,
    RefundError,
    give_back,
    requested_lines,
)

refuse_unreadable_order = Refusing[PlaceOrder](OrderRefused, "shop_id", given="order_id")
refuse_unreadable_status = Refusing[UpdateStatus](StatusRefused, "shop_id", repeats=("status",), given="order_id")
refuse_unreadable_refund = Refusing[RefundOrder](RefundRefused, "shop_id", repeats=("refund_id",), given="order_id")
refuse_unreadable_after_sale = Refusing[ChangeAfterSale](AfterSaleRefused, "shop_id", given="order_id")

ENDED = ("rejected", "cancelled", "refunded")
"""Statuses in which nothing is left to do."""

Answer = Decision[State] | NotYet[State]

CHANGES_MAX = 500
"""The version of an order from which on no after-sale is opened: each change is kept, published and shown."""


def place(state: State, message: Message[PlaceOrder]) -> Answer:
    """Accept an order, with its sponsor chain, tiers and rule version as of `placed_at`, or refuse it with a reason.

    The same order again is a duplicate; the same id with other content is a conflict, and the first stands.
    """
    command = message.data

    def refuse(reason: str, detail: str) -> Decision[State]:
        refused = OrderRefused(shop_id=command.shop_id, order_id=command.order_id, reason=reason, detail=detail)
        return Decision(state, (refused,), "refused")

    fingerprint = fingerprint_of(command)
    known = state.orders.get(command.key)
    if known is not None and known.fingerprint == fingerprint:
        return Decision(state, outcome="duplicate")
    if known is not None:
        return refuse("conflict", f"order {command.key} was accepted before with other content; the first one stands.")
    try:
        order, placer = accept(state, message, fingerprint)
    except UnknownReference as missing:
        return NotYet(missing.reason, refuse(missing.reason, missing.detail))
    except PlacingError as refused:
        return refuse(refused.reason, refused.detail)
    return Decision(state.with_placed(order, placer), (OrderAccepted(**order.snapshot()),), "accepted")


def update_status(state: State, message: Message[UpdateStatus]) -> Answer:
    """Take the step that the shop reports, if it is the order's next one."""
    update = message.data
    order = state.orders.get(update.key)
    if order is None:
        return NotYet("order_unknown", _refuse(state, update, "order_unknown", _never_accepted(update.key)))
    if order.status in ENDED:
        return _after_the_end(state, update, order)
    match update.status:
        case "paid":
            return _pay(state, order, message)
        case "shipped":
            return _ship(state, update, order)
        case "completed":
            return _complete(state, order, message)
        case "cancelled":  # pragma: no branch (mypy proves that there is no fifth status)
            if order.status in ("shipped", "completed"):
                detail = f"order {order.key} has shipped already; request a refund instead."
                return _refuse(state, update, "already_shipped", detail)
            return _cancel(state, order, "cancelled_by_shop")


def note_reserved(state: State, message: Message[StockReserved]) -> Answer:
    """Note that the goods are reserved. If the money arrived before, the order is paid now."""
    order = state.orders.get(message.data.key)
    if order is None:
        return NotYet("order_unknown")
    if order.status != "pending" or order.reserved:
        return Decision(state, outcome=f"already_{order.status}")
    if not order.prepaid:
        due_at = plus(message.time, timedelta(seconds=order.payment_deadline_s))
        return Decision(state.with_orders(order.becomes(reserved=True, due_at=due_at)), outcome="reserved")
    paid = order.becomes(reserved=True, status="paid", paid_at=order.paid_at or max(message.time, order.placed_at))
    return Decision(state.with_orders(paid), (_paid(paid),), "paid")


def reject(state: State, message: Message[StockShort]) -> Answer:
    """Reject an order without stock for every line; the detail names the products that are short."""
    order = state.orders.get(message.data.key)
    if order is None:
        return NotYet("order_unknown")
    if order.status != "pending":
        return Decision(state, outcome=f"already_{order.status}")
    detail = "; ".join(
        f"product {s.product_id}: {s.wanted} requested, {s.available} available" for s in message.data.shortages
    )
    rejected = order.becomes(status="rejected", reason="stock_short")
    event = OrderRejected(
        shop_id=order.shop_id, order_id=order.order_id, version=rejected.version, reason="stock_short", detail=detail
    )
    return Decision(state.with_orders(rejected), (event,), "rejected")


def cancel_overdue(state: State, message: Message[ClockTicked]) -> Answer:
    """Cancel orders whose payment deadline has passed, which releases their stock."""
    after, events = state, []
    for order in state.orders.values():
        if order.status == "pending" and order.due_at is not None and order.due_at <= message.data.at:
            cancelled = order.becomes(status="cancelled", due_at=None, reason="payment_overdue")
            after = after.with_orders(cancelled)
            events.append(OrderCancelled(**cancelled.cancellation(order)))
    return Decision(after, tuple(events), "cancelled_overdue" if events else "nothing_due")


def cancel_unpaid(state: State, message: Message[StockReleaseRequested]) -> Answer:
    """Cancel the newest unpaid orders of a product, until as many units are free as were requested.

    Newest by our receipt, since a shop chooses `placed_at`. Orders that are not reserved yet count too: their
    reservation may be on its way.
    """
    command = message.data
    unpaid, last = state.newest_unpaid(command.product_id, command.shortage)
    ended = [order.becomes(status="cancelled", due_at=None, reason="stock_oversold") for order in unpaid]
    answer = UnpaidCancelled(
        product_id=command.product_id,
        request=command.request,
        orders=tuple(order.key for order in ended),
        last_placed_at=last and last.placed_at,
        last_order=last and last.key,
    )
    events = (OrderCancelled(**after.cancellation(before)) for before, after in zip(unpaid, ended, strict=True))
    return Decision(state.with_orders(*ended), (*events, answer), "cancelled_unpaid" if ended else "nothing_unpaid")


def refund(state: State, message: Message[RefundOrder]) -> Answer:
    """Book a refund of a paid order: at most what is left of each line.

    The same refund again is a duplicate; the same id with other content is a conflict, and the first stands. When
    all the money is refunded, the order ends as refunded; units may still come back after that.
    """
    command = message.data
    order = state.orders.get(command.key)

    def refuse(reason: str, detail: str) -> Decision[State]:
        ids = {"shop_id": command.shop_id, "order_id": command.order_id, "refund_id": command.refund_id}
        return Decision(state, (RefundRefused(**ids, reason=reason, detail=detail),), "refused")

    if order is None:
        return NotYet("order_unknown", refuse("order_unknown", _never_accepted(command.key)))
    fingerprint = refund_fingerprint_of(command)
    known = order.refund(command.refund_id)
    if known is not None and known.fingerprint == fingerprint:
        return Decision(state, outcome="duplicate")
    if known is not None:
        detail = f"refund {command.refund_id} of order {order.key} was booked with other content; the first one stands."
        return refuse("conflict", detail)
    if order.status == "pending":
        detail = f"order {order.key} is not paid, so there is nothing to refund."
        return NotYet("not_paid", refuse("not_paid", detail))
    if order.status in ("rejected", "cancelled"):
        return refuse(f"order_{order.status}", f"{_ended(order)}; nothing of it can be refunded.")
    refunds_max = min(REFUNDS_MAX, REFUNDS_TIMES_LINES_MAX // len(order.lines))
    if len(order.refunds) >= refunds_max:
        detail = f"order {order.key} has {refunds_max} refunds, the most for an order of its length."
        return refuse("too_many_refunds", detail)
    before = order.requested
    if len(before) + len(command.lines) > REFUND_LINES_MAX:
        detail = f"lines: with these, the refunds of order {order.key} have more than {REFUND_LINES_MAX} lines."
        return refuse("too_many_refunds", detail)
    try:
        requested = requested_lines(command, order.currency)
        parts = give_back(order.lines, before, requested, order.currency)
    except RefundError as error:
        return refuse(error.reason, error.detail)
    at, was_shipped = message.bounded_time, order.was_shipped
    booked = Refund(command.refund_id, at, parts, fingerprint=fingerprint, was_shipped=was_shipped, asked=requested)
    after = order.with_refund(booked)
    return Decision(state.with_orders(after), (OrderRefunded(**after.refunded()),), "refunded")


def change_after_sale(state: State, message: Message[ChangeAfterSale]) -> Answer:
    """Note that an after-sale is open or closed; it can be closed even after the order's end."""
    command = message.data
    order = state.orders.get(command.key)

    def refuse(reason: str, detail: str) -> Decision[State]:
        refused = AfterSaleRefused(shop_id=command.shop_id, order_id=command.order_id, reason=reason, detail=detail)
        return Decision(state, (refused,), "refused")

    if order is None:
        return NotYet("order_unknown", refuse("order_unknown", _never_accepted(command.key)))
    if order.status == "pending":
        detail = f"order {order.key} is not paid, so no commission is held for it."
        return NotYet("not_paid", refuse("not_paid", detail))
    if order.after_sale_open == command.open:
        return Decision(state, outcome="already_open" if command.open else "already_closed")
    if command.open and order.status in ENDED:
        return refuse(f"order_{order.status}", f"{_ended(order)}; there is no commission left to hold.")
    if command.open and order.version >= CHANGES_MAX:
        return refuse(
            "too_many_changes", f"order {order.key} has changed {order.version} times; open no more after-sales."
        )
    after = order.becomes(after_sale_open=command.open)
    event = AfterSaleChanged(shop_id=after.shop_id, order_id=after.order_id, version=after.version, open=command.open)
    return Decision(state.with_orders(after), (event,), "after_sale_opened" if command.open else "after_sale_closed")


def _pay(state: State, order: Order, message: Message[UpdateStatus]) -> Answer:
    if order.status != "pending" or order.prepaid:
        return Decision(state, outcome=f"already_{order.status}")
    if not order.reserved:
        # The money arrived before the stock's answer: it is noted, and the answer decides.
        early = order.becomes(prepaid=True, paid_at=_step_at(order, message))
        return Decision(state.with_orders(early), outcome="payment_noted")
    paid = order.becomes(status="paid", due_at=None, paid_at=_step_at(order, message))
    return Decision(state.with_orders(paid), (_paid(paid),), "paid")


def _ship(state: State, update: UpdateStatus, order: Order) -> Answer:
    if order.status in ("shipped", "completed"):
        return Decision(state, outcome=f"already_{order.status}")
    if order.status == "pending":
        detail = f"order {order.key} is not paid, so it cannot ship."
        return NotYet("not_paid", _refuse(state, update, "not_paid", detail))
    shipped = order.becomes(status="shipped")
    return Decision(state.with_orders(shipped), (OrderShipped(**shipped.event_fields()),), "shipped")


def _complete(state: State, order: Order, message: Message[UpdateStatus]) -> Answer:
    if order.status == "completed":
        return Decision(state, outcome="already_completed")
    if order.status != "shipped":
        detail = f"order {order.key} has not shipped, so it cannot be complete."
        return NotYet("not_shipped", _refuse(state, message.data, "not_shipped", detail))
    # The hold of the commissions starts when we learn of the completion, regardless of the shop's clock.
    completed_at = _step_at(order, message)
    completed = order.becomes(status="completed", completed_at=completed_at)
    event = OrderCompleted(**completed.event_fields(), completed_at=completed_at)
    return Decision(state.with_orders(completed), (event,), "completed")


def _step_at(order: Order, message: Message[UpdateStatus]) -> datetime:
    """When a step counts as taken: not before we learnt of it, nor before its predecessor."""
    return max(message.bounded_time, order.paid_at or order.placed_at)


def _cancel(state: State, order: Order, reason: str) -> Answer:
    cancelled = order.becomes(status="cancelled", due_at=None, reason=reason)
    return Decision(state.with_orders(cancelled), (OrderCancelled(**cancelled.cancellation(order)),), "cancelled")


def _after_the_end(state: State, update: UpdateStatus, order: Order) -> Answer:
    passed = order.steps_taken if order.status == "refunded" else {"cancelled"}
    if update.status in passed:
        return Decision(state, outcome=f"already_{order.status}")
    return _refuse(state, update, f"order_{order.status}", f"{_ended(order)}; it cannot become {update.status}.")


def _ended(order: Order) -> str:
    return f"order {order.key} was {order.status} ({order.reason or 'all its money is back'})"


def _never_accepted(key: str) -> str:
    return f"order {key} was never accepted; place it first."


def _refuse(state: State, update: UpdateStatus, reason: str, detail: str) -> Decision[State]:
    refused = StatusRefused(
        shop_id=update.shop_id, order_id=update.order_id, status=update.status, reason=reason, detail=detail
    )
    return Decision(state, (refused,), "refused")


def _paid(order: Order) -> OrderPaid:
    assert order.paid_at is not None, f"order {order.key} is paid at some time"
    return OrderPaid(**order.snapshot(), paid_at=order.paid_at)
