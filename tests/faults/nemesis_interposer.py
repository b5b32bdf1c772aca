"""Between the workers: publishes every event several times, or delivers events out of order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection

from contracts.wire.envelope import EVENTS_EXCHANGE
from infra.ports.topology import Binding, Topology

_COPY_HEADER = "x-nemesis-copy"
_COPIES_MORE = (1, 4)
_LATE_MAX_S = 1.5
_DRAIN_WITHIN_S = 20.0


@dataclass(slots=True)
class Interposer:
    """Consumes every event from a queue of its own. Use it as `async with`.

    `shuffles`: the workers' own bindings are removed meanwhile, and each event reaches each queue after a random
    delay. Otherwise each event is published one to four times more.
    """

    url: str
    topology: Topology
    shuffles: bool
    handed_on: int = 0
    _random: Random = field(default_factory=lambda: Random(5))
    _connection: AbstractRobustConnection | None = None
    _channel: AbstractChannel | None = None
    _at_work: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Interposer:
        self._connection = await aio_pika.connect_robust(self.url)
        self._channel = await self._connection.channel(publisher_confirms=True)
        await self._channel.set_qos(prefetch_count=500)
        queue = await self._channel.declare_queue("", exclusive=True)
        await queue.bind(EVENTS_EXCHANGE, "#")
        await queue.consume(self._take)
        if self.shuffles:
            for binding in self._bindings():
                await (await self._channel.get_queue(binding.queue)).unbind(EVENTS_EXCHANGE, binding.routing_key)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._channel is not None
        assert self._connection is not None
        try:
            for binding in self._bindings() if self.shuffles else ():
                await (await self._channel.get_queue(binding.queue)).bind(EVENTS_EXCHANGE, binding.routing_key)
            # Events published before the bindings were restored still have to be handed on.
            await asyncio.sleep(1)
            if self._at_work:
                await asyncio.wait(self._at_work, timeout=_DRAIN_WITHIN_S)
        finally:
            await self._connection.close()

    def _bindings(self) -> list[Binding]:
        return [binding for binding in self.topology.bindings if binding.exchange == EVENTS_EXCHANGE]

    async def _take(self, message: AbstractIncomingMessage) -> None:
        if _COPY_HEADER in message.headers:
            await message.ack()
            return
        task = asyncio.create_task(self._late(message) if self.shuffles else self._again(message))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def _again(self, message: AbstractIncomingMessage) -> None:
        assert self._channel is not None
        exchange = await self._channel.get_exchange(EVENTS_EXCHANGE, ensure=False)
        for _ in range(self._random.randint(*_COPIES_MORE)):
            await asyncio.sleep(self._random.uniform(0, _LATE_MAX_S / 2))
            await exchange.publish(_copy(message), routing_key=message.routing_key or "")
            self.handed_on += 1
        await message.ack()

    async def _late(self, message: AbstractIncomingMessage) -> None:
        queues = [b.queue for b in self._bindings() if b.routing_key == message.routing_key]

        async def hand_on(queue: str) -> None:
            assert self._channel is not None
            await asyncio.sleep(self._random.uniform(0, _LATE_MAX_S))
            await self._channel.default_exchange.publish(_copy(message), routing_key=queue)
            self.handed_on += 1

        await asyncio.gather(*map(hand_on, queues))
        await message.ack()


def _copy(message: AbstractIncomingMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        content_type=message.content_type,
        headers={**message.headers, _COPY_HEADER: 1},
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )
