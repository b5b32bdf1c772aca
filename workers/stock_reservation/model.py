"""The worker's stock: items with lots, reservations, and the bookings that changed the units on hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal, Self

from contracts.fields import QUANTITY_MAX
from contracts.stock.v1 import Pick as PickMessage
from contracts.stock.view import StockItem

EXPIRES_SOON_DAYS = 3
"""Units that expire within this time do not count in the check for low stock."""


EXPIRING_DAYS = 7
"""A lot is announced as expiring this many days before its last day of sale."""


@dataclass(frozen=True, slots=True)
class Pick:
    """Units of one product from one lot; `given_back` of them were refunded before shipment."""

    product_id: int
    batch_id: str
    quantity: int
    given_back: int = 0

    @property
    def left(self) -> int:
        return self.quantity - self.given_back


@dataclass(frozen=True, slots=True)
class Reservation:
    """The units reserved for an order. `void` marks an order that was cancelled before it could be reserved."""

    key: str
    status: Literal["open", "short", "shipped", "released", "void"]
    picks: tuple[Pick, ...] = ()

    @property
    def left(self) -> tuple[Pick, ...]:
        """The picks that the order still has."""
        return tuple(Pick(pick.product_id, pick.batch_id, pick.left) for pick in self.picks if pick.left)

    def give_back(self, refunded: Mapping[int, int]) -> tuple[Self, tuple[Pick, ...]]:
        """The reservation after these total refunds by product, and the units that this newly gives back.

        The last picked lot gives back first. Only the totals matter: a smaller one than before changes nothing.
        """
        sums = dict(refunded)
        picks: list[Pick] = []
        news: list[Pick] = []
        for pick in reversed(self.picks):
            due = min(sums.get(pick.product_id, 0), pick.quantity)
            sums[pick.product_id] = sums.get(pick.product_id, 0) - due
            if due > pick.given_back:
                news.append(Pick(pick.product_id, pick.batch_id, due - pick.given_back))
            picks.append(replace(pick, given_back=max(due, pick.given_back)))
        return replace(self, picks=tuple(reversed(picks))), tuple(reversed(news))


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking, stored so that a repeat, even much later, counts once. `counted` is the result of a count.

    `digest` is that of the command; older documents do not have it.
    """

    reference: str
    kind: Literal["receipt", "adjustment", "count"]
    product_id: int
    batch_id: str
    delta: int
    counted: int | None = None
    digest: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message: the items, reservations and bookings it names, if they exist."""

    items: Mapping[int, StockItem] = field(default_factory=dict)
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    bookings: Mapping[str, Booking] = field(default_factory=dict)

    def move(self, picks: Iterable[Pick], *, on_hand: int = 0, reserved: int = 0) -> list[StockItem]:
        """The items with each pick's quantity added to (+1) or taken from (-1) on hand and reserved."""
        moved: dict[int, StockItem] = {}
        for pick in picks:
            item = moved.get(pick.product_id) or self.items[pick.product_id]
            lot = item.lot(pick.batch_id)
            assert lot is not None, f"lot {pick.batch_id} of product {pick.product_id} was picked from and must exist"
            changed = replace(
                lot,
                on_hand=lot.on_hand + on_hand * pick.quantity,
                reserved=lot.reserved + reserved * pick.quantity,
            )
            assert changed.reserved >= 0, f"lot {lot} cannot move by {pick}"
            moved[pick.product_id] = item.with_lot(changed)
        return list(moved.values())

    def ship(self, reservation: Reservation, now: datetime) -> tuple[list[StockItem], Reservation]:
        """The items after shipment, and the reservation with the lots that the goods were shipped from.

        That is the reserved lot, as far as it has them and can be sold; then free units of other lots, then any units
        on hand. If the books have no more, the reserved lot goes below zero until the next count.
        """
        left = reservation.left
        if all(_serves(self.items[pick.product_id], pick, now) for pick in left):
            return self.move(left, on_hand=-1, reserved=-1), replace(reservation, status="shipped")
        stock = self.with_items(*self.move(left, reserved=-1))
        taken: list[Pick] = []
        for pick in left:
            picks = list(_taken(stock.items[pick.product_id], pick, now))
            stock = stock.with_items(*stock.move(picks, on_hand=-1))
            taken += picks
        # Given-back units are last, since `give_back` starts there.
        given_back = [replace(pick, quantity=pick.given_back) for pick in reservation.picks if pick.given_back]
        return list(stock.items.values()), replace(reservation, status="shipped", picks=(*taken, *given_back))

    def with_items(self, *changed: StockItem) -> Self:
        return replace(self, items={**self.items, **{item.product_id: item for item in changed}})

    def with_reservation(self, changed: Reservation) -> Self:
        return replace(self, reservations={**self.reservations, changed.key: changed})

    def with_booking(self, booking: Booking) -> Self:
        return replace(self, bookings={**self.bookings, booking.reference: booking})


