"""The audits can fail: each kind of damage is done by hand, and must be detected."""

from __future__ import annotations

import pytest

from infra.ports.store import Document
from tests.builders import KEY, SELLER, TEA, place, update
from tests.workflow.conftest import STOCK
from tests.workflow.system import System


@pytest.fixture
async def traded(system: System) -> System:
    """One order paid, one pending; every invariant holds."""
    await system.publish(place("1001", prepaid=True), place("1002"))
    await system.run_until_idle()
    await system.assert_sound()
    return system


def tamper(system: System, collection: str, key: object) -> Document:
    """The stored document itself, to be changed without any rule."""
    return system.store.table(collection).documents[key]


async def breaches(system: System) -> set[tuple[str, str]]:
    """What is broken, and where."""
    report = await system.verify()
    assert report.breach_count == len(report.breaches)
    return {(breach.invariant, breach.about) for breach in report.breaches}


async def test_a_balance_unlike_the_ledger_is_detected(traded: System) -> None:
    [key] = [b["_id"] for b in traded.documents("commission_calculation.balances") if b["distributor_id"] == SELLER]
    tamper(traded, "commission_calculation.balances", key)["held_minor"] += 1

    assert await breaches(traded) == {("I3", f"distributor/{SELLER}")}


async def test_a_missing_journal_record_is_detected(traded: System) -> None:
    """The order's commission exists, but its origin is not journaled."""
    journal = traded.store.table("journal.commission_calculation")
    [record] = journal.find({})
    journal.remove(record["_id"])

    [paid] = traded.events("order.paid.v1")
    assert await breaches(traded) == {("I6", f"message/{paid['id']}")}


async def test_an_oversold_lot_is_detected(traded: System) -> None:
    item = tamper(traded, "stock_reservation.items", TEA)
    item["lots"][0]["on_hand"] = 1

    report = await traded.verify()
    details = [breach.detail for breach in report.breaches]
    assert details == [
        "3 units reserved beyond the stock, and the announced shortage is 0",
        f"on hand is 1, the books give {STOCK}",
    ]
    assert {(breach.invariant, breach.about) for breach in report.breaches} == {("I1", f"product/{TEA}")}


async def test_units_reserved_without_an_order_are_detected(traded: System) -> None:
    tamper(traded, "stock_reservation.items", TEA)["lots"][0]["reserved"] += 1

    assert await breaches(traded) == {("I1", f"product/{TEA}")}


async def test_an_edited_commission_is_detected(traded: System) -> None:
    tamper(traded, "commission_calculation.commissions", KEY)["entries"][0]["amount_minor"] += 100

    assert await breaches(traded) == {("I2", f"order/{KEY}"), ("I3", f"distributor/{SELLER}"), ("I3", "platform")}


async def test_a_missing_commission_is_detected(traded: System) -> None:
    traded.store.table("commission_calculation.commissions").remove(KEY)

    assert ("I2", f"order/{KEY}") in await breaches(traded)


async def test_an_unbalanced_posting_is_detected(traded: System) -> None:
    [posting] = traded.documents("commission_calculation.ledger")
    pool = tamper(traded, "commission_calculation.ledger", posting["_id"])["legs"][-1]
    pool["amount_minor"] -= 1

    assert await breaches(traded) == {("I3", f"order/{KEY}"), ("I3", "platform")}


async def test_an_impossible_order_state_is_detected(traded: System) -> None:
    tamper(traded, "order_intake.orders", KEY)["reserved"] = False

    assert ("I4", f"order/{KEY}") in await breaches(traded)


async def test_a_cycle_in_the_network_is_detected(traded: System) -> None:
    seller = tamper(traded, "network.distributors", SELLER)
    seller["sponsors"] = [{**seller["sponsors"][0], "sponsor_id": SELLER}]
    seller["sponsor_id"] = SELLER

    assert await breaches(traded) == {("I4", f"distributor/{SELLER}")}


async def test_sales_unlike_the_orders_are_detected(traded: System) -> None:
    [progress] = traded.documents("reward_checks.progress")
    tamper(traded, "reward_checks.progress", progress["_id"])["sales_minor"] -= 1

    assert await breaches(traded) == {("I7", f"distributor/{SELLER}")}


async def test_an_order_waiting_for_stock_for_ever_is_detected(traded: System) -> None:
    """A lost event: its worker never answers, and twenty minutes later the audit reports it."""
    await traded.publish(place("1003"))
    for loop in traded.loops:
        await loop.run()
        traded.broker.queues["stock_reservation.order.accepted"].clear()
    traded.time.advance_to(traded.time.now())
    await traded.pass_time(minutes=19)
    assert {about for invariant, about in await breaches(traded) if invariant == "I4"} == set()
    await traded.pass_time(minutes=2)

    assert ("I4", "order/shop-1/1003") in await breaches(traded)
    assert [invariant for invariant, _ in await breaches(traded)].count("I6") == 1


async def test_a_double_posting_is_detected(traded: System) -> None:
    """A second, balanced posting for the same order: ledger and entries differ."""
    await traded.publish(update("shipped", "1001"))
    await traded.run_until_idle()
    [posting] = traded.documents("commission_calculation.ledger")
    traded.store.table("commission_calculation.ledger").put({**posting, "_id": "again"})

    found = await breaches(traded)
    assert {invariant for invariant, _ in found} == {"I3"}
    assert {about for _, about in found} == {"distributor/1", "distributor/2", "distributor/3", "platform"}
