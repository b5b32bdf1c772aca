"""How long an order takes from its publication to its accrued commission, at a given rate of arrivals.

Open loop: orders are due at random moments (Poisson) fixed beforehand, and each counts from the moment it was due. So
an order that the publisher itself sent late, because the system was slow, is not flattered (coordinated omission).
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from random import Random

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from contracts.commissions.v1 import CommissionAccrued
from contracts.envelope import COMMANDS_EXCHANGE
from infra.bench.ours import BenchFailure, Ours
from infra.bench.spread import spread_of
from infra.bench.world import World, one_line_world, order_key
from infra.runtime.private_queue import private_queue

_WARM_UP = 300
_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Latency:
    """`load` is the share of capacity, `rate` the orders per second that came; the rest in milliseconds."""

    load: float
    rate: float
    orders: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


async def latencies(ours: Ours, load: float, rate: float, seconds: float) -> Latency:
    """Let orders come in at `rate` for so long, and see when the commission of each is told."""
    world = one_line_world(_WARM_UP + max(100, round(rate * seconds)))
    async with ours.ready(world):
        connection = await aio_pika.connect(ours.settings.rabbitmq_url)
        try:
            trial = _Trial(connection, world, rate)
            await trial.listen()
            await trial.publish()
        finally:
            await connection.close()
    found = trial.took_ms[_WARM_UP:]
    return Latency(load, rate, len(found), *spread_of(found))


class _Trial:
    def __init__(self, connection: AbstractConnection, world: World, rate: float) -> None:
        self._connection = connection
        self._sent = world.singly()
        self._numbers = {order_key(event): number for number, event in enumerate(world.events)}
        rng = Random(17)
        self._due = [0.0]
        for _ in self._sent[1:]:
            self._due.append(self._due[-1] + rng.expovariate(rate))
        self.took_ms = [0.0] * len(self._sent)
        self._missing = set(range(len(self._sent)))
        self._done = asyncio.Event()
        self._started = 0.0

    async def listen(self) -> None:
        channel = await self._connection.channel()
        queue = await private_queue(channel, "bench", [CommissionAccrued.message_type])
        await queue.consume(self._hear, no_ack=True)

    async def publish(self) -> None:
        channel = await self._connection.channel()
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        confirms: set[asyncio.Task[object]] = set()
        self._started = time.perf_counter()
        for sent, due in zip(self._sent, self._due, strict=True):
            if (early := self._started + due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            message = aio_pika.Message(
                sent.body, content_type=sent.content_type, delivery_mode=aio_pika.DeliveryMode.PERSISTENT
            )
            confirm = asyncio.create_task(exchange.publish(message, sent.routing_key))
            confirms.add(confirm)
            confirm.add_done_callback(confirms.discard)
        try:
            async with asyncio.timeout(_WAIT_S):
                await self._done.wait()
        except TimeoutError:
            raise BenchFailure(f"{len(self._missing)} orders have no commission after {_WAIT_S:.0f} s") from None

    async def _hear(self, message: AbstractIncomingMessage) -> None:
        now = time.perf_counter() - self._started
        for event in json.loads(message.body):
            number = self._numbers[order_key(event)]
            self.took_ms[number] = (now - self._due[number]) * 1000
            self._missing.discard(number)
        if not self._missing:
            self._done.set()
