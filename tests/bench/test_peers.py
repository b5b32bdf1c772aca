"""The benchmark's peers on real servers: exact books, ignored repeats, and reported failures."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aiormq.exceptions import ChannelNotFoundEntity
from motor.motor_asyncio import AsyncIOMotorClient

from contracts.money import to_rate_ppm
from tests.bench.peers.celery_peer import CeleryPeer
from tests.bench.peers.floor import FloorPeer
from tests.bench.peers.peer import PeerFailed, ServedPeer, measure
from tests.bench.peers.place import Place
from tests.bench.peers.plain_faststream import PlainFastStreamPeer
from tests.bench.peers.reference import Reference
from tests.bench.peers.steps import RATES_PPM
from tests.bench.world import LEVEL_RATES, one_line_world
from tests.servers import LocalStack

ORDERS = 30


@pytest.fixture
def place(stack: LocalStack) -> Place:
    endpoints = stack.endpoints
    return Place(endpoints.rabbitmq_url, endpoints.mongodb_url, database="test_peers", prefix="test.peers")


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.of(one_line_world(ORDERS).population)


@pytest.fixture(scope="module")
def bodies() -> list[bytes]:
    return [json.dumps(event["data"]).encode() for event in one_line_world(ORDERS).events]


@pytest.mark.parametrize("kind", [FloorPeer, PlainFastStreamPeer, CeleryPeer])
async def test_a_peer_keeps_exact_books_and_deletes_its_data(
    kind: type[ServedPeer], place: Place, reference: Reference, bodies: list[bytes], tmp_path: Path
) -> None:
    repeated = [*bodies, bodies[0], bodies[-1]]
    measured = await measure(kind(place, tmp_path), repeated, reference, within_s=60)
    assert measured.orders == ORDERS
    assert measured.seconds > 0
    assert await _left_behind(place, kind) == []


async def test_a_missing_order_is_detected(
    place: Place, reference: Reference, bodies: list[bytes], tmp_path: Path
) -> None:
    class Forgetful(FloorPeer):
        async def compare(self, database: Any, bodies: Any, reference: Reference) -> list[str]:
            await database[self.finished_in].delete_one({})
            return await super().compare(database, bodies, reference)

    with pytest.raises(PeerFailed, match="29 orders are stored, 30 were published"):
        await measure(Forgetful(place, tmp_path), bodies, reference, within_s=60)


async def test_stock_taken_once_too_often_is_detected(
    place: Place, reference: Reference, bodies: list[bytes], tmp_path: Path
) -> None:
    class Careless(PlainFastStreamPeer):
        async def compare(self, database: Any, bodies: Any, reference: Reference) -> list[str]:
            await database.stock.update_one({}, {"$inc": {"available": -1}})
            return await super().compare(database, bodies, reference)

    with pytest.raises(PeerFailed, match="stock: 1 of"):
        await measure(Careless(place, tmp_path), bodies, reference, within_s=60)


async def test_an_order_beyond_the_stock_is_rejected_and_takes_nothing(
    place: Place, reference: Reference, bodies: list[bytes], tmp_path: Path
) -> None:
    product_id = json.loads(bodies[0])["lines"][0]["product_id"]
    demand = sum(json.loads(body)["lines"][0]["product_id"] == product_id for body in bodies)
    rejected: list[dict[str, Any]] = []
    left: list[int] = []

    class Short(PlainFastStreamPeer):
        async def finished(self) -> int:
            return await super().finished() + int(await self._database.orders.count_documents({"status": "rejected"}))

        async def compare(self, database: Any, bodies: Any, reference: Reference) -> list[str]:
            rejected.extend(await database.orders.find({"status": "rejected"}).to_list(None))
            left.append((await database.stock.find_one({"_id": product_id}))["available"])
            return []

    short = replace(reference, stock={**reference.stock, product_id: 0})
    await measure(Short(place, tmp_path), bodies, short, within_s=60)
    assert [order["product_id"] for order in rejected] == [product_id] * demand
    assert left == [0]


async def test_a_process_that_ends_is_reported_with_the_end_of_its_log(
    place: Place, reference: Reference, bodies: list[bytes], tmp_path: Path
) -> None:
    class Broken(FloorPeer):
        def programs(self) -> list[list[str]]:
            return [[sys.executable, "-c", "raise SystemExit('the licence has expired')"]]

    with pytest.raises(PeerFailed, match="the licence has expired"):
        await measure(Broken(place, tmp_path), bodies, reference, within_s=60)


def test_every_contender_pays_the_same_rates() -> None:
    assert tuple(to_rate_ppm(Decimal(rate)) for rate in LEVEL_RATES) == RATES_PPM


async def _left_behind(place: Place, kind: type[ServedPeer]) -> list[str]:
    client: Any = AsyncIOMotorClient(place.mongodb_url)
    left = [name for name in await client.list_database_names() if name == place.database]
    client.close()
    async with await aio_pika.connect(place.rabbitmq_url) as connection:
        for name in (*map(place.queue, kind.steps), "celery_delayed_0", "celery_delayed_27"):
            channel = await connection.channel()
            try:
                await channel.declare_queue(name, passive=True)
            except ChannelNotFoundEntity:
                continue
            left.append(name)
    return left
