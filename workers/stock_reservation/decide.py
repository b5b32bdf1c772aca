"""The rules of stock. All lines of an order are reserved or none, and never more than in stock.

The stock may fall below what is reserved. Then the real stock is booked, the shortage is announced, and the newest
unpaid orders are cancelled, page by page: a request, an answer, and the next request.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

from contracts.clock.v1 import ClockTicked
from contracts.orders.v1 import OrderAccepted, OrderCancelled, OrderRefunded, OrderShipped, UnpaidCancelled
from contracts.stock.v1 import (
    AdjustStock,
    ReceiveStock,
    SetStock,
    Shortage,
    StockAdjusted,
    StockReceived,
    StockRefused,
    StockReleased,
    StockReserved,
    StockShort,
)
from contracts.stock.view import Lot, StockItem
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.stock_reservation.model import (
    Booking,
    Reservation,
    State,
    count_shipped,
    first_expired,
    message_picks,
    text_of,
)
from workers.stock_reservation.thresholds import after_answer, recovery_threshold, watch

Answer = Decision[State] | NotYet[State]

refuse_unreadable = Refusing[ReceiveStock | AdjustStock | SetStock](
    StockRefused, "product_id", given="reference", sent_as=("receipt_id", "adjustment_id", "reference")
)


def reserve(state: State, message: Message[OrderAccepted]) -> Answer:
    """Reserve the order's units, first expired first out; if anything is short, nothing is reserved.

    Lines of the same product are added up first. An order that was cancelled already is not reserved.
    """
    order = message.data
    known = state.reservations.get(order.key)
    if known is not None:
        return Decision(state, outcome="cancelled_before" if known.status == "void" else "duplicate")
    ordered: Counter[int] = Counter()
    for line in order.lines:
        ordered[line.product_id] += line.quantity
    shortages = tuple(
        Shortage(product_id=product_id, wanted=quantity, available=sellable)
        for product_id, quantity in sorted(ordered.items())
        if (sellable := _item(state, product_id).sellable(message.time)) < quantity
    )
    if shortages:
        short = StockShort(shop_id=order.shop_id, order_id=order.order_id, shortages=shortages)
        return Decision(state.with_reservation(Reservation(order.key, "short")), (short,), "short")
    picks = tuple(
        pick
        for product_id, quantity in sorted(ordered.items())
        for pick in first_expired(_item(state, product_id), quantity, message.time)
    )
    items, crossings = watch(state.move(picks, reserved=+1), message.time)
    reserved = StockReserved(shop_id=order.shop_id, order_id=order.order_id, picks=message_picks(picks))
    after = state.with_items(*items).with_reservation(Reservation(order.key, "open", picks))
    return Decision(after, (reserved, *crossings), "reserved")


def ship(state: State, message: Message[OrderShipped]) -> Answer:
    """The goods ship: reserved units are no longer on hand. The shop ships what it really has. If the books have less,
    other lots give what is missing; beyond that the lot goes below zero.
    """
    reservation = state.reservations.get(message.data.key)
    if reservation is None:
        return NotYet("reservation_unknown")
    if reservation.status != "open":
        return Decision(state, outcome=f"already_{reservation.status}")
    moved, after = state.ship(reservation, message.time)
    items = count_shipped(moved, reservation.left, +1)
    # Units that another lot gave, or an expired one, are lacking no longer: that may end a shortage or an alert. So may
    # the last unit of a lot that expires soon.
    announced = [item for item in items if item.short or item.low or item.expiring or item.expired]
    watched, changes = watch(announced, message.time)
    return Decision(state.with_items(*items, *watched).with_reservation(after), changes, "shipped")


def release(state: State, message: Message[OrderCancelled]) -> Answer:
    """Release the reservation. A cancellation that overtakes its order is stored, so that nothing gets reserved."""
    order = message.data
    reservation = state.reservations.get(order.key)
    if reservation is None:
        return Decision(state.with_reservation(Reservation(order.key, "void")), outcome="nothing_reserved")
    if reservation.status != "open":
        return Decision(state, outcome=f"already_{reservation.status}")
    items, crossings = watch(state.move(reservation.left, reserved=-1), message.time)
    released = StockReleased(shop_id=order.shop_id, order_id=order.order_id, picks=message_picks(reservation.left))
    after = state.with_items(*items).with_reservation(replace(reservation, status="released"))
    return Decision(after, (released, *crossings) if released.picks else (), "released")


def give_back(state: State, message: Message[OrderRefunded]) -> Answer:
    """Make refunded units that have not shipped available again, by their sums, so each comes back once.

    A full refund before shipment ends the order and nothing of it can ship: its whole reservation is released. If the
    shipment of the rest was handled first, the units come back on hand. Goods that are returned after shipment are
    received like any others.
    """
    order = message.data
    if order.was_shipped:
        return Decision(state, outcome="left_before")
    known = state.reservations.get(order.key)
    if known is None:
        return NotYet("reservation_unknown")
    refunded: Counter[int] = Counter()
    for line in order.lines:
        refunded[line.product_id] += line.refunded_quantity
    reservation, picks = known.give_back(refunded)
    if order.is_full and known.status == "open":
        picks = known.left
        reservation = replace(reservation, status="released")
    elif not picks:
        return Decision(state, outcome="nothing_new")
    after = state.with_reservation(reservation)
    if known.status == "released":
        return Decision(after, outcome="already_released")
    if known.status == "shipped":
        moved = count_shipped(state.move(picks, on_hand=+1), picks, -1)
    else:
        moved = state.move(picks, reserved=-1)
    items, crossings = watch(moved, message.time)
    released = StockReleased(shop_id=order.shop_id, order_id=order.order_id, picks=message_picks(picks))
    return Decision(after.with_items(*items), (released, *crossings) if picks else (), "released")


def receive(state: State, message: Message[ReceiveStock]) -> Answer:
    """Book received goods. The same receipt counts once; a lot keeps its expiry date."""
    receipt = message.data
    booking = Booking(
        receipt.receipt_id,
        "receipt",
        receipt.product_id,
        receipt.batch_id,
        receipt.quantity,
        digest=receipt.content_digest,
    )
    if (known := state.bookings.get(booking.reference)) is not None:
        return _booked_before(state, known, booking)
    item = _item(state, receipt.product_id)
    lot = item.lot(receipt.batch_id) or Lot(receipt.batch_id, receipt.expiry_date, 0, 0)
    if receipt.expiry_date is not None and lot.expires_on != receipt.expiry_date:
        return _refuse(
            state,
            booking,
            "expiry_mismatch",
            f"expiry_date: lot {lot.batch_id} expires on {lot.expires_on or 'no date'}; use another batch_id "
            f"for goods that expire on {receipt.expiry_date}.",
        )
    low_at = item.low_at if receipt.low_at is None else receipt.low_at
    recovered_at = recovery_threshold(item, receipt, low_at)
    item = replace(
        item.with_lot(replace(lot, on_hand=lot.on_hand + receipt.quantity)),
        zone=receipt.zone or item.zone,
        received=item.received + receipt.quantity,
        low_at=low_at,
        recovered_at=recovered_at,
        next_check_on=None,
    )
    [item], crossings = watch([item], message.bounded_time)
    received = StockReceived(
        receipt_id=receipt.receipt_id,
        product_id=item.product_id,
        quantity=receipt.quantity,
        on_hand=item.on_hand,
        available=item.available,
    )
    return Decision(state.with_items(item).with_booking(booking), (received, *crossings), "received")


def adjust(state: State, message: Message[AdjustStock]) -> Answer:
    """Correct the books by a count, even below what is reserved. A lot cannot go below zero."""
    adjustment = message.data
    booking = Booking(
        adjustment.adjustment_id,
        "adjustment",
        adjustment.product_id,
        adjustment.batch_id,
        adjustment.delta,
        digest=adjustment.content_digest,
    )
    if (known := state.bookings.get(booking.reference)) is not None:
        return _booked_before(state, known, booking)
    item = _item(state, adjustment.product_id)
    lot = item.lot(adjustment.batch_id) or Lot(adjustment.batch_id, None, 0, 0)
    if lot.on_hand + adjustment.delta < 0 > adjustment.delta:
        return _refuse(
            state,
            booking,
            "below_zero",
            f"delta: lot {lot.batch_id} of product {item.product_id} has {lot.on_hand} units, "
            f"so {-adjustment.delta} cannot be removed; send what was counted.",
        )
    item = replace(
        item.with_lot(replace(lot, on_hand=lot.on_hand + adjustment.delta)), adjusted=item.adjusted + adjustment.delta
    )
    return _corrected(state, item, booking, message.bounded_time)


def count(state: State, message: Message[SetStock]) -> Answer:
    """Set a lot's units on hand to the counted ones, even below what is reserved."""
    found = message.data
    item = _item(state, found.product_id)
    lot = item.lot(found.batch_id) or Lot(found.batch_id, None, 0, 0)
    delta = found.on_hand - lot.on_hand
    booking = Booking(
        found.reference, "count", found.product_id, found.batch_id, delta, found.on_hand, found.content_digest
    )
    if (known := state.bookings.get(booking.reference)) is not None:
        # The same count, repeated after another receipt, would have a different delta.
        return _booked_before(state, known, replace(booking, delta=known.delta))
    counted = replace(lot, on_hand=found.on_hand, expires_on=found.expiry_date or lot.expires_on)
    zone = found.zone or item.zone
    if (counted, zone) == (lot, item.zone):
        return Decision(state.with_booking(booking), outcome="unchanged")
    item = replace(item.with_lot(counted), adjusted=item.adjusted + delta, next_check_on=None, zone=zone)
    return _corrected(state, item, booking, message.bounded_time)


