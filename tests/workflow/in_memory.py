"""The two servers in memory, behind the ports of the runtime: what the workers need of MongoDB and RabbitMQ, no more.

They refuse what the real ones refuse: values that BSON cannot hold, a key used twice, a mandatory message that reaches
no queue. Nothing here reads a clock or waits, so a run is the same every time.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

import bson
from bson.codec_options import CodecOptions

from infra.ports.messaging import (
    ATTEMPTS_HEADER,
    REDELIVERED_HEADER,
    REPLAYS_HEADER,
    SENDER_HEADER,
    BrokerUnavailable,
    Delivery,
    Outgoing,
    Sender,
)
from infra.ports.store import Change, Collection, Document, Increment, Query, StoreConflict, Transaction, one_by_one
from infra.ports.time import Time
from infra.ports.topology import Topology
from infra.runtime.topology import PARKED
from tests.workflow.documents import (
    BoundedByFind,
    changed,
    climb,
    increased,
    indexable,
    listed,
    matches,
    project,
    rank,
    values_at,
)

T = TypeVar("T")
Where = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]

PUBLISHED_MAX = 100_000
"""A system that publishes more than this in one test is in an endless loop."""

_UTC: CodecOptions[Document] = CodecOptions(tz_aware=True)


class ManualTime:
    """Time that passes only by `advance_to` and `sleep`."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._now = start

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.advance_to(self._now + timedelta(seconds=seconds))

    def advance_to(self, moment: datetime) -> None:
        self._now = max(self._now, moment.replace(microsecond=moment.microsecond // 1000 * 1000))


class InMemoryStore(BoundedByFind):
    """Documents by collection. Transactions run one after another; one that raises is undone."""

    def __init__(self, collections: Iterable[Collection]) -> None:
        self._tables = {collection.name: Table(collection) for collection in collections}
        self._one_at_a_time = asyncio.Lock()

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async with self._one_at_a_time:
            transaction = InMemoryTransaction(self._tables)
            try:
                return await work(transaction)
            except BaseException:
                transaction.undo()
                raise

    async def stream(
        self, collection: str, where: Where, *, sort: Sort = (), fields: Sequence[str] = ()
    ) -> AsyncIterator[Document]:
        for document in self._tables[collection].find(where, sort, 0, fields):
            yield document

    async def find(
        self, collection: str, where: Where, *, sort: Sort = (), limit: int = 0, fields: Sequence[str] = ()
    ) -> list[Document]:
        return self._tables[collection].find(where, sort, limit, fields)

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        return [project(found, ()) for found in climb(self._tables[collection].documents, ids, via, depth_max)]

    def names(self) -> list[str]:
        return sorted(self._tables)

    def table(self, collection: str) -> Table:
        """The collection itself, to read or to damage."""
        return self._tables[collection]


class InMemoryTransaction(BoundedByFind):
    """Writes at once and keeps the former documents for `undo`; no other transaction runs meanwhile."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self._tables = tables
        self._former: list[tuple[Table, Any, Document | None]] = []

    async def find_all(self, queries: Sequence[Query]) -> list[list[Document]]:
        return await one_by_one(self, queries)

    async def find(
        self, collection: str, where: Where, *, sort: Sort = (), limit: int = 0, fields: Sequence[str] = ()
    ) -> list[Document]:
        return self._tables[collection].find(where, sort, limit, fields)

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        return [project(found, ()) for found in climb(self._tables[collection].documents, ids, via, depth_max)]

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        table = self._tables[collection]
        for document in documents:
            key = document.get("_id", next(table.numbers))
            if key in table.documents:
                raise StoreConflict(f"{collection} has a document {key!r} already")
            self._put(table, {"_id": key, **document})

    async def replace(self, collection: str, documents: Sequence[Document]) -> None:
        for document in documents:
            self._put(self._tables[collection], document)

    async def change(self, collection: str, changes: Sequence[Change]) -> None:
        table = self._tables[collection]
        for change in changes:
            self._put(table, changed(table.documents[change.id], change))

    async def add(self, collection: str, increments: Sequence[Increment]) -> None:
        table = self._tables[collection]
        for increment in increments:
            self._put(table, increased(table.documents.get(increment.id), increment))

    def undo(self) -> None:
        for table, key, former in reversed(self._former):
            table.remove(key)
            if former is not None:
                table.put(former)

    def _put(self, table: Table, document: Document) -> None:
        self._former.append((table, document["_id"], table.documents.get(document["_id"])))
        table.put(document)


class Table:
    """One collection. The first field of every declared index is indexed, other queries scan all documents."""

    def __init__(self, collection: Collection) -> None:
        self.name = collection.name
        self.documents: dict[Any, Document] = {}
        self.numbers = count(1)
        self._unique = {index.keys[0][0] for index in collection.indexes if index.unique}
        self._ids: dict[str, defaultdict[Any, dict[Any, None]]] = {
            index.keys[0][0]: defaultdict(dict) for index in collection.indexes
        }

    def put(self, document: Document) -> None:
        """Insert the document, or replace the one with its `_id`. StoreConflict for a used unique value."""
        kept: Document = bson.decode(bson.encode(document), _UTC)
        for path in self._unique:
            for value in values_at(kept, path):
                if any(key != kept["_id"] for key in self._ids[path].get(value, ())):
                    raise StoreConflict(f"{self.name} has a document with {path} {value!r} already")
        self.remove(kept["_id"])
        self.documents[kept["_id"]] = kept
        for path, ids in self._ids.items():
            for value in indexable(kept, path):
                ids[value][kept["_id"]] = None

    def remove(self, key: Any) -> None:
        former = self.documents.pop(key, None)
        if former is None:
            return
        for path, ids in self._ids.items():
            for value in indexable(former, path):
                ids[value].pop(key, None)

    def find(self, where: Where, sort: Sort = (), limit: int = 0, fields: Sequence[str] = ()) -> list[Document]:
        found = [document for document in self._candidates(where) if matches(document, where)]
        for path, direction in reversed(sort):
            found.sort(key=lambda document, path=path: rank(document, path), reverse=direction < 0)  # type: ignore[misc]
        return [project(document, fields) for document in (found[:limit] if limit else found)]

    def _candidates(self, where: Where) -> Iterable[Document]:
        for path, condition in where.items():
            values = listed(condition)
            if values is None:
                continue
            if path == "_id":
                return [self.documents[key] for key in dict.fromkeys(values) if key in self.documents]
            if path in self._ids:
                keys = dict.fromkeys(key for value in values for key in self._ids[path].get(value, ()))
                return [self.documents[key] for key in keys]
        return list(self.documents.values())


@dataclass(order=True)
class Delayed:
    due_at: datetime
    number: int
    delivery: Delivery = field(compare=False)


class InMemoryBroker:
    """Queues, bindings, delays and acknowledgements, as the topology declares them. Also the Publisher."""

    def __init__(self, topology: Topology, time: Time) -> None:
        self._time = time
        self._exchanges = {exchange.name: exchange.type for exchange in topology.exchanges}
        self._bindings = topology.bindings
        self._delays_ms = {
            queue.name: ttl for queue in topology.queues if (ttl := queue.arguments.get("x-message-ttl"))
        }
        self._numbers = count()
        self.queues: dict[str, deque[Delivery]] = {queue.name: deque() for queue in topology.queues}
        self.delayed: list[Delayed] = []
        self.unacknowledged: dict[object, tuple[str, Delivery]] = {}
        self.published: list[Outgoing] = []
        """Everything that was ever published, in order."""

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        assert len(self.published) < PUBLISHED_MAX, f"more than {PUBLISHED_MAX} messages were published"
        for message in messages:
            queues = self._route(message)
            if not queues and message.mandatory:
                raise BrokerUnavailable(f"{message.routing_key} on {message.exchange} reaches no queue")
            self.published.append(message)
            for queue in queues:
                self._enqueue(queue, self._delivery(message))

    def inbox(self, queue: str) -> InMemoryInbox:
        return InMemoryInbox(self, queue, self._time)

    def return_due(self) -> None:
        """Return messages whose pause is over to their queue, which their routing key names."""
        while self.delayed and self.delayed[0].due_at <= self._time.now():
            delivery = heapq.heappop(self.delayed).delivery
            self.queues[delivery.routing_key].append(delivery)

    def redeliver(self) -> None:
        """Requeue what a dead consumer had not acknowledged, at the front and marked as redelivered."""
        for queue, delivery in reversed(self.unacknowledged.values()):
            again = replace(delivery, redelivered=True, returned=delivery.returned + 1)
            self.queues[queue].appendleft(again)
        self.unacknowledged.clear()

    @property
    def parked(self) -> list[Delivery]:
        return list(self.queues[PARKED])

    @property
    def next_due_at(self) -> datetime | None:
        return self.delayed[0].due_at if self.delayed else None

    def _route(self, message: Outgoing) -> list[str]:
        """The exchange without a name routes by queue name."""
        if not message.exchange:
            return [message.routing_key] if message.routing_key in self.queues else []
        takes_all = self._exchanges[message.exchange] == "fanout"
        return [
            binding.queue
            for binding in self._bindings
            if binding.exchange == message.exchange and (takes_all or binding.routing_key in (message.routing_key, "#"))
        ]

    def _delivery(self, message: Outgoing) -> Delivery:
        return Delivery(
            body=message.body,
            content_type=message.content_type,
            routing_key=message.routing_key,
            redelivered=bool(message.headers.get(REDELIVERED_HEADER)),
            attempts=int(message.headers.get(ATTEMPTS_HEADER, 0)),
            replays=int(message.headers.get(REPLAYS_HEADER, 0)),
            returned=0,
            received_at=self._time.now(),
            receipt=next(self._numbers),
            sender=Sender.from_header(str(sender)) if (sender := message.headers.get(SENDER_HEADER)) else None,
        )

    def _enqueue(self, queue: str, delivery: Delivery) -> None:
        if queue in self._delays_ms:
            due_at = self._time.now() + timedelta(milliseconds=self._delays_ms[queue])
            heapq.heappush(self.delayed, Delayed(due_at, next(self._numbers), delivery))
        else:
            self.queues[queue].append(delivery)


class InMemoryInbox:
    """The deliveries of one queue. It closes as soon as it is empty, so that a loop ends when it has handled all."""

    def __init__(self, broker: InMemoryBroker, queue: str, time: Time) -> None:
        self._broker = broker
        self._queue = queue
        self._time = time

    async def first(self) -> Delivery | None:
        return self.waiting()

    def waiting(self) -> Delivery | None:
        if not self._broker.queues[self._queue]:
            return None
        delivery = replace(self._broker.queues[self._queue].popleft(), received_at=self._time.now())
        self._broker.unacknowledged[delivery.receipt] = (self._queue, delivery)
        return delivery

    def holds(self, receipt: object) -> bool:
        return receipt in self._broker.unacknowledged

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            del self._broker.unacknowledged[delivery.receipt]