def days_after(day: str, days: int) -> str:
    """The day `days` later, or earlier if negative, within the calendar."""
    ordinal = date.fromisoformat(day).toordinal() + days
    return date.fromordinal(min(max(ordinal, date.min.toordinal()), date.max.toordinal())).isoformat()


def text_of(moment: datetime) -> str:
    """A UTC time to the minute, which compares as text with days: `2026-11-29T16:00`."""
    return moment.isoformat()[:16]


def first_expired(item: StockItem, quantity: int, now: datetime) -> Iterator[Pick]:
    """Take `quantity` from the lots that can be sold, first expired first."""
    day = item.day_of(now)
    for lot in item.lots:
        taken = min(lot.available, quantity) if lot.sells_on(day) else 0
        if taken > 0:
            quantity -= taken
            yield Pick(item.product_id, lot.batch_id, taken)


def _serves(item: StockItem, pick: Pick, now: datetime) -> bool:
    """Whether the lot that the units were picked from has them, and can be sold."""
    lot = item.lot(pick.batch_id)
    return lot is not None and lot.on_hand >= pick.quantity and lot.sells_on(item.day_of(now))


def _taken(item: StockItem, pick: Pick, now: datetime) -> Iterator[Pick]:
    """The lots that give the units of a pick whose own reservation was removed already."""
    missing, day = pick.quantity, item.day_of(now)
    left = {lot.batch_id: lot.on_hand for lot in item.lots}
    own = [lot for lot in item.lots if lot.batch_id == pick.batch_id]
    sources = (
        *((lot, lot.on_hand) for lot in own if lot.sells_on(day)),
        *((lot, lot.available) for lot in item.lots if lot.sells_on(day)),
        *((lot, lot.on_hand) for lot in (*own, *item.lots)),
    )
    for lot, most in sources:
        units = max(min(most, left[lot.batch_id], missing), 0)
        left[lot.batch_id] -= units
        missing -= units
        if units:
            yield Pick(item.product_id, lot.batch_id, units)
    if missing:
        yield replace(pick, quantity=missing)


def count_shipped(items: Iterable[StockItem], picks: Iterable[Pick], sign: int) -> list[StockItem]:
    """The items with the picks' quantities added to (+1) or taken from (-1) the shipped units."""
    units: Counter[int] = Counter()
    for pick in picks:
        units[pick.product_id] += sign * pick.quantity
    return [replace(item, shipped=item.shipped + units[item.product_id]) for item in items]


def message_picks(picks: Iterable[Pick]) -> tuple[PickMessage, ...]:
    """The picks in the form of events. Several lines of a product may need more of a lot than one pick may carry."""
    return tuple(
        PickMessage(
            product_id=pick.product_id, batch_id=pick.batch_id, quantity=min(pick.quantity - start, QUANTITY_MAX)
        )
        for pick in picks
        for start in range(0, pick.quantity, QUANTITY_MAX)
    )