def check_dates(state: State, message: Message[ClockTicked]) -> Answer:
    """A lot too close to its last day of sale no longer counts, so its item may run low by that alone. After that day
    it serves no order, and the reserved units may exceed the other lots.
    """
    now, reached = message.data.at, text_of(message.data.at)
    due = [
        replace(item, checked_on=item.day_of(now), next_check_on=None)
        for item in state.items.values()
        if item.next_check_on is None or item.next_check_on <= reached
    ]
    items, crossings = watch(due, now)
    return Decision(state.with_items(*items), crossings, "dates_checked" if due else "nothing_due")


def take_back(state: State, message: Message[UnpaidCancelled]) -> Answer:
    """Release the reservations of the cancelled orders, and request more if they were not enough.

    Their own cancellations arrive too; the second message finds nothing left to do. If no unpaid order is left, the
    rest stays short: paid orders keep their reservations.
    """
    answer = message.data
    released = [r for key in answer.orders if (r := state.reservations.get(key)) is not None and r.status == "open"]
    freed = state
    for reservation in released:
        freed = freed.with_items(*freed.move(reservation.left, reserved=-1))
        freed = freed.with_reservation(replace(reservation, status="released"))
    touched = {pick.product_id for reservation in released for pick in reservation.left} | {answer.product_id}
    items, changes = watch((freed.items[product_id] for product_id in sorted(touched)), message.time)
    after = freed.with_items(*items)
    item = after.items[answer.product_id]
    if item.asking is not None and item.requests == answer.request:
        item, next_step = after_answer(item, answer, message.time)
        after, changes = after.with_items(item), (*changes, *next_step)
    released_events = (
        StockReleased(shop_id=shop_id, order_id=order_id, picks=message_picks(reservation.left))
        for reservation in released
        for shop_id, order_id in [reservation.key.split("/")]
    )
    return Decision(after, (*released_events, *changes), "released" if released else "nothing_reserved")


def _item(state: State, product_id: int) -> StockItem:
    return state.items.get(product_id) or StockItem(product_id)


def _corrected(state: State, item: StockItem, booking: Booking, now: datetime) -> Answer:
    [item], crossings = watch([item], now)
    adjusted = StockAdjusted(
        adjustment_id=booking.reference,
        product_id=item.product_id,
        delta=booking.delta,
        on_hand=item.on_hand,
        available=item.available,
        short=item.shortage(now) or None,
    )
    return Decision(state.with_items(item).with_booking(booking), (adjusted, *crossings), "adjusted")


def _booked_before(state: State, known: Booking, booking: Booking) -> Answer:
    if known == booking and known.digest in (None, booking.digest):
        return Decision(state, outcome="duplicate")
    return _refuse(
        state,
        booking,
        "conflicting_reference",
        f"reference {booking.reference} was used before for {known.delta} of product {known.product_id}; "
        "give each receipt, adjustment or count a reference of its own.",
    )


def _refuse(state: State, booking: Booking, reason: str, detail: str) -> Answer:
    refused = StockRefused(reference=booking.reference, product_id=booking.product_id, reason=reason, detail=detail)
    return Decision(state, (refused,), "refused")
