"""Tiny growth cases on real servers: they finish, and bulk-loaded documents are like those of workers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from contracts.commissions.view import COMMISSIONS, LEDGER
from contracts.network.view import DISTRIBUTORS
from contracts.orders.view import ORDERS
from infra.adapters.mongo import MongoStore
from infra.settings import Settings
from tests.bench.grown_reads import APART, INACTIVE, MONTH
from tests.bench.growth import GrowthSizes, growth, until_handled
from tests.bench.history import add_distributors, distributor_id, multiply_orders
from tests.bench.ours import OF_ORDERS, BenchFailure
from tests.bench.run import Bench
from tests.bench.world import one_line_world
from tests.servers import LocalStack

Documents = Database[dict[str, Any]]

PATTERN, TIMES, FRESH = 20, 10, 30
ONE_EACH = (
    ORDERS,
    COMMISSIONS,
    LEDGER,
    "commission_calculation.notices",
    "stock_reservation.reservations",
    "reward_checks.sales",
)


@pytest.fixture
def bench(stack: LocalStack, tmp_path: Path) -> Bench:
    endpoints = stack.endpoints
    urls = {name: getattr(endpoints, name) for name in ("rabbitmq_url", "mongodb_url", "redis_url")}
    environment = {**os.environ, **{name.upper(): url for name, url in urls.items()}}
    return Bench(Settings(**urls, database="test_growth"), environment, tmp_path, lambda *_: None)


@pytest.fixture
def databases(bench: Bench) -> Iterator[MongoClient[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](bench.settings.mongodb_url) as client:
        yield client


@pytest.mark.full
async def test_orders_after_a_bulk_loaded_history_are_timed_and_the_databases_are_dropped(
    bench: Bench, databases: MongoClient[dict[str, Any]]
) -> None:
    sizes = GrowthSizes(
        rounds=1, orders=FRESH, pattern=PATTERN, stored=(200,), distributors=(60,), depths=(), overrides=()
    )
    found = await growth(bench, lambda *_: None, sizes)
    assert found.median_ms("stored orders", 200) > 0
    assert found.growth_1m_over_10k == 1
    for read, size in ((APART, 200), (MONTH, 200), (INACTIVE, 60)):
        assert 0 < found.median_ms(read, size) < 1_000
    assert [name for name in databases.list_database_names() if "growth" in name] == []


@pytest.mark.full
async def test_bulk_loaded_documents_are_like_those_of_workers_and_a_double_booking_is_detected(
    bench: Bench, databases: MongoClient[dict[str, Any]]
) -> None:
    ours = bench.ours()
    world = one_line_world(PATTERN)

    async def check(store: MongoStore, _: int) -> None:
        await until_handled(store, world.events, 0)

    async with ours.staged(world) as store:
        await ours.take(store, world.singly(), check)
        database = databases[ours.settings.database]
        names = (*ONE_EACH, *(f"journal.{worker}" for worker in OF_ORDERS), DISTRIBUTORS)
        before = {name: (_indexes(database, name), _shapes(database, name)) for name in names}
        await multiply_orders(ours.settings, TIMES, 3600)
        await add_distributors(ours.settings, 12, 4)
        for name in ONE_EACH:
            assert database[name].count_documents({}) == TIMES * PATTERN, name
        assert {name: (_indexes(database, name), _shapes(database, name)) for name in names} == before
        [keys] = {frozenset(_keys(database, name)) for name in ONE_EACH}
        assert len(keys) == TIMES * PATTERN
        for worker in OF_ORDERS:
            records = database[f"journal.{worker}"].find({"about": {"$regex": "^order/"}})
            handled = [(item["id"], item["about"]) for record in records for item in record["handled"]]
            assert {about.removeprefix("order/") for _, about in handled} == keys
            assert len({message_id for message_id, _ in handled}) == len(handled)
        paid = {
            item["id"] for record in database["journal.commission_calculation"].find() for item in record["handled"]
        }
        assert set(database[LEDGER].distinct("_id")) == paid
        chain = [distributor_id(11)]
        while "sponsor_id" in (found := database[DISTRIBUTORS].find({"_id": chain[-1]})[0]):
            chain.append(found["sponsor_id"])
        assert chain == [distributor_id(number) for number in (11, 8, 5, 2)]
        data = world.events[0]["data"]
        [posting] = database[LEDGER].find({"key": f"{data['shop_id']}/{data['order_id']}"})
        database[LEDGER].insert_one({**posting, "_id": "booked again"})
        with pytest.raises(BenchFailure, match=f"ledger has {PATTERN + 1} documents for {PATTERN} new orders"):
            await until_handled(store, world.events, 0, within_s=0)


def _indexes(database: Documents, collection: str) -> set[str]:
    return set(database[collection].index_information())


def _keys(database: Documents, collection: str) -> set[str]:
    return {str(document.get("key", document["_id"])) for document in database[collection].find()}


def _shapes(database: Documents, collection: str) -> set[str]:
    """The shapes of the documents: names and types, without the lengths of lists."""
    return {repr(_shape(document)) for document in database[collection].find()}


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(inner) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        return sorted({repr(_shape(inner)) for inner in value})
    return type(value).__name__
