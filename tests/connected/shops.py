"""Programs of shops on the real broker, each with the login that `tributary identity create-shop` makes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel

from contracts.wire.envelope import BATCH, SHOPS_EXCHANGE
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.operators.shop_logins import ShopLogins, shop_address
from infra.ports.time import RealTime
from infra.shops.logins import shop_login, shop_queue
from infra.shops.readers import READERS
from tests.builders import TEA
from tests.connected.running import Site, until

PLACE = "order.place.v1"
SECRET = "a-secret-of-this-test-only"
MINE, THEIRS = "store-a", "store-a.b"
"""One id begins like the other, and a dot separates words of routing keys."""

SELLER = 3


@dataclass
class Shop:
    """A program of a shop, with the shop's login and nothing else."""

    shop_id: str
    channel: AbstractChannel

    async def send(self, message_type: str, body: object, *, login: str | None = "", **properties: Any) -> None:
        """Publish with confirm; `login` is the user id that is claimed, by default the shop's own."""
        exchange = await self.channel.get_exchange(SHOPS_EXCHANGE, ensure=False)
        user_id = shop_login(self.shop_id).name if login == "" else login
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        await exchange.publish(aio_pika.Message(raw, user_id=user_id, **properties), message_type)

    async def received(self, message_type: str, wanted: int = 1) -> list[dict[str, Any]]:
        """What came of this type to the shop's queue, once they are that many; others are dropped."""
        queue = await self.channel.get_queue(shop_queue(self.shop_id).name, ensure=False)
        found: list[dict[str, Any]] = []

        async def enough() -> bool:
            while (message := await queue.get(no_ack=True, fail=False)) is not None:
                events = json.loads(message.body)
                found.extend(events if message.content_type == BATCH else [events])
            return len([event for event in found if event["type"] == message_type]) >= wanted

        await until(enough, what=f"{wanted} of {message_type} for {self.shop_id}", within_s=20)
        return [event["data"] for event in found if event["type"] == message_type]

    async def answers(self, wanted: int = 1) -> list[dict[str, Any]]:
        return await self.received("message.answered.v1", wanted)

    async def arrivals(self, about: str) -> list[str]:
        """What comes to the shop's queue within half a second and contains this text; others are dropped."""
        await asyncio.sleep(0.5)
        queue = await self.channel.get_queue(shop_queue(self.shop_id).name, ensure=False)
        found = []
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            found.append(message.body.decode())
        return [body for body in found if about in body]


@asynccontextmanager
async def logins_at(site: Site, *shop_ids: str) -> AsyncIterator[ShopLogins]:
    """These shops have logins and queues until the end."""
    assert site.settings.rabbitmq_management_url is not None
    await site.store.prepare([READERS])
    logins = ShopLogins(BrokerAdmin(site.settings.rabbitmq_management_url), site.store, RealTime())
    for shop_id in shop_ids:
        await logins.save(shop_id, SECRET)
    try:
        yield logins
    finally:
        for shop_id in shop_ids:
            await logins.end(shop_id)
            async with site.channel() as channel:
                await channel.queue_delete(shop_queue(shop_id).name)


@asynccontextmanager
async def connected(site: Site, shop_id: str) -> AsyncIterator[Shop]:
    url = shop_address(site.settings.rabbitmq_url, shop_id, SECRET)
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        yield Shop(shop_id, await connection.channel(publisher_confirms=True, on_return_raises=True))


def an_order(
    shop_id: str = MINE, order_id: str = "1001", price: str = "98.00", product_id: int = TEA
) -> dict[str, Any]:
    return {
        "shop_id": shop_id,
        "order_id": order_id,
        "distributor_id": SELLER,
        "product_id": product_id,
        "quantity": 1,
        "total_price": price,
    }


def enveloped(
    data: dict[str, Any], message_id: str = "m-1", source: str = f"urn:shop:{MINE}", kind: str = PLACE
) -> bytes:
    head = {
        "specversion": "1.0",
        "id": message_id,
        "source": source,
        "type": kind,
        "time": RealTime().now().isoformat(),
    }
    return json.dumps({**head, "data": data}).encode()
