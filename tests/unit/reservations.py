"""Orders that reserve stock, their reservations, and days around now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contracts.stock.v1 import StockReleased
from tests.builders import KEY, NOW, ORDER, SHOP, accepted, an_order_line, message
from tests.stock_builders import picks_of
from workers.stock_reservation.model import EXPIRES_SOON_DAYS, Pick, Reservation, days_after

TODAY = NOW.date().isoformat()


YESTERDAY = (NOW - timedelta(days=1)).date().isoformat()


SOON = days_after(NOW.date().isoformat(), EXPIRES_SOON_DAYS)


def order_for(*lines: tuple[int, int]) -> Any:
    """An accepted order for (product, quantity) lines."""
    return message(accepted(lines=tuple(an_order_line(n, p, quantity=q) for n, (p, q) in enumerate(lines, start=1))))


def open_for(*picks: tuple[int, str, int]) -> Reservation:
    return Reservation(KEY, "open", tuple(Pick(*pick) for pick in picks))


def released(*picks: tuple[int, str, int]) -> StockReleased:
    return StockReleased(shop_id=SHOP, order_id=ORDER, picks=picks_of(*picks))
