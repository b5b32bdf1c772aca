"""Sending commands as a shop, with the shop's own login: to its exchange, and with answers from its own queue."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote, urlsplit

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException, PublishError

from contracts.operations.v1 import MessageAnswered
from contracts.wire.envelope import SHOPS_EXCHANGE, STRUCTURED, Message
from infra.adapters.rabbitmq import connect
from infra.ports.messaging import SHOP_LOGIN, BrokerUnavailable
from infra.shops.logins import shop_queue

_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError, RuntimeError)


def shop_of(url: str) -> str | None:
    """The shop whose login the address has; None for any other login."""
    login = unquote(urlsplit(url).username or "")
    return login.removeprefix(SHOP_LOGIN) if login.startswith(SHOP_LOGIN) else None


class ShopClient:
    """While it waits for answers, what else comes to the shop's queue is held, and goes back at the end."""

    def __init__(self, url: str, shop_id: str, *, publish_timeout_s: float = 5.0) -> None:
        self._url = url
        self._shop_id = shop_id
        self._publish_timeout_s = publish_timeout_s
        self._connection: AbstractRobustConnection | None = None
        self._channel: AbstractChannel | None = None
        self._reads = False
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}

    async def start(self) -> None:
        """Raises BrokerUnavailable."""
        self._connection = await connect(self._url)
        self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)

    async def stop(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def send(self, message: Message[Any], *, wait_s: float) -> dict[str, Any] | None:
        """Publish a command; its answer within `wait_s`, the data of `message.answered`, else None.

        That a message is deferred is no answer yet. Raises BrokerUnavailable.
        """
        if wait_s and not self._reads:
            self._reads = True
            await self._read()
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[message.id] = answer
        try:
            await self._publish(message)
            return await asyncio.wait_for(answer, wait_s) if wait_s else None
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(message.id, None)

    async def _publish(self, message: Message[Any]) -> None:
        body = aio_pika.Message(
            message.to_bytes(),
            content_type=STRUCTURED,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            user_id=f"{SHOP_LOGIN}{self._shop_id}",
        )
        assert self._channel is not None, "start() comes first"
        try:
            async with asyncio.timeout(self._publish_timeout_s):
                exchange = await self._channel.get_exchange(SHOPS_EXCHANGE, ensure=False)
                await exchange.publish(body, message.type, mandatory=True)
        except PublishError as error:
            raise BrokerUnavailable(f"{message.type} is no command of shops") from error
        except _LOST as error:
            raise BrokerUnavailable(f"it did not take the command: {error or error.__class__.__name__}") from error

    async def _read(self) -> None:
        assert self._channel is not None, "start() comes first"
        try:
            queue = await self._channel.get_queue(shop_queue(self._shop_id).name, ensure=False)
            await queue.consume(self._take)
        except _LOST as error:
            raise BrokerUnavailable(f"the shop's queue cannot be read: {error or error.__class__.__name__}") from error

    async def _take(self, received: AbstractIncomingMessage) -> None:
        event, *others = json.loads(received.body)
        if others or event["type"] != MessageAnswered.message_type:
            return
        waiting = self._waiting.get(event["data"]["message_id"])
        if waiting is None:
            return
        await received.ack()
        if event["data"]["outcome"] != "deferred" and not waiting.done():
            waiting.set_result(event["data"])
