"""Whether RabbitMQ takes messages: it is asked to take one, in a quorum queue of the stack's own that keeps only one.

After a full disk a node may greet clients, open channels and count queues, and refuse every message to a quorum queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException

from infra.local.server import SERVES, Health

QUEUE = "tributary.ping"
_ARGUMENTS: dict[str, Any] = {"x-queue-type": "quorum", "x-max-length": 1}
_WITHIN_S = 2.0
_FAILED = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError, RuntimeError)


Act = Callable[[AbstractChannel], Awaitable[None]]


def found(url: str) -> None:
    """Make the queue, a new one at each start of the node; where that does not work, `ping` will say why."""

    async def make(channel: AbstractChannel) -> None:
        await channel.queue_delete(QUEUE)
        await channel.declare_queue(QUEUE, durable=True, arguments=_ARGUMENTS)

    with suppress(*_FAILED):
        _on_a_channel(url, make)


def ping(url: str) -> Health:
    """Publish and wait for the confirmation."""
    try:
        _on_a_channel(url, _open)
    except _FAILED as error:
        return Health(f"does not open a channel ({_text(error)})")
    try:
        _on_a_channel(url, _publish_to(QUEUE))
    except _FAILED as error:
        return _blocked(url) or Health(f"does not take a message ({_text(error)})")
    return SERVES


def _blocked(url: str) -> Health | None:
    """Under an alarm the node reads from no connection that publishes, whatever the queue. It ends by itself."""
    try:
        _on_a_channel(url, _publish_to(""))
    except TimeoutError:
        complaint = "takes no messages while memory or disk space is short; it goes on by itself when there is room"
        return Health(complaint, restart_helps=False)
    except _FAILED:
        return None
    return None


async def _open(channel: AbstractChannel) -> None:
    """Nothing more than the channel."""


def _publish_to(queue: str) -> Act:
    """A message for no queue at all is confirmed as well."""

    async def publish(channel: AbstractChannel) -> None:
        message = aio_pika.Message(b"", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        # Under an alarm a connection is blocked by its first message, which is still taken.
        for _ in range(2):
            await channel.default_exchange.publish(message, routing_key=queue, mandatory=bool(queue))

    return publish


def _on_a_channel(url: str, act: Act) -> None:
    """In a thread of its own, which has no event loop, whoever asks."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(_connected(url, act))).result()


async def _connected(url: str, act: Act) -> None:
    async with asyncio.timeout(_WITHIN_S):
        connection = await aio_pika.connect(url, timeout=_WITHIN_S)
    try:
        async with asyncio.timeout(_WITHIN_S):
            await act(await connection.channel(publisher_confirms=True, on_return_raises=True))
    finally:
        with suppress(*_FAILED):
            async with asyncio.timeout(_WITHIN_S):
                await connection.close()


def _text(error: BaseException) -> str:
    return (str(error) or error.__class__.__name__)[:200]
