"""Stock that expires: the clock alone makes an item run low, an alert is raised, and an audit finds a missing check."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest

from contracts.stock.view import NEVER
from infra.ports.store import Document
from tests.builders import NOW, TEA, place
from tests.stock_builders import count, receive
from tests.workflow.conftest import STOCK
from tests.workflow.system import System
from workers.stock_reservation.repository import DUE_MAX

TOMORROW = NOW + timedelta(days=1)
AFTER_MIDNIGHT = TOMORROW.replace(hour=3)
MISSED = "had 100 units left on 2026-11-03, its threshold is 100, and it is not low"


@pytest.fixture
async def expiring(system: System) -> System:
    """A hundred teas without an expiry date, twenty that expire after the 5th, and a threshold of a hundred."""
    lot = receive("r-soon", TEA, 20, batch_id="soon", expiry_date="2026-11-05", low_at=STOCK, recovered_at=STOCK + 10)
    await system.publish(lot)
    await system.run_until_idle()
    await system.tick(NOW)
    await system.run_until_idle()
    await system.assert_sound()
    return system


def the_item(system: System) -> Document:
    return system.store.table("stock_reservation.items").documents[TEA]


async def tick(system: System, at: Any = AFTER_MIDNIGHT) -> None:
    await system.tick(at)
    await system.run_until_idle()


async def found(system: System) -> list[str]:
    """The findings of the stock audit about the teas, without those about alerts, which are another audit's."""
    breaches = [breach for breach in (await system.verify()).breaches if breach.about == f"product/{TEA}"]
    return [breach.detail for breach in breaches if "alert" not in breach.detail]


async def test_an_expiring_lot_raises_one_alert(expiring: System) -> None:
    assert expiring.events("stock.low.v1") == []
    await tick(expiring)
    await tick(expiring, AFTER_MIDNIGHT + timedelta(minutes=1))

    [low] = expiring.events("stock.low.v1")
    assert low["data"] == {"product_id": TEA, "available": STOCK, "low_at": STOCK, "crossing": 1}
    assert [alert["data"]["alert"] for alert in expiring.events("alert.raised.v1")] == ["expiring/501", "stock/501"]
    assert [item["_id"] for item in expiring.store.table("stock_reservation.items").find({"low": True})] == [TEA]
    await expiring.assert_sound()


async def test_the_alert_ends_with_a_new_receipt(expiring: System) -> None:
    await tick(expiring)
    await expiring.publish(receive("r-more", TEA, 10))
    await expiring.run_until_idle()

    assert [event["data"]["available"] for event in expiring.events("stock.recovered.v1")] == [STOCK + 10]
    assert len(expiring.events("alert.resolved.v1")) == 1
    await expiring.assert_sound()


async def test_a_document_without_check_dates_is_checked(expiring: System) -> None:
    for name in ("checked_on", "next_check_on"):
        the_item(expiring).pop(name, None)
    await tick(expiring)

    assert len(expiring.events("stock.low.v1")) == 1
    assert the_item(expiring)["next_check_on"] == "2026-11-06"
    await tick(expiring, NOW + timedelta(days=4))
    assert the_item(expiring)["next_check_on"] == NEVER
    await expiring.assert_sound()


async def test_the_next_tick_checks_the_remaining_items(system: System) -> None:
    products = range(10_000, 10_000 + DUE_MAX + 1)
    for product in products:
        await system.publish(receive(f"r-{product}", product, 5, expiry_date="2026-11-05", low_at=1))
    await system.run_until_idle()

    await tick(system)
    assert len(system.events("stock.low.v1")) == DUE_MAX
    await tick(system, AFTER_MIDNIGHT + timedelta(minutes=1))

    assert {event["data"]["product_id"] for event in system.events("stock.low.v1")} == {*products}
    await system.assert_sound()


async def test_an_order_for_the_item_does_not_prevent_the_check(expiring: System) -> None:
    await expiring.publish(place(prepaid=True))
    await tick(expiring)

    assert the_item(expiring)["low"]
    assert len(expiring.events("stock.low.v1")) == 1
    await expiring.assert_sound()


async def test_expired_units_raise_an_alert_until_a_count_takes_them_out(expiring: System) -> None:
    await tick(expiring, NOW + timedelta(days=4))
    await expiring.publish(count("c-soon", TEA, 0, batch_id="soon"))
    await expiring.run_until_idle()

    raised = {alert["data"]["kind"]: alert["data"] for alert in expiring.events("alert.raised.v1")}
    assert raised.keys() == {"stock_expiring", "stock_low", "stock_expired"}
    assert raised["stock_expired"]["facts"] == {"product_id": "501", "units": "20", "expires_on": "2026-11-05"}
    resolved = [alert["data"]["kind"] for alert in expiring.events("alert.resolved.v1")]
    assert resolved == ["stock_expiring", "stock_expired"]
    await expiring.assert_sound()


@pytest.mark.parametrize(
    ("name", "value", "detail"),
    [
        ("expiring", False, "has units that expire soon and were not announced"),
        ("expired", True, "is announced as expired, but no unit is"),
    ],
)
async def test_a_lost_or_false_announcement_is_detected(expiring: System, name: str, value: bool, detail: str) -> None:
    await tick(expiring)
    the_item(expiring)[name] = value

    assert await found(expiring) == [detail]


async def test_a_missing_check_is_detected(expiring: System) -> None:
    """The clock ticks, but the worker's query finds no due item."""
    with patch("workers.stock_reservation.repository._due", AsyncMock(return_value={})):
        await tick(expiring)

    assert expiring.events("stock.low.v1") == []
    assert await found(expiring) == [MISSED]


async def test_a_lost_crossing_is_detected(expiring: System) -> None:
    await tick(expiring)
    the_item(expiring)["low"] = False

    assert await found(expiring) == [MISSED]


async def test_a_missed_recovery_is_detected(expiring: System) -> None:
    the_item(expiring)["low"] = True

    assert await found(expiring) == ["is low, but 120 units are left"]


@pytest.mark.parametrize("day", [NEVER, "2026-11-04"])
async def test_a_check_scheduled_too_late_is_detected(expiring: System, day: str) -> None:
    the_item(expiring)["next_check_on"] = day

    assert await found(expiring) == [f"the next check is on {day}, too late for lot soon (2026-11-05)"]


async def test_a_check_is_not_missing_soon_after_midnight(expiring: System) -> None:
    """The ticks of the new day may still be in progress."""
    before = TOMORROW.replace(hour=0, minute=1)
    await tick(expiring, before)
    the_item(expiring)["low"] = False
    the_item(expiring)["checked_on"] = "2026-11-03"

    assert await found(expiring) == []
