"""Latency of an order from its publication to its accrued commission, at a given arrival rate.

Open loop: orders are due at random times (Poisson) fixed beforehand, and each latency counts from the due time. So an
order that the publisher sent late because the system was slow gets no advantage (coordinated omission).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractIncomingMessage

from contracts.commissions.v1 import CommissionAccrued
from contracts.wire.envelope import COMMANDS_EXCHANGE
from infra.gateway.private_queue import private_queue
from tests.bench.ours import BenchFailure, Ours
from tests.bench.spread import spread_of
from tests.bench.world import Sent, World, one_line_world, order_key

_WARM_UP = 300
_WAIT_S = 60.0
_LOOK_EVERY_S = 0.02


@dataclass(frozen=True, slots=True)
class Latency:
    """`load` is the share of capacity, `rate` the orders per second; the rest in milliseconds."""

    load: float
    rate: float
    orders: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


async def latencies(ours: Ours, rates: Mapping[float, float], seconds: float) -> list[Latency]:
    """Publish orders for `seconds` at each rate (by load), and measure when the commission of each is published.

    The rates run one after another with the same workers: the next begins when the last order has its commission.
    """
    counts = [_WARM_UP + max(100, round(rate * seconds)) for rate in rates.values()]
    world = one_line_world(sum(counts))
    found, first = [], 0
    async with ours.ready(world):
        for (load, rate), count in zip(rates.items(), counts, strict=True):
            orders = replace(world, events=world.events[first : first + count])
            took_ms = (await _tried(ours.settings.rabbitmq_url, orders, rate))[_WARM_UP:]
            found.append(Latency(load, rate, len(took_ms), *spread_of(took_ms)))
            first += count
    return found


async def _tried(url: str, world: World, rate: float) -> list[float]:
    connection = await aio_pika.connect(url)
    try:
        trial = _Trial(connection, world, rate)
        await trial.listen()
        await trial.publish()
    finally:
        await connection.close()
    return trial.took_ms


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
        self._received: list[tuple[float, bytes]] = []
        self._started = 0.0

    async def listen(self) -> None:
        channel = await self._connection.channel()
        queue = await private_queue(channel, "bench", [CommissionAccrued.message_type])
        await queue.consume(self._on_message, no_ack=True)

    async def publish(self) -> None:
        """Publish every order when it is due, at the least cost: the publisher shares the two cores of the system.

        It waits for no confirms: a lost order has no commission, and that fails the trial.
        """
        channel = await self._connection.channel(publisher_confirms=False)
        amqp = await channel.get_underlay_channel()
        messages = [(sent.body, sent.routing_key, _properties(sent)) for sent in self._sent]
        self._started = time.perf_counter()
        for (body, routing_key, properties), due in zip(messages, self._due, strict=True):
            if (early := self._started + due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            await amqp.basic_publish(
                body,
                exchange=COMMANDS_EXCHANGE,
                routing_key=routing_key,
                properties=properties,
                wait=False,  # type: ignore[call-arg]  # the class has it, its abstract base does not
            )
        until = time.perf_counter() + _WAIT_S
        while missing := self._missing():
            if time.perf_counter() > until:
                raise BenchFailure(f"{missing} orders have no commission after {_WAIT_S:.0f} s")
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        self._received.append((time.perf_counter() - self._started, message.body))

    def _missing(self) -> int:
        """Read the received events, after the last order was due; return how many orders are still missing."""
        for at, body in self._received:
            for event in json.loads(body):
                number = self._numbers.pop(order_key(event), None)
                if number is not None:
                    self.took_ms[number] = (at - self._due[number]) * 1000
        self._received.clear()
        return len(self._numbers)


def _properties(sent: Sent) -> Any:
    """With its own id, or the client generates one while publishing."""
    return aio_pika.Message(
        sent.body,
        content_type=sent.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=uuid4().hex,
    ).properties
