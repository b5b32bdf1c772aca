"""A tick handles what is due, but does not load more than it can hold: a shop may make 500 lines of each order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import bson
import pytest

from contracts.clock.v1 import ClockTicked
from contracts.commissions.view import COMMISSIONS
from contracts.orders.view import ORDERS
from contracts.rules.view import Unilevel
from contracts.stock.v1 import StockReleaseRequested
from contracts.stock.view import ITEMS
from contracts.wire.envelope import Message
from infra.ports.store import Document
from infra.runtime.repository import Repository, run_queries
from tests.builders import NOW, TEA, an_order, message
from tests.stock_builders import a_lot, an_item
from tests.unit.booked import an_order as sold
from tests.unit.booked import booked, terms
from tests.workflow.in_memory import InMemoryStore
from workers.commission_calculation import repository as commissions
from workers.commission_calculation.repository import CommissionRepository
from workers.order_intake import repository as orders
from workers.order_intake.repository import OrderRepository
from workers.stock_reservation import repository as stock
from workers.stock_reservation.repository import StockRepository

TICK = message(ClockTicked(at=NOW, interval_s=60))


BOOKED = booked(sold(), terms(Unilevel("levels", (50_000, 20_000))))


def due_order(place: int, lines: int) -> Document:
    order = an_order(order_id=f"{place:04}", due_at=NOW - timedelta(seconds=9_000 - place))
    return orders._orders.to_document(replace(order, lines=order.lines * lines))


def due_commission(place: int, entries: int) -> Document:
    commission = replace(
        BOOKED, key=f"s/{place:04}", completed_at=NOW, release_at=NOW - timedelta(seconds=9_000 - place)
    )
    return commissions._commissions.to_document(replace(commission, entries=commission.entries * entries))


def due_item(place: int, lots: int) -> Document:
    lot = a_lot("a", 1, 0, "2026-11-05")
    item = an_item(place, *(replace(lot, batch_id=f"{number}") for number in range(lots)), next_check_on="2026-11-01")
    return stock._items.to_document(item)


MADE: dict[str, tuple[Any, type[Repository[Any, Any]], str, Callable[[int, int], Document]]] = {
    "orders": (orders, OrderRepository, ORDERS, due_order),
    "commissions": (commissions, CommissionRepository, COMMISSIONS, due_commission),
    "items": (stock, StockRepository, ITEMS, due_item),
}


async def loaded(
    repository: type[Repository[Any, Any]], collection: str, documents: list[Document], read: Message[Any]
) -> list[Any]:
    """The keys of what the message sees of these documents."""
    store = InMemoryStore(repository.collections)
    for document in documents:
        store.table(collection).put(document)

    async def work(tx: Any) -> list[Any]:
        state = (await repository.load(tx, [read], await run_queries(tx, repository.queries([read])))).state_for(read)
        return [key for name in ("orders", "commissions", "items") for key in getattr(state, name, ())]

    return await store.transact(work)


@pytest.mark.parametrize("kind", MADE)
async def test_of_usual_size_a_whole_page_is_handled_the_longest_due_first(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, repository, collection, make = MADE[kind]
    monkeypatch.setattr(module, "DUE_MAX", 30)
    documents = [make(place, 1) for place in range(50)]

    found = await loaded(repository, collection, documents[::-1], TICK)

    assert len(found) == 30
    if kind != "items":  # those are all due on the same day
        assert found == [document["_id"] for document in documents[:30]]
    assert await loaded(repository, collection, [], TICK) == []


@pytest.mark.parametrize("kind", MADE)
async def test_of_large_ones_a_number_of_bytes_is_handled(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, repository, collection, make = MADE[kind]
    documents = [make(place, 200) for place in range(10)]
    monkeypatch.setattr(module, "DUE_BYTES_MAX", 4 * len(bson.encode(documents[-1])) + 100)

    assert len(await loaded(repository, collection, documents, TICK)) == 4


async def test_one_beyond_the_limit_is_handled_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commissions, "DUE_BYTES_MAX", 10)

    assert len(await loaded(CommissionRepository, COMMISSIONS, [due_commission(n, 1) for n in (1, 2)], TICK)) == 1


async def test_requests_of_one_batch_examine_few_large_orders_each(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [due_order(place, 100) for place in range(10)]
    monkeypatch.setattr(orders, "EXAMINED_BYTES_MAX", 4 * len(bson.encode(documents[0])) + 100)
    request = message(StockReleaseRequested(product_id=TEA, request=1, shortage=1))

    found = await loaded(OrderRepository, ORDERS, documents, request)

    assert [key.rpartition("/")[2] for key in found] == ["0009", "0008", "0007", "0006"]
