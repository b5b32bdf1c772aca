"""Rule sets through the rule book's own loops: in any sequence, any number of times, and audited afterwards."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from contracts.rules.document import RuleDocument
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.v1 import ActivateRules, ApproveRules, DefineMarket, ProposeRules, RetireRules
from contracts.rules.view import MARKETS, RULES
from contracts.wire.envelope import Payload
from infra.auditing.audit import Report
from tests.builders import NOW, message
from tests.workflow.system import System
from workers.rule_book.handlers import WORKER
from workers.rule_book.repository import TURNS, to_rules

RATES = ("0.10", "0.05")


def a_document(*rates: str, market: str = "cn") -> RuleDocument:
    plan = {"plan": "unilevel", "name": "direct", "rates": rates or RATES}
    return RuleDocument.model_validate({"title": "T", "market": market, "pool_rate": "0.20", "plans": [plan]})


def proposal(version: int = 1, *rates: str) -> ProposeRules:
    return ProposeRules(rule_version=version, proposed_by="li.na", rules=a_document(*rates))


def approval(version: int = 1, *rates: str) -> ApproveRules:
    return ApproveRules(rule_version=version, approved_by="wei", digest=digest_of(terms_of(a_document(*rates))))


def activation(version: int = 1) -> ActivateRules:
    return ActivateRules(rule_version=version, activated_by="li.na", effective_from=NOW)


ALL: tuple[Payload, ...] = (proposal(), approval(), activation(), DefineMarket(market="cn"))


async def outcomes(system: System) -> list[str]:
    records = await system.store.find("journal.rule_book", {}, sort=(("at", 1),))
    return [handled["outcome"] for record in records for handled in record.get("handled", ())]


async def breaches(system: System) -> list[tuple[str, str, str]]:
    report = Report(system.time.now())
    for audit in WORKER.audits:
        await audit(system.store, report)
    return [(breach.invariant, breach.about, breach.detail) for breach in report.breaches]


async def active(system: System) -> System:
    for payload in (ALL[-1], *ALL[:-1]):
        await system.publish(payload)
        await system.run_until_idle()
    return system


@pytest.mark.parametrize("order", list(permutations(range(4)))[::5])
async def test_the_commands_may_arrive_in_any_order_and_twice(order: tuple[int, ...]) -> None:
    system = System([WORKER])
    for copy in range(2):
        for index in order:
            await system.send(message(ALL[index], id=f"{index}-{copy}"))
            await system.run_until_idle()
    await system.run_until_idle(with_retries=True)

    [kept] = [to_rules(document) for document in await system.store.find(RULES, {})]
    assert (kept.stage, kept.proposed_by, kept.approved_by, kept.effective_from) == ("active", "li.na", "wei", NOW)
    assert sorted(await outcomes(system)) == [
        "activated", "approved", "defined", "duplicate", "duplicate", "duplicate", "proposed", "unchanged",
    ]  # fmt: skip
    assert await breaches(system) == []
    assert await system.store.find(TURNS, {}) == [{"_id": "cn", "number": 2}]


async def test_a_batch_sees_what_its_own_messages_did() -> None:
    """Two rule sets for the same past in one batch: the second conflicts with the first."""
    system = System([WORKER])
    await system.publish(DefineMarket(market="cn"), proposal(1), proposal(2, "0.20"))
    await system.run_until_idle()
    await system.publish(approval(1), approval(2, "0.20"))
    await system.run_until_idle()
    system.time.advance_to(NOW + timedelta(days=1))
    await system.send_together([message(activation(v), time=system.time.now()) for v in (1, 2)])
    await system.run_until_idle()

    assert (await outcomes(system))[-2:] == ["activated", "refused"]
    assert await system.store.find(TURNS, {}) == [{"_id": "cn", "number": 2}]


async def test_the_retirement_of_rules_is_stored() -> None:
    system = await active(System([WORKER]))
    await system.publish(RetireRules(rule_version=1, retired_by="wei", effective_from=NOW + timedelta(days=1)))
    await system.run_until_idle()

    [kept] = [to_rules(document) for document in await system.store.find(RULES, {})]
    assert (kept.retired_from, kept.retired_by) == (NOW + timedelta(days=1), "wei")


async def test_unreadable_commands_are_refused_and_not_dead_lettered() -> None:
    system = System([WORKER])
    await system.send_bytes(ProposeRules.message_type, b'{"rule_version": 3, "proposed_by": "li.na", "rules": {}}')
    await system.send_bytes(DefineMarket.message_type, b'{"market": "cn", "levels_paid_max": 0}')
    await system.run_until_idle()

    assert await outcomes(system) == ["refused", "refused"]


FORGERIES: list[tuple[dict[str, Any], str, str]] = [
    ({"terms.pool_rate_ppm": 100_000}, "I3", "a line may pay 0.15 of its net, more than the pool"),
    ({"terms.hold_days": 1}, "I8", "the terms are not those that the digest names"),
    ({"approved_by": "Li.Na"}, "I8", "proposed by li.na, approved by Li.Na"),
    ({"approved_by": None}, "I8", "proposed by li.na, approved by no one"),
    ({"effective_from": None}, "I8", "active does not fit effective_from None"),
    ({"stage": "approved"}, "I8", "approved does not fit effective_from"),
    ({"stage": "proposed"}, "I8", "a draft carries an approval of other terms"),
    ({"terms.market": "nowhere"}, "I8", "active in market nowhere, which is not defined"),
]


@pytest.mark.parametrize(("forged", "invariant", "detail"), FORGERIES)
async def test_an_audit_detects_forged_rules(forged: dict[str, Any], invariant: str, detail: str) -> None:
    system = await active(System([WORKER]))
    [document] = await system.store.find(RULES, {})
    for path, value in forged.items():
        outer, _, inner = path.rpartition(".")
        holder = document[outer] if outer else document
        holder[inner] = value

    await system.store.transact(lambda tx: tx.replace(RULES, [document]))

    assert (invariant, "rules/1") in {(found, about) for found, about, _ in await breaches(system)}
    assert any(found.startswith(detail) for _, _, found in await breaches(system))


async def test_an_audit_detects_exceeded_limits() -> None:
    system = await active(System([WORKER]))
    [market] = await system.store.find(MARKETS, {})
    stricter = {**market, "levels_paid_max": 1, "pay_rate_max_ppm": int(Decimal("0.1") * 1_000_000)}

    await system.store.transact(lambda tx: tx.replace(MARKETS, [stricter]))

    assert [detail.partition(":")[0] for _, _, detail in await breaches(system)] == ["pay_rate_max", "levels_paid_max"]
