"""Stock that is received, reserved, shipped, and falls short."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from contracts.orders.v1 import UnpaidCancelled
from tests.builders import CUP, CUPS, NOW, SHOP, TEA, accepted, an_order_line, cancelled, refunded, shipped, tick
from tests.faults.crash_scenario import Scenario, garbled, noise, outgoing
from tests.stock_builders import adjust, count, receive


def stock_reservation() -> Scenario:
    tea, cup = an_order_line(quantity=2), an_order_line(2, CUP, category_id=CUPS, quantity=3)
    order = accepted(order_id="1", lines=(tea,))
    receipt = receive("r-1", TEA, 10, low_at=3)
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    return Scenario(
        "stock_reservation",
        (
            (
                outgoing(receipt),
                outgoing(receipt),
                outgoing(receipt, again=1),
                outgoing(receive("r-2", CUP, 4, batch_id="old", expiry_date="2026-12-31")),
                outgoing(receive("r-3", CUP, 4)),
                outgoing(receive("r-1", CUP, 1)),
                garbled("stock.receive.v1", receipt_id="r-9", product_id=TEA),
                noise("stock.receive.v1"),
            ),
            (
                outgoing(order),
                outgoing(order),
                outgoing(order, again=1),
                outgoing(accepted(order_id="2", lines=(an_order_line(quantity=5), cup))),
                outgoing(accepted(order_id="3", lines=(an_order_line(quantity=100),))),
            ),
            (
                outgoing(adjust("a-1", CUP, -1)),
                outgoing(adjust("a-1", CUP, -1), again=1),
                outgoing(adjust("a-2", TEA, -100)),
            ),
            (
                outgoing(count("c-1", CUP, 6, batch_id="found")),
                outgoing(count("c-1", CUP, 6, batch_id="found"), again=1),
                outgoing(count("c-2", CUP, 6, batch_id="found")),
            ),
            (outgoing(shipped("1")), outgoing(shipped("never-placed"))),
            (outgoing(cancelled("2")), outgoing(cancelled("2"), again=1), outgoing(cancelled("4"))),
            (outgoing(accepted(order_id="4", lines=(tea,))), outgoing(accepted(order_id="5", lines=(tea,)))),
            (
                outgoing(refunded(order_id="5")),
                outgoing(refunded(order_id="5")),
                outgoing(refunded(order_id="5"), again=1),
                outgoing(refunded(order_id="never-placed")),
            ),
            (outgoing(shipped("5")),),
            (outgoing(receive("r-4", TEA, 20, batch_id="soon", expiry_date="2026-12-31", low_at=10, recovered_at=12)),),
            (outgoing(tick(new_year)), outgoing(tick(new_year))),
            (outgoing(tick(new_year + timedelta(seconds=10))),),
        ),
        frozenset(
            [
                "received",
                "duplicate",
                "refused",
                "reserved",
                "short",
                "adjusted",
                "shipped",
                "released",
                "already_released",
                "nothing_reserved",
                "cancelled_before",
                "dates_checked",
                "nothing_due",
            ]
        ),
        {},
        dead=3,
    )


def counting_short() -> Scenario:
    """Three orders of two units, then only one unit is counted: two orders are cancelled, a page at a time."""
    tea = an_order_line(quantity=2)

    def answer(request: int, *order_ids: str) -> UnpaidCancelled:
        keys = tuple(f"{SHOP}/{order_id}" for order_id in order_ids)
        where = {"last_order": keys[-1], "last_placed_at": NOW} if keys else {}
        return UnpaidCancelled(product_id=TEA, request=request, orders=keys, **where)

    return Scenario(
        "stock_reservation",
        (
            (outgoing(receive("r-1", TEA, 6)),),
            tuple(outgoing(accepted(order_id=order_id, lines=(tea,))) for order_id in "123"),
            (outgoing(count("c-1", TEA, 1)), outgoing(count("c-1", TEA, 1), again=1)),
            (outgoing(answer(1, "3")), outgoing(answer(1, "3"), again=1)),
            (outgoing(cancelled("3")), outgoing(cancelled("2"))),
            (outgoing(answer(2, "2")),),
            (outgoing(answer(3)),),
            (outgoing(shipped("1")),),
            (outgoing(receive("r-2", TEA, 1)),),
        ),
        frozenset(["adjusted", "released", "already_released", "nothing_reserved", "shipped", "received"]),
        {},
        dead=0,
    )
