"""The protocol of a peer, and its measurement.

The whole backlog is in the peer's first queue before its processes start. The time runs from the first message taken
until the last order has gone through the last step; start-up does not count. Then the books are compared, figure by
figure, with the books expected for the bodies: a fast contender with wrong books fails.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection

from infra.local import process
from infra.local.process import ProcessMark
from tests.bench.peers.place import QUORUM, Place
from tests.bench.peers.reference import Reference

_PIPELINED = 500
_LOOK_FOR_START_S = 0.005
_LOOK_FOR_END_S = 0.05
_STOP_WITHIN_S = 3.0
_LOG_TAIL = 4_000


class PeerFailed(RuntimeError):
    """The peer ended, made no progress, or kept wrong books; the text states which."""


class Peer(Protocol):
    """A contender. Call `prepare`, `start`, `taken` and `finished` until all is done, `check`, and always `stop`."""

    @property
    def name(self) -> str: ...

    async def prepare(self, bodies: Sequence[bytes], reference: Reference) -> None:
        """Store the reference data and publish the backlog of `order.place.v2` bodies; nothing consumes yet."""

    def start(self) -> None:
        """Start the processes, each in its own session."""

    async def taken(self) -> bool:
        """Whether the first message has been taken. Raises PeerFailed when a process has ended."""

    async def finished(self) -> int:
        """Number of orders that have gone through the last step: cheap, exact at the end. Raises PeerFailed."""

    async def check(self) -> None:
        """Compare the books with those expected for the bodies. Raises PeerFailed."""

    async def stop(self) -> None:
        """Stop the processes, and delete the database, the queues and the exchanges."""


@dataclass(frozen=True, slots=True)
class Measured:
    orders: int
    seconds: float

    @property
    def orders_per_s(self) -> float:
        return self.orders / self.seconds


async def measure(peer: Peer, bodies: Sequence[bytes], reference: Reference, *, within_s: float = 300.0) -> Measured:
    """Run the peer over the backlog. Raises PeerFailed where its books are wrong or it takes longer than `within_s`."""
    orders = len(set(bodies))
    try:
        await peer.prepare(bodies, reference)
        peer.start()
        deadline = time.monotonic() + within_s

        async def until(holds: Callable[[], Awaitable[bool]], every_s: float, what: str) -> None:
            while not await holds():
                if time.monotonic() > deadline:
                    done = await peer.finished()
                    raise PeerFailed(f"{peer.name} {what} within {within_s:.0f} s: {done} of {orders} orders are done")
                await asyncio.sleep(every_s)

        async def all_done() -> bool:
            return await peer.finished() >= orders

        await until(peer.taken, _LOOK_FOR_START_S, "took no message")
        began = time.perf_counter()
        await until(all_done, _LOOK_FOR_END_S, "did not finish")
        took = time.perf_counter() - began
        await peer.check()
        return Measured(orders, took)
    finally:
        await peer.stop()


class ServedPeer(ABC):
    """Common parts of the peers: processes, queues and database, emptied before and deleted after the run."""

    name = ""
    steps: tuple[str, ...] = ()
    """The steps in order, each with a queue."""
    other_queues: tuple[str, ...] = ()
    exchanges: tuple[str, ...] = ()
    finished_in = ""
    """The collection that gets one document for each order at the last step."""

    def __init__(self, place: Place, logs: Path) -> None:
        self._place = place
        self._logs = logs
        self._backlog = 0
        self._marks: list[ProcessMark] = []
        self._bodies: Sequence[bytes] = ()
        self._reference = Reference.empty()
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._database: Any = None

    @abstractmethod
    def programs(self) -> list[list[str]]:
        """The command line of each process."""

    @abstractmethod
    async def compare(self, database: Any, bodies: Sequence[bytes], reference: Reference) -> list[str]:
        """A sentence for each error in the books."""

    def to_message(self, body: bytes) -> aio_pika.Message:
        """The order as a shop publishes it."""
        return aio_pika.Message(body, content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)

    async def prepare(self, bodies: Sequence[bytes], reference: Reference) -> None:
        self._bodies, self._reference, self._backlog = bodies, reference, len(bodies)
        self._database = self._place.motor()
        self._connection = await aio_pika.connect(self._place.rabbitmq_url)
        await self._clean()
        self._channel = await self._connection.channel(on_return_raises=True)
        for step in self.steps:
            await self._channel.declare_queue(self._place.queue(step), durable=True, arguments=QUORUM)
        await reference.store(self._database)
        await self._database.create_collection(self.finished_in)
        await self._publish(self._channel, bodies)
        ready = await self._ready()
        if ready != self._backlog:
            raise PeerFailed(f"{self.name}: {ready} messages are in the first queue instead of {self._backlog}")

    def start(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        for number, argv in enumerate(self.programs(), start=1):
            log = self._logs / f"{self.name}-{number}.log"
            environment = self._place.environment()
            self._marks.append(process.start(argv, env=environment, folder=Path.cwd(), log=log))

    async def taken(self) -> bool:
        self._check_processes()
        return await self._ready() < self._backlog

    async def finished(self) -> int:
        self._check_processes()
        return int(await self._database[self.finished_in].estimated_document_count())

    async def check(self) -> None:
        if wrong := await self.compare(self._database, self._bodies, self._reference):
            raise PeerFailed(f"{self.name} keeps wrong books: " + " ".join(wrong))

    async def stop(self) -> None:
        marks, self._marks = self._marks, []
        await asyncio.gather(*(asyncio.to_thread(process.stop, mark, within_s=_STOP_WITHIN_S) for mark in marks))
        if self._connection is None:
            return
        await self._clean()
        await self._connection.close()
        self._database.client.close()
        self._connection = None

    async def _publish(self, channel: AbstractChannel, bodies: Sequence[bytes]) -> None:
        """Put the backlog into the first queue, persistent and confirmed."""
        first = self._place.queue(self.steps[0])
        for start in range(0, len(bodies), _PIPELINED):
            messages = map(self.to_message, bodies[start : start + _PIPELINED])
            await asyncio.gather(*(channel.default_exchange.publish(message, first) for message in messages))

    async def _ready(self) -> int:
        assert self._channel is not None, "prepare() comes first"
        queue = await self._channel.declare_queue(self._place.queue(self.steps[0]), passive=True)
        return queue.declaration_result.message_count or 0

    async def _clean(self) -> None:
        assert self._connection is not None, "prepare() comes first"
        await self._database.client.drop_database(self._place.database)
        channel = await self._connection.channel()
        for queue in (*map(self._place.queue, self.steps), *self.other_queues):
            await channel.queue_delete(queue)
        for exchange in self.exchanges:
            await channel.exchange_delete(exchange)
        await channel.close()

    def _check_processes(self) -> None:
        for number, mark in enumerate(self._marks, start=1):
            if not process.is_running(mark):
                log = self._logs / f"{self.name}-{number}.log"
                raise PeerFailed(f"a process of {self.name} has ended:\n{log.read_text(errors='replace')[-_LOG_TAIL:]}")
