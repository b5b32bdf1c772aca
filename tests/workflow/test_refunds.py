"""Refunds through every worker: what went back is nowhere any more, and an audit sees where it still is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from contracts.envelope import Payload
from infra.runtime.store import Document
from tests.builders import (
    CUP,
    KEY,
    SELLER,
    TEA,
    a_placed_line,
    a_refund_line,
    after_sale,
    place,
    refund,
    update,
)
from tests.workflow.conftest import STOCK
from tests.workflow.system import System

ALL_OF_IT = refund(a_refund_line(TEA, 3), a_refund_line(CUP, 2), refund_id="all")
A_TEA, A_CUP = refund(refund_id="tea"), refund(a_refund_line(CUP), refund_id="cup")


async def told(system: System, *payloads: Payload) -> System:
    """An order of three teas for 90.01 and two cups for 20.00, paid; then these messages, one after another."""
    lines = [a_placed_line(TEA, 3, "90.01"), a_placed_line(CUP, 2, "20.00")]
    for payload in (place(lines=lines, prepaid=True), *payloads):
        await system.publish(payload)
        await system.settle(with_retries=True)
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
async def test_what_went_back_is_in_no_books_any_more(
    system: System, payloads: Sequence[Payload], status: str, teas: tuple[int, int], month: int
) -> None:
    await told(system, *payloads)

    assert the_order(system)["status"] == status
    assert stock(system, TEA) == teas
    assert sales(system) == month
    await system.assert_sound()


async def test_units_that_came_back_twice(system: System) -> None:
    await told(system, A_TEA)
    reservation = system.store.table("stock_reservation.reservations").documents[KEY]
    next(pick for pick in reservation["picks"] if pick["product_id"] == TEA)["given_back"] = 2

    assert {("I1", f"order/{KEY}"), ("I1", f"product/{TEA}")} <= await found(system)


async def test_a_refund_that_the_stock_never_heard_of(system: System) -> None:
    await told(system, A_TEA)
    system.store.table("stock_reservation.reservations").remove(KEY)

    assert ("I1", f"order/{KEY}") in await found(system)


@pytest.mark.parametrize(("field", "more"), [("refunded_quantity", 1), ("refunded_minor", 1), ("refunded_minor", -1)])
async def test_a_line_that_gave_back_other_than_its_refunds(system: System, field: str, more: int) -> None:
    await told(system, A_TEA)
    the_order(system)["lines"][0][field] += more

    assert ("I4", f"order/{KEY}") in await found(system)


async def test_an_order_with_nothing_left_that_goes_on(system: System) -> None:
    await told(system, ALL_OF_IT)
    the_order(system)["status"] = "paid"

    assert ("I4", f"order/{KEY}") in await found(system)


async def test_an_order_that_ended_as_refunded_with_something_left(system: System) -> None:
    await told(system, A_TEA)
    the_order(system)["status"] = "refunded"

    assert ("I4", f"order/{KEY}") in await found(system)


async def test_sales_that_were_refunded_and_still_count(system: System) -> None:
    await told(system, A_TEA)
    [progress] = system.documents("reward_checks.progress")
    system.store.table("reward_checks.progress").documents[progress["_id"]]["sales_minor"] += 3_000

    assert ("I7", f"distributor/{SELLER}") in await found(system)
