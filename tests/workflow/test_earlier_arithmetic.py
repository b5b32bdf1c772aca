"""Commissions that an earlier release calculated are verified by the arithmetic of their time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any
from unittest.mock import patch

from contracts.commissions.view import COMMISSIONS
from contracts.plans.calculation import ARITHMETIC, calculate
from contracts.plans.reversal import left_of
from contracts.rules.view import RULES, RuleSet, Unilevel
from infra.auditing.audit import Report
from infra.ports.store import Document
from infra.runtime.repository import Codec
from tests.builders import KEY, MARKET, TEA, a_placed_line, a_refund_line, place, refund, rules
from tests.workflow.system import System
from workers.commission_calculation import decide
from workers.commission_calculation.handlers import WORKER


def the_rules() -> Document:
    known = rules()
    plans = (Unilevel("levels", (100_000, 50_000)),)
    terms = replace(known.terms, market=MARKET, pool_rate_ppm=150_000, plans=plans)
    return Codec(RuleSet, key="rule_version").to_document(replace(known, terms=terms))


async def sold(system: System) -> Document:
    """The commission of three lines of 1.05."""
    system.store.table(RULES).put(the_rules())
    lines = [a_placed_line(TEA, 1, "1.05") for _ in range(3)]
    await system.publish(place(lines=lines, shipping=Decimal(0), prepaid=True))
    await system.run_until_idle()
    [commission] = system.documents(COMMISSIONS)
    return commission


async def breaches(system: System) -> list[str]:
    report = Report(system.time.now())
    for audit in WORKER.audits:
        await audit(system.store, report)
    return [breach.detail for breach in report.breaches]


async def test_a_new_commission_states_its_arithmetic(system: System) -> None:
    commission = await sold(system)

    assert commission["arithmetic"] == ARITHMETIC
    assert [entry["amount_minor"] for entry in commission["entries"]] == [10, 5] * 3
    assert await breaches(system) == []


async def test_a_commission_of_an_earlier_release_is_sound(system: System) -> None:
    with patch.object(decide, "calculate", partial(calculate, arithmetic=1)):
        commission = await sold(system)
    del commission["arithmetic"]
    system.store.table(COMMISSIONS).put(commission)

    assert [entry["amount_minor"] for entry in commission["entries"]] == [11, 4] * 3
    assert await breaches(system) == []

    system.store.table(COMMISSIONS).put({**commission, "_id": KEY, "arithmetic": ARITHMETIC})
    assert any(detail.startswith("entries are") for detail in await breaches(system))


async def test_refunds_of_an_earlier_commission_go_on_by_its_arithmetic(system: System) -> None:
    """It rounds what it takes back of each line half up, and so does the refund after the upgrade."""
    with patch.object(decide, "ARITHMETIC", 2):
        await sold(system)
        await system.publish(refund(a_refund_line(TEA, 0, "0.52", 1), refund_id="before"))
        await system.run_until_idle()
    await system.publish(refund(a_refund_line(TEA, 0, "0.52", 2), refund_id="after"))
    await system.run_until_idle()
    [commission] = system.documents(COMMISSIONS)

    assert (commission["arithmetic"], commission["pools_minor"]) == (2, [15, 15, 15])
    assert [reversal["amounts_minor"] for reversal in commission["reversals"]] == [
        [-5, -2, 0, 0, 0, 0],
        [0, 0, -5, -2, 0, 0],
    ]
    assert await breaches(system) == []


async def test_what_is_left_beyond_the_pool_is_detected(system: System) -> None:
    def by_the_earlier_arithmetic(entries: Any, pools: Any, lines: Any, _: int) -> tuple[int, ...]:
        return left_of(entries, pools, lines, 2)

    await sold(system)
    with patch.object(decide, "left_of", by_the_earlier_arithmetic):
        await system.publish(refund(a_refund_line(TEA, 0, "0.03", 1)))
        await system.run_until_idle()

    found = await breaches(system)
    assert "line 1 pays 15 of a pool of 15, and 3 of 105 came back" in found
