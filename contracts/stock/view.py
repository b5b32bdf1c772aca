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

    def sellable(self, today: str) -> int:
        """Units that may be reserved for an order: no expired lot, and not what other lots lack.

        A lot that did not count on the day of the last check does not either.
        """
        day = self.day_of(today)
        return max(self.balance(day, day)[1], 0)

    def shortage(self, today: str) -> int:
        """Reserved units that no lot can serve."""
        day = self.day_of(today)
        return max(-self.balance(day, day)[0], 0)

    def balance(self, day: str, until: str) -> tuple[int, int]:
        """Units that lots have beyond what is reserved, less what others lack, on `day`; and those of them that are
        good `until` a later one. Negative where units are missing.
        """
        free = lasting = lacking = 0
        for lot in self.lots:
            end, left = lot.expires_on, lot.on_hand - lot.reserved
            if end is not None and end < day:
                # An expired lot serves no order, and more may have left than was there.
                lacking += lot.reserved - min(lot.on_hand, 0)
            elif left < 0:
                lacking -= left
            else:
                free += left
                if end is None or end >= until:
                    lasting += left
        return free - lacking, lasting - lacking

    def lot(self, batch_id: str) -> Lot | None:
        return next((lot for lot in self.lots if lot.batch_id == batch_id), None)

    def with_lot(self, changed: Lot) -> Self:
        """The item with this lot in place of the one of the same name, or added; first expired comes first."""
        others = [lot for lot in self.lots if lot.batch_id != changed.batch_id]
        lots = sorted([*others, changed], key=lambda lot: (lot.expires_on or NEVER, lot.batch_id))
        return replace(self, lots=tuple(lots))
