"""When units on hand come close to their last day of sale, or pass it: each is announced once, and its end once."""

from __future__ import annotations

from dataclasses import replace

from contracts.stock.v1 import StockExpired, StockExpiring
from contracts.stock.view import StockItem
from contracts.wire.envelope import Payload
from workers.stock_reservation.model import EXPIRING_DAYS, days_after

Dated = list[tuple[str, int]]


def announce_expiry(item: StockItem, day: str) -> tuple[StockItem, tuple[Payload, ...]]:
    """Announce that the first unit expires soon, or has expired, and that none does any more. Reserved units count:
    a person must look at them all the same.
    """
    dated = [(lot.expires_on, lot.on_hand) for lot in item.lots if lot.expires_on is not None and lot.on_hand > 0]
    if not dated and not item.expiring and not item.expired:
        return (item if item.expiring is False else replace(item, expiring=False)), ()
    soon = days_after(day, EXPIRING_DAYS)
    changes: list[Payload] = []
    over = [(end, units) for end, units in dated if end < day]
    ending = [(end, units) for end, units in dated if day <= end <= soon]
    if bool(over) != item.expired:
        item = replace(item, expired=bool(over), expiries=item.expiries + 1)
        units, first = _figures(over)
        changes.append(StockExpired(product_id=item.product_id, units=units, expires_on=first, crossing=item.expiries))
    if bool(ending) != bool(item.expiring):
        item = replace(item, expiring=bool(ending), expiries=item.expiries + 1)
        units, first = _figures(ending)
        changes.append(StockExpiring(product_id=item.product_id, units=units, expires_on=first, crossing=item.expiries))
    return (replace(item, expiring=False) if item.expiring is None else item), tuple(changes)


def _figures(lots: Dated) -> tuple[int, str | None]:
    """The units of these lots, and the first of their last days."""
    return sum(units for _, units in lots), min((end for end, _ in lots), default=None)
