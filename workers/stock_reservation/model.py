"""Stock as this worker knows it: items with lots, reservations, and the bookings that changed what is on hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from contracts.stock.view import StockItem


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
    """What was booked, so that sending it again, even much later, counts once. `counted` is what a count found.

    `digest` is that of the command, which older documents do not have.
    """

    reference: str
    kind: Literal["receipt", "adjustment", "count"]
    product_id: int
    batch_id: str
    delta: int
    counted: int | None = None
    digest: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What one message sees of the stock: the items, reservations and bookings it names, where they exist."""

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
            assert 0 <= changed.reserved <= changed.on_hand, f"lot {lot} cannot move by {pick}"
            moved[pick.product_id] = item.with_lot(changed)
        return list(moved.values())

    def with_items(self, *changed: StockItem) -> Self:
        return replace(self, items={**self.items, **{item.product_id: item for item in changed}})

    def with_reservation(self, changed: Reservation) -> Self:
        return replace(self, reservations={**self.reservations, changed.key: changed})

    def with_booking(self, booking: Booking) -> Self:
        return replace(self, bookings={**self.bookings, booking.reference: booking})


def first_expired(item: StockItem, quantity: int, day: str) -> Iterator[Pick]:
    """Take `quantity` out of the lots that may be sold, the one that expires first at first."""
    for lot in item.lots:
        taken = min(lot.available, quantity) if lot.sells_on(day) else 0
        if taken > 0:
            quantity -= taken
            yield Pick(item.product_id, lot.batch_id, taken)


def count_shipped(items: Iterable[StockItem], picks: Iterable[Pick], sign: int) -> list[StockItem]:
    """The items with the picks' quantities added to (+1) or taken from (-1) what was shipped."""
    units: Counter[int] = Counter()
    for pick in picks:
        units[pick.product_id] += sign * pick.quantity
    return [replace(item, shipped=item.shipped + units[item.product_id]) for item in items]
