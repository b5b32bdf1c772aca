"""Whether RabbitMQ accepts messages: one is published to the stack's own quorum queue, which keeps only one.

After a full disk a node may accept connections, open channels and count queues, but refuse every message to a quorum
queue. A single queue whose process has ended too often is lost until the node starts again.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import aio_pika
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException

from infra.local.server import SERVES, Health

QUEUE = "tributary.ping"
_ARGUMENTS: dict[str, Any] = {"x-queue-type": "quorum", "x-max-length": 1}
_WITHIN_S = 2.0
_NAMED_MAX = 3
_FAILED = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError, RuntimeError)


Act = Callable[[AbstractChannel], Awaitable[None]]


def create_queue(url: str) -> None:
    """Create the queue again, after each start of the node; if that fails, `ping` reports why."""

    async def declare(channel: AbstractChannel) -> None:
        await channel.queue_delete(QUEUE)
        await channel.declare_queue(QUEUE, durable=True, arguments=_ARGUMENTS)

    with suppress(*_FAILED):
        _on_a_channel(url, declare)


def ping(url: str, management_url: str) -> Health:
    """Publish and wait for the confirmation, then look for queues without a leader."""
    try:
        _on_a_channel(url, _open)
    except _FAILED as error:
        return Health(f"does not open a channel ({_text(error)})")
    try:
        _on_a_channel(url, _publish_to(QUEUE))
    except _FAILED as error:
        return _blocked(url) or Health(f"does not take a message ({_text(error)})")
    if lost := _leaderless(management_url):
        return Health(f"has queues without a leader, which take nothing ({', '.join(lost[:_NAMED_MAX])})")
    return SERVES


def _leaderless(management_url: str) -> list[str]:
    """Quorum queues that ended, or wait for another node; none where the management API does not answer."""
    parts = urlsplit(management_url)
    login = b64encode(f"{parts.username}:{parts.password}".encode()).decode()
    url = f"{parts.scheme}://{parts.hostname}:{parts.port}/api/queues?columns=name,type,leader"
    request = Request(url, headers={"Authorization": f"Basic {login}"})  # noqa: S310  (the stack's own address)
    try:
        with urlopen(request, timeout=_WITHIN_S) as answer:  # noqa: S310
            queues = json.load(answer)
    except (OSError, ValueError, HTTPException):
        return []
    return [queue["name"] for queue in queues if queue.get("type") == "quorum" and not queue.get("leader")]


def _blocked(url: str) -> Health | None:
    """Under an alarm the node blocks every connection that publishes, whatever the queue. The alarm ends by itself."""
    try:
        _on_a_channel(url, _publish_to(""))
    except TimeoutError:
        complaint = "takes no messages while memory or disk space is short; it resumes by itself when there is room"
        return Health(complaint, restart_helps=False)
    except _FAILED:
        return None
    return None


async def _open(channel: AbstractChannel) -> None:
    """Only open the channel."""


def _publish_to(queue: str) -> Act:
    """Publish to a queue; a message for no queue is confirmed as well."""

    async def publish(channel: AbstractChannel) -> None:
        message = aio_pika.Message(b"", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        # Under an alarm the first message is still accepted, and then the connection is blocked.
        for _ in range(2):
            await channel.default_exchange.publish(message, routing_key=queue, mandatory=bool(queue))

    return publish


def _on_a_channel(url: str, act: Act) -> None:
    """Run in a separate thread without an event loop, because the caller may have one."""
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
