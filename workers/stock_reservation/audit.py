"""I1: on hand = received - shipped + adjusted, reserved = open reservations; an item is low if its lots that day are;
units reserved beyond the stock are announced as a shortage and belong to paid orders; expiring units are announced.

Units refunded before they shipped are in no reservation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta

from contracts.calendar import local_date
from contracts.orders.view import LISTS, ORDERS, status_list
from contracts.stock.view import ITEMS, Lot, StockItem
from infra.auditing.audit import Read, Report
from workers.stock_reservation.model import Reservation
from workers.stock_reservation.repository import BOOKINGS, RESERVATIONS, to_booking, to_item, to_reservation

_DAYS_LEFT_MIN = 3
"""A lot counts while it can be sold for this many days more."""

_EXPIRING_DAYS = 7
"""A lot is announced as expiring this many days before its last day of sale."""

_CHECKED_WITHIN = timedelta(hours=2)
"""Time for the ticks of a new day to check every item, and for clock skew."""

_ANSWERED_WITHIN = timedelta(minutes=20)
"""Longer than all automatic retries together."""

_TICKED_WITHIN = timedelta(days=1)
"""Without a tick for this long the clock is faulty, not the items."""


async def audit(read: Read, report: Report) -> None:
    refunded, ended = await _refunded_before_shipment(read, report)
    held: Counter[tuple[int, str]] = Counter()
    shipped: Counter[int] = Counter()
    async for reservation in _reservations(read, report):
        for pick in reservation.left:
            if reservation.status == "open":
                held[pick.product_id, pick.batch_id] += pick.quantity
            elif reservation.status == "shipped":
                shipped[pick.product_id] += pick.quantity
        given_back, due = _given_back(reservation), refunded.pop(reservation.key, Counter())
        about = f"order/{reservation.key}"
        report.require(
            given_back == due, "I1", about, f"gave {_listed(given_back)} back, its refunds require {_listed(due)}"
        )
        is_kept = reservation.status == "open" and bool(reservation.left) and reservation.key in ended
        report.require(not is_kept, "I1", about, "was refunded in full, but its goods are still reserved")
    for key, due in refunded.items():
        report.breach(
            "I1", f"order/{key}", f"{_listed(due)} refunded before they shipped, but nothing was ever reserved"
        )
    ticked = await _ticked_until(read, report)
    booked: Counter[int] = Counter()
    async for document in read.stream(BOOKINGS, report.among("product", "product_id", int)):
        booking = to_booking(document)
        booked[booking.product_id] += booking.delta
    async for document in read.stream(ITEMS, report.among("product", "_id", int)):
        item = to_item(document)
        about = f"product/{item.product_id}"
        report.add("I1", "products")
        report.add("I1", "units_on_hand", item.on_hand)
        report.add("I1", "units_reserved", item.reserved)
        today = local_date(report.now, item.zone)
        checked = ticked and local_date(ticked, item.zone)
        _audit_low(report, about, item, checked, today)
        _audit_expiry(report, about, item, checked, today)
        await _audit_short(read, report, about, item, checked, today)
        books = item.received - item.shipped + item.adjusted
        report.require(item.on_hand == books, "I1", about, f"on hand is {item.on_hand}, the books give {books}")
        came_in, recorded = item.received + item.adjusted, booked[item.product_id]
        report.require(came_in == recorded, "I1", about, f"{came_in} came in, bookings give {recorded}")
        report.require(
            item.shipped == shipped[item.product_id],
            "I1",
            about,
            f"{item.shipped} shipped, reservations give {shipped[item.product_id]}",
        )
        for lot in item.lots:
            open_units = held.pop((item.product_id, lot.batch_id), 0)
            report.require(
                lot.reserved == open_units,
                "I1",
                about,
                f"lot {lot.batch_id} has {lot.reserved} reserved, open reservations hold {open_units}",
            )
    for (product_id, batch_id), units in held.items():
        report.breach("I1", f"product/{product_id}", f"{units} reserved out of lot {batch_id}, which does not exist")


async def _ticked_until(read: Read, report: Report) -> datetime | None:
    """For this time's day every item must have been checked by now, given the ticks that this worker handled."""
    recent = {"about": "clock", "at": {"$gte": report.now - _TICKED_WITHIN}}
    ticks = await read.find("journal.stock_reservation", recent, fields=("at",))
    newest = max((record["at"] for record in ticks), default=None)
    return newest and newest - _CHECKED_WITHIN


def _audit_low(report: Report, about: str, item: StockItem, checked: date | None, today: date) -> None:
    """An item with thresholds has the right alert state, and its next check comes before any lot's last day."""
    if item.recovered_at > item.low_at and checked is not None:
        left = _lasting(item, checked)
        detail = f"had {left} units left on {checked}, its threshold is {item.low_at}, and it is not low"
        report.require(item.low or left > item.low_at, "I1", about, detail)
    if item.low:
        left = _lasting(item, today)
        report.require(left < item.recovered_at, "I1", about, f"is low, but {left} units are left")
    for lot in item.lots if item.next_check_on is not None else ():
        first = _ordinal(lot.expires_on) - _DAYS_LEFT_MIN + 1
        ends = [day for day in (first, first + _DAYS_LEFT_MIN) if day > _ordinal(item.checked_on)]
        is_watched = lot.expires_on is None or not ends or _next_check(item) <= max(ends[0], 1)
        detail = f"the next check is on {item.next_check_on}, too late for lot {lot.batch_id} ({lot.expires_on})"
        report.require(is_watched, "I1", about, detail)


