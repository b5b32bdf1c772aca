"""Tables of exchange rates through their worker's own loops, and what `verify` finds if one was changed by hand."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from contracts.exchange_rates.digests import table_digest
from contracts.exchange_rates.v1 import ApproveRates, CurrencyRate, PublishRates
from contracts.exchange_rates.view import SOURCES, TABLES
from infra.auditing.audit import Report
from infra.ports.store import Document
from tests.builders import NOW, message
from tests.workflow.system import System
from workers.exchange_rates.handlers import WORKER


def table(table_id: str, minutes: int, rate: str, *, confirm: bool = False) -> tuple[PublishRates, ApproveRates]:
    as_of = NOW + timedelta(minutes=minutes - 60)
    proposal = PublishRates(
        table_id=table_id,
        source="treasury",
        base="EUR",
        as_of=as_of,
        rates=(CurrencyRate(currency="USD", rate=rate),),
        confirm_jump=confirm,
        proposed_by="ann",
    )
    digest = table_digest("treasury", "EUR", as_of, {"USD": rate}, 0, confirm_jump=confirm)
    return proposal, ApproveRates(table_id=table_id, digest=digest, approved_by="bob")


async def faults(system: System) -> list[str]:
    report = Report(system.time.now())
    for audit in WORKER.audits:
        await audit(system.store, report)
    return [breach.detail for breach in report.breaches if breach.invariant == "I17"]


@pytest.fixture
async def known() -> System:
    system = System([WORKER])
    for payload in (*table("t-1", 0, "1.0"), *table("t-2", 1, "1.05"), *table("t-3", 2, "2.1", confirm=True)):
        await system.publish(payload)
        await system.run_until_idle()
    await system.publish(table("t-4", 3, "2.2")[0])
    await system.run_until_idle()
    return system


@pytest.mark.parametrize("order", list(permutations(range(2))))
async def test_an_approval_may_arrive_first_and_twice(order: tuple[int, ...]) -> None:
    system, commands = System([WORKER]), table("t-1", 0, "1.0920")
    for copy in range(2):
        for index in order:
            await system.send(message(commands[index], id=f"{index}-{copy}"))
            await system.run_until_idle()
    await system.run_until_idle(with_retries=True)

    [kept] = await system.store.find(TABLES, {})
    assert kept["state"] == "approved"
    assert [source["table_id"] for source in await system.store.find(SOURCES, {})] == ["t-1"]
    assert await faults(system) == []


async def test_tables_that_were_approved_hold(known: System) -> None:
    assert [source["table_id"] for source in await known.store.find(SOURCES, {})] == ["t-3"]
    assert await faults(known) == []


@pytest.mark.parametrize(
    ("collection", "key", "change", "found"),
    [
        (TABLES, "t-2", {"rates": {"USD": "1.06"}}, "not the one that the digest names"),
        (TABLES, "t-2", {"spread_ppm": 1}, "not the one that the digest names"),
        (TABLES, "t-2", {"decided_by": "Ann"}, "proposed by ann, approved by Ann"),
        (TABLES, "t-2", {"decided_by": None}, "it is approved, decided by no one"),
        (TABLES, "t-4", {"state": "approved"}, "it is approved, decided by no one"),
        (TABLES, "t-4", {"decided_by": "bob"}, "it is proposed, decided by bob"),
        (TABLES, "t-3", {"confirm_jump": False}, "it jumps by"),
        (TABLES, "t-3", {"jumps": []}, "and () were confirmed"),
        (TABLES, "t-3", {"base": "GBP"}, "it does not follow t-2"),
        (TABLES, "t-3", None, "the newest table of treasury is t-2, its source has t-3"),
        (SOURCES, "treasury", {"table_id": "t-1"}, "the newest table of treasury is t-3, its source has t-1"),
        (SOURCES, "treasury", {"last_rates": {"USD": "9"}}, "the newest table of treasury is t-3"),
        (SOURCES, "treasury", None, "its source has None"),
    ],
)
async def test_what_was_changed_by_hand_is_found(
    known: System, collection: str, key: str, change: Document | None, found: str
) -> None:
    changed, stored = known.store.table(collection), known.document(collection, key)
    changed.remove(key)
    if change is not None:
        kept: dict[str, Any] = {**stored, **change}
        changed.put({name: value for name, value in kept.items() if value is not None})

    assert found in " ".join(await faults(known))
