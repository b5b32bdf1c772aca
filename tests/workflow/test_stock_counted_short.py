"""A count below what is reserved: it is booked, the newest unpaid orders are cancelled, the rest is a shortage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from infra.ports.store import Document
from tests.builders import CUP, NOW, TEA, a_placed_line, place, update
from tests.stock_builders import adjust, count, receive
from tests.workflow.conftest import STOCK
from tests.workflow.system import System

LOT_ENDS = "2026-11-05"
AFTER_THE_LOT = NOW + timedelta(days=4)


@pytest.fixture
async def ordered(system: System) -> System:
    """Ten orders of ten teas each, placed a minute apart: 1 and 10 are paid, the others are not."""
    for number in range(1, 11):
        await order(system, str(number), minutes=number)
    await system.publish(update("paid", "1"), update("paid", "10"))
    await system.run_until_idle()
    return system


async def order(system: System, order_id: str, *, minutes: int = 0, units: int = 10, product: int = TEA) -> None:
    placed_at = NOW - timedelta(hours=1) + timedelta(minutes=minutes)
    await system.publish(place(order_id, lines=[a_placed_line(product, units)], placed_at=placed_at))
    await system.run_until_idle()


def statuses(system: System) -> dict[str, str]:
    return {d["order_id"]: d["status"] for d in system.store.table("order_intake.orders").documents.values()}


def the_item(system: System, product: int = TEA) -> Document:
    return system.store.table("stock_reservation.items").documents[product]


def totals(system: System) -> tuple[int, int, int]:
    item = the_item(system)
    return sum(lot["on_hand"] for lot in item["lots"]), sum(lot["reserved"] for lot in item["lots"]), item["short"]


async def publish(system: System, *payloads: Any) -> None:
    await system.publish(*payloads)
    await system.run_until_idle()


@pytest.mark.parametrize("found", [count("c-1", TEA, 75), adjust("a-1", TEA, -25)], ids=["count", "adjustment"])
async def test_the_newest_unpaid_orders_are_cancelled_until_stock_suffices(ordered: System, found: Any) -> None:
    await publish(ordered, found)

    ended = {order_id for order_id, status in statuses(ordered).items() if status == "cancelled"}
    assert ended == {"9", "8", "7"}
    assert totals(ordered) == (75, 70, 0)
    reasons = {event["data"]["reason"] for event in ordered.events("order.cancelled.v1")}
    assert reasons == {"stock_oversold"}
    assert len(ordered.events("stock.refused.v1")) == 0
    await ordered.assert_sound()


async def test_the_last_received_order_gives_way_whatever_time_it_claims(system: System) -> None:
    """A shop that dates its orders 30 days back is not the one that keeps its goods at another shop's expense."""
    await order(system, "first", units=50)
    await order(system, "second", units=50, minutes=-40_000)
    await publish(system, count("c-1", TEA, 50))

    assert statuses(system) == {"first": "pending", "second": "cancelled"}
    await system.assert_sound()


