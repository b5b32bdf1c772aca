"""An order from placement to its end through every worker: the shop's messages in, the stored documents out."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta

from contracts.network.v1 import ChangeDistributor
from tests.builders import CUP, KEY, MIDDLE, NOW, ORDER, SELLER, SHOP, TEA, TOP, a_placed_line, message, place, update
from tests.stock_builders import receive
from tests.workflow.conftest import STOCK
from tests.workflow.system import System

ORDERS = "order_intake.orders"
ITEMS = "stock_reservation.items"
COMMISSIONS = "commission_calculation.commissions"


def status(system: System, key: str = KEY) -> str:
    return str(system.document(ORDERS, key)["status"])


def lot(system: System, product_id: int = TEA) -> tuple[int, int]:
    """Units on hand and reserved of a product with one lot."""
    [only] = system.document(ITEMS, product_id)["lots"]
    return only["on_hand"], only["reserved"]


def held(system: System) -> dict[int, int]:
    """Held amounts by distributor, in minor units, over all stripes; without the platform, number 0."""
    sums: defaultdict[int, int] = defaultdict(int)
    for balance in system.documents("commission_calculation.balances"):
        if balance["distributor_id"]:
            sums[balance["distributor_id"]] += balance["held_minor"]
    return dict(sums)


async def test_the_simplest_order_is_placed_paid_shipped_and_completed(system: System) -> None:
    body = {"shop_id": SHOP, "order_id": ORDER, "distributor_id": SELLER, "product_id": TEA, "quantity": 2}
    await system.send_bytes("order.place.v1", json.dumps({**body, "total_price": "90.00"}).encode())
    await system.run_until_idle()
    assert status(system) == "pending"
    assert lot(system) == (STOCK, 2)
    assert system.documents(COMMISSIONS) == []

    await system.publish(update("paid"))
    await system.run_until_idle()
    assert status(system) == "paid"
    # 10 %, 5 % and 3 % of 90.00.
    assert held(system) == {SELLER: 900, MIDDLE: 450, TOP: 270}

    await system.publish(update("shipped"))
    await system.run_until_idle()
    assert status(system) == "shipped"
    assert lot(system) == (STOCK - 2, 0)

    await system.publish(update("completed"))
    await system.run_until_idle()
    assert status(system) == "completed"
    report = await system.assert_sound()
    assert report.figures["I2"] == {"orders_paid": 1, "entries": 3}
    assert report.figures["I4"]["completed"] == 1


async def test_a_prepaid_order_of_many_lines_needs_no_payment(system: System) -> None:
    lines = (a_placed_line(TEA, 2, "100.00", "10.00"), a_placed_line(CUP, 1, "19.99"), a_placed_line(TEA, 1, "50.00"))
    await system.publish(place(lines=lines, prepaid=True))
    await system.run_until_idle()

    assert status(system) == "paid"
    assert lot(system, TEA) == (STOCK, 3)
    assert lot(system, CUP) == (STOCK, 1)
    # Of 90.00, 19.99 and 50.00; the postage of 8.00 earns nothing. 1.999 + 0.9995 + 0.5997 round to 3.60.
    assert held(system) == {SELLER: 900 + 200 + 500, MIDDLE: 450 + 100 + 250, TOP: 270 + 60 + 150}
    await system.assert_sound()


async def test_an_order_without_stock_is_rejected_and_pays_no_commission(system: System) -> None:
    await system.publish(place(lines=(a_placed_line(TEA, STOCK + 1), a_placed_line(CUP, 1)), prepaid=True))
    await system.run_until_idle()

    order = system.document(ORDERS, KEY)
    assert (order["status"], order["reason"]) == ("rejected", "stock_short")
    [rejected] = system.events("order.rejected.v1")
    assert rejected["data"]["detail"] == f"product {TEA}: {STOCK + 1} requested, {STOCK} available"
    # All lines or none: the available cup is not reserved.
    assert lot(system, CUP) == (STOCK, 0)
    assert held(system) == {}
    await system.assert_sound()


async def test_a_payment_that_precedes_its_order_is_retried(system: System) -> None:
    await system.publish(update("paid"))
    await system.run_until_idle()
    assert len(system.broker.delayed) == 1
    await system.publish(place())
    await system.run_until_idle()
    assert status(system) == "pending"

    await system.pass_time(seconds=4)
    assert status(system) == "pending"
    await system.pass_time(seconds=1)

    assert status(system) == "paid"
    assert held(system) == {SELLER: 900, MIDDLE: 450, TOP: 270}
    await system.assert_sound()


async def test_a_payment_without_an_order_is_refused_after_three_retries(system: System) -> None:
    await system.publish(update("paid"))
    await system.run_until_idle(with_retries=True)

    [refused] = system.events("order.status-refused.v1")
    assert refused["data"]["reason"] == "order_unknown"
    assert system.time.now() - NOW == timedelta(seconds=5 + 60 + 600)
    assert system.events("message.dead-lettered.v1") == []
    await system.assert_sound()


async def test_cancelling_a_paid_order_returns_stock_and_reverses_commissions(system: System) -> None:
    await system.publish(place(prepaid=True))
    await system.run_until_idle()
    await system.publish(update("cancelled"))
    await system.run_until_idle()

    assert status(system) == "cancelled"
    assert lot(system) == (STOCK, 0)
    assert held(system) == {SELLER: 0, MIDDLE: 0, TOP: 0}
    commission = system.document(COMMISSIONS, KEY)
    # Entries stay; the reversal is a posting of its own.
    assert [reversal["reference"] for reversal in commission["reversals"]] == ["cancelled"]
    assert sum(entry["amount_minor"] for entry in commission["entries"]) == 1_620
    assert len(system.documents("commission_calculation.ledger")) == 2
    [progress] = system.documents("reward_checks.progress")
    assert progress["sales_minor"] == 0
    await system.assert_sound()


async def test_an_order_that_is_not_paid_in_time_is_cancelled_by_the_clock(system: System) -> None:
    await system.publish(place())
    await system.run_until_idle()
    deadline = NOW + timedelta(minutes=30)

    await system.tick(deadline - timedelta(seconds=10))
    await system.run_until_idle()
    assert status(system) == "pending"
    await system.tick(deadline)
    await system.run_until_idle()

    order = system.document(ORDERS, KEY)
    assert (order["status"], order["reason"]) == ("cancelled", "payment_overdue")
    assert lot(system) == (STOCK, 0)
    await system.assert_sound()


async def test_a_repeated_tick_is_ignored(system: System) -> None:
    await system.publish(place())
    await system.run_until_idle()
    for _ in range(2):
        await system.tick(NOW + timedelta(minutes=30))
        await system.run_until_idle()

    assert len({event["id"] for event in system.events("order.cancelled.v1")}) == 1
    assert system.document("stock_reservation.reservations", KEY)["status"] == "released"
    await system.assert_sound()


async def test_the_same_order_under_another_message_id_is_one_order(system: System) -> None:
    await system.publish(place(prepaid=True))
    await system.run_until_idle()
    before = system.business_state()
    await system.send(message(place(prepaid=True), id="sent-again"))
    await system.run_until_idle()

    assert system.business_state() == before
    records = system.store.table("journal.order_intake").find({"handled.type": "order.place.v2"})
    assert [handled["outcome"] for record in records for handled in record["handled"]] == ["accepted", "duplicate"]
    await system.assert_sound()


async def test_a_used_order_id_is_a_conflict_and_the_first_order_stays(system: System) -> None:
    await system.publish(place())
    await system.run_until_idle()
    before = system.business_state()
    await system.publish(place(lines=(a_placed_line(TEA, 3, "150.00"),)))
    await system.run_until_idle()

    [refused] = system.events("order.refused.v1")
    assert refused["data"]["reason"] == "conflict"
    assert system.business_state() == before
    await system.assert_sound()


async def test_commissions_follow_the_upline_at_the_time_of_the_order(system: System) -> None:
    """An upline that becomes inactive later keeps its commission; one that was inactive before gets none."""
    await system.publish(place("1", prepaid=True))
    await system.run_until_idle()
    await system.publish(ChangeDistributor(distributor_id=MIDDLE, active=False, effective_at=NOW + timedelta(hours=1)))
    await system.run_until_idle()
    await system.publish(place("2", prepaid=True, placed_at=NOW))
    await system.pass_time(hours=2)
    await system.publish(place("3", prepaid=True))
    await system.run_until_idle()

    levels = {
        key: [entry["distributor_id"] for entry in system.document(COMMISSIONS, f"{SHOP}/{key}")["entries"]]
        for key in ("1", "2", "3")
    }
    assert levels == {"1": [SELLER, MIDDLE, TOP], "2": [SELLER, MIDDLE, TOP], "3": [SELLER, TOP]}
    [unpaid] = system.document(COMMISSIONS, f"{SHOP}/3")["unpaid"]
    passed = [{"level": 2, "distributor_id": MIDDLE}]
    assert unpaid == {"plan": "levels", "reason": "inactive", "lines": [], "uplines": passed}
    await system.assert_sound()


async def test_low_stock_raises_one_alert_that_ends_when_it_recovers(system: System) -> None:
    await system.publish(receive("r-2", TEA, 1, low_at=97))
    await system.run_until_idle()
    for number in range(3):
        await system.publish(place(str(number)))
        await system.run_until_idle()

    [alert] = [a for a in system.documents("alerting.alerts") if a["kind"] == "stock_low"]
    assert (alert["_id"], alert["state"], alert["times"]) == (f"stock/{TEA}", "open", 1)
    assert len(system.events("stock.low.v1")) == 1
    await system.assert_sound()

    await system.publish(receive("r-3", TEA, 100))
    await system.run_until_idle()
    assert system.document("alerting.alerts", f"stock/{TEA}")["state"] == "resolved"
    await system.assert_sound()
