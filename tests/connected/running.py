"""Real servers, and the system on them: as processes, or as loops in the test's own process."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from pydantic import SecretStr
from pymongo import MongoClient

from contracts.wire.envelope import EVENTS_EXCHANGE
from infra.adapters import rabbitmq as broker
from infra.adapters.mongo import MongoStore
from infra.adapters.rabbitmq import RabbitConsumer, RabbitPublisher
from infra.auditing.audit import Report
from infra.demo.quiet import wait_until_quiet
from infra.local.ports import is_free
from infra.operators.verification import verify
from infra.ports.messaging import Publisher
from infra.ports.store import JOURNALS, Document
from infra.ports.time import RealTime
from infra.ports.topology import Topology
from infra.processes.fleet import Fleet
from infra.processes.outside import outside_of
from infra.runtime import roster
from infra.runtime.batch import Ports
from infra.runtime.performer import loops_of
from infra.runtime.topology import topology_of
from infra.runtime.worker import Worker
from infra.settings import Settings
from infra.shops.readers import Readers
from infra.telemetry.readiness import Readiness
from tests.connected import forked
from tests.servers import LOOK_EVERY_S, WAIT_MAX_S

COMMAND_MAX_S = 60.0
ORPHANS_MAX_S = 5
BUSY = ("order_intake", "stock_reservation", "commission_calculation")
"""The workers with most of the load; all others share a process."""


@dataclass
class Site:
    """One test's share of the servers: an empty database, empty queues, and settings of its own."""

    settings: Settings
    logs: Path
    store: MongoStore
    workers: Sequence[Worker] = field(default_factory=roster.load_all)

    @property
    def topology(self) -> Topology:
        return topology_of(self.workers, self.settings)

    def environment(self, **more: object) -> dict[str, str]:
        """The environment that gives a process these settings, some of them changed."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIBUTARY_")}
        settings = {**{name: getattr(self.settings, name) for name in self.settings.model_fields_set}, **more}
        for name, value in settings.items():
            variable = name.upper() if name.endswith("_url") else f"TRIBUTARY_{name.upper()}"
            plain = value.get_secret_value() if isinstance(value, SecretStr) else value
            environment[variable] = plain if isinstance(plain, str) else json.dumps(plain)
        return environment

    @asynccontextmanager
    async def processes(
        self, groups: Sequence[Sequence[str]], *, health_port: int = 0, **settings: object
    ) -> AsyncIterator[Fleet]:
        """A process for each group of workers, restarted when it dies; all are gone at the end."""
        fleet = Fleet(groups, self.environment(**settings), health_port=health_port, logs=self.logs)
        fleet.start()
        tending = asyncio.create_task(_tend(fleet))
        try:
            yield fleet
        finally:
            tending.cancel()
            await asyncio.to_thread(fleet.stop)

    @asynccontextmanager
    async def loops(
        self, *workers: Worker, over: Callable[[Publisher], Publisher] = lambda publisher: publisher
    ) -> AsyncIterator[list[asyncio.Task[None]]]:
        """The loops of these workers in this process, as a worker process runs them; `over` may wrap the publisher."""
        publisher = RabbitPublisher(self.settings.rabbitmq_url, timeout_s=10)
        consumer = RabbitConsumer(self.settings.rabbitmq_url)
        await publisher.start()
        readers = Readers(self.store, RealTime())
        await readers.load()
        ports = Ports(
            self.store,
            over(publisher),
            RealTime(),
            Readiness(),
            readers.shops,
            outside=outside_of(self.settings, self.store),
            with_webhooks=readers.with_webhooks,
        )
        loops = [
            loop
            for worker in workers
            for handler in worker.handlers
            for loop in loops_of(
                worker,
                handler,
                partial(
                    consumer.subscribe,
                    worker.queue_of(handler),
                    prefetch=1 if handler.performs else 100,
                    bytes_max=self.settings.prefetch_bytes_max,
                ),
                ports,
                self.settings,
                routed=self.topology.routed,
            )
        ]
        running = [asyncio.create_task(loop.run()) for loop in loops]
        refreshing = asyncio.create_task(readers.keep_fresh())
        await consumer.start()
        try:
            yield running
        finally:
            refreshing.cancel()
            await consumer.cancel()
            await asyncio.wait(running, timeout=WAIT_MAX_S)
            await consumer.stop()
            await publisher.stop()

    async def quiet(self, *, with_retries: bool = True) -> None:
        """Return when no message moves any more; not reliable while a server is away."""
        await wait_until_quiet(
            self.settings.rabbitmq_url,
            self.store,
            self.topology,
            self.workers,
            with_retries=with_retries,
            timeout_s=WAIT_MAX_S,
        )

    async def documents(self, collection: str, where: Mapping[str, Any] | None = None) -> list[Document]:
        return await self.store.find(collection, where or {}, sort=(("_id", 1),))

    async def business_state(self) -> dict[str, dict[Any, Document]]:
        """Every document that a rule decided on, by collection and key."""
        return {
            collection.name: {d["_id"]: d for d in await self.documents(collection.name)}
            for worker in self.workers
            for collection in worker.repository.collections
        }

    async def assert_sound(self) -> Report:
        report = await verify(self.store, self.workers, RealTime())
        assert report.breaches == []
        return report

    async def ready(self, queue: str) -> int:
        """Ready messages in the queue."""
        depth = (await broker.depths(self.settings.rabbitmq_url, [queue]))[queue]
        assert depth is not None, f"there is no queue {queue}"
        return depth.ready

    async def empty(self) -> None:
        """Delete what an earlier test left at the broker and in the database."""
        async with self.channel() as channel:
            for queue in self.topology.queues:
                await (await channel.get_queue(queue.name, ensure=False)).purge()
        with MongoClient[Document](self.settings.mongodb_url) as client:
            # Frees the locks of a killed process after this time instead of a minute and a half.
            client.admin.command({"setParameter": 1, "transactionLifetimeLimitSeconds": ORPHANS_MAX_S})
            database = client[self.settings.database]
            for name in database.list_collection_names():
                database[name].delete_many({})

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        """A client's own connection to the broker."""
        connection = await aio_pika.connect(self.settings.rabbitmq_url, timeout=10)
        async with connection:
            yield await connection.channel(on_return_raises=True)

    @asynccontextmanager
    async def tap(self, *event_types: str) -> AsyncIterator[AbstractQueue]:
        """A queue of the test's own on the events exchange, as any other system may have one."""
        async with self.channel() as channel:
            queue = await channel.declare_queue(exclusive=True)
            for event_type in event_types:
                await queue.bind(EVENTS_EXCHANGE, event_type)
            yield queue


