"""A tick cancels overdue orders, but does not load more lines than it can hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from contracts.clock.v1 import ClockTicked
from contracts.orders.view import ORDERS
from infra.runtime.repository import run_queries
from tests.builders import NOW, an_order, message
from tests.workflow.in_memory import InMemoryStore
from workers.order_intake.repository import DUE_AT_ONCE, DUE_LINES_MAX, OrderRepository, _orders

TICK = message(ClockTicked(at=NOW, interval_s=60))


async def loaded(number: int, lines: int) -> int:
    """How many orders a tick sees, of a number of overdue ones with a number of lines each; the oldest are first."""
    store = InMemoryStore(OrderRepository.collections)
    for place in range(number):
        order = an_order(order_id=f"{place:04}", due_at=NOW - timedelta(seconds=number - place))
        order = replace(order, lines=order.lines * lines)
        store.table(ORDERS).put(_orders.to_document(order))

    async def work(tx: Any) -> list[str]:
        found = await run_queries(tx, OrderRepository.queries([TICK]))
        repository = await OrderRepository.load(tx, [TICK], found)
        return list(repository.state_for(TICK).orders)

    keys = await store.transact(work)
    assert keys == sorted(keys)
    assert not keys or keys[0].endswith("/0000")
    return len(keys)


async def test_usual_orders_are_all_cancelled() -> None:
    assert await loaded(0, 1) == 0
    assert await loaded(DUE_AT_ONCE + 20, 2) == DUE_AT_ONCE + 20


async def test_of_orders_with_many_lines_the_longest_overdue_are() -> None:
    lines = DUE_LINES_MAX // DUE_AT_ONCE + 1
    assert await loaded(3 * DUE_AT_ONCE, lines) == DUE_AT_ONCE
