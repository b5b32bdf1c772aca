"""Small builders of stock, in the world of tests/builders.py."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from contracts.stock.v1 import AdjustStock, Pick, ReceiveStock, SetStock, Shortage, StockReserved, StockShort
from contracts.stock.view import NEVER, Lot, StockItem
from tests.builders import NOW, ORDER, SHOP, TEA
from workers.stock_reservation import model as stock


def receive(receipt_id: str = "r-1", product_id: int = TEA, quantity: int = 10, **fields: Any) -> ReceiveStock:
    return ReceiveStock(receipt_id=receipt_id, product_id=product_id, quantity=quantity, **fields)


def adjust(adjustment_id: str = "a-1", product_id: int = TEA, delta: int = -1, **fields: Any) -> AdjustStock:
    return AdjustStock(adjustment_id=adjustment_id, product_id=product_id, delta=delta, **fields)


def count(reference: str = "c-1", product_id: int = TEA, on_hand: int = 7, **fields: Any) -> SetStock:
    return SetStock(reference=reference, product_id=product_id, on_hand=on_hand, **fields)


def a_lot(batch_id: str = "default", on_hand: int = 10, reserved: int = 0, expires_on: str | None = None) -> Lot:
    return Lot(batch_id, expires_on, on_hand, reserved)


def an_item(product_id: int = TEA, *lots: Lot, **fields: Any) -> StockItem:
    """An item whose books agree with its lots: all units on hand were received, unless fields override it."""
    held = lots or (a_lot(),)
    item = StockItem(product_id)
    for lot in held:
        item = item.with_lot(lot)
    # A lot that is good until the 5th counts until the 2nd, and is checked on the 3rd; it is announced a week before.
    today = NOW.date()
    ends = [date.fromisoformat(lot.expires_on) for lot in held if lot.expires_on]
    days = [day for end in ends for day in (end - timedelta(days=7), end - timedelta(days=2)) if day > today]
    announced = [date.fromisoformat(lot.expires_on) for lot in held if lot.expires_on and lot.on_hand > 0]
    return replace(
        item,
        **{
            "received": item.on_hand,
            "next_check_on": min((day.isoformat() for day in days), default=NEVER),
            "expiring": any(today <= end <= today + timedelta(days=7) for end in announced),
            "expired": any(end < today for end in announced),
            **fields,
        },
    )


def stock_state(
    *items: StockItem, reservations: Iterable[stock.Reservation] = (), bookings: Iterable[stock.Booking] = ()
) -> stock.State:
    held, booked = {each.key: each for each in reservations}, {each.reference: each for each in bookings}
    return stock.State({item.product_id: item for item in items}, held, booked)


def reserved(*picks: tuple[int, str, int], order_id: str = ORDER) -> StockReserved:
    """`picks` are (product, lot, quantity)."""
    return StockReserved(shop_id=SHOP, order_id=order_id, picks=picks_of(*picks))


def picks_of(*picks: tuple[int, str, int]) -> tuple[Pick, ...]:
    return tuple(Pick(product_id=product, batch_id=lot, quantity=quantity) for product, lot, quantity in picks)


def short(*shortages: tuple[int, int, int], order_id: str = ORDER) -> StockShort:
    """`shortages` are (product, wanted, available)."""
    found = tuple(Shortage(product_id=p, wanted=wanted, available=available) for p, wanted, available in shortages)
    return StockShort(shop_id=SHOP, order_id=order_id, shortages=found)
