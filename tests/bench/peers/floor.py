"""The floor: receive with aio-pika, validate with pydantic, bulk-insert, acknowledge, and nothing else.

The most that one process can do with these libraries, servers and guarantees without any business logic. Written as an
expert would: uvloop, one insert for all waiting messages, one acknowledgement for all of them, and no timer.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from pymongo.errors import BulkWriteError

from contracts.orders.v2 import PlaceOrder
from tests.bench.peers.peer import ServedPeer
from tests.bench.peers.place import Place
from tests.bench.peers.reference import Reference
from tests.bench.peers.steps import ORDERS, is_repeat

INTAKE = "intake"
PREFETCH = 500
"""The best of 200, 500, 1,000, 2,000 and 4,000: more waiting messages mean larger inserts and longer pauses."""


class Waiting:
    """Messages that arrived while the previous batch was stored."""

    def __init__(self) -> None:
        self._messages: list[AbstractIncomingMessage] = []
        self._arrived = asyncio.Event()

    async def put(self, message: AbstractIncomingMessage) -> None:
        self._messages.append(message)
        self._arrived.set()

    async def all(self) -> list[AbstractIncomingMessage]:
        await self._arrived.wait()
        self._arrived.clear()
        messages, self._messages = self._messages, []
        return messages


def to_document(body: bytes) -> dict[str, Any]:
    order = PlaceOrder.model_validate_json(body)
    return {"_id": order.key, **order.model_dump(mode="json")}


async def store(orders: Any, documents: Sequence[dict[str, Any]]) -> None:
    """Insert all; an existing order stays as it is."""
    try:
        await orders.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if not is_repeat(error):
            raise


async def receive(place: Place) -> None:
    orders = place.motor()[ORDERS]
    connection = await aio_pika.connect(place.rabbitmq_url)
    channel = await connection.channel()
    await channel.set_qos(prefetch_count=PREFETCH)
    waiting = Waiting()
    queue = await channel.get_queue(place.queue(INTAKE), ensure=False)
    await queue.consume(waiting.put)
    while messages := await waiting.all():
        await store(orders, [to_document(message.body) for message in messages])
        await messages[-1].ack(multiple=True)


class FloorPeer(ServedPeer):
    name = "floor"
    steps = (INTAKE,)
    finished_in = ORDERS

    def programs(self) -> list[list[str]]:
        return [[sys.executable, "-m", __spec__.name]]

    async def compare(self, database: Any, bodies: Sequence[bytes], reference: Reference) -> list[str]:
        expected = {document["_id"]: document for document in map(to_document, bodies)}
        found = {document["_id"]: document async for document in database[ORDERS].find()}
        return [] if found == expected else [f"{len(found)} orders are stored, {len(expected)} were published."]


if __name__ == "__main__":
    uvloop.run(receive(Place.of_process()))
