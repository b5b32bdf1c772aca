"""Shops over HTTP: registered by administrators, shown to administrators and to themselves."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.front import Front, unique
from tests.api.world import World, a_world


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


def a_shop(**fields: Any) -> dict[str, Any]:
    return {"shop_id": unique("shop"), "currency": "CNY", **fields}


async def test_a_shop_is_registered_and_sells(world: World) -> None:
    [known] = await world.front.site.documents("network.shops", {"_id": world.shop_id})
    body = a_shop(market=known["market"])
    url = f"/api/shops/{body['shop_id']}"
    async with world.as_admin() as admin:
        created = await admin.post("/api/shops", json=body)
        assert (created.status_code, created.headers["location"]) == (201, url), created.text
        defaults = {"payment_deadline_s": 1800, "history_from": None, "distributor_orders": None}
        limits = {"distributor_unpaid_orders_max": 20, "distributor_unpaid_units_max": 100}
        assert created.json() == {**body, **defaults, **limits}
        again = await admin.post("/api/shops", json=body)
        assert (again.status_code, again.json()) == (200, created.json())
        changed = await admin.post("/api/shops", json={**body, "payment_deadline_s": 600})
        assert (changed.status_code, changed.json()["payment_deadline_s"]) == (200, 600)
        history = await admin.post(
            "/api/shops", json={**body, "payment_deadline_s": 600, "history_from": "2024-01-01T00:00:00Z"}
        )
        assert (history.status_code, history.json()["history_from"]) == (200, "2024-01-01T00:00:00Z")
        changed = await admin.post("/api/shops", json={**body, "payment_deadline_s": 600})
        assert changed.json()["history_from"] is None
        other = await admin.post("/api/shops", json={**body, "currency": "JPY"}, headers={"Accept-Language": "zh-CN"})
        assert (other.status_code, other.json()["reason"]) == (409, "conflict")
        assert body["shop_id"] in other.json()["detail"]
        # Whose market pays better would be one person's choice of what all its orders pay.
        moved = await admin.post("/api/shops", json={**body, "market": "default"})
        assert (moved.status_code, moved.json()["reason"]) == (409, "conflict"), moved.text
        assert f"is in market {body['market']}" in moved.json()["detail"]
        shown = await admin.get(url)
        assert shown.json() == changed.json()
        same = await admin.get(url, headers={"If-None-Match": shown.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")
    async with world.as_shop(body["shop_id"]) as shop:
        order = world.order()
        del order["shop_id"]
        placed = await shop.post("/api/orders", json=order)
        assert (placed.status_code, placed.json()["shop_id"]) == (201, body["shop_id"]), placed.text

    entries = await world.front.site.documents("api.audit", {"target": f"shop/{body['shop_id']}"})
    assert [(one["action"], one["after"]["outcome"]) for one in entries] == [("shop.register.v1", "registered")] * 4
    assert entries[0]["before"] is None
    assert (entries[1]["before"]["payment_deadline_s"], entries[1]["after"]["payment_deadline_s"]) == (1800, 600)


async def test_a_shop_sees_itself_and_may_not_register(world: World) -> None:
    async with world.as_shop() as shop, world.as_distributor(world.seller) as seller:
        mine = await shop.get("/api/shops")
        assert [one["shop_id"] for one in mine.json()["items"]] == [world.shop_id]
        assert (await shop.get(f"/api/shops/{world.shop_id}")).json() == mine.json()["items"][0]
        assert (await shop.get("/api/shops/another")).status_code == 404
        for client in (shop, seller):
            answer = await client.post("/api/shops", json=a_shop())
            assert (answer.status_code, answer.json()["needs"]) == (403, ["shops:write"])
        assert (await seller.get("/api/shops")).status_code == 403


async def test_the_same_key_is_the_same_registration(world: World) -> None:
    body, key = a_shop(), {"Idempotency-Key": unique("key")}
    async with world.as_admin() as admin:
        first = await admin.post("/api/shops", json=body, headers={**key, "Prefer": "respond-async"})
        assert first.status_code == 202, first.text
        again = await admin.post("/api/shops", json=body, headers=key)
        assert again.json()["shop_id"] == body["shop_id"], again.text
        stolen = await admin.post("/api/shops", json=a_shop(), headers=key)
        assert (stolen.status_code, stolen.json()["reason"]) == (422, "idempotency_key_reused")
    entries = await world.front.site.documents("api.audit", {"target": f"shop/{body['shop_id']}"})
    assert len(entries) == 1


async def test_shops_are_listed_page_by_page_in_order(world: World) -> None:
    async with world.as_admin() as admin:
        for _ in range(3):
            assert (await admin.post("/api/shops", json=a_shop())).status_code == 201
        seen: list[str] = []
        url: str | None = "/api/shops?limit=2"
        while url is not None:
            page = (await admin.get(url)).json()
            seen += [one["shop_id"] for one in page["items"]]
            url = page["next"]
    assert seen == sorted(seen)
    assert seen == [shop["_id"] for shop in await world.front.site.documents("network.shops")]


@pytest.mark.parametrize(
    "change",
    [
        {"shop_id": "a/b"},
        {"shop_id": ""},
        {"currency": "yuan"},
        {"currency": None},
        {"payment_deadline_s": 59},
        {"distributor_orders": "yes"},
        {"distributor_unpaid_orders_max": 0},
        {"distributor_unpaid_units_max": -1},
        {"market": "No Market!"},
        {"colour": "red"},
    ],
)
async def test_invalid_shops_are_refused(world: World, change: dict[str, Any]) -> None:
    async with world.as_admin() as admin:
        answer: httpx.Response = await admin.post("/api/shops", json={**a_shop(), **change})
    assert answer.status_code == 422, answer.text
    [error] = answer.json()["errors"]
    assert error["pointer"] == f"/body/{next(iter(change))}"
