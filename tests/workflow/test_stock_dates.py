"""Stock that runs out of date: the clock alone makes an item run low, an alert says so, and an audit misses nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from contracts.stock.view import NEVER
from infra.ports.store import Document
from tests.builders import NOW, TEA, place, receive
from tests.workflow.conftest import STOCK
from tests.workflow.system import System
from workers.stock_reservation.repository import DUE_MAX, StockRepository

TOMORROW = NOW + timedelta(days=1)
AFTER_MIDNIGHT = TOMORROW.replace(hour=3)
MISSED = "had 100 units left on 2026-11-03, its threshold is 100, and it is not low"


@pytest.fixture
async def shelved(system: System) -> System:
    """Besides a hundred teas that last, twenty that are good until the 5th, with a threshold of a hundred."""
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
    """What the audit of stock says of the teas. Alerts that disagree with them are found by another."""
    breaches = [breach for breach in (await system.verify()).breaches if breach.about == f"product/{TEA}"]
    return [breach.detail for breach in breaches if "alert" not in breach.detail]


async def test_the_day_comes_and_an_alert_is_raised_once(shelved: System) -> None:
    assert shelved.events("stock.low.v1") == []
    await tick(shelved)
    await tick(shelved, AFTER_MIDNIGHT + timedelta(minutes=1))

    [low] = shelved.events("stock.low.v1")
    assert low["data"] == {"product_id": TEA, "available": STOCK, "low_at": STOCK, "crossing": 1}
    assert [alert["data"]["alert"] for alert in shelved.events("alert.raised.v1")] == ["stock/501"]
    assert [item["_id"] for item in shelved.store.table("stock_reservation.items").find({"low": True})] == [TEA]
    await shelved.assert_sound()


async def test_and_ended_by_goods_that_last(shelved: System) -> None:
    await tick(shelved)
    await shelved.publish(receive("r-more", TEA, 10))
    await shelved.run_until_idle()

    assert [event["data"]["available"] for event in shelved.events("stock.recovered.v1")] == [STOCK + 10]
    assert len(shelved.events("alert.resolved.v1")) == 1
    await shelved.assert_sound()


async def test_a_document_from_before_there_were_checks_is_found(shelved: System) -> None:
    for name in ("checked_on", "next_check_on"):
        the_item(shelved).pop(name, None)
    await tick(shelved)

    assert len(shelved.events("stock.low.v1")) == 1
    assert the_item(shelved)["next_check_on"] == "2026-11-06"
    await tick(shelved, NOW + timedelta(days=4))
    assert the_item(shelved)["next_check_on"] == NEVER
    await shelved.assert_sound()


async def test_what_one_tick_does_not_check_the_next_one_does(system: System) -> None:
    products = range(10_000, 10_000 + DUE_MAX + 1)
    for product in products:
        await system.publish(receive(f"r-{product}", product, 5, expiry_date="2026-11-05", low_at=1))
    await system.run_until_idle()

    await tick(system)
    assert len(system.events("stock.low.v1")) == DUE_MAX
    await tick(system, AFTER_MIDNIGHT + timedelta(minutes=1))

    assert {event["data"]["product_id"] for event in system.events("stock.low.v1")} == {*products}
    await system.assert_sound()


async def test_orders_that_touch_it_do_not_hide_the_day(shelved: System) -> None:
    await shelved.publish(place(prepaid=True))
    await tick(shelved)

    assert the_item(shelved)["low"]
    assert len(shelved.events("stock.low.v1")) == 1
    await shelved.assert_sound()


async def test_an_item_whose_day_nobody_checked(shelved: System) -> None:
    """The clock ticks, and the worker looks for items that are due where there are none."""
    with patch.object(StockRepository, "queries", lambda messages: {}):
        await tick(shelved)

    assert shelved.events("stock.low.v1") == []
    assert await found(shelved) == [MISSED]


async def test_a_crossing_that_is_gone(shelved: System) -> None:
    await tick(shelved)
    the_item(shelved)["low"] = False

    assert await found(shelved) == [MISSED]


async def test_a_recovery_that_nobody_noticed(shelved: System) -> None:
    the_item(shelved)["low"] = True

    assert await found(shelved) == ["is low, but 120 units are left"]


@pytest.mark.parametrize("day", [NEVER, "2026-11-04"])
async def test_a_check_that_comes_too_late(shelved: System, day: str) -> None:
    the_item(shelved)["next_check_on"] = day

    assert await found(shelved) == [f"the next check is on {day}, too late for lot soon (2026-11-05)"]


async def test_soon_after_midnight_nothing_is_missed_yet(shelved: System) -> None:
    """The ticks of the new day may still be at work."""
    before = TOMORROW.replace(hour=0, minute=1)
    await tick(shelved, before)
    the_item(shelved)["low"] = False
    the_item(shelved)["checked_on"] = "2026-11-03"

    assert await found(shelved) == []
