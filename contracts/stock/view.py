"""The published view of stock: collection `stock_reservation.items`, owned by `stock_reservation`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

ITEMS = "stock_reservation.items"

IS_SHORT = "is_short"
"""A field of each item for lists: whether more is reserved than there is."""

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
        return max(self.on_hand - self.reserved, 0)

    def sells_on(self, day: str) -> bool:
        return self.expires_on is None or self.expires_on >= day

    def lacking(self, day: str) -> int:
        """Reserved units that the lot cannot serve on `day`: an expired one serves none. More may have left than was
        there.
        """
        return max(self.reserved - (self.on_hand if self.sells_on(day) else min(self.on_hand, 0)), 0)


@dataclass(frozen=True, slots=True)
class StockItem:
    """A product's stock; `_id` is the product id.

    on hand = received - shipped + adjusted; available = on hand - reserved, never negative. What one lot lacks is
    served from the others; what all of them lack is `short`, as last announced, and `shortages` counts the
    announcements. `requests` counts the requests for units of unpaid orders; `asking` says that one has no answer yet,
    and, where it is `again`, that one must follow that begins with the newest order.
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
    short: int = 0
    shortages: int = 0
    requests: int = 0
    asking: Literal["once", "again"] | None = None

    @property
    def on_hand(self) -> int:
        return sum(lot.on_hand for lot in self.lots)

    @property
    def reserved(self) -> int:
        return sum(lot.reserved for lot in self.lots)

    @property
    def available(self) -> int:
        return max(self.on_hand - self.reserved, 0)

    def day_of(self, today: str) -> str:
        """The day that the item is looked at as of: no earlier one than that of its last check."""
        return max(today, self.checked_on or today)

    def sellable(self, day: str, until: str | None = None) -> int:
        """Units that may still be reserved for an order of `day`: no expired lot, and not what other lots lack.

        With `until`, those alone that are good for so long. A lot that did not count at the last check does not either.
        """
        day = self.day_of(day)
        return max(self._free(until or day) - self._lacking(day), 0)

    def shortage(self, day: str) -> int:
        """Reserved units that no lot can serve on `day`."""
        day = self.day_of(day)
        lacking = self._lacking(day)
        return max(lacking - self._free(day), 0) if lacking else 0

    def _free(self, day: str) -> int:
        return sum(lot.available for lot in self.lots if lot.sells_on(day))

    def _lacking(self, day: str) -> int:
        return sum(lot.lacking(day) for lot in self.lots)

    def lot(self, batch_id: str) -> Lot | None:
        return next((lot for lot in self.lots if lot.batch_id == batch_id), None)

    def with_lot(self, changed: Lot) -> Self:
        """The item with this lot in place of the one of the same name, or added; first expired comes first."""
        others = [lot for lot in self.lots if lot.batch_id != changed.batch_id]
        lots = sorted([*others, changed], key=lambda lot: (lot.expires_on or NEVER, lot.batch_id))
        return replace(self, lots=tuple(lots))
