"""Commissions through every worker, with caps, refunds and a release; and an audit that detects wrong documents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from contracts.commissions.earnings import EARNINGS
from contracts.commissions.view import BALANCES, COMMISSIONS, LEDGER
from contracts.orders.view import ORDERS
from contracts.rules.view import RULES, Caps, Conditions, RuleSet, Unilevel
from infra.auditing.audit import Report
from infra.ports.store import Document, Transaction
from infra.runtime.repository import Codec
from tests.builders import (
    KEY,
    MARKET,
    NOW,
    SELLER,
    SHOP,
    TEA,
    a_placed_line,
    a_refund_line,
    after_sale,
    place,
    refund,
    rules,
    update,
)
from tests.workflow.system import System
from workers.commission_calculation.audit import OVERDUE_AFTER
from workers.commission_calculation.handlers import WORKER
from workers.commission_calculation.repository import NOTICES

IN_A_WEEK = NOW + timedelta(days=7)
THIRD = f"{SHOP}/1003"
OPEN = {"order_version": 9, "open": True, "since": NOW}
MONTH = f"{SELLER}/2026-11/CNY/{MARKET}"
CAPS = Caps(day={"CNY": 1_200}, month={"CNY": 1_500})
PLANS = (
    Unilevel("levels", (100_000, 50_000), caps=CAPS),
    Unilevel("sellers", (20_000,), conditions=Conditions(own_sales_min={"CNY": 15_000})),
)

Spoil = Callable[[Document], None]


def the_rules() -> Document:
    known = rules()
    return Codec(RuleSet, key="rule_version").to_document(
        replace(known, terms=replace(known.terms, market=MARKET, plans=PLANS))
    )


@pytest.fixture
async def traded(system: System) -> System:
    """Three orders of 90.00: one released and then partly refunded, one cancelled, one completed and held."""
    system.store.table(RULES).put(the_rules())
    for order_id in ("1001", "1002", "1003"):
        await system.publish(place(order_id, prepaid=True))
        await system.run_until_idle()
    for order_id in ("1001", "1003"):
        for status in ("shipped", "completed"):
            await system.publish(update(status, order_id))
            await system.run_until_idle()
        await system.pass_time(days=4)
    await system.publish(update("cancelled", "1002"))
    await system.tick(NOW + timedelta(days=8))
    await system.run_until_idle()
    await system.publish(refund(a_refund_line(TEA, 1)), place("1004", lines=[a_placed_line()]))
    await system.run_until_idle()
    return system


async def breaches(system: System) -> list[str]:
    report = Report(system.time.now())
    for audit in WORKER.audits:
        await audit(system.store, report)
    assert report.breach_count == len(report.breaches)
    return [f"{breach.invariant} {breach.about}: {breach.detail}" for breach in report.breaches]


async def test_the_results_of_the_workers_are_sound(traded: System) -> None:
    report = Report(traded.time.now())
    for audit in WORKER.audits:
        await audit(traded.store, report)

    assert report.breaches == []
    assert report.figures["I2"] == {"orders_paid": 3, "entries": 7, "reversals": 2, "released": 1}
    by_order = {document["_id"].removeprefix(f"{SHOP}/"): document for document in traded.documents(COMMISSIONS)}
    # The first order is paid in full, the second up to the day's cap, and the third finds it used up.
    assert [(e["plan"], e["amount_minor"], e["limited_by"]) for e in by_order["1001"]["entries"]] == [
        ("levels", 900, None),
        ("levels", 450, None),
    ]
    assert [(e["plan"], e["amount_minor"], e["limited_by"]) for e in by_order["1002"]["entries"]] == [
        ("levels", 300, "day"),
        ("levels", 450, None),
        ("sellers", 180, None),
    ]
    assert [(e["plan"], e["amount_minor"], e["limited_by"]) for e in by_order["1003"]["entries"]] == [
        ("levels", 300, "day"),
        ("sellers", 180, None),
    ]
    assert [by_order[name]["status"] for name in sorted(by_order)] == ["released", "held", "held"]
    [month] = [document for document in traded.documents(EARNINGS) if document["_id"] == MONTH]
    assert month["own_sales_minor"] == 27_000
    assert {document["_id"] for document in traded.documents(NOTICES)} == {f"{SHOP}/{name}" for name in by_order}


def no_releases(*, but: str = "") -> AbstractContextManager[Any]:
    """Every tick misses what is due, except one commission."""

    async def due(tx: Transaction, ticks: Sequence[datetime]) -> list[Document]:
        return await tx.find(COMMISSIONS, {"_id": but}) if ticks else []

    return patch("workers.commission_calculation.repository._due", due)


def at(path: str, value: object) -> Spoil:
    """Set a value at a dotted path; a number in the path is an index of a list."""

    def spoil(document: Document) -> None:
        *way, last = [int(part) if part.isdigit() and len(part) == 1 else part for part in path.split(".")]
        target: Any = document
        for part in way:
            target = target[part]
        target[last] = value

    return spoil


@pytest.mark.parametrize(
    ("collection", "key", "spoil", "sentence"),
    [
        (COMMISSIONS, KEY, at("pools_minor.0", 1_799), "I2 order/shop-1/1001: pools_minor are (1799,)"),
        (COMMISSIONS, KEY, at("unpaid", []), "I2 order/shop-1/1001: unpaid are ()"),
        (COMMISSIONS, KEY, at("pool_minor", 1_000), "I3 order/shop-1/1001: its pool of 1000 is not that of its lines"),
        (COMMISSIONS, KEY, at("pool_minor", 1_000), "I3 order/shop-1/1001: pays 1350 out of a pool of 1000"),
        (COMMISSIONS, KEY, at("lines.0.refunded_minor", 0), "I2 order/shop-1/1001: refunds are"),
        (COMMISSIONS, KEY, at("reversals", []), "I2 order/shop-1/1001: entries are worth (900, 450), the refunds"),
        (COMMISSIONS, KEY, at("completed_at", NOW + timedelta(days=1)), "I2 order/shop-1/1001: was completed at"),
        (COMMISSIONS, KEY, at("released_at", NOW), "I2 order/shop-1/1001: was released before its hold of 7 days"),
        (COMMISSIONS, KEY, at("hold_days", 3), "I2 order/shop-1/1001: is held for 3 days, its rules require 7"),
        (COMMISSIONS, KEY, at("release_at", NOW), "I2 order/shop-1/1001: is released, and to be released again at"),
        (COMMISSIONS, THIRD, at("hold_days", 30), "I2 order/shop-1/1003: is held for 30 days, its rules require 7"),
        (COMMISSIONS, THIRD, at("release_at", NOW), "I2 order/shop-1/1003: is to be released at 2026-11-02"),
        (COMMISSIONS, THIRD, at("release_at", None), "I2 order/shop-1/1003: is to be released at None"),
        (COMMISSIONS, THIRD, at("released_at", NOW), "I2 order/shop-1/1003: is held, but was released at 2026-11-02"),
        (
            COMMISSIONS,
            THIRD,
            at("after_sale", OPEN),
            "I2 order/shop-1/1003: its after-sale is not open, the",
        ),
        (
            ORDERS,
            THIRD,
            at("after_sale_open", True),
            "I2 order/shop-1/1003: its after-sale is open, the",
        ),
        (ORDERS, THIRD, at("after_sale_open", True), "I2 order/shop-1/1003: is to be released at 2026-11-13"),
        (COMMISSIONS, f"{SHOP}/1002", at("release_at", NOW), "I2 order/shop-1/1002: is to be released at 2026-11-02"),
        (COMMISSIONS, KEY, at("status", "held"), "I3 distributor/3: available sums in CNY differ"),
        (COMMISSIONS, f"{SHOP}/1002", at("earned.day_minor.levels", {}), "I2 order/shop-1/1002: entries are"),
        (
            EARNINGS,
            MONTH,
            at("own_sales_minor", 1),
            f"I3 earnings/{MONTH}: own sales: 1 is stored, the orders give 27000",
        ),
        (
            EARNINGS,
            MONTH,
            at("paid_minor.02.levels", 5),
            f"I3 earnings/{MONTH}: plan levels in the month: 5 is stored, the",
        ),
        (
            EARNINGS,
            MONTH,
            at("paid_minor", {"02": {"levels": 7}}),
            f"I3 earnings/{MONTH}: plan levels on day 02: 7 is stored",
        ),
        (EARNINGS, MONTH, at("_id", "77/2026-11/CNY"), f"I3 earnings/{MONTH}: own sales: 0 is stored"),
        (COMMISSIONS, KEY, at("market", "west"), "I2 order/shop-1/1001: is booked in market west, its rules are of"),
    ],
)
async def test_a_changed_field_is_detected(
    traded: System, collection: str, key: object, spoil: Spoil, sentence: str
) -> None:
    spoil(traded.store.table(collection).documents[key])

    found = await breaches(traded)

    assert any(breach.startswith(sentence) for breach in found)


@pytest.fixture
async def completed(system: System) -> System:
    """A completed order whose commission is due in a week."""
    system.store.table(RULES).put(the_rules())
    await system.publish(place("1001", prepaid=True))
    for status in ("shipped", "completed"):
        await system.run_until_idle()
        await system.publish(update(status))
    await system.run_until_idle()
    return system


class TestAfterSales:
    @pytest.fixture
    async def opened(self, completed: System) -> System:
        """An after-sale is open since the second day."""
        await completed.pass_time(days=1)
        await completed.publish(after_sale())
        await completed.run_until_idle()
        assert await breaches(completed) == []
        return completed

    async def test_a_release_during_one_is_detected(self, opened: System) -> None:
        commission = opened.store.table(COMMISSIONS).documents[KEY]
        at("release_at", IN_A_WEEK)(commission)
        assert await breaches(opened) == [f"I2 order/{KEY}: is to be released at {IN_A_WEEK}, its hold gives None"]

        await opened.tick(IN_A_WEEK)
        await opened.run_until_idle()

        since = NOW + timedelta(days=1)
        detail = f"was released at {IN_A_WEEK}, but its after-sale has been open since {since}"
        assert await breaches(opened) == [f"I2 order/{KEY}: {detail}"]

    async def test_an_ignored_end_is_detected(self, opened: System) -> None:
        await opened.pass_time(days=8)
        await opened.publish(after_sale(False))
        await opened.run_until_idle()
        assert await breaches(opened) == []

        at("release_at", IN_A_WEEK)(opened.store.table(COMMISSIONS).documents[KEY])

        due = NOW + timedelta(days=9)
        assert await breaches(opened) == [f"I2 order/{KEY}: is to be released at {IN_A_WEEK}, its hold gives {due}"]

    async def test_one_after_the_release_is_no_breach(self, completed: System) -> None:
        await completed.tick(IN_A_WEEK)
        await completed.run_until_idle()
        await completed.publish(after_sale())
        await completed.run_until_idle()

        assert completed.document(ORDERS, KEY)["after_sale_open"]
        assert await breaches(completed) == []


class TestReleases:
    async def test_an_early_release_is_detected(self, completed: System) -> None:
        """The posting has the time of the tick that released it."""
        await completed.tick(IN_A_WEEK)
        await completed.run_until_idle()
        assert await breaches(completed) == []
        [posting] = [d for d in completed.store.table(LEDGER).documents.values() if d["kind"] == "release"]

        posting["posted_at"] = NOW

        detail = f"was to be released at {IN_A_WEEK}, and was released at {NOW} already"
        assert await breaches(completed) == [f"I2 order/{KEY}: {detail}"]

    async def test_a_missing_release_is_detected_after_a_while(self, completed: System) -> None:
        with no_releases():
            await completed.tick(IN_A_WEEK + OVERDUE_AFTER)
            await completed.run_until_idle()
            assert await breaches(completed) == []
            await completed.tick(IN_A_WEEK + OVERDUE_AFTER + timedelta(minutes=1))
            await completed.run_until_idle()

        assert await breaches(completed) == [f"I2 order/{KEY}: is still held, and was due at {IN_A_WEEK}"]

    async def test_a_missing_release_is_detected_when_others_are_released(self, completed: System) -> None:
        await completed.pass_time(days=1)
        for payload in (place("1002", prepaid=True), update("shipped", "1002"), update("completed", "1002")):
            await completed.publish(payload)
            await completed.run_until_idle()
        with no_releases(but=f"{SHOP}/1002"):
            await completed.tick(IN_A_WEEK + timedelta(days=1))
            await completed.run_until_idle()

        assert await breaches(completed) == [f"I2 order/{KEY}: is still held, and was due at {IN_A_WEEK}"]

    async def test_a_missing_release_without_a_clock_is_no_breach(self, completed: System) -> None:
        await completed.pass_time(days=30)

        assert await breaches(completed) == []

    async def test_a_missing_release_since_the_order_changed_is_no_breach(self, completed: System) -> None:
        """What is noted now may have been due long ago; the next tick releases it."""
        with no_releases():
            await completed.tick(IN_A_WEEK + timedelta(days=1))
            await completed.run_until_idle()
        await completed.publish(refund(a_refund_line(TEA, 1)))
        await completed.run_until_idle()

        assert await breaches(completed) == []


async def test_an_exceeded_cap_is_detected(traded: System) -> None:
    terms = traded.store.table(RULES).documents[1]["terms"]
    terms["plans"][0]["caps"]["day"]["CNY"] = 1_000

    found = await breaches(traded)

    assert any("of plan levels for distributor 3 exceed its cap of 1000 a day" in breach for breach in found)


@pytest.mark.parametrize(
    ("collection", "sentence"),
    [
        (EARNINGS, "own sales: 0 is stored, the orders give 27000"),
        (BALANCES, "sums in CNY differ"),
        (LEDGER, "sums in CNY differ"),
        (COMMISSIONS, "is paid, but has no commissions"),
    ],
)
async def test_lost_documents_are_detected(traded: System, collection: str, sentence: str) -> None:
    for document in traded.documents(collection):
        traded.store.table(collection).remove(document["_id"])

    assert any(sentence in breach for breach in await breaches(traded))


async def test_a_commission_of_an_unpaid_order_is_detected(traded: System) -> None:
    [document] = [document for document in traded.documents(COMMISSIONS) if document["_id"] == KEY]
    traded.store.table(COMMISSIONS).put({**document, "_id": f"{SHOP}/1004"})

    found = await breaches(traded)

    assert "I2 order/shop-1/1004: pending and never paid, but has commissions" in found
