"""RabbitMQ. FastStream consumes, aio-pika publishes, on two connections: under a memory or disk alarm the server stops
reading a connection that publishes, acknowledgements included.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import aio_pika
import structlog
from aio_pika import RobustConnection
from aio_pika.abc import AbstractRobustConnection, TimeoutType
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AMQPException,
    ChannelNotFoundEntity,
    DeliveryError,
    ProbableAuthenticationError,
    PublishError,
)
from faststream import AckPolicy
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

from infra.adapters import amqp_properties
from infra.adapters.link import Link
from infra.adapters.rabbitmq_inbox import BODY_BYTES_MAX, RabbitInbox
from infra.adapters.rabbitmq_offers import Offers, PublishChannel
from infra.ports.messaging import (
    BrokerUnavailable,
    Outgoing,
)

log = structlog.get_logger()

amqp_properties.install()

_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError)
_CONNECT_TIMEOUT_S = 5
_RECONNECT_S = 1


class _Subscribed(RabbitQueue):
    """A queue as one subscriber sees it. Equal ones would share a channel, and an acknowledgement covers all earlier
    deliveries of its channel.
    """

    def __eq__(self, other: object, /) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class RabbitConsumer:
    """FastStream subscribers, each with its own channel, without injection or parsing: the loop decodes in batches."""

    def __init__(self, url: str, link: Link | None = None) -> None:
        self._link = link
        self._broker = RabbitBroker(
            url,
            on_close=[link.on_lost] if link else None,
            on_reconnected=[link.on_restored] if link else None,
            apply_types=False,
            logger=logging.getLogger("faststream"),
            log_level=logging.DEBUG,
            reconnect_interval=_RECONNECT_S,
            graceful_timeout=None,
        )
        self._inboxes: list[RabbitInbox] = []

    def subscribe(
        self, queue: str, *, prefetch: int, bytes_max: int, body_bytes_max: int = BODY_BYTES_MAX
    ) -> RabbitInbox:
        inbox = RabbitInbox(queue, bytes_max=bytes_max, prefetch=prefetch, body_bytes_max=body_bytes_max)
        subscriber = self._broker.subscriber(
            _Subscribed(queue, declare=False),
            channel=Channel(prefetch_count=prefetch),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
        )
        subscriber(inbox.take)
        # FastStream's own call chain (scopes, middlewares, parsers, a reply) takes a twelfth of the time of
        # `order_intake`, and may keep bodies alive in a cycle; the loop itself decodes, a batch at a time.
        subscriber.consume = inbox.take  # type: ignore[method-assign,assignment]
        self._inboxes.append(inbox)
        return inbox

    async def start(self) -> None:
        await self._broker.start()

    async def cancel(self) -> None:
        """Take nothing more; the loops finish the current batch and stop."""
        for subscriber in self._broker.subscribers:
            await subscriber.stop()
        for inbox in self._inboxes:
            inbox.close()

    async def stop(self) -> None:
        if self._link is not None:
            self._link.leave()
        await self._broker.stop()


class RabbitPublisher:
    """Publishes a whole batch at once, persistent and confirmed; an unroutable mandatory message is an error."""

    def __init__(self, url: str, *, timeout_s: float, link: Link | None = None) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._link = link
        self._connection: AbstractRobustConnection | None = None
        self._channel: PublishChannel | None = None
        self._offers = Offers(self._opened)
        self._renewing = asyncio.Lock()

    async def start(self) -> None:
        self._connection = await connect(self._url)
        if self._link is not None:
            self._link.watch(self._connection)
        self._channel = await self._opened()

    async def stop(self) -> None:
        self._offers.stop()
        if self._link is not None:
            self._link.leave()
        if self._connection is not None:
            await self._connection.close()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        if not messages:
            return
        assert self._channel is not None, "start() comes first"
        channel = self._channel
        try:
            async with asyncio.timeout(self._timeout_s):
                offers = [message for message in messages if message.best_effort]
                await asyncio.gather(
                    *[channel.publish(message) for message in messages if not message.best_effort],
                    *((self._offers.publish(offers),) if offers else ()),
                )
        except PublishError as error:
            raise BrokerUnavailable(f"a message reached no queue; is a binding missing? {error}") from error
        except DeliveryError as error:
            await self._renew(channel)
            raise BrokerUnavailable(f"the server refused a message: {error}") from error
        except _LOST as error:
            raise BrokerUnavailable(str(error) or error.__class__.__name__) from error

    async def _opened(self) -> PublishChannel:
        assert self._connection is not None, "start() comes first"
        return PublishChannel(await self._connection.channel(publisher_confirms=True, on_return_raises=True))

    async def _renew(self, refused: PublishChannel) -> None:
        """Replace a channel on which the server refused a message.

        A channel never updates which node leads a quorum queue. If that leader has just died, RabbitMQ 3.10 refuses
        every message to that queue on this channel until the dead node is back.
        """
        async with self._renewing:
            if self._channel is not refused:
                return
            try:
                async with asyncio.timeout(self._timeout_s):
                    self._channel = await self._opened()
                    await refused.close()
            except _LOST as error:
                log.info("channel_not_renewed", error=str(error), consequence="tried again with the next message")


class _Connection(RobustConnection):
    """Closes if its first attempt is cancelled. aio-pika's own starts another attempt in a task that cannot be
    cancelled, so the event loop never closes.
    """

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ASYNC109  (aio-pika's signature)
        try:
            await super().connect(timeout)
        except asyncio.CancelledError:
            await self.close()
            raise


async def connect(url: str) -> AbstractRobustConnection:
    """Connect once, or raise BrokerUnavailable with a sentence; after a later loss it reconnects by itself."""
    try:
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            return await aio_pika.connect_robust(url, connection_class=_Connection, reconnect_interval=_RECONNECT_S)
    except ProbableAuthenticationError as error:
        raise BrokerUnavailable("RabbitMQ refuses the user or password in RABBITMQ_URL") from error
    except (*_LOST, ValueError) as error:
        raise BrokerUnavailable(str(error) or error.__class__.__name__) from error


@dataclass(frozen=True, slots=True)
class QueueDepth:
    ready: int
    consumers: int


async def depths(url: str, queues: Sequence[str]) -> dict[str, QueueDepth | None]:
    """Ready messages and consumers of each queue, as the broker counts them; None for a queue that does not exist."""
    connection = await connect(url)
    found: dict[str, QueueDepth | None] = {}
    try:
        for name in queues:
            channel = await connection.channel()
            try:
                declared = await channel.declare_queue(name, passive=True)
                result = declared.declaration_result
                found[name] = QueueDepth(result.message_count or 0, result.consumer_count or 0)
                await channel.close()
            except ChannelNotFoundEntity:
                found[name] = None
    except _LOST as error:
        raise BrokerUnavailable(str(error) or error.__class__.__name__) from error
    finally:
        await connection.close()
    return found
