"""When an item falls to its alert threshold, recovers, or has less than is reserved: each is announced once.

A shortage is worked off page by page: a request for units, an answer, and the next request.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime

from contracts.calendar import midnight
from contracts.orders.v1 import UnpaidCancelled
from contracts.stock.v1 import ReceiveStock, StockLow, StockRecovered, StockReleaseRequested, StockShortageChanged
from contracts.stock.view import NEVER, StockItem
from contracts.wire.envelope import Payload
from workers.stock_reservation.expiry import announce_expiry
from workers.stock_reservation.model import EXPIRES_SOON_DAYS, EXPIRING_DAYS, days_after, text_of

Watched = tuple[StockItem, tuple[Payload, ...]]


def next_check_on(item: StockItem) -> str:
    """The first day after the last check on which another lot is announced as expiring, no longer counts in the check
    for low stock, or can no longer be sold; as the instant at which it begins, unless the zone is UTC.
    """
    ends = (lot.expires_on for lot in item.lots if lot.expires_on is not None)
    days = (days_after(end, after) for end in ends for after in (-EXPIRING_DAYS, 1 - EXPIRES_SOON_DAYS, 1))
    day = min((day for day in days if item.checked_on is None or day > item.checked_on), default=NEVER)
    return day if item.zone == "UTC" or day == NEVER else text_of(midnight(date.fromisoformat(day), item.zone))


def recovery_threshold(item: StockItem, receipt: ReceiveStock, low_at: int) -> int:
    """As given, but always above the alert threshold, so that the alert does not flicker. 0 disables alerts."""
    if receipt.recovered_at is not None:
        return max(receipt.recovered_at, low_at + 1)
    if receipt.low_at is not None:
        return 2 * low_at or 1
    return item.recovered_at


def watch(items: Iterable[StockItem], now: datetime) -> tuple[list[StockItem], tuple[Payload, ...]]:
    """Announce when an item falls to its threshold or recovers: once per crossing, with a gap between the two.

    A late message cannot make a lot count again that did not count at the last check.
    """
    watched: list[StockItem] = []
    crossings: list[Payload] = []
    for item in items:
        day = item.day_of(now)
        free, lasting = item.balance(day, days_after(day, EXPIRES_SOON_DAYS))
        lasting, short = max(lasting, 0), max(-free, 0)
        crosses = (
            lasting >= item.recovered_at if item.low else lasting <= item.low_at and item.recovered_at > item.low_at
        )
        if item.next_check_on is None or item.expiring is None:
            item = replace(item, next_check_on=next_check_on(item))
        if crosses:
            item = replace(item, low=not item.low, crossings=item.crossings + 1)
            about = {"product_id": item.product_id, "available": lasting, "crossing": item.crossings}
            crossings.append(
                StockLow(**about, low_at=item.low_at)
                if item.low
                else StockRecovered(**about, recovered_at=item.recovered_at)
            )
        if short != item.short:
            item, changes = _short_by(item, short)
            crossings += changes
        item, changes = announce_expiry(item, day)
        watched.append(item)
        crossings += changes
    return watched, tuple(crossings)


def _short_by(item: StockItem, short: int) -> Watched:
    """Announce the item's new shortage, or its end, and request units if it grew.

    While a request is open, units freed so far are not announced; its answer will be.
    """
    if item.asking is not None and 0 < short < item.short:
        return item, ()
    after, change = _announce(item, short)
    if item.asking is not None:
        # If the shortage had ended, newer orders may have been placed after the search began.
        return replace(after, asking="again" if item.short == 0 else item.asking), change
    if short < item.short:
        return after, change
    after, request = _request(after, short)
    return after, (*change, *request)


def after_answer(item: StockItem, answer: UnpaidCancelled, now: datetime) -> Watched:
    """Request the next page if units are still short; if there is none, announce what stays short."""
    short = item.shortage(now)
    known, item = item, replace(item, asking=None)
    if short and known.asking == "again":
        return _request(item, short)
    if short and answer.last_order is not None:
        return _request(item, short, placed_at=answer.last_placed_at, order=answer.last_order)
    return (item, ()) if short == item.short else _announce(item, short)


def _announce(item: StockItem, short: int) -> Watched:
    item = replace(item, short=short, shortages=item.shortages + 1)
    figures = {"on_hand": item.on_hand, "reserved": item.reserved, "crossing": item.shortages}
    return item, (StockShortageChanged(product_id=item.product_id, shortage=short, **figures),)


def _request(item: StockItem, short: int, *, placed_at: datetime | None = None, order: str | None = None) -> Watched:
    item = replace(item, requests=item.requests + 1, asking="once")
    about = {"product_id": item.product_id, "request": item.requests}
    return item, (StockReleaseRequested(**about, shortage=short, after_placed_at=placed_at, after_order=order),)
