"""Loads the stock of a batch and saves the changes: one query and one bulk write for each collection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Self

from contracts.clock.v1 import ClockTicked
from contracts.orders.v1 import OrderAccepted, OrderCancelled, OrderRefunded, OrderShipped, UnpaidCancelled
from contracts.stock.v1 import AdjustStock, ReceiveStock, SetStock
from contracts.stock.view import IS_SHORT, ITEMS, StockItem
from contracts.subjects import OfOrder
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Document, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.stock_reservation.model import Booking, Reservation, State, text_of

DUE_MAX, DUE_BYTES_MAX = 500, 8 * 2**20
"""Items whose dates one tick checks; the next tick takes the rest. An item may have lots for years."""

RESERVATIONS = "stock_reservation.reservations"
BOOKINGS = "stock_reservation.bookings"

Consumed = (
    OrderAccepted
    | OrderShipped
    | OrderCancelled
    | OrderRefunded
    | UnpaidCancelled
    | ReceiveStock
    | AdjustStock
    | SetStock
    | ClockTicked
)


def _for_lists(item: StockItem) -> Document:
    return {IS_SHORT: item.short > 0}


_items = Codec(StockItem, key="product_id", derived=_for_lists)
_reservations = Codec(Reservation, key="key")
_bookings = Codec(Booking, key="reference")
to_item = _items.to_entity
to_reservation = _reservations.to_entity
to_booking = _bookings.to_entity


class StockRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            ITEMS,
            "stock by product, with lots",
            (
                Index((("low", 1), ("_id", 1)), "items that run low, by product"),
                Index(((IS_SHORT, 1), ("_id", 1)), "items with more reserved than in stock, by product"),
                Index((("next_check_on", 1),), "items with a lot that expires soon, and older items without the field"),
            ),
        ),
        Collection(RESERVATIONS, "reserved units, by order"),
        Collection(BOOKINGS, "receipts, adjustments and counts, by the sender's reference"),
    )

    def __init__(
        self,
        items: Loaded[int, StockItem],
        reservations: Loaded[str, Reservation],
        bookings: Loaded[str, Booking],
        due: Sequence[int],
    ) -> None:
        self._items = items
        self._reservations = reservations
        self._bookings = bookings
        self._due = due

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        data = [message.data for message in messages]
        return {
            "reservations": with_ids(RESERVATIONS, (key for d in data for key in _orders(d))),
            "bookings": with_ids(BOOKINGS, filter(None, map(_reference, data))),
            "items": with_ids(ITEMS, (product_id for d in data for product_id in _products(d, _NONE_KNOWN))),
        }

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        """The message lists what an order takes; only the reservation lists what it gives back."""
        reservations = _reservations.loaded(found["reservations"])
        due = await _due(tx, [message.data.at for message in messages if isinstance(message.data, ClockTicked)])
        items = _items.by_key(found["items"]) | due
        more = {product_id for message in messages for product_id in _products(message.data, reservations)}
        items |= await _items.fetch(tx, ITEMS, more - items.keys())
        return cls(Loaded(items), reservations, _bookings.loaded(found["bookings"]), tuple(due))

    def state_for(self, message: Message[Consumed]) -> State:
        data = message.data
        if isinstance(data, ClockTicked):
            return State(self._items.pick(self._due))
        reference = _reference(data)
        return State(
            items=self._items.pick(_products(data, self._reservations)),
            reservations=self._reservations.pick(_orders(data)),
            bookings=self._bookings.pick([reference] if reference else ()),
        )

    def keep(self, state: State) -> None:
        self._items.keep(state.items)
        self._reservations.keep(state.reservations)
        self._bookings.keep(state.bookings)

    async def save(self, tx: Transaction) -> None:
        await _items.save(tx, ITEMS, self._items)
        await _reservations.save(tx, RESERVATIONS, self._reservations)
        await _bookings.save(tx, BOOKINGS, self._bookings)


async def _due(tx: Transaction, ticks: Sequence[datetime]) -> dict[int, StockItem]:
    """The items whose dates are to be checked: first those that never were."""
    if not ticks:
        return {}
    order = (("next_check_on", 1),)
    never, _ = await tx.find_some(ITEMS, {"next_check_on": None}, limit=DUE_MAX, bytes_max=DUE_BYTES_MAX)
    where = {"next_check_on": {"$lte": text_of(max(ticks))}}
    due, _ = await tx.find_some(ITEMS, where, sort=order, limit=DUE_MAX, bytes_max=DUE_BYTES_MAX)
    return _items.by_key([*never, *due])


def _reference(data: Consumed) -> str | None:
    """The sender's reference of a receipt, adjustment or count."""
    if isinstance(data, ReceiveStock):
        return data.receipt_id
    if isinstance(data, SetStock):
        return data.reference
    return data.adjustment_id if isinstance(data, AdjustStock) else None


def _orders(data: Consumed) -> Sequence[str]:
    """The orders that a message concerns."""
    if isinstance(data, UnpaidCancelled):
        return data.orders
    return (data.key,) if isinstance(data, OfOrder) else ()


_NONE_KNOWN: Loaded[str, Reservation] = Loaded({})


def _products(data: Consumed, reservations: Loaded[str, Reservation]) -> set[int]:
    """The products that a message affects: those it names, or those in its order's reservation."""
    if isinstance(data, OrderAccepted):
        return {line.product_id for line in data.lines}
    if isinstance(data, ReceiveStock | AdjustStock | SetStock):
        return {data.product_id}
    if isinstance(data, ClockTicked):
        return set()
    held = reservations.pick(_orders(data)).values()
    named = {data.product_id} if isinstance(data, UnpaidCancelled) else set()
    return named | {pick.product_id for reservation in held for pick in reservation.picks}
