"""Every stored copy of an order's field is compared with the order: a change by hand must be detected."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.builders import JOINED, KEY, MIDDLE, NOW, SHOP, a_refund_line, place, refund, update
from tests.workflow.system import System

COMMISSIONS = "commission_calculation.commissions"
ORDERS = "order_intake.orders"
PROGRESS = "reward_checks.progress"
SALES = "reward_checks.sales"
CANCELLED, UNPAID = f"{SHOP}/cancelled", f"{SHOP}/unpaid"


@pytest.fixture
async def traded(system: System) -> System:
    """One order paid and partly refunded, one paid and cancelled, one unpaid."""
    await system.publish(place(prepaid=True), place("cancelled", prepaid=True), place("unpaid"))
    await system.run_until_idle()
    await system.publish(refund(a_refund_line(quantity=1, amount="10.00")), update("cancelled", "cancelled"))
    await system.run_until_idle()
    await system.assert_sound()
    return system


def key_of(system: System, collection: str, key: str) -> str:
    """The key itself, or the first one of the collection."""
    return key or next(iter(system.store.table(collection).documents))


@pytest.mark.parametrize(
    ("collection", "key", "field", "value", "invariant"),
    [
        (COMMISSIONS, KEY, "seller_id", MIDDLE, "I2"),
        (COMMISSIONS, KEY, "rule_version", 99, "I2"),
        (COMMISSIONS, KEY, "placed_at", JOINED, "I2"),
        (SALES, KEY, "counted", False, "I7"),
        (SALES, KEY, "taken_back_minor", 5, "I7"),
        (SALES, KEY, "net_minor", 5, "I7"),
        (SALES, KEY, "month", "3/2020-01/CNY", "I7"),
        (SALES, CANCELLED, "taken_back_minor", 5, "I7"),
        (SALES, KEY, "released", True, "I7"),
        (PROGRESS, "", "held_minor", 0, "I7"),
        (PROGRESS, "", "held", ["monthly_sales"], "I7"),
        (PROGRESS, "", "distributor_id", MIDDLE, "I7"),
        (PROGRESS, "", "month", "2020-01", "I7"),
        (PROGRESS, "", "currency", "USD", "I7"),
        (PROGRESS, "", "market", "elsewhere", "I7"),
        (PROGRESS, "", "placed_at", NOW - timedelta(days=1), "I7"),
        (ORDERS, KEY, "version", 2, "I4"),
        (ORDERS, CANCELLED, "version", 2, "I4"),
    ],
)
async def test_a_changed_field_is_detected(
    traded: System, collection: str, key: str, field: str, value: Any, invariant: str
) -> None:
    document = traded.store.table(collection).documents[key_of(traded, collection, key)]
    assert document[field] != value
    document[field] = value

    assert invariant in {breach.invariant for breach in (await traded.verify()).breaches}


@pytest.mark.parametrize("field", ["refunded_minor", "refunded_quantity"])
@pytest.mark.parametrize("key", [CANCELLED, UNPAID])
async def test_a_refunded_line_without_a_refund_is_detected(traded: System, key: str, field: str) -> None:
    order = traded.store.table(ORDERS).documents[key]
    order["lines"][0][field] = 1

    assert ("I4", f"order/{order['_id']}") in {(b.invariant, b.about) for b in (await traded.verify()).breaches}


async def test_a_missing_sale_is_detected(traded: System) -> None:
    traded.store.table(SALES).remove(KEY)

    assert ("I7", f"order/{KEY}") in {(b.invariant, b.about) for b in (await traded.verify()).breaches}


async def test_a_sale_of_an_unpaid_order_is_detected(traded: System) -> None:
    sales = traded.store.table(SALES)
    sales.put({**sales.documents[KEY], "_id": UNPAID})

    assert ("I7", f"order/{UNPAID}") in {(b.invariant, b.about) for b in (await traded.verify()).breaches}
