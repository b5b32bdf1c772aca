"""The published view of stock: collection `stock_reservation.items`, owned by `stock_reservation`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

ITEMS = "stock_reservation.items"

NEVER = "9999-12-31"
"""A day (ISO date) that does not come."""


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
class StockItem:
    """A product's stock; `_id` is the product id.

    on hand = received - shipped + adjusted; available = on hand - reserved, never negative.
    `low` says on which side of its thresholds the item is, `crossings` how often it changed sides. A clock tick checks
    that again on the day `next_check_on`, on which a lot comes too near to its end; NEVER where no lot will. None
    means that it was never worked out. `checked_on` is the day of the last such check.
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
    checked_on: str | None = None
    next_check_on: str | None = None

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
        lots = sorted([*others, changed], key=lambda lot: (lot.expires_on or NEVER, lot.batch_id))
        return replace(self, lots=tuple(lots))
