"""Receives events without a worker, for data that only makes a process faster, such as a cache.

Nothing is acknowledged or redelivered: an event that is published while this process is away, or faster than it reads,
is lost to it. What needs every event must be a worker.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException

from infra.adapters.rabbitmq import connect
from infra.gateway.private_queue import private_queue
from infra.ports.messaging import BrokerUnavailable

log = structlog.get_logger()

_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError, BrokerUnavailable)
_TRY_AGAIN_S = 1.0
_WAITING_MAX = 20_000
"""Waiting events; more are dropped."""

Event = dict[str, Any]
"""A CloudEvent: its type, and its data as JSON has it."""

Take = Callable[[Sequence[Event]], Awaitable[None]]


@asynccontextmanager
async def listening(url: str, types: Sequence[str], take: Take) -> AsyncIterator[None]:
    """Pass the events of these types to `take` while the block runs, many at a time under load.

    RabbitMQ may be away at the beginning, and at any time: then there are no events.
    """
    listener = _Listener(url, types, take)
    running = [asyncio.create_task(listener.connect()), asyncio.create_task(listener.hand_over())]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await listener.close()


class _Listener:
    def __init__(self, url: str, types: Sequence[str], take: Take) -> None:
        self._url = url
        self._types = types
        self._take = take
        self._waiting: list[Event] = []
        self._arrived = asyncio.Event()
        self._connection: AbstractRobustConnection | None = None

    async def connect(self) -> None:
        """Try until RabbitMQ answers for the first time; after that the connection restores itself."""
        while True:
            try:
                self._connection = await connect(self._url)
                channel = await self._connection.channel()
                queue = await private_queue(channel, "listener", self._types)
                await queue.consume(self._on_message, no_ack=True)
            except _LOST as error:
                log.info("not_listening", reason=str(error) or error.__class__.__name__)
                await self.close()
                await asyncio.sleep(_TRY_AGAIN_S)
            else:
                return

    async def close(self) -> None:
        if self._connection is not None:
            with suppress(*_LOST):
                await self._connection.close()

    async def hand_over(self) -> None:
        """While `take` runs, the next events collect. If it raises, that is logged and its events are lost."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            events, self._waiting = self._waiting, []
            try:
                await self._take(events)
            except Exception:
                log.exception("events_lost", events=len(events))

    async def _on_message(self, message: AbstractIncomingMessage) -> None:
        try:
            content = json.loads(message.body)
        except (ValueError, RecursionError):
            return
        items = content if isinstance(content, list) else [content]
        events = [event for event in items if isinstance(event, dict)]
        self._waiting += events[: max(0, _WAITING_MAX - len(self._waiting))]
        self._arrived.set()
