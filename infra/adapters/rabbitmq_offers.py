"""Publishing to a queue that is one sender's or one shop's: if it takes nothing, only its own messages wait.

Such a queue may be full, or have no leader while its node is away. It costs a batch the wait once. From then on its
messages are kept here, within a limit, and one at a time is offered to it until it takes them again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractExchange
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException, DeliveryError

from infra.ports.messaging import Outgoing

log = structlog.get_logger()

_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError)
_WITHIN_S = 2.0
_AGAIN_AFTER_S = 1.0
_KEPT_BYTES_MAX = 256 * 1024
"""For each queue; beyond it the oldest are dropped, as in the queue of a shop that does not read."""

_Target = tuple[str, str]


class PublishChannel:
    """A channel that publishes persistently and with confirms, and its exchanges."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self._exchanges: dict[str, AbstractExchange] = {}

    async def close(self) -> None:
        await self._channel.close()

    async def publish(self, message: Outgoing) -> None:
        exchange = self._exchanges.get(message.exchange)
        if exchange is None:
            if message.exchange:
                exchange = await self._channel.get_exchange(message.exchange, ensure=False)
            else:
                exchange = self._channel.default_exchange
            self._exchanges[message.exchange] = exchange
        await exchange.publish(
            aio_pika.Message(
                message.body,
                content_type=message.content_type,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                headers=dict(message.headers),
            ),
            routing_key=message.routing_key,
            mandatory=message.mandatory,
        )


@dataclass(slots=True)
class _Kept:
    """The messages of a queue that takes none, and the task that offers them again."""

    messages: deque[Outgoing] = field(default_factory=deque)
    size_bytes: int = 0
    dropped: int = 0
    offering: asyncio.Task[None] | None = None

    def add(self, message: Outgoing) -> None:
        self.messages.append(message)
        self.size_bytes += len(message.body)
        while self.size_bytes > _KEPT_BYTES_MAX and len(self.messages) > 1:
            self.size_bytes -= len(self.messages.popleft().body)
            self.dropped += 1

    def taken(self, message: Outgoing) -> None:
        if self.messages and self.messages[0] is message:
            self.messages.popleft()
            self.size_bytes -= len(message.body)


class Offers:
    """The best-effort messages of a process, on a channel of their own.

    A channel that publishes to a queue without a leader waits for it at the broker, and reads nothing else meanwhile,
    not even that it is to be closed. So it is replaced as soon as a queue has taken nothing for two seconds, and closes
    in its own time; what it had for other queues is offered again.
    """

    def __init__(self, opened: Callable[[], Awaitable[PublishChannel]]) -> None:
        self._opened = opened
        self._opening = asyncio.Lock()
        self._channel: PublishChannel | None = None
        self._kept: dict[_Target, _Kept] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        offering = (kept.offering for kept in self._kept.values() if kept.offering is not None)
        for task in (*offering, *self._closing):
            task.cancel()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Return when each queue has taken its messages, or takes none. Raises what a lost connection raises."""
        waited = []
        for message in messages:
            if (kept := self._kept.get(_target(message))) is not None:
                kept.add(message)
            else:
                waited.append(message)
        if not waited:
            return
        async with self._opening:
            channel = self._channel = self._channel or await self._opened()
        taken = await asyncio.gather(*[_is_taken(channel, message) for message in waited])
        for message, is_taken in zip(waited, taken, strict=True):
            if not is_taken:
                self._keep(message)
        if not all(taken) and self._channel is channel:
            self._channel = None
            closing = asyncio.create_task(_close(channel))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    def _keep(self, message: Outgoing) -> None:
        target = _target(message)
        if target not in self._kept:
            log.warning("queue_takes_nothing", exchange=target[0], routing_key=target[1])
            self._kept[target] = _Kept()
            self._kept[target].offering = asyncio.create_task(self._offer_again(target))
        self._kept[target].add(message)

    async def _offer_again(self, target: _Target) -> None:
        kept = self._kept[target]
        while kept.messages:
            await asyncio.sleep(_AGAIN_AFTER_S)
            try:
                channel = await self._opened()
                try:
                    while kept.messages and await _is_taken(channel, message := kept.messages[0]):
                        kept.taken(message)
                finally:
                    await channel.close()
            except _LOST as error:
                log.info("queue_not_tried", routing_key=target[1], error=str(error) or error.__class__.__name__)
        del self._kept[target]
        log.info("queue_takes_messages_again", exchange=target[0], routing_key=target[1], dropped=kept.dropped)


async def _close(channel: PublishChannel) -> None:
    with suppress(*_LOST):
        await channel.close()


async def _is_taken(channel: PublishChannel, message: Outgoing) -> bool:
    try:
        async with asyncio.timeout(_WITHIN_S):
            await channel.publish(message)
    except (DeliveryError, TimeoutError, ValueError):
        return False
    return True


def _target(message: Outgoing) -> _Target:
    return message.exchange, message.routing_key
