"""The published view of stock: collection `stock_reservation.items`, owned by `stock_reservation`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Self

from contracts.calendar import local_date

ITEMS = "stock_reservation.items"

IS_SHORT = "is_short"
"""A field of each item for lists: whether more is reserved than in stock."""

NEVER = "9999-12-31"
"""An ISO date after every real one."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Units with one expiry date. `expires_on` is the last day of sale (ISO date, compares as text), or None."""

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

    on hand = received - shipped + adjusted; available = on hand - reserved, never negative. Other lots serve what one
    lot lacks. What all of them lack is `short`, as last announced; `shortages` counts the announcements. `requests`
    counts the requests for units of unpaid orders. `asking` is set while a request has no answer yet; `again` means
    that another one must follow, which begins with the newest order.
    `low` is set while the alert is on, `crossings` counts its changes. A clock tick checks the item again on the day
    `next_check_on`, when a lot gets too close to its last day; NEVER if no lot will. None means that it was never
    computed. `checked_on` is the day of the last check.
    `expiring` is set while units on hand are close to their last day of sale, `expired` while some are past it, as last
    announced; `expiries` counts these announcements. `expiring` is None if it was never computed.
    The days are those of `zone`. Where that is not UTC, `next_check_on` is the instant at which the day begins, in UTC
    to the minute: it compares as text with days and instants.
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
    expiring: bool | None = None
    expired: bool = False
    expiries: int = 0
    zone: str = "UTC"

    @property
    def on_hand(self) -> int:
        return sum(lot.on_hand for lot in self.lots)

    @property
    def reserved(self) -> int:
        return sum(lot.reserved for lot in self.lots)

    @property
    def available(self) -> int:
        return max(self.on_hand - self.reserved, 0)

    def day_of(self, now: datetime) -> str:
        """The day to use for the item: today in its zone, but never before its last check."""
        today = local_date(now, self.zone).isoformat()
        return max(today, self.checked_on or today)

    def sellable(self, now: datetime) -> int:
        """Units that may be reserved for an order: without expired lots, and without what other lots lack.

        A lot that did not count at the last check does not count now.
        """
        day = self.day_of(now)
        return max(self.balance(day, day)[1], 0)

    def shortage(self, now: datetime) -> int:
        """Reserved units that no lot can serve."""
        day = self.day_of(now)
        return max(-self.balance(day, day)[0], 0)

    def balance(self, day: str, until: str) -> tuple[int, int]:
        """Units free on `day`, less what other lots lack; and those of them that can be sold `until` a later day.
        Negative if units are missing.
        """
        free = lasting = lacking = 0
        for lot in self.lots:
            end, left = lot.expires_on, lot.on_hand - lot.reserved
            if end is not None and end < day:
                # An expired lot serves no order, and a lot may be below zero.
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
        """The item with this lot added or replaced; lots are ordered by expiry."""
        others = [lot for lot in self.lots if lot.batch_id != changed.batch_id]
        lots = sorted([*others, changed], key=lambda lot: (lot.expires_on or NEVER, lot.batch_id))
        return replace(self, lots=tuple(lots))
