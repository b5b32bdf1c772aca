"""The servers as one scenario needs them: its worker's own queues, a consumer of every event, empty collections."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from pymongo import MongoClient

from contracts.wire.envelope import EVENTS_EXCHANGE, SHOP_EVENTS_EXCHANGE, derived_id
from contracts.wire.reading import content_of, is_bare
from infra.adapters import rabbitmq_topology
from infra.adapters.mongo import MongoStore
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.operators.shop_logins import shop_address
from infra.ports.messaging import Delivery, Outgoing, Sender
from infra.ports.store import JOURNALS, Document
from infra.ports.time import RealTime
from infra.ports.topology import Binding, Queue, Topology
from infra.runtime import roster
from infra.runtime.collections import collections_of
from infra.runtime.decoding import Decoder
from infra.runtime.topology import PARKED, topology_of
from infra.settings import Settings
from infra.shops.logins import shop_login
from infra.shops.readers import READERS
from tests.builders import NOW
from tests.faults.crash_ending import Ending, ending_of, events_of
from tests.faults.crash_outside import Book
from tests.faults.crash_scenario import ByLogin, Frame, Scenario
from tests.raw_amqp import persistent, raw_sender

LISTENER = "crash-points.listener"
ORPHANS_MAX_S = 2
"""How long the server keeps a transaction of a dead client and its locks; a minute or more by default."""


class Stage:
    """`build` declares everything, `empty` deletes messages and documents, `remove` deletes what was declared."""

    def __init__(self, scenario: Scenario, settings: Settings, channel: AbstractChannel, book: Book) -> None:
        self.scenario = scenario
        self._settings = settings
        self._channel = channel
        self._book = book
        self._worker = roster.load(scenario.worker)
        self._client: MongoClient[Document] = MongoClient(settings.mongodb_url, tz_aware=True)
        self._database = self._client[settings.database]
        self._journal = self._database[JOURNALS + scenario.worker]
        self._bodies: list[bytes] = []
        self._for_shops: list[tuple[str, bytes]] = []
        self._logins: dict[str, AbstractConnection] = {}
        self._mark = b""
        self._marked = asyncio.Event()
        self._listening = ""
        self._queues: dict[str, AbstractQueue] = {}

    @cached_property
    def _topology(self) -> Topology:
        topology = topology_of([self._worker], self._settings)
        return Topology(
            topology.exchanges,
            (*topology.queues, Queue(LISTENER, {}, "receives every event")),
            (
                *topology.bindings,
                Binding(LISTENER, EVENTS_EXCHANGE, "#"),
                *(Binding(LISTENER, SHOP_EVENTS_EXCHANGE, shop) for shop in self._shops),
            ),
        )

    @property
    def _shops(self) -> list[str]:
        """The shops that send by their own logins."""
        sent = chain.from_iterable(self.scenario.phases)
        return sorted({m.shop for m in sent if isinstance(m, ByLogin) and m.shop})

    async def build(self) -> None:
        self._client.admin.command({"setParameter": 1, "transactionLifetimeLimitSeconds": ORPHANS_MAX_S})
        store = MongoStore.connect(self._settings.mongodb_url, self._settings.database)
        await store.prepare([*collections_of(self._worker, self._settings), READERS])
        store.close()
        await rabbitmq_topology.declare(self._settings.rabbitmq_url, self._topology)
        for queue in self._topology.queues:
            self._queues[queue.name] = await self._channel.get_queue(queue.name, ensure=False)
        for shop in self._shops:
            self._logins[shop] = await self._log_in(shop)
        self._listening = await self._queues[LISTENER].consume(self._on_message, no_ack=True)

    async def _log_in(self, shop: str) -> AbstractConnection:
        assert self._settings.rabbitmq_management_url is not None, "the stage makes logins of shops there"
        secret = uuid4().hex
        await BrokerAdmin(self._settings.rabbitmq_management_url).save_login(shop_login(shop), secret)
        return await aio_pika.connect(shop_address(self._settings.rabbitmq_url, shop, secret), timeout=10)

    async def empty(self) -> None:
        """Delete what an earlier run left, and insert what the scenario needs in the store."""
        for name in self._database.list_collection_names():
            self._database[name].delete_many({})
        self._book.clear()
        for name, documents in self.scenario.stored.items():
            self._database[name].insert_many([dict(document) for document in documents])
        for queue in self._queues.values():
            await queue.purge()
        await self._receive_all()
        self._bodies.clear()
        self._for_shops.clear()

    async def remove(self) -> None:
        self._client.drop_database(self._settings.database)
        for connection in self._logins.values():
            await connection.close()
        await self._queues[LISTENER].cancel(self._listening)
        for queue in self._queues:
            await self._channel.queue_delete(queue)
        self._client.close()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publish as a shop does: all at once, persistently, each in a message of its own."""
        frames = [m for m in messages if isinstance(m, Frame)]
        others = [m for m in messages if not isinstance(m, Frame | ByLogin)]
        exchanges = {m.exchange: await self._channel.get_exchange(m.exchange, ensure=False) for m in others}
        await asyncio.gather(*[exchanges[m.exchange].publish(_to_amqp(m), m.routing_key) for m in others])
        await self._publish_by_login([m for m in messages if isinstance(m, ByLogin)])
        if frames:
            async with raw_sender(self._settings.rabbitmq_url) as sender:
                for m in frames:
                    properties = persistent(m.content_type, **m.properties)
                    await sender.publish(m.exchange.encode(), m.routing_key.encode(), m.body, properties)

    async def _publish_by_login(self, messages: Sequence[ByLogin]) -> None:
        """In their order, so that the worker's batches are the same in every run."""
        for m in messages:
            async with await self._logins[m.shop or self._shops[0]].channel() as channel:
                exchange = await channel.get_exchange(m.exchange, ensure=False)
                await exchange.publish(_to_amqp(m), m.routing_key)

    def keys_of(self, messages: Iterable[Outgoing]) -> set[str]:
        """The keys of these messages in the worker's journal; a bare body without its delivery."""
        decoders = {
            payload.message_type: Decoder(
                handler.payloads, self._settings.bytes_max_of(commands=handler.reads_command), RealTime()
            )
            for handler in self._worker.handlers
            for payload in handler.payloads
        }
        works = (decoders[m.routing_key].works_of(_as_delivered(m)) for m in messages)
        return {content_of(work.item.key) for work in chain.from_iterable(works)}

    def unaccounted(self, keys: set[str]) -> set[str]:
        """Those of the messages that the journal does not contain yet, as handled or as dead."""
        # The journal adds its delivery to the key of a bare body.
        ids: list[Any] = [re.compile(f"^{re.escape(key)}") if is_bare(key) else key for key in keys]
        where = {"$or": [{"handled.id": {"$in": ids}}, {"dead.id": {"$in": ids}}]}
        found = self._journal.find(where, {"handled.id": 1, "dead.id": 1})
        known = {
            content_of(item["id"]) for record in found for part in ("handled", "dead") for item in record.get(part, ())
        }
        return keys - known

    async def waiting(self) -> dict[str, int]:
        """Ready messages by queue; what the broker parked stays there and does not count."""
        return {name: ready for name, (ready, _) in (await self._depths()).items() if ready}

    async def has_consumers(self) -> bool:
        """Whether the broker still counts the worker as a consumer."""
        return any(consumers for _, consumers in (await self._depths()).values())

    def abort_orphans(self) -> None:
        """End transactions of dead clients now, before the server does."""
        self._client.admin.command({"killAllSessions": []})

    async def unrecorded(self) -> list[str]:
        """Events that were published although the journal does not contain them."""
        await self._receive_all()
        events = events_of(self.scenario.worker, self._bodies)
        recorded = {
            emitted["id"]
            for record in self._journal.find({}, {"emitted.id": 1})
            for emitted in record.get("emitted", ())
        }
        return [f"{event['type']} {event['id']}" for event in events if event["id"] not in recorded]

    async def ending(self) -> Ending:
        await self._receive_all()
        parked = []
        while message := await self._queues[PARKED].get(no_ack=True, fail=False):
            parked.append(message.body)
        names = [collection.name for collection in self._worker.repository.collections]
        collections = {name: list(self._database[name].find()) for name in names}
        return ending_of(collections, list(self._journal.find()), self._events(), parked, self._book.arrivals())

    async def _depths(self) -> dict[str, tuple[int, int]]:
        """Ready messages and consumers of the worker's queues."""
        depths = {}
        for name in self._queues.keys() - {PARKED, LISTENER}:
            result = (await self._channel.declare_queue(name, passive=True)).declaration_result
            depths[name] = (result.message_count or 0, result.consumer_count or 0)
        return depths

    def _events(self) -> Iterable[dict[str, Any]]:
        """Those for all, and those for single shops, marked with their shop."""
        yield from events_of(self.scenario.worker, self._bodies)
        for shop, body in self._for_shops:
            for event in events_of(self.scenario.worker, [body]):
                yield {**event, "id": f"{event['id']} for {shop}", "data": {**event["data"], "for": shop}}

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        if message.body == self._mark:
            self._marked.set()
        elif message.exchange == SHOP_EVENTS_EXCHANGE:
            self._for_shops.append((message.routing_key or "", message.body))
        else:
            self._bodies.append(message.body)

    async def _receive_all(self) -> None:
        """The listener's queue is first in, first out: when a mark arrives, everything before it has arrived."""
        self._mark = uuid4().bytes
        self._marked.clear()
        await self._channel.default_exchange.publish(aio_pika.Message(self._mark), LISTENER)
        await asyncio.wait_for(self._marked.wait(), 10)


def _as_delivered(m: Outgoing) -> Delivery:
    return Delivery(
        body=m.body,
        content_type=m.content_type,
        routing_key=m.routing_key,
        redelivered=False,
        attempts=0,
        replays=0,
        returned=0,
        received_at=NOW,
        receipt=None,
        undecoded=m.undecoded if isinstance(m, Frame) else None,
        sender=Sender(m.shop) if isinstance(m, ByLogin) else None,
    )


def _to_amqp(m: Outgoing) -> aio_pika.Message:
    sent = aio_pika.Message(m.body, content_type=m.content_type, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    if isinstance(m, ByLogin):
        # The answer to a bare body repeats this id, which is to be the same in every run.
        sent.message_id = derived_id(m.shop, m.body)
        sent.user_id = shop_login(m.shop).name if m.shop else None
    return sent