async def _tend(fleet: Fleet) -> None:
    while True:
        fleet.tend()
        await asyncio.sleep(0.1)


async def until(
    condition: Callable[[], Awaitable[object]],
    *,
    what: str,
    within_s: float = WAIT_MAX_S,
    every_s: float = LOOK_EVERY_S,
) -> Any:
    """Repeat the condition until it returns something true, and return that."""
    deadline = time.monotonic() + within_s
    while not (found := await condition()):
        assert time.monotonic() < deadline, f"not reached in {within_s:.0f} s: {what}"
        await asyncio.sleep(every_s)
    return found


async def next_message(queue: AbstractQueue) -> AbstractIncomingMessage:
    """The next message of a queue, acknowledged."""

    async def look() -> AbstractIncomingMessage | None:
        return await queue.get(fail=False, no_ack=True)

    message: AbstractIncomingMessage = await until(look, what=f"{queue.name} has a message")
    return message


@dataclass(frozen=True)
class Ended:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> Any:
        return json.loads(self.out)


async def command(*arguments: str, environment: Mapping[str, str]) -> Ended:
    """Run `tributary` with these arguments to its end."""
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        process = await asyncio.to_thread(forked.start, arguments, environment, out, err)
        try:
            await asyncio.to_thread(process.join, COMMAND_MAX_S)
            assert process.exitcode is not None, f"{arguments} has not ended after {COMMAND_MAX_S:.0f} s"
        finally:
            process.kill()
        return Ended(process.exitcode, out.read_text("utf-8"), err.read_text("utf-8"))


async def get(port: int, path: str) -> tuple[int, str]:
    """GET from a health port; status 0 while it does not answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0, ""
    try:
        writer.write(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 15)
    except (OSError, TimeoutError):
        return 0, ""
    finally:
        writer.close()
    head, _, body = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]) if head else 0, body


def free_ports(count: int) -> int:
    """The first of `count` consecutive unused ports.

    They lie below the range from which the kernel gives ports to clients, so that no client takes one meanwhile.
    """
    ephemeral_from = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    lowest, highest = 5_000, max(ephemeral_from, 10_000) - count
    for _ in range(100):
        first = lowest + secrets.randbelow(highest - lowest)
        if all(is_free(first + number) for number in range(count)):
            return first
    raise AssertionError("no free ports")


def groups(replicas: int = 1) -> list[list[str]]:
    """The processes of a loaded system: `replicas` of each busy worker, and one for all others."""
    *busy, others = roster.groups(*((name,) for name in BUSY))
    return [*(list(group) for group in busy for _ in range(replicas)), list(others)]


def log_lines(folder: Path) -> list[dict[str, Any]]:
    """Every line that the processes logged; each must be a JSON object."""
    return [json.loads(line) for log in sorted(folder.glob("*.log")) for line in log.read_text().splitlines()]


def journal_of(worker: str) -> str:
    return JOURNALS + worker
