"""What was changed by hand in the books of settlement is found by `verify`, and a second look finds it again."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from contracts.rules.plans import AmountIn
from contracts.settlement.digests import adjustment_digest
from contracts.settlement.document import TermsDocument
from contracts.settlement.v1 import ApproveAdjustment, ProposeAdjustment
from contracts.settlement.view import ACCOUNTS, ADJUSTMENTS, BALANCES, LEDGER, PERIODS, STATEMENTS, TERMS
from infra.ports.store import Document
from tests.builders import MARKET, ORDER, SELLER, SHOP, refunded
from tests.workflow.system import System
from tests.workflow.test_settlement import MONTH_END, put_terms_in_force, released, settlement_holds

__all__ = ["released"]

ACCOUNT, STATEMENT = f"{MARKET}/{SELLER}/CNY", f"{MARKET}/2026-11/{SELLER}/CNY"
RELEASE = f"{SHOP}/{ORDER}/release/{SELLER}"
LATER = datetime(2026, 12, 9, tzinfo=UTC)


@pytest.fixture
async def closed(released: System) -> System:
    """A closed November with an adjustment, terms that begin in December, and a refund then."""
    minimum = (AmountIn(currency="CNY", amount=Decimal("4.00")),)
    await put_terms_in_force(released, TermsDocument(market=MARKET, minimum=minimum))
    fields: dict[str, Any] = {"market": MARKET, "distributor_id": SELLER, "currency": "CNY", "reason": "goodwill"}
    await released.publish(
        ProposeAdjustment(adjustment_id="a-1", amount=Decimal("2.50"), note="Late.", proposed_by="ann", **fields)
    )
    await released.run_until_idle()
    digest = adjustment_digest("adjustment", MARKET, SELLER, "CNY", 250, "goodwill", "Late.")
    await released.publish(ApproveAdjustment(adjustment_id="a-1", digest=digest, approved_by="bob"))
    await released.run_until_idle()
    await released.tick(MONTH_END)
    await released.run_until_idle()
    await released.publish(refunded())
    await released.run_until_idle()
    assert await settlement_holds(released)
    return released


@pytest.mark.parametrize(
    ("collection", "key", "change", "found"),
    [
        (STATEMENTS, STATEMENT, {"outcome": "below_minimum"}, "its outcome is below_minimum"),
        (STATEMENTS, STATEMENT, {"minimum_minor": 77}, "its minimum is 77"),
        (STATEMENTS, STATEMENT, {"ends_at": LATER}, "it covers"),
        (STATEMENTS, STATEMENT, {"starts_at": datetime(2026, 10, 9, tzinfo=UTC)}, "its period is"),
        (STATEMENTS, STATEMENT, {"terms_version": 1}, "its period has the terms 0"),
        (STATEMENTS, STATEMENT, {"terms_version": 9}, "its terms are missing"),
        (STATEMENTS, STATEMENT, {"zone": "Asia/Shanghai"}, "and the zone UTC"),
        (STATEMENTS, STATEMENT, {"distributor_id": 99}, "its fields name"),
        (STATEMENTS, STATEMENT, {"currency": "USD"}, "its fields name"),
        (ACCOUNTS, ACCOUNT, {"open": [], "close_at": None}, "is neither closed nor open in its account"),
        (ACCOUNTS, ACCOUNT, {"close_at": None}, "is not closed at 2027-01-01 06:00"),
        (ACCOUNTS, ACCOUNT, {"closed_to": LATER}, "has closed_to 2026-12-09"),
        (ACCOUNTS, ACCOUNT, {"tax": {"month": "2026-12", "gross_minor": 1, "withheld_minor": 9}}, "has tax TaxMonth"),
        (ACCOUNTS, ACCOUNT, None, "is missing, and has statements"),
        (PERIODS, f"{MARKET}/2026-11", None, "its period is missing"),
        (LEDGER, RELEASE, {"order": f"{SHOP}/7"}, f"names {SHOP}/7"),
        (LEDGER, RELEASE, {"reference": "7"}, "names"),
        (LEDGER, RELEASE, {"distributor_id": 99}, "of another account"),
        (LEDGER, RELEASE, {"currency": "USD"}, "of another account"),
        (LEDGER, f"{STATEMENT}/close", {"reference": "7"}, "names"),
        ("settlement.series", MARKET, {"last": 9}, "9 numbers are given, 3 used"),
        (TERMS, 1, {"approved_by": "Ann"}, "proposed by ann, approved by Ann"),
        (TERMS, 1, {"market": "west"}, "not those that the digest names"),
        (ADJUSTMENTS, "a-1", {"amount_minor": 99}, "not the one that the digest names"),
        (ADJUSTMENTS, "a-1", {"statement": STATEMENT.replace("11", "12")}, "its posting is"),
        (ADJUSTMENTS, "a-1", {"approved_by": ["ann"]}, "proposed by ann, approved by ann"),
        (ADJUSTMENTS, "a-1", {"approved_by": []}, "approved by no one"),
        (ADJUSTMENTS, "a-1", None, "there is no such adjustment"),
        (BALANCES, f"{STATEMENT}/0", None, "3 of 4 sums"),
    ],
)
async def test_a_changed_document_is_found(
    closed: System, collection: str, key: Any, change: Document | None, found: str
) -> None:
    table, stored = closed.store.table(collection), closed.document(collection, key)
    table.remove(key)
    if change is not None:
        table.put({name: value for name, value in {**stored, **change}.items() if value is not None})

    first = await closed.verify()
    again = first.recheck(closed.time.now())
    for worker in closed.workers:
        for audit in worker.audits if worker.name == "settlement" else ():
            await audit(closed.store, again)

    for report in (first, again):
        details = [one.detail for one in report.breaches if one.invariant in ("I12", "I13", "I14")]
        assert found in " ".join(details)
