"""A shop as a client: publishes over AMQP with confirms, as a client in any language would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractRobustConnection

from contracts.wire.envelope import BATCH, COMMANDS_EXCHANGE, SHOPS_EXCHANGE, Message, Payload, derived_id, message_of
from infra.adapters import rabbitmq as broker
from infra.demo.traffic import Publication
from infra.shops.logins import shop_login

_IN_FLIGHT_MAX = 500
"""Unconfirmed messages at a time."""

_COMMANDS_PER_MESSAGE = 200


class Shop:
    """With `shop_id` it is that shop, by its own login, and otherwise a program of the house."""

    def __init__(self, url: str, shop_id: str | None = None) -> None:
        self._url = url
        self._user_id = shop_login(shop_id).name if shop_id else None
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractChannel | None = None
        self._exchange: AbstractExchange | None = None

    async def __aenter__(self) -> Shop:
        self._connection = await broker.connect(self._url)
        self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
        self._exchange = await self._channel.get_exchange(
            SHOPS_EXCHANGE if self._user_id else COMMANDS_EXCHANGE, ensure=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def publish(self, publications: Sequence[Publication], on_progress: Callable[[int], None]) -> None:
        """Publish in list order, many in flight; return when the broker has confirmed all."""
        await self._publish_all(
            [(p.routing_key, p.body, p.content_type) for p in publications],
            on_progress,
        )

    async def send(self, messages: Sequence[tuple[str, bytes, str | None]]) -> None:
        """Publish (routing key, body, content type) as `publish` does, without reporting progress."""
        await self._publish_all(messages, on_progress=lambda _: None)

    async def command(self, payloads: Iterable[Payload], on_progress: Callable[[int], None]) -> int:
        """Publish commands in CloudEvents batches of one type each, in order; return how many there were."""
        count = 0
        now = datetime.now(UTC)
        for message_type, group in _runs(payloads):
            rest = iter(group)
            while chunk := list(islice(rest, _COMMANDS_PER_MESSAGE)):
                body = b"[" + b",".join(envelope_of(payload, now).to_bytes() for payload in chunk) + b"]"
                await self._publish_all([(message_type, body, BATCH)], on_progress=lambda _: None)
                count += len(chunk)
                on_progress(len(chunk))
        return count

    async def _publish_all(
        self, messages: Sequence[tuple[str, bytes, str | None]], on_progress: Callable[[int], None]
    ) -> None:
        for start in range(0, len(messages), _IN_FLIGHT_MAX):
            chunk = messages[start : start + _IN_FLIGHT_MAX]
            await asyncio.gather(*[self._publish_one(*message) for message in chunk])
            on_progress(len(chunk))

    async def _publish_one(self, routing_key: str, body: bytes, content_type: str | None) -> None:
        assert self._exchange is not None, "use it as `async with Shop(url)`"
        message = aio_pika.Message(
            body,
            content_type=content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            user_id=self._user_id,
        )
        await self._exchange.publish(message, routing_key=routing_key, mandatory=True)


def _runs(payloads: Iterable[Payload]) -> Iterable[tuple[str, list[Payload]]]:
    """Group consecutive payloads of the same type, in order."""
    run: list[Payload] = []
    for payload in payloads:
        if run and run[-1].message_type != payload.message_type:
            yield run[0].message_type, run
            run = []
        run.append(payload)
    if run:
        yield run[0].message_type, run


def envelope_of(payload: Payload, now: datetime) -> Message[Payload]:
    """The command as a CloudEvents event; equal commands have equal ids."""
    return message_of(payload.__class__)(
        id=derived_id("demo", payload.model_dump_json()),
        source="urn:tributary:demo",
        type=payload.message_type,
        time=now,
        data=payload,
    )
