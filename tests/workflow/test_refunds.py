"""Refunds through every worker: refunded amounts count nowhere, and an audit detects where they still do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from unittest.mock import patch

import pytest

from contracts.wire.envelope import Payload
from infra.ports.store import Document
from tests.builders import (
    CUP,
    KEY,
    SELLER,
    TEA,
    a_placed_line,
    a_refund_line,
    a_rule_document,
    after_sale,
    place,
    refund,
    update,
)
from tests.simulation.planted import give_the_rest_with_the_last_units, leave_fixed_amounts_by_the_units_alone
from tests.workflow.conftest import STOCK, set_up
from tests.workflow.system import System
from workers.commission_calculation.repository import to_commission

ALL_OF_IT = refund(a_refund_line(TEA, 3), a_refund_line(CUP, 2), refund_id="all")
FIXED = [{"plan": "fixed", "name": "units", "amounts": [{"currency": "CNY", "levels": ["1.00"]}]}]
A_TEA, A_CUP = refund(refund_id="tea"), refund(a_refund_line(CUP), refund_id="cup")


async def published(system: System, *payloads: Payload) -> System:
    """A paid order of three teas for 90.01 and two cups for 20.00; then these messages, one after another."""
    lines = [a_placed_line(TEA, 3, "90.01"), a_placed_line(CUP, 2, "20.00")]
    for payload in (place(lines=lines, prepaid=True), *payloads):
        await system.publish(payload)
        await system.run_until_idle(with_retries=True)
    return system


def the_order(system: System) -> Document:
    return system.store.table("order_intake.orders").documents[KEY]


def stock(system: System, product_id: int) -> tuple[int, int]:
    """On hand and reserved."""
    [lot] = system.store.table("stock_reservation.items").documents[product_id]["lots"]
    return lot["on_hand"], lot["reserved"]


def sales(system: System) -> int:
    [progress] = system.documents("reward_checks.progress")
    return int(progress["sales_minor"])


async def found(system: System) -> set[tuple[str, str]]:
    report = await system.verify()
    return {(breach.invariant, breach.about) for breach in report.breaches}


@pytest.mark.parametrize(
    ("payloads", "status", "teas", "month"),
    [
        ([A_TEA], "paid", (STOCK, 2), 8_001),
        ([A_TEA, A_CUP, A_TEA], "paid", (STOCK, 2), 7_001),
        ([ALL_OF_IT], "refunded", (STOCK, 0), 0),
        ([A_TEA, update("shipped"), A_CUP], "shipped", (STOCK - 2, 0), 7_001),
        ([update("shipped"), A_TEA, update("completed"), A_CUP], "completed", (STOCK - 3, 0), 7_001),
        ([update("shipped"), update("completed"), ALL_OF_IT], "refunded", (STOCK - 3, 0), 0),
        ([A_TEA, A_CUP, update("cancelled")], "cancelled", (STOCK, 0), 0),
        ([after_sale(), A_TEA, after_sale(False)], "paid", (STOCK, 2), 8_001),
    ],
    ids=["one", "two", "all", "then the rest ships", "after shipping", "all of it later", "then cancelled", "open"],
)
async def test_refunded_amounts_count_nowhere(
    system: System, payloads: Sequence[Payload], status: str, teas: tuple[int, int], month: int
) -> None:
    await published(system, *payloads)

    assert the_order(system)["status"] == status
    assert stock(system, TEA) == teas
    assert sales(system) == month
    await system.assert_sound()


async def test_refunds_in_any_sequence_have_the_same_result() -> None:
    """Units with and without an amount, money without units, all at once."""
    commands = [
        refund(a_refund_line(TEA, 2, "2.00"), refund_id="cheap"),
        refund(a_refund_line(TEA, 1), a_refund_line(CUP, 1), refund_id="units"),
        refund(a_refund_line(TEA, 0, "10.00"), refund_id="goodwill"),
    ]
    outcomes = []
    for shuffled in permutations(commands):
        system = await published(await set_up(System()), *shuffled)
        await system.assert_sound()
        lines = [(line["refunded_quantity"], line["refunded_minor"]) for line in the_order(system)["lines"]]
        [commission] = system.documents("commission_calculation.commissions")
        outcomes.append(
            (lines, to_commission(commission).remaining_minor(), sales(system), stock(system, TEA), stock(system, CUP))
        )

    # 90.01 less 2.00, 30.00 and 10.00; 20.00 less 10.00.
    assert outcomes[0][0] == [(3, 4_200), (1, 1_000)]
    assert outcomes == outcomes[:1] * 6


@pytest.mark.parametrize("steps", [[], [update("shipped")], [update("shipped"), update("completed")]])
async def test_refunding_all_the_money_is_a_full_refund_and_units_may_follow(
    system: System, steps: Sequence[Payload]
) -> None:
    money = refund(a_refund_line(TEA, 0, "90.01"), a_refund_line(CUP, 0, "20.00"), refund_id="money")
    await published(system, *steps, money)

    assert (the_order(system)["status"], sales(system)) == ("refunded", 0)
    assert stock(system, TEA) == (STOCK - 3 if steps else STOCK, 0)
    [commission] = system.documents("commission_calculation.commissions")
    assert set(to_commission(commission).remaining_minor()) == {0}
    await system.assert_sound()

    await system.publish(refund(a_refund_line(TEA, 3), a_refund_line(CUP, 2), refund_id="units"))
    await system.run_until_idle()

    assert the_order(system)["status"] == "refunded"
    assert [line["refunded_quantity"] for line in the_order(system)["lines"]] == [3, 2]
    await system.assert_sound()


async def test_a_rule_that_depends_on_the_sequence_of_refunds_is_detected(system: System) -> None:
    cheap = refund(a_refund_line(TEA, 2, "2.00"), refund_id="cheap")
    with patch("workers.order_intake.decide.give_back", give_the_rest_with_the_last_units):
        await published(system, cheap, A_TEA)

    assert the_order(system)["lines"][0]["refunded_minor"] == 9_001
    assert ("I4", f"order/{KEY}") in await found(system)


@pytest.mark.parametrize(("quantity", "amount_minor"), [(1, 3_001), (2, 3_000), (2, None)])
async def test_a_changed_refund_request_is_detected(system: System, quantity: int, amount_minor: int | None) -> None:
    await published(system, refund(a_refund_line(TEA, 1, "30.00"), refund_id="tea"), A_CUP)
    [requested] = the_order(system)["refunds"][0]["asked"]
    requested |= {"quantity": quantity, "amount_minor": amount_minor}

    assert ("I4", f"order/{KEY}") in await found(system)


async def test_goods_still_reserved_after_a_full_refund_are_detected(system: System) -> None:
    await published(system, refund(a_refund_line(TEA, 0, "90.01"), a_refund_line(CUP, 0, "20.00"), refund_id="money"))
    reservation = system.store.table("stock_reservation.reservations").documents[KEY]
    reservation["status"] = "open"
    for pick in reservation["picks"]:
        [lot] = system.store.table("stock_reservation.items").documents[pick["product_id"]]["lots"]
        lot["reserved"] += pick["quantity"]

    assert await found(system) == {("I1", f"order/{KEY}")}


async def test_a_fixed_amount_that_survives_a_full_refund_is_detected() -> None:
    system = await set_up(System(), rules=a_rule_document(plans=FIXED))
    money = refund(a_refund_line(TEA, 0, "90.01"), refund_id="money")
    with patch("workers.commission_calculation.decide.left_of", leave_fixed_amounts_by_the_units_alone):
        await published(system, money)

    assert ("I2", f"order/{KEY}") in await found(system)


async def test_units_returned_twice_are_detected(system: System) -> None:
    await published(system, A_TEA)
    reservation = system.store.table("stock_reservation.reservations").documents[KEY]
    next(pick for pick in reservation["picks"] if pick["product_id"] == TEA)["given_back"] = 2

    assert {("I1", f"order/{KEY}"), ("I1", f"product/{TEA}")} <= await found(system)


async def test_a_refund_unknown_to_the_stock_is_detected(system: System) -> None:
    await published(system, A_TEA)
    system.store.table("stock_reservation.reservations").remove(KEY)

    assert ("I1", f"order/{KEY}") in await found(system)


@pytest.mark.parametrize(("field", "more"), [("refunded_quantity", 1), ("refunded_minor", 1), ("refunded_minor", -1)])
async def test_a_line_that_differs_from_its_refunds_is_detected(system: System, field: str, more: int) -> None:
    await published(system, A_TEA)
    the_order(system)["lines"][0][field] += more

    assert ("I4", f"order/{KEY}") in await found(system)


async def test_a_fully_refunded_order_that_is_not_ended_is_detected(system: System) -> None:
    await published(system, ALL_OF_IT)
    the_order(system)["status"] = "paid"

    assert ("I4", f"order/{KEY}") in await found(system)


async def test_a_refunded_status_with_something_left_is_detected(system: System) -> None:
    await published(system, A_TEA)
    the_order(system)["status"] = "refunded"

    assert ("I4", f"order/{KEY}") in await found(system)


async def test_refunded_sales_that_still_count_are_detected(system: System) -> None:
    await published(system, A_TEA)
    [progress] = system.documents("reward_checks.progress")
    system.store.table("reward_checks.progress").documents[progress["_id"]]["sales_minor"] += 3_000

    assert ("I7", f"distributor/{SELLER}") in await found(system)
