"""Webhooks over HTTP: a shop defines its own, sees what was sent, and gets its secret once."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from contracts.network.v1 import RegisterShop
from infra.ports.store import JOURNALS
from tests.api.front import Front, unique
from tests.api.world import World, a_world
from tests.connected.running import until
from tests.receivers.serving import Misbehaving, misbehaving

TYPES = ["order.accepted.v1"]
PUBLIC = "https://198.41.0.4/orders"
"""A public address, so that no name is resolved."""


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


async def no_content(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
    await writer.drain()


def url_of(receiver: Misbehaving) -> str:
    return f"http://127.0.0.1:{receiver.port}/orders?key=canary"


async def defined(world: World, client: httpx.AsyncClient, url: str = PUBLIC, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/api/webhooks", json={"url": url, "types": TYPES, **fields})
    assert answer.status_code == 201, answer.text
    webhook: dict[str, Any] = answer.json()
    world.front.secrets_seen.append(webhook["secret"])
    assert answer.headers["location"] == f"/api/webhooks/{webhook['webhook_id']}"
    return webhook


async def test_the_events_of_its_orders_reach_a_shop_and_no_secret_is_stored(world: World) -> None:
    async with misbehaving(no_content) as receiver, world.as_shop(world.shop_id) as shop:
        webhook = await defined(world, shop, url_of(receiver))
        assert (webhook["shop_id"], webhook["host"], webhook["state"]) == (world.shop_id, "127.0.0.1", "enabled")
        address = f"/api/webhooks/{webhook['webhook_id']}"
        shown = await shop.get(address)
        assert shown.json() == {name: value for name, value in webhook.items() if name != "secret"}
        # Workers learn of it within five seconds.
        await asyncio.sleep(6)
        await world.placed(shop)

        async def is_delivered() -> bool:
            items = (await shop.get(f"{address}/attempts")).json()["items"]
            return [item["state"] for item in items] == ["delivered"]

        await until(is_delivered, what="the event is delivered")
    assert receiver.requests == 1
    stored = [
        *await world.front.site.documents("shop_webhooks.webhooks"),
        *await world.front.site.documents(f"{JOURNALS}shop_webhooks"),
        *await world.front.site.documents("api.audit", {"target": f"webhook/{webhook['webhook_id']}"}),
    ]
    assert len(stored) >= 3
    assert webhook["secret"] not in str(stored)
    assert "canary" not in str(stored)


async def test_a_shop_that_is_replaced_or_disabled_shows_and_ends_its_webhooks(world: World) -> None:
    shop_id = unique("shop")
    await world.front.send(RegisterShop(shop_id=shop_id, currency="CNY"))
    async with world.as_shop(shop_id) as shop:
        webhook = await defined(world, shop)
    replaced = await world.front.command("identity", "create-shop", shop_id, "--replace", "--json")
    world.front.secrets_seen.append(replaced.object["client_secret"])
    assert f"tributary webhooks remove {webhook['webhook_id']}" in replaced.err

    ended = await world.front.command("identity", "disable-shop", shop_id, "--yes", "--json")

    assert (ended.code, ended.object["webhooks_disabled"]) == (0, [webhook["webhook_id"]]), ended.err
    [stored] = await world.front.site.documents("shop_webhooks.webhooks", {"_id": webhook["webhook_id"]})
    assert (stored["state"], stored["code"]) == ("disabled", "by_operator")
    [noted] = await world.front.site.documents("api.audit", {"target": webhook["webhook_id"]})
    assert (noted["action"], noted["who"]["kind"]) == ("webhook.disabled", "operator")


async def test_a_secret_rotates_and_the_webhook_ends(world: World) -> None:
    async with world.as_shop(world.shop_id) as shop:
        webhook = await defined(world, shop)
        address = f"/api/webhooks/{webhook['webhook_id']}"
        rotated = await shop.post(f"{address}/rotate-secret")
        assert rotated.status_code == 200, rotated.text
        world.front.secrets_seen.append(rotated.json()["secret"])
        assert rotated.json()["secret"] != webhook["secret"]
        assert rotated.json()["previous_secret_until"] is not None
        same = await shop.post(f"{address}/enable")
        assert (same.status_code, same.json()["state"]) == (200, "enabled")
        unknown = await shop.post(f"{address}/redeliver", json={"delivery_id": "none"})
        assert (unknown.status_code, unknown.json()["reason"]) == (404, "delivery_unknown")
        removed = await shop.delete(address)
        assert (removed.status_code, removed.json()["state"]) == (200, "removed")
        assert (await shop.get(address)).status_code == 404
        listed = (await shop.get("/api/webhooks")).json()["items"]
        assert webhook["webhook_id"] not in [one["webhook_id"] for one in listed]


async def test_an_answer_that_comes_later_has_the_secret_too(world: World) -> None:
    async with world.as_shop(world.shop_id) as shop:
        body = {"url": PUBLIC, "types": TYPES}
        answer = await shop.post("/api/webhooks", json=body, headers={"Prefer": "respond-async"})

    assert answer.status_code == 202
    assert answer.json()["secret"].startswith("whsec_")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"url": "http://198.41.0.4/orders"}, 422, "address_refused"),
        ({"url": "https://10.0.0.8/orders"}, 422, "address_refused"),
        ({"url": "orders"}, 422, "address_refused"),
        ({"types": ["commission.accrued.v1"]}, 422, "not_shop_event"),
        ({"shop_id": "another"}, 404, "not_found"),
    ],
)
async def test_what_a_shop_may_not_define(world: World, body: dict[str, Any], status: int, reason: str) -> None:
    async with world.as_shop(world.shop_id) as shop:
        answer = await shop.post("/api/webhooks", json={"url": PUBLIC, "types": TYPES, **body})

    assert (answer.status_code, answer.json()["reason"]) == (status, reason), json.dumps(answer.json())


async def test_an_administrator_names_the_shop(world: World) -> None:
    async with world.as_admin() as admin:
        body = {"url": PUBLIC, "types": TYPES}
        assert (await admin.post("/api/webhooks", json=body)).json()["reason"] == "shop_required"
        unknown = await admin.post("/api/webhooks", json={**body, "shop_id": unique("none")})
        assert unknown.status_code == 404
        webhook = await defined(world, admin, shop_id=world.shop_id)
    async with world.as_shop(world.shop_id) as shop:
        assert (await shop.get(f"/api/webhooks/{webhook['webhook_id']}")).status_code == 200
