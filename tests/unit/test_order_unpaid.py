"""A shortage cancels unpaid orders: the newest first, no more than needed, and never a paid one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.orders.v1 import UnpaidCancelled
from contracts.stock.v1 import StockReleaseRequested
from contracts.wire.decision import Decision
from tests.builders import CUP, NOW, SHOP, TEA, an_order, cancelled, message, order_state
from workers.order_intake import decide
from workers.order_intake.model import Order

DUE = NOW + timedelta(minutes=30)


def requested(shortage: int, product: int = TEA) -> StockReleaseRequested:
    return StockReleaseRequested(product_id=product, request=4, shortage=shortage)


def unpaid(order_id: str, **fields: Any) -> Order:
    """An order of two teas."""
    return an_order(order_id, **{"reserved": True, "due_at": DUE, "version": 2, **fields})


def answer(*order_ids: str, last: str | None) -> UnpaidCancelled:
    cursor = {"last_order": f"{SHOP}/{last}", "last_placed_at": NOW} if last else {}
    keys = tuple(f"{SHOP}/{order_id}" for order_id in order_ids)
    return UnpaidCancelled(product_id=TEA, request=4, orders=keys, **cursor)


@pytest.mark.parametrize(("shortage", "ended"), [(1, "3"), (2, "3"), (3, "32"), (6, "321"), (9, "321")])
def test_orders_are_cancelled_until_the_shortage_is_covered(shortage: int, ended: str) -> None:
    state = order_state(unpaid("3"), unpaid("2"), unpaid("1"))

    decision = decide.cancel_unpaid(state, message(requested(shortage)))

    assert decision.publish[-1] == answer(*ended, last=ended[-1])
    assert [event.order_id for event in decision.publish[:-1]] == list(ended)
    assert decision.outcome == "cancelled_unpaid"
    statuses = {order.order_id: order.status for order in decision.state.orders.values()}
    assert statuses == {order_id: "cancelled" if order_id in ended else "pending" for order_id in "321"}


def test_the_cancellation_is_an_ordinary_one() -> None:
    before = unpaid("3")
    after = before.becomes(status="cancelled", due_at=None, reason="stock_oversold")
    event = cancelled("3", version=3, was_reserved=True, was_paid=False, reason="stock_oversold")

    assert decide.cancel_unpaid(order_state(before), message(requested(1))) == Decision(
        order_state(after), (event, answer("3", last="3")), "cancelled_unpaid"
    )


def test_an_order_awaiting_its_reservation_counts() -> None:
    decision = decide.cancel_unpaid(order_state(an_order("3")), message(requested(1)))

    assert decision.publish[-1] == answer("3", last="3")


@pytest.mark.parametrize(
    "kept",
    [
        unpaid("3", prepaid=True),
        an_order("3", prepaid=True),
        unpaid("3", status="paid", due_at=None, paid_at=NOW),
        unpaid("3", status="cancelled", due_at=None, reason="cancelled_by_shop"),
    ],
    ids=["prepaid", "prepaid, not reserved yet", "paid meanwhile", "cancelled meanwhile"],
)
def test_paid_and_ended_orders_are_skipped(kept: Order) -> None:
    decision = decide.cancel_unpaid(order_state(kept), message(requested(1)))

    assert decision == Decision(order_state(kept), (answer(last="3"),), "nothing_unpaid")


def test_orders_of_other_products_are_skipped() -> None:
    decision = decide.cancel_unpaid(order_state(unpaid("3")), message(requested(1, CUP)))

    assert decision.publish[0].orders == ()


def test_the_answer_names_no_order_if_none_is_left() -> None:
    assert decide.cancel_unpaid(order_state(), message(requested(1))).publish == (answer(last=None),)
