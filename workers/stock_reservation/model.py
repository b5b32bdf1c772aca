"""Stock as this worker knows it: items with lots, reservations, and the bookings that changed what is on hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Lot:
    """Units that came in together. `expires_on` is the last day of sale (ISO date, compares as text), or None."""

    batch_id: str
    expires_on: str | None
    on_hand: int
    reserved: int

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    def sells_on(self, day: str) -> bool:
        return self.expires_on is None or self.expires_on >= day


@dataclass(frozen=True, slots=True)
class Pick:
    """Units of one product out of one lot; `given_back` of them were refunded before they left."""

    product_id: int
    batch_id: str
    quantity: int
    given_back: int = 0

    @property
    def left(self) -> int:
        return self.quantity - self.given_back


@dataclass(frozen=True, slots=True)
class StockItem:
    """A product's stock. on hand = received - shipped + adjusted; available = on hand - reserved, never negative.

    `low` says on which side of its thresholds the item is, `crossings` how often it changed sides.
    """

    product_id: int
    lots: tuple[Lot, ...] = ()
    received: int = 0
    shipped: int = 0
    adjusted: int = 0
    low_at: int = 0
    recovered_at: int = 0
    low: bool = False
    crossings: int = 0

    @property
    def on_hand(self) -> int:
        return sum(lot.on_hand for lot in self.lots)

    @property
    def reserved(self) -> int:
        return sum(lot.reserved for lot in self.lots)

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved

    def sellable(self, day: str) -> int:
        """Units that may still be reserved for an order of `day`: an expired lot may not."""
        return sum(lot.available for lot in self.lots if lot.sells_on(day))

    def lot(self, batch_id: str) -> Lot | None:
        return next((lot for lot in self.lots if lot.batch_id == batch_id), None)

    def with_lot(self, changed: Lot) -> Self:
        """The item with this lot in place of the one of the same name, or added; first expired comes first."""
        others = [lot for lot in self.lots if lot.batch_id != changed.batch_id]
        lots = sorted([*others, changed], key=lambda lot: (lot.expires_on or "9999-12-31", lot.batch_id))
        return replace(self, lots=tuple(lots))


@dataclass(frozen=True, slots=True)
class Reservation:
    """What is set apart for an order. `void` ones stand for orders cancelled before they could be reserved."""

    key: str
    status: Literal["open", "short", "shipped", "released", "void"]
    picks: tuple[Pick, ...] = ()

    @property
    def left(self) -> tuple[Pick, ...]:
        """What still belongs to the order."""
        return tuple(Pick(pick.product_id, pick.batch_id, pick.left) for pick in self.picks if pick.left)

    def give_back(self, refunded: Mapping[int, int]) -> tuple[Self, tuple[Pick, ...]]:
        """The reservation after so many units of each product were refunded in all, and what that newly gives back.

        The last picked lot gives back first. Only the sums matter: a smaller one than before changes nothing.
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
    """A receipt or adjustment that was booked, so that sending it again, even much later, counts once."""

    reference: str
    kind: Literal["receipt", "adjustment"]
    product_id: int
    batch_id: str
    delta: int


@dataclass(frozen=True, slots=True)
class Shelf:
    """What one message sees of the stock: the items, reservations and bookings it names, where they exist."""

    items: Mapping[int, StockItem] = field(default_factory=dict)
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    bookings: Mapping[str, Booking] = field(default_factory=dict)

    def with_items(self, *changed: StockItem) -> Self:
        return replace(self, items={**self.items, **{item.product_id: item for item in changed}})

    def with_reservation(self, changed: Reservation) -> Self:
        return replace(self, reservations={**self.reservations, changed.key: changed})

    def with_booking(self, booking: Booking) -> Self:
        return replace(self, bookings={**self.bookings, booking.reference: booking})