async def test_the_search_goes_on_where_the_last_page_ended(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.order_intake.repository.EXAMINED_MAX", 1)
    for number in range(1, 6):
        await order(system, str(number), minutes=-number)
    await publish(system, update("paid", "4"), count("c-1", TEA, 25))

    assert {key for key, status in statuses(system).items() if status == "cancelled"} == {"5", "3", "2"}
    found = system.store.table("order_intake.orders").documents.values()
    assert {d["order_id"] for d in found if "unpaid" in d} == {d["order_id"] for d in found if d["status"] == "pending"}
    await system.assert_sound()


async def test_the_shortage_is_an_alert_that_ends_with_it(ordered: System) -> None:
    await publish(ordered, count("c-1", TEA, 75))

    changes = [event["data"]["shortage"] for event in ordered.events("stock.shortage-changed.v1")]
    assert changes == [25, 0]
    [raised] = ordered.events("alert.raised.v1")
    assert (raised["data"]["alert"], raised["data"]["kind"]) == ("oversold/501", "stock_oversold")
    assert len(ordered.events("alert.resolved.v1")) == 1


async def test_paid_orders_keep_their_goods_and_the_shortage_stays_until_more_stock_arrives(ordered: System) -> None:
    await publish(ordered, count("c-1", TEA, 3))

    assert {o for o, status in statuses(ordered).items() if status == "paid"} == {"1", "10"}
    assert {o for o, status in statuses(ordered).items() if status == "cancelled"} == set("23456789")
    assert totals(ordered) == (3, 20, 17)
    [alert] = ordered.store.table("alerting.alerts").find({"state": "open"})
    assert "17" in alert["detail"]
    await ordered.assert_sound()

    await order(ordered, "late", units=1)
    assert statuses(ordered)["late"] == "rejected"
    await publish(ordered, receive("r-new", TEA, 10, batch_id="new"))
    assert totals(ordered) == (13, 20, 7)
    await publish(ordered, receive("r-newer", TEA, 10, batch_id="new"))
    assert totals(ordered) == (23, 20, 0)
    assert ordered.store.table("alerting.alerts").find({"state": "open"}) == []
    await ordered.assert_sound()

    await publish(ordered, update("shipped", "1"), update("shipped", "10"))
    lots = {lot["batch_id"]: (lot["on_hand"], lot["reserved"]) for lot in the_item(ordered)["lots"]}
    assert lots == {"default": (0, 0), "new": (3, 0)}
    await ordered.assert_sound()


async def test_units_shipped_beyond_the_count_are_short_until_they_are_counted(ordered: System) -> None:
    await publish(ordered, count("c-1", TEA, 15))
    await publish(ordered, update("shipped", "1"), update("shipped", "10"))
    assert totals(ordered) == (-5, 0, 5)
    await ordered.assert_sound()

    await publish(ordered, count("c-2", TEA, 0))
    assert totals(ordered) == (0, 0, 0)
    await ordered.assert_sound()


async def test_another_lot_covers_a_shortage(system: System) -> None:
    await publish(system, receive("r-other", TEA, 20, batch_id="other"))
    await order(system, "1", units=90)
    await publish(system, count("c-1", TEA, 75))

    assert statuses(system)["1"] == "pending"
    assert totals(system) == (95, 90, 0)
    await order(system, "too-many", units=6)
    await order(system, "the-rest", units=5)
    assert (statuses(system)["too-many"], statuses(system)["the-rest"]) == ("rejected", "pending")
    await system.assert_sound()


async def test_a_lot_that_expires_while_reserved_is_a_shortage(system: System) -> None:
    await publish(system, receive("r-soon", TEA, 20, batch_id="soon", expiry_date=LOT_ENDS), count("c-1", TEA, 5))
    for number in (1, 2, 3):
        await order(system, str(number), minutes=number, units=7)
    await publish(system, update("paid", "3"))
    await system.tick(AFTER_THE_LOT)
    await system.run_until_idle()

    # Five units that do not expire are left, for seven paid ones.
    assert statuses(system) == {"1": "cancelled", "2": "cancelled", "3": "paid"}
    assert the_item(system)["short"] == 2
    await system.assert_sound()


async def test_a_withdrawn_lot_is_a_shortage(ordered: System) -> None:
    yesterday = (NOW - timedelta(days=1)).date().isoformat()
    await publish(ordered, count("c-1", TEA, STOCK, expiry_date=yesterday))

    assert {o for o, status in statuses(ordered).items() if status == "paid"} == {"1", "10"}
    assert the_item(ordered)["short"] == 20
    await ordered.assert_sound()


async def test_orders_of_other_products_are_not_cancelled(ordered: System) -> None:
    await order(ordered, "cups", minutes=30, product=CUP)
    await publish(ordered, count("c-1", TEA, 0))

    assert statuses(ordered)["cups"] == "pending"


async def test_a_second_count_during_the_first_shortage(ordered: System) -> None:
    await ordered.publish(count("c-1", TEA, 85), count("c-2", TEA, 65), count("c-3", TEA, STOCK), count("c-4", TEA, 75))
    await ordered.run_until_idle()

    ended = {order_id for order_id, status in statuses(ordered).items() if status == "cancelled"}
    assert ended == {"9", "8", "7"}
    assert totals(ordered) == (75, 70, 0)
    await ordered.assert_sound()


async def test_more_orders_are_cancelled_than_fit_one_message(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.order_intake.repository.EXAMINED_MAX", 3)
    for number in range(10):
        # Placed at the same time: the order id decides.
        await order(system, str(number), units=4)
    await order(system, "cups", product=CUP)
    await publish(system, count("c-1", TEA, 5))

    assert sorted(o for o, status in statuses(system).items() if status == "pending") == ["0", "cups"]
    assert totals(system) == (5, 4, 0)
    await system.assert_sound()


async def test_an_adjustment_below_zero_is_refused(ordered: System) -> None:
    await publish(ordered, adjust("a-1", TEA, -STOCK - 1))

    [refused] = ordered.events("stock.refused.v1")
    assert refused["data"]["reason"] == "below_zero"
