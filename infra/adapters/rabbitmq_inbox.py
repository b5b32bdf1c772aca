"""The deliveries of one queue on their way to its loop, with a limit on the bytes that are held."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from aio_pika import IncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException

from contracts.wire.envelope import SHOPS_EXCHANGE
from contracts.wire.reading import EXCERPT_BYTES_MAX, body_id
from infra.adapters import amqp_properties
from infra.ports.messaging import (
    ATTEMPTS_HEADER,
    REDELIVERED_HEADER,
    REPLAYS_HEADER,
    REPLY_TO_HEADER,
    ROUTING_KEY_HEADER,
    SENDER_HEADER,
    SHOP_LOGIN,
    Delivery,
    Sender,
)

log = structlog.get_logger()

BODY_BYTES_MAX = 1024 * 1024

_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError)
_RETURNED_HEADER = "x-delivery-count"
"""Set by quorum queues from the second delivery on."""

_COUNT_MAX = 1_000
"""More than any message is tried. Senders control headers, and the database takes no number beyond 64 bits."""

_NAME_BYTES_MAX = 255
"""The longest queue name and routing key that AMQP allows."""

_RETURNS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class _Unread:
    """A delivery whose body was dropped."""

    channel: Any
    delivery_tag: int
    consumer_tag: str


class RabbitInbox:
    """The deliveries of one queue, handed over by FastStream and acknowledged in order, many at a time.

    AMQP limits by number only what is delivered ahead: `prefetch`. Once the bodies here have `bytes_max`, what arrives
    is dropped, and is given back to the broker when half of them are acknowledged. No delivery is taken in between,
    because an acknowledgement covers all earlier ones. The broker would send all of it again, so from then on fewer
    are delivered ahead, as many as fit with bodies of `body_bytes_max`, until bodies are small again.

    Of a shop's body beyond `body_bytes_max`, which is not read, only the beginning is held.
    """

    def __init__(
        self, queue: str, *, bytes_max: int, prefetch: int = 1_000, body_bytes_max: int = BODY_BYTES_MAX
    ) -> None:
        self._queue = queue
        self._bytes_max = bytes_max
        self._body_bytes_max = body_bytes_max
        self._prefetch = prefetch
        self._few = min(prefetch, max(1, bytes_max // body_bytes_max))
        self._is_few = False
        self._sizes: deque[int] = deque(maxlen=2 * self._few)
        """Of the newest acknowledged bodies."""
        self._held_bytes = 0
        self._given_back: list[_Unread] = []
        self._returns: Counter[int] = Counter()
        """How often this inbox gave a body back, by its hash: the broker counts that like the death of a process."""
        self._waiting: deque[Delivery] = deque()
        self._arrived = asyncio.Event()
        self._closed = False

    async def take(self, raw: IncomingMessage) -> None:
        """Pass the delivery to the loop, which acknowledges it at the end.

        It must not raise, whatever the headers contain: the message would stay unacknowledged until an acknowledgement
        of later ones covered it, and so be lost.
        """
        of_shop = raw.exchange == SHOPS_EXCHANGE
        is_cut = of_shop and len(raw.body) > self._body_bytes_max
        if self._given_back or (self._held_bytes >= self._bytes_max and not is_cut):
            self._returns[hash(raw.body)] += 1
            self._given_back.append(_Unread(raw.channel, raw.delivery_tag or 0, raw.consumer_tag or ""))
            return
        returned = _count(raw.headers.get(_RETURNED_HEADER)) if raw.redelivered else 0
        if self._returns:
            returned = max(0, returned - self._returns.pop(hash(raw.body), 0))
        if of_shop:
            delivery = _from_shop(raw, returned, is_cut=is_cut)
            self._held_bytes += len(delivery.body)
            self._waiting.append(delivery)
            self._arrived.set()
            return
        self._held_bytes += len(raw.body)
        headers = raw.headers
        sender = headers.get(SENDER_HEADER)
        self._waiting.append(
            Delivery(
                body=raw.body,
                content_type=raw.content_type,
                routing_key=_name(headers.get(ROUTING_KEY_HEADER)) or raw.routing_key or "",
                redelivered=bool(raw.redelivered or headers.get(REDELIVERED_HEADER)),
                attempts=_count(headers.get(ATTEMPTS_HEADER)),
                replays=_count(headers.get(REPLAYS_HEADER)),
                returned=returned,
                received_at=datetime.now(UTC),
                receipt=raw,
                reply_to=raw.reply_to or _name(headers.get(REPLY_TO_HEADER)),
                undecoded=amqp_properties.undecoded(headers, raw.routing_key),
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

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """One acknowledgement covers all earlier ones on its channel; deliveries of a lost channel are redelivered."""
        try:
            receipts: list[Any] = [delivery.receipt for delivery in deliveries]
            last = {id(raw.channel): raw for raw in receipts}
            for raw in last.values():
                await raw.ack(multiple=True)
        except _LOST as error:
            log.info("acknowledgement_lost", error=str(error), consequence="redelivered, and recognised by the journal")
        self._held_bytes -= sum(len(delivery.body) for delivery in deliveries)
        self._sizes.extend(len(delivery.body) for delivery in deliveries)
        if self._given_back and self._held_bytes * 2 <= self._bytes_max:
            log.warning("bodies_given_back", queue=self._queue, bytes_max=self._bytes_max, prefetch=self._few)
            await self._consume_again(self._given_back[-1].channel, self._given_back[-1].consumer_tag, few=True)
        elif self._is_few and not self._given_back and deliveries and self._are_small():
            newest: Any = deliveries[-1].receipt
            with contextlib.suppress(*_LOST):
                await self._consume_again(newest.channel, newest.consumer_tag, few=False)

    def _are_small(self) -> bool:
        """Whether as many as `prefetch` of the newest bodies would fit."""
        sizes = self._sizes
        return len(sizes) == sizes.maxlen and sum(sizes) * self._prefetch <= len(sizes) * self._bytes_max

    async def _consume_again(self, channel: Any, consumer_tag: str, *, few: bool) -> None:
        """Give back what was dropped, and have `few` delivered ahead, or as many as usual: the broker limits a consumer
        as it began. A lost channel gives back all by itself, and its successor has as many as usual.
        """
        self._is_few = few
        self._sizes.clear()
        try:
            if self._closed or (consume := channel.consumers.get(consumer_tag)) is None:
                await self._give_back()
                return
            # The answer to the cancellation comes after all that was on its way.
            await channel.basic_cancel(consumer_tag)
            await asyncio.sleep(0)
            await self._give_back()
            await channel.basic_qos(prefetch_count=self._few if few else self._prefetch)
            await channel.basic_consume(self._queue, consume, consumer_tag=consumer_tag)
        except _LOST as error:
            log.info("channel_lost", queue=self._queue, error=str(error), consequence="consumes again on the next one")
        finally:
            await self._give_back()

    async def _give_back(self) -> None:
        given_back, self._given_back = self._given_back, []
        for unread in given_back:
            with contextlib.suppress(*_LOST):
                await unread.channel.basic_nack(unread.delivery_tag, requeue=True, wait=False)
        if len(self._returns) > _RETURNS_MAX:
            # Another process took them.
            self._returns.clear()


def _from_shop(raw: IncomingMessage, returned: int, *, is_cut: bool) -> Delivery:
    """What a shop may state: the body, its type and id, and its login, which the broker has checked. No header counts,
    and answers go to the shop's own queue.
    """
    login = raw.user_id or ""
    body, whole_bytes, whole_id = raw.body, 0, ""
    if is_cut:
        body, whole_bytes, whole_id = body[:EXCERPT_BYTES_MAX], len(body), body_id(body)
        # The receipt would keep it.
        raw.body = b""
    undecoded = amqp_properties.undecoded(raw.headers, raw.routing_key)
    # The receipt would keep them: a thousand bytes may become ten times as many.
    raw.headers = {}
    return Delivery(
        body=body,
        content_type=raw.content_type,
        routing_key=raw.routing_key or "",
        redelivered=bool(raw.redelivered),
        attempts=0,
        replays=0,
        returned=returned,
        received_at=datetime.now(UTC),
        receipt=raw,
        undecoded=undecoded,
        message_id=raw.message_id or None,
        sender=Sender(login.removeprefix(SHOP_LOGIN) if login.startswith(SHOP_LOGIN) else ""),
        whole_bytes=whole_bytes,
        whole_id=whole_id,
    )


def _name(header: object) -> str | None:
    """The header, if it can be the name of a queue or a routing key; otherwise None."""
    return header if isinstance(header, str) and 0 < len(header.encode()) <= _NAME_BYTES_MAX else None


def _count(header: object) -> int:
    return min(header, _COUNT_MAX) if isinstance(header, int) and header > 0 else 0
