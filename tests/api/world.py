"""A small network for the tests of the API: a shop, a chain of three, a product in stock, rules in force."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import aio_pika
import httpx

from contracts.catalog.v1 import DefineProduct
from contracts.corridors.v1 import DefineCorridor
from contracts.exchange_rates.digests import table_digest
from contracts.exchange_rates.v1 import ApproveRates, CurrencyRate, PublishRates
from contracts.money import to_minor
from contracts.network.v1 import RegisterDistributor, RegisterShop
from contracts.settlement.digests import adjustment_digest
from contracts.settlement.v1 import ApproveAdjustment, ClosePeriod, ProposeAdjustment
from contracts.stock.v1 import ReceiveStock
from contracts.wire.envelope import EVENTS_EXCHANGE, Payload
from infra.ports.time import RealTime
from tests.api.front import Front, bearer, unique
from tests.builders import JOINED, a_rule_document, message, put_in_force, tick
from tests.connected.running import until


@dataclass(frozen=True)
class World:
    """The seller stands below the middle, who stands below the top. Rules pay 10 %, 5 % and 3 %."""

    front: Front
    shop_id: str
    top: int
    middle: int
    seller: int
    product_id: int
    rule_version: int
    market: str

    def order(self, **fields: Any) -> dict[str, Any]:
        """The simple form of an order: two pieces for 100.00."""
        defaults = {"shop_id": self.shop_id, "distributor_id": self.seller, "product_id": self.product_id}
        return {**defaults, "quantity": 2, "total_price": "100.00", **fields}

    @asynccontextmanager
    async def as_distributor(self, distributor_id: int) -> AsyncIterator[httpx.AsyncClient]:
        async with self.front.client() as client:
            _, tokens = await self.front.log_in_as(client, distributor_id)
            client.headers.update(bearer(tokens["access_token"]))
            yield client

    @asynccontextmanager
    async def as_admin(self) -> AsyncIterator[httpx.AsyncClient]:
        async with self.front.client() as client:
            client.headers.update(bearer(await self.front.admin(client)))
            yield client

    @asynccontextmanager
    async def as_shop(self, shop_id: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        async with self.front.client() as client:
            name, secret = await self.front.operations.create_shop(shop_id or self.shop_id)
            self.front.secrets_seen.append(secret)
            answer = await client.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(name, secret))
            client.headers.update(bearer(self.front.remember(answer.json())["access_token"]))
            yield client

    async def placed(self, client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
        answer = await client.post("/api/orders", json=self.order(**fields))
        assert answer.status_code == 201, answer.text
        order: dict[str, Any] = answer.json()
        return order

    async def reserved(self, order_id: str) -> None:
        async def is_reserved() -> bool:
            return bool(
                await self.front.site.documents(
                    "order_intake.orders", {"_id": f"{self.shop_id}/{order_id}", "reserved": True}
                )
            )

        await until(is_reserved, what="the order's stock is reserved")

    async def booked(self, order_id: str) -> None:
        """Wait until the order's commission is booked."""
        key = {"_id": f"{self.shop_id}/{order_id}"}

        async def is_booked() -> bool:
            return bool(await self.front.site.documents("commission_calculation.commissions", key))

        await until(is_booked, what="the order's commission is booked")

    async def paid(self, client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
        """An order that is placed, reserved, paid, and its commission booked."""
        order = await self.placed(client, **fields)
        await self.reserved(order["order_id"])
        url = f"/api/orders/{self.shop_id}/{order['order_id']}"
        answer = await client.patch(url, json={"status": "paid"})
        assert answer.status_code == 200, answer.text
        await self.booked(order["order_id"])
        paid: dict[str, Any] = answer.json()
        return paid


def a_snowflake() -> int:
    """The first of some ids beyond 2^53 that a browser would round."""
    return 1_180_000_000_000_000_001 + secrets.randbelow(10**12) * 1_000


async def a_world(front: Front, stock: int = 1000, base: int | None = None) -> World:
    """A new world; its distributors and its product are numbered from `base`."""
    base = base or secrets.randbelow(2**40) + 1000
    shop_id, market = unique("shop"), f"m{secrets.token_hex(8)}"
    world = World(front, shop_id, base, base + 1, base + 2, base + 3, secrets.randbelow(2**30) + 1, market)
    rules = a_rule_document(market=market)
    shop = RegisterShop(shop_id=shop_id, currency="CNY", market=market, history_from=JOINED, distributor_orders=True)
    await front.send(shop)
    await _known(front, "network.shops", shop_id)
    for distributor_id, sponsor_id in ((world.top, None), (world.middle, world.top), (world.seller, world.middle)):
        await front.send(RegisterDistributor(distributor_id=distributor_id, sponsor_id=sponsor_id))
        await _known(front, "network.distributors", distributor_id)
    await front.send(DefineProduct(product_id=world.product_id, name="Green tea", category_id=7))
    await _known(front, "catalog.products", world.product_id)
    await front.send(ReceiveStock(receipt_id=unique("receipt"), product_id=world.product_id, quantity=stock))
    stages: dict[int, tuple[str, dict[str, Any]]] = {
        0: ("rule_book.markets", {"_id": market}),
        1: ("rule_book.rules", {"_id": world.rule_version}),
        2: ("rule_book.rules", {"_id": world.rule_version, "stage": "approved"}),
        3: ("rule_book.rules", {"_id": world.rule_version, "stage": "active"}),
    }
    for number, command in enumerate(put_in_force(rules, world.rule_version)):
        await _sent(front, command, *stages[number])
    return world


async def a_statement(front: Front, distributor_id: int, market: str = "default", amount: str = "150.00") -> str:
    """The id of a statement that pays the distributor this amount: an adjustment of two persons, closed at once."""
    adjustment_id, minor = unique("adjustment"), to_minor(Decimal(amount), "CNY")
    named = {"adjustment_id": adjustment_id, "market": market, "distributor_id": distributor_id, "currency": "CNY"}
    digest = adjustment_digest("adjustment", market, distributor_id, "CNY", minor, "goodwill", "For a test.")
    reason = {"reason": "goodwill", "note": "For a test.", "proposed_by": "ann"}
    where: dict[str, Any] = {"_id": adjustment_id}
    await _sent(front, ProposeAdjustment(**named, **reason, amount=Decimal(amount)), "settlement.adjustments", where)
    approval = ApproveAdjustment(adjustment_id=adjustment_id, digest=digest, approved_by="wei")
    await _sent(front, approval, "settlement.adjustments", {**where, "statement": {"$exists": True}})
    [booked] = await front.site.documents("settlement.adjustments", where)
    statement: str = booked["statement"]
    period = statement.split("/")[1]
    close = ClosePeriod(market=market, period=period, distributor_id=distributor_id, by="ann")
    await _sent(front, close, "settlement.statements", {"_id": statement})
    return statement


def a_source() -> str:
    """A source of exchange rates without tables."""
    return f"bank_{secrets.token_hex(8)}"


async def approved_rates(front: Front, table_id: str, as_of: datetime, **rates: str) -> PublishRates:
    """A table of a new source, in euros, that a second person approved."""
    stated = tuple(CurrencyRate(currency=currency, rate=rate) for currency, rate in rates.items())
    table = PublishRates(table_id=table_id, source=a_source(), base="EUR", as_of=as_of, rates=stated, proposed_by="ann")
    await _sent(front, table, "exchange_rates.tables", {"_id": table_id})
    digest = table_digest(table.source, table.base, as_of, rates, 0, confirm_jump=False)
    approval = ApproveRates(table_id=table_id, digest=digest, approved_by="wei")
    await _sent(front, approval, "exchange_rates.tables", {"_id": table_id, "state": "approved"})
    return table


async def a_corridor(front: Front, corridor_id: str) -> DefineCorridor:
    """A corridor that is proposed: an open one would hold up other payouts of its rail."""
    route = {"rail": "paypal", "from_country": "DE", "to_country": "US"}
    corridor = DefineCorridor(corridor_id=corridor_id, **route, currencies=("USD",), proposed_by="ann")
    await _sent(front, corridor, "payouts.corridors", {"_id": corridor_id})
    return corridor


async def a_notice(front: Front, admin: httpx.AsyncClient) -> dict[str, Any]:
    """What a new route has to report: an open alert of a product."""
    route_id, product_id = unique("route"), secrets.randbelow(2**40) + 1
    route = {"channel": {"kind": "email", "to": ["warehouse@example.com"]}, "group_wait_s": 0, "kinds": ["stock_low"]}
    defined = await admin.put(f"/api/notification-routes/{route_id}", json=route)
    assert defined.status_code == 200, defined.text
    await front.send(ReceiveStock(receipt_id=unique("receipt"), product_id=product_id, quantity=1, low_at=5))

    async def noticed() -> Any:
        asked = {"route": route_id, "alert": f"stock/{product_id}"}
        found = (await admin.get("/api/notifications", params=asked)).json()["items"]
        return found[0] if found else None

    notice: dict[str, Any] = await until(noticed, what="the route has the alert", every_s=0.2)
    return notice


async def a_webhook(world: World, admin: httpx.AsyncClient) -> str:
    """A webhook of the shop, to an address where nothing listens."""
    body = {"url": "https://127.0.0.1/orders", "types": ["order.accepted.v1"], "shop_id": world.shop_id}
    defined = await admin.post("/api/webhooks", json=body)
    assert defined.status_code == 201, defined.text
    world.front.secrets_seen.append(defined.json()["secret"])
    webhook_id: str = defined.json()["webhook_id"]
    return webhook_id


async def _sent(front: Front, command: Payload, collection: str, where: dict[str, Any]) -> None:
    await front.send(command)

    async def there() -> bool:
        return bool(await front.site.documents(collection, where))

    await until(there, what=f"{command.message_type} is handled")


async def _known(front: Front, collection: str, key: Any) -> None:
    async def there() -> bool:
        return bool(await front.site.documents(collection, {"_id": key}))

    await until(there, what=f"{key} is in {collection}")


async def paid_by(world: World, distributor_id: int, rail: str = "manual", currency: str = "CNY") -> None:
    """Let the distributor set how they are paid, and wait until `payouts` knows it. No two have the same account."""
    account = f"{distributor_id:024d}" if rail == "manual" else f"payee-{distributor_id}@example.com"
    body = {"rail": rail, "currency": currency, "country": "CN", "holder": "Zhao Liu", "account": account}
    world.front.secrets_seen.append(account)
    async with world.as_distributor(distributor_id) as payee:
        answer = await payee.put(f"/api/distributors/{distributor_id}/payout-method", json=body)
        assert answer.status_code == 200, answer.text
    await _known(world.front, "payouts.payees", distributor_id)


async def a_payout(world: World, distributor_id: int, market: str | None = None) -> str:
    """The id of a payout of 150.00 that waits for a batch: of a statement that is closed at once."""
    key = await a_statement(world.front, distributor_id, market or world.market)
    await _known(world.front, "payouts.payouts", key)
    return key


async def a_batch(world: World, admin: httpx.AsyncClient, distributor_id: int) -> dict[str, Any]:
    """A proposed batch of one payout of the distributor, by PayPal."""
    await paid_by(world, distributor_id, "paypal")
    payout_id = await a_payout(world, distributor_id)
    body = {"batch_id": unique("batch"), "market": world.market, "statement_ids": [payout_id]}
    answer = await admin.post("/api/payout-batches", json=body)
    assert answer.status_code == 201, answer.text
    batch: dict[str, Any] = answer.json()
    return batch


async def ticked(front: Front) -> None:
    """What the clock does once a minute."""
    event = tick(RealTime().now())
    async with front.site.channel() as channel:
        exchange = await channel.get_exchange(EVENTS_EXCHANGE, ensure=False)
        await exchange.publish(aio_pika.Message(message(event).to_bytes()), event.message_type)
