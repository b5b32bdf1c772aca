"""Sends a command and waits for its outcome: the HTTP API and the command line use it to reach workers.

The outcome arrives in a private queue of this process and is matched by correlation id. If the wait ends too early,
nothing is lost: the command is in its queue and is still handled.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException, ChannelNotFoundEntity, PublishError

from contracts.wire.envelope import COMMANDS_EXCHANGE, STRUCTURED, Message
from infra.adapters.link import Link
from infra.adapters.rabbitmq import connect
from infra.gateway.private_queue import private_queue
from infra.ports.messaging import BrokerUnavailable, Outgoing

log = structlog.get_logger()

_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a command: its code, and the events it caused as CloudEvents."""

    outcome: str
    events: Sequence[dict[str, Any]]


class CommandClient:
    """One connection and one reply queue, for any number of concurrent commands."""

    def __init__(self, url: str, *, publish_timeout_s: float = 5.0, link: Link | None = None) -> None:
        self._url = url
        self._link = link
        self._publish_timeout_s = publish_timeout_s
        self._replies = ""
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractChannel | None = None
        self._waiting: dict[str, asyncio.Future[Answer]] = {}

    async def start(self) -> None:
        """Connect. Raises BrokerUnavailable; after a later loss the connection restores itself."""
        self._connection = await connect(self._url)
        if self._link is not None:
            self._link.watch(self._connection)
        self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        queue = await private_queue(self._channel, "reply")
        self._replies = queue.name
        await queue.consume(self._take, no_ack=True)

    async def stop(self) -> None:
        for waiting in self._waiting.values():
            waiting.cancel()
        if self._link is not None:
            self._link.leave()
        if self._connection is not None:
            await self._connection.close()

    @property
    def connected(self) -> bool:
        return self._connection is not None and self._connection.connected.is_set()

    async def send(
        self, message: Message[Any], *, wait_s: float, on_confirmed: Callable[[], None] = lambda: None
    ) -> Answer | None:
        """Publish a command and return its outcome; None if it takes longer than `wait_s` (0: do not wait at all).
        `on_confirmed` is called once the broker has it, before the wait.

        `message.correlation` must be unique to this request. Raises BrokerUnavailable if the broker did not confirm it;
        the broker may still have accepted it, so a repeat must carry the same id.
        """
        correlation = message.correlation
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[correlation] = answer
        try:
            await self._publish(message)
            on_confirmed()
            return await asyncio.wait_for(answer, wait_s) if wait_s > 0 else None
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(correlation, None)

    async def _publish(self, message: Message[Any]) -> None:
        body = aio_pika.Message(
            message.to_bytes(),
            content_type=STRUCTURED,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            reply_to=self._replies,
        )
        await self._put(COMMANDS_EXCHANGE, message.type, body)

    async def forward(self, outgoing: Outgoing) -> None:
        """Publish a replayed message unchanged, without a reply. Raises BrokerUnavailable."""
        body = aio_pika.Message(
            outgoing.body,
            content_type=outgoing.content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            headers=dict(outgoing.headers),
        )
        await self._put(outgoing.exchange, outgoing.routing_key, body)

    async def _put(self, exchange_name: str, routing_key: str, body: aio_pika.Message) -> None:
        if self._channel is None or not self.connected:
            raise BrokerUnavailable("RabbitMQ is away; try again later")
        try:
            async with asyncio.timeout(self._publish_timeout_s):
                if exchange_name:
                    exchange = await self._channel.get_exchange(exchange_name, ensure=False)
                else:
                    exchange = self._channel.default_exchange
                await exchange.publish(body, routing_key=routing_key, mandatory=True)
        except (PublishError, ChannelNotFoundEntity) as error:
            raise BrokerUnavailable(
                f"no queue takes {routing_key}; declare it: `tributary topology --apply`"
            ) from error
        except _LOST as error:
            raise BrokerUnavailable(
                f"RabbitMQ did not take the command: {error or error.__class__.__name__}"
            ) from error

    async def _take(self, reply: AbstractIncomingMessage) -> None:
        """Anyone who knows the name of the queue can publish to it: anything but a worker's reply is ignored."""
        try:
            fields = json.loads(reply.body)
            correlation, answer = fields["correlationid"], Answer(fields["outcome"], fields["events"])
            waiting = self._waiting.get(correlation)
        except (ValueError, KeyError, TypeError, RecursionError):
            log.info("reply_ignored", bytes=len(reply.body))
            return
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)