def _audit_expiry(report: Report, about: str, item: StockItem, checked: date | None, day: date) -> None:
    """Units that expire soon, or have expired, are announced, and announced no longer when there are none."""
    today = day.toordinal()
    since = checked.toordinal() if checked else 0
    ends = [_ordinal(lot.expires_on) for lot in item.lots if lot.expires_on is not None and lot.on_hand > 0]
    if checked is not None:
        over = [end for end in ends if end < since]
        report.require(item.expired or not over, "I1", about, "has expired units that were not announced")
        near = [end for end in ends if today <= end <= since + _EXPIRING_DAYS]
        is_announced = item.expiring is not False or not near
        report.require(is_announced, "I1", about, "has units that expire soon and were not announced")
    was_over = any(end < today for end in ends)
    report.require(not item.expired or was_over, "I1", about, "is announced as expired, but no unit is")
    was_near = any(since <= end <= today + _EXPIRING_DAYS for end in ends)
    report.require(not item.expiring or was_near, "I1", about, "is announced as expiring, but no unit expires soon")


async def _audit_short(
    read: Read, report: Report, about: str, item: StockItem, checked: date | None, today: date
) -> None:
    """A shortage is announced with its amount, and ends when covered; no unpaid order has reserved any of it."""
    report.add("I1", "units_short", item.short)
    least, most = (_missing(item, day) for day in (checked, today))
    detail = f"{least} units reserved beyond the stock, and the announced shortage is {item.short}"
    report.require(item.short >= least, "I1", about, detail)
    report.require(not item.short or most > 0, "I1", about, f"is short by {item.short}, but nothing is missing")
    if item.asking is not None:
        [newest, *_] = await read.find(
            "journal.stock_reservation", {"about": about}, sort=(("_id", -1),), limit=1, fields=("at",)
        ) or [{"at": report.now}]
        is_stuck = report.now - newest["at"] > _ANSWERED_WITHIN
        report.require(not is_stuck, "I1", about, f"has waited for unpaid orders to be cancelled since {newest['at']}")
    elif item.short:
        detail = f"the announced shortage is {item.short}, missing are {most}"
        report.require(item.short <= most, "I1", about, detail)
        unpaid = {LISTS: status_list("pending"), "reserved": True, "lines.product_id": item.product_id}
        for order in await read.find(ORDERS, unpaid, limit=1, fields=("_id",)):
            report.breach(
                "I1", about, f"is short by {item.short}, but order {order['_id']} is unpaid and has some reserved"
            )


def _missing(item: StockItem, day: date | None) -> int:
    """Reserved units beyond those in lots that can be sold on the day, or on any day."""
    stock = sum(lot.on_hand if day is None or _is_good(lot, day) else min(lot.on_hand, 0) for lot in item.lots)
    return max(sum(lot.reserved for lot in item.lots) - stock, 0)


def _lasting(item: StockItem, day: date) -> int:
    """Free units that can be sold for some days more, less those needed because another lot has too few."""
    until = min(day.toordinal() + _DAYS_LEFT_MIN, date.max.toordinal())
    good = [lot for lot in item.lots if _is_good(lot, date.fromordinal(until))]
    needed = (lot.reserved - (lot.on_hand if _is_good(lot, day) else min(lot.on_hand, 0)) for lot in item.lots)
    free = sum(max(lot.on_hand - lot.reserved, 0) for lot in good)
    return max(free - sum(units for units in needed if units > 0), 0)


def _is_good(lot: Lot, day: date) -> bool:
    return lot.expires_on is None or _ordinal(lot.expires_on) >= day.toordinal()


def _next_check(item: StockItem) -> int:
    """The day of the next check in the item's zone."""
    text = item.next_check_on or ""
    return local_date(datetime.fromisoformat(f"{text}+00:00"), item.zone).toordinal() if "T" in text else _ordinal(text)


def _ordinal(day: str | None) -> int:
    return date.fromisoformat(day).toordinal() if day else 0


async def _reservations(read: Read, report: Report) -> AsyncIterator[Reservation]:
    """The reservations to check: of the orders, and all those of the products, whose units are counted."""
    counted = {"status": {"$in": ["open", "shipped", "released"]}}
    async for document in read.stream(RESERVATIONS, {**counted, **report.among("order", "_id")}):
        yield to_reservation(document)
    products = report.among("product", "picks.product_id", int)
    keys = set(report.ids("order") or ())
    if products:
        async for document in read.stream(RESERVATIONS, {**counted, **products}):
            if document["_id"] not in keys:
                yield to_reservation(document)


async def _refunded_before_shipment(read: Read, report: Report) -> tuple[dict[str, Counter[int]], set[str]]:
    """Units by product that each order had refunded before shipment, and the orders that were refunded in full."""
    found: dict[str, Counter[int]] = {}
    ended: set[str] = set()
    where = {"refunds.was_shipped": False, **report.among("order", "_id")}
    async for order in read.stream(ORDERS, where, fields=("status", "lines", "refunds")):
        if order["status"] == "refunded":
            ended.add(order["_id"])
        products = {line["line"]: line["product_id"] for line in order["lines"]}
        units = found.setdefault(order["_id"], Counter())
        for refund in order["refunds"]:
            for part in refund["lines"] if not refund["was_shipped"] else ():
                units[products[part["line"]]] += part["quantity"]
    return found, ended


def _given_back(reservation: Reservation) -> Counter[int]:
    units: Counter[int] = Counter()
    for pick in reservation.picks:
        units[pick.product_id] += pick.given_back
    return units


def _listed(units: Counter[int]) -> str:
    return ", ".join(f"{quantity} of product {product}" for product, quantity in sorted(units.items())) or "nothing"
