"""A payout in another currency, from its table of rates to its attempt, and what `verify` finds if it was changed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.corridors.v1 import ApproveCorridor
from contracts.corridors.view import CORRIDORS, corridor_digest
from contracts.exchange_rates.digests import table_digest
from contracts.exchange_rates.v1 import ApproveRates, CurrencyRate, PublishRates
from contracts.exchange_rates.view import TABLES
from contracts.payouts.view import BATCHES, PAYOUTS, RATES
from infra.auditing.audit import Report
from infra.ports.store import Document
from tests.builders import NOW
from tests.payout_story import PAYEE, a_closed_statement, a_method, a_payee, a_proposal, an_approval, statement_id
from tests.unit.test_payout_conversions import a_corridor
from tests.workflow.system import System
from workers.exchange_rates.handlers import WORKER as EXCHANGE_RATES
from workers.payouts.audit_approvals import audit_approvals
from workers.payouts.audit_conversions import audit_conversions
from workers.payouts.handlers import WORKER as PAYOUT_WORKER

ID = statement_id(currency="CNY")
HOUR = timedelta(hours=1)


async def handled(system: System, *payloads: Any) -> None:
    for payload in payloads:
        await system.publish(payload)
        await system.run_until_idle()


@pytest.fixture
async def begun() -> System:
    system = System([EXCHANGE_RATES, PAYOUT_WORKER])
    rates = {"CNY": "7.8000", "USD": "1.0920"}
    table = PublishRates(
        table_id="t-1",
        source="treasury",
        base="EUR",
        as_of=NOW - HOUR,
        rates=tuple(CurrencyRate(currency=currency, rate=rate) for currency, rate in rates.items()),
        proposed_by="ann",
    )
    of_table = table_digest("treasury", "EUR", NOW - HOUR, rates, 0, confirm_jump=False)
    of_corridor = corridor_digest(("paypal", "DE", "US"), ("USD",), {}, {})
    await handled(
        system,
        table,
        ApproveRates(table_id="t-1", digest=of_table, approved_by="bob"),
        a_corridor(),
        ApproveCorridor(corridor_id="c-1", digest=of_corridor, approved_by="bob"),
        a_closed_statement(payable="1000.00", currency="CNY"),
        a_payee(method=a_method("paypal", "USD", country="US")),
        a_proposal(),
    )
    [batch] = await system.store.find(BATCHES, {})
    await handled(system, an_approval(batch["digest"]))
    await system.tick(system.time.now())
    await system.run_until_idle()
    return system


async def faults(system: System) -> list[str]:
    report = Report(system.time.now())
    for audit in (audit_conversions, audit_approvals):
        await audit(system.store, report)
    return [breach.detail for breach in report.breaches]


async def test_a_payout_is_converted_by_the_approved_table(begun: System) -> None:
    payout = begun.document(PAYOUTS, ID)

    assert (payout["state"], payout["distributor_id"]) == ("sending", PAYEE)
    assert (payout["plan"]["currency"], payout["plan"]["amount_minor"]) == ("USD", 140_00)
    assert payout["plan"]["conversion"]["rate"] == "1.0920/7.8000"
    assert [known["table_id"] for known in await begun.store.find(RATES, {})] == ["t-1"]
    assert await faults(begun) == []


def converted(payout: Document, **fields: Any) -> Document:
    return {"plan": {**payout["plan"], "conversion": {**payout["plan"]["conversion"], **fields}}}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda one: {"plan": {**one["plan"], "amount_minor": 140_01}}, "its rate gives 14000 with 0"),
        (lambda one: {"plan": {**one["plan"], "left_minor": 1}}, "its rate gives 14000 with 0"),
        (lambda one: {"plan": {**one["plan"], "conversion": None}}, "sends USD of CNY without a conversion"),
        (lambda one: {"statement_currency": "USD"}, "sends USD of USD with a conversion"),
        (lambda one: converted(one, fee_minor=5), "its rate gives 14000 with 0"),
        (lambda one: converted(one, rate="1"), "was converted by 1; the table t-1 has 1.0920/7.8000"),
        (lambda one: converted(one, table_id="t-9"), "by the table t-9, which was not approved"),
        (lambda one: converted(one, source="bank"), "states other facts of the table t-1"),
        (lambda one: {"started_at": NOW + timedelta(days=9)}, "was begun at 2026-11-11"),
    ],
)
async def test_a_changed_conversion_is_found(begun: System, change: Any, found: str) -> None:
    stored = begun.document(PAYOUTS, ID)
    begun.store.table(PAYOUTS).put({**stored, **change(stored)})

    assert found in " ".join(await faults(begun))


@pytest.mark.parametrize(
    ("collection", "key", "change", "found"),
    [
        (TABLES, "t-1", {"state": "rejected"}, "by the table t-1, which was not approved"),
        (TABLES, "t-1", {"rates": {"CNY": "7", "USD": "1.0920"}}, "the table t-1 has 1.0920/7"),
        (CORRIDORS, "c-1", {"to_country": "GB"}, "it is not the one that the digest names"),
        (CORRIDORS, "c-1", {"limit_per_year": {"USD": 1}}, "it is not the one that the digest names"),
        (CORRIDORS, "c-1", {"approved_by": None}, "it is open, approved by no one"),
        (CORRIDORS, "c-1", {"approved_by": "Ann"}, "proposed by ann, approved by Ann"),
        ("payouts.payees", PAYEE, {"sent_in_year": {}}, "counts 0 sent in 2026/paypal/US/USD, there are 14000"),
        (
            "payouts.payees",
            PAYEE,
            {"sent_in_year": {"2026/paypal/US/USD": 140_00, "2026/paypal/GB/USD": 1}},
            "counts 1 sent in 2026/paypal/GB/USD, there are 0",
        ),
    ],
)
async def test_what_was_changed_by_hand_is_found(
    begun: System, collection: str, key: Any, change: Document, found: str
) -> None:
    stored = begun.document(collection, key)
    kept = {name: value for name, value in {**stored, **change}.items() if value is not None}
    begun.store.table(collection).remove(key)
    begun.store.table(collection).put(kept)

    assert found in " ".join(await faults(begun))
