"""An audit asks about many ids at once: every item is in one list, in sequence, and no list is empty."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from contracts.commissions.view import COMMISSIONS
from contracts.orders.view import ORDERS
from contracts.rules.view import RULES, RuleSet
from infra.auditing.audit import LINES_TOGETHER, Audit, Report, together
from infra.runtime import roster
from infra.runtime.journal import Journal
from tests.builders import NOW, SHOP, an_order, rules
from tests.faults.crash_scenario import documents
from tests.workflow.in_memory import InMemoryStore
from workers.commission_calculation import audit as commissions
from workers.order_intake.model import Order
from workers.reward_checks import audit as rewards
from workers.reward_checks.repository import SALES


async def numbers(count: int) -> AsyncIterator[int]:
    for number in range(count):
        yield number


@pytest.mark.parametrize(
    ("count", "lists"),
    [(0, []), (1, [[0]]), (3, [[0, 1, 2]]), (4, [[0, 1, 2], [3]]), (6, [[0, 1, 2], [3, 4, 5]])],
)
async def test_items_come_in_full_lists_and_the_rest(count: int, lists: list[list[int]]) -> None:
    assert [found async for found in together(numbers(count), 3)] == lists


async def test_a_list_ends_where_its_items_have_very_many_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.auditing.audit.LINES_TOGETHER", 4)

    found = [found async for found in together(numbers(7), 3, lines_of=lambda number: number)]

    assert found == [[0, 1, 2], [3, 4], [5], [6]]


@pytest.mark.parametrize("audited", [commissions.audit_orders, rewards.audit])
async def test_audits_look_up_few_orders_with_many_lines_at_once(audited: Audit) -> None:
    """Each has 500 lines, and its commission several times as much: 500 of them would take more than a gigabyte."""
    large = an_order(status="paid", reserved=True, paid_at=NOW, lines=an_order().lines * 500)
    orders = [replace(large, key=f"{SHOP}/{number}") for number in range(2 * LINES_TOGETHER // 500)]
    store = InMemoryStore(
        collection
        for worker in roster.load_all()
        for collection in (*worker.repository.collections, Journal(worker.name, 30).collection)
    )
    for document in documents(RuleSet, "rule_version", rules()):
        store.table(RULES).put(document)
    for document in documents(Order, "key", *orders):
        store.table(ORDERS).put(document)
    asked: list[int] = []

    class Recording:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        async def find(self, collection: str, where: Any, **more: Any) -> Any:
            if collection in (COMMISSIONS, SALES):
                asked.append(len(where["_id"]["$in"]))
            return await store.find(collection, where, **more)

    await audited(Recording(), Report(NOW))

    assert len(asked) >= 2
    assert set(asked) == {LINES_TOGETHER // 500}
