"""RabbitMQ. FastStream consumes, aio-pika publishes, on two connections: under a memory or disk alarm the server stops
reading a connection that publishes, acknowledgements included.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aio_pika
import structlog
from aio_pika import IncomingMessage, RobustConnection
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

from contracts.wire.envelope import SHOPS_EXCHANGE
from infra.adapters import amqp_properties
from infra.adapters.link import Link
from infra.adapters.rabbitmq_offers import Offers, PublishChannel
from infra.ports.messaging import (
    ATTEMPTS_HEADER,
    REDELIVERED_HEADER,
    REPLAYS_HEADER,
    REPLY_TO_HEADER,
    ROUTING_KEY_HEADER,
    SENDER_HEADER,
    SHOP_LOGIN,
    BrokerUnavailable,
    Death,
    Delivery,
    Outgoing,
    Sender,
)

log = structlog.get_logger()

amqp_properties.install()

_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError)
_CONNECT_TIMEOUT_S = 5
_RECONNECT_S = 1
_RETURNED_HEADER = "x-delivery-count"
"""Set by quorum queues from the second delivery on."""

_DEATHS_HEADER = "x-death"
"""Set by the broker when it moves a message: one table for each queue and reason, the latest first."""

_COUNT_MAX = 1_000
"""More than any message is tried. Senders control headers, and the database takes no number beyond 64 bits."""

_NAME_BYTES_MAX = 255
"""The longest queue name and routing key that AMQP allows."""


class RabbitInbox:
    """The deliveries of one queue, handed over by FastStream and acknowledged in order, many at a time."""

    def __init__(self) -> None:
        self._waiting: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    async def take(self, raw: IncomingMessage) -> None:
        """Pass the delivery to the loop, which acknowledges it at the end.

        It must not raise, whatever the headers contain: the message would stay unacknowledged until an acknowledgement
        of later ones covered it, and so be lost.
        """
        headers = raw.headers
        death = _death(headers[_DEATHS_HEADER]) if _DEATHS_HEADER in headers else None
        if raw.exchange == SHOPS_EXCHANGE or (death is not None and _was_of_shop(raw, death)):
            self._waiting.append(_from_shop(raw, death))
            self._arrived.set()
            return
        sender = headers.get(SENDER_HEADER)
        self._waiting.append(
            Delivery(
                body=raw.body,
                content_type=raw.content_type,
                routing_key=_name(headers.get(ROUTING_KEY_HEADER)) or raw.routing_key or "",
                redelivered=bool(raw.redelivered or headers.get(REDELIVERED_HEADER)),
                attempts=_count(headers.get(ATTEMPTS_HEADER)),
                replays=_count(headers.get(REPLAYS_HEADER)),
                returned=_count(headers.get(_RETURNED_HEADER)) if raw.redelivered else 0,
                received_at=datetime.now(UTC),
                receipt=raw,
                reply_to=raw.reply_to or _name(headers.get(REPLY_TO_HEADER)),
                undecoded=amqp_properties.undecoded(headers, raw.routing_key),
                death=death,
                message_id=raw.message_id or None,
                sender=Sender.from_header(sender) if isinstance(sender, str) else None,
            )
        )
        self._arrived.set()

    async def first(self) -> Delivery | None:
        while not self._waiting and not self._closed:
            self._arrived.clear()
            await self._arrived.wait()
        return None if self._closed else self._waiting.popleft()

    def waiting(self) -> Delivery | None:
        return self._waiting.popleft() if self._waiting and not self._closed else None

    def close(self) -> None:
        """Pass nothing more to the loop; waiting deliveries are requeued when the channel closes."""
        self._closed = True
        self._arrived.set()

    def holds(self, receipt: object) -> bool:
        raw: Any = receipt
        try:
            return not raw.channel.is_closed
        except _LOST:
            return False

    async def acknowledge(self, deliveries: Sequence[Delivery], *, parked: Sequence[Delivery] = ()) -> None:
        """One acknowledgement covers all earlier ones on its channel; deliveries of a lost channel are redelivered."""
        try:
            if parked:
                for delivery in deliveries:
                    raw: Any = delivery.receipt
                    await (raw.reject(requeue=False) if delivery in parked else raw.ack())
                return
            receipts: list[Any] = [delivery.receipt for delivery in deliveries]
            last = {id(raw.channel): raw for raw in receipts}
            for raw in last.values():
                await raw.ack(multiple=True)
        except _LOST as error:
            log.info("acknowledgement_lost", error=str(error), consequence="redelivered, and recognised by the journal")


def _was_of_shop(raw: IncomingMessage, death: Death) -> bool:
    """Whether a shop sent what the broker moved: it keeps the login that it checked, and notes the exchange."""
    return death.exchange == SHOPS_EXCHANGE or (raw.user_id or "").startswith(SHOP_LOGIN)


def _from_shop(raw: IncomingMessage, death: Death | None) -> Delivery:
    """What a shop may state: the body, its type and id, and its login, which the broker has checked. No header counts,
    and answers go to the shop's own queue.
    """
    login = raw.user_id or ""
    return Delivery(
        body=raw.body,
        content_type=raw.content_type,
        routing_key=raw.routing_key or "",
        redelivered=bool(raw.redelivered),
        attempts=0,
        replays=0,
        returned=_count(raw.headers.get(_RETURNED_HEADER)) if raw.redelivered else 0,
        received_at=datetime.now(UTC),
        receipt=raw,
        undecoded=amqp_properties.undecoded(raw.headers, raw.routing_key),
        death=death if raw.exchange != SHOPS_EXCHANGE else None,
        message_id=raw.message_id or None,
        sender=Sender(login.removeprefix(SHOP_LOGIN) if login.startswith(SHOP_LOGIN) else ""),
    )


def _name(header: object) -> str | None:
    """The header, if it can be the name of a queue or a routing key; otherwise None."""
    return header if isinstance(header, str) and 0 < len(header.encode()) <= _NAME_BYTES_MAX else None


def _count(header: object) -> int:
    return min(header, _COUNT_MAX) if isinstance(header, int) and header > 0 else 0


def _death(header: object) -> Death | None:
    latest = header[0] if isinstance(header, list) and header else None
    if not isinstance(latest, dict):
        return None
    queue, reason = _name(latest.get("queue")), _name(latest.get("reason"))
    return Death(queue, reason, _name(latest.get("exchange")) or "") if queue and reason else None


class RabbitConsumer:
    """FastStream subscribers, one per queue, without injection or parsing: the loop decodes in batches."""

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
        self._inboxes: dict[str, RabbitInbox] = {}

    def subscribe(self, queue: str, *, prefetch: int) -> RabbitInbox:
        inbox = RabbitInbox()
        subscriber = self._broker.subscriber(
            RabbitQueue(queue, declare=False),
            channel=Channel(prefetch_count=prefetch),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
        )
        subscriber(inbox.take)
        # FastStream's own call chain (scopes, middlewares, parsers, a reply) takes a twelfth of the time of
        # `order_intake`, and may keep bodies alive in a cycle; the loop itself decodes, a batch at a time.
        subscriber.consume = inbox.take  # type: ignore[method-assign,assignment]
        self._inboxes[queue] = inbox
        return inbox

    async def start(self) -> None:
        await self._broker.start()

    async def cancel(self) -> None:
        """Take nothing more; the loops finish the current batch and stop."""
        for subscriber in self._broker.subscribers:
            await subscriber.stop()
        for inbox in self._inboxes.values():
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
