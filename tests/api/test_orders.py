"""Orders over HTTP: placed once, updated, found within reach, refunded."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from api.http.paging import PAGE_BYTES_MAX
from tests.api.front import Front, serving, unique
from tests.api.world import World, a_world
from tests.connected.running import Site, until


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


async def test_the_life_of_an_order(world: World) -> None:
    async with world.as_shop() as shop, world.as_distributor(world.seller) as seller:
        body = world.order(order_id="life-1")
        del body["shop_id"]
        placed = await shop.post("/api/orders", json=body)
        assert placed.status_code == 201, placed.text
        assert placed.headers["location"] == f"/api/orders/{world.shop_id}/life-1"
        assert (placed.json()["status"], placed.json()["total"]) == ("pending", "100.00")
        again = await shop.post("/api/orders", json=body)
        assert (again.status_code, again.json()["order_id"]) == (200, "life-1")
        other = await shop.post("/api/orders", json={**body, "quantity": 3})
        assert (other.status_code, other.json()["reason"]) == (409, "conflict")
        await world.reserved("life-1")
        early = await shop.patch("/api/orders/life-1", json={"status": "shipped"})
        assert (early.status_code, early.json()["reason"]) == (409, "not_paid")
        for status in ("paid", "shipped", "completed"):
            answer = await shop.put("/api/orders/life-1/status", json={"status": status})
            assert (answer.status_code, answer.json()["status"]) == (200, status), answer.text
        shown = await seller.get(placed.headers["location"])
        assert shown.json()["status"] == "completed"
        outcomes = [(step["worker"], step["outcome"]) for step in shown.json()["timeline"]]
        assert ("order_intake", "accepted") in outcomes
        assert ("order_intake", "completed") in outcomes
        assert [up["distributor_id"] for up in shown.json()["upline"]] == [world.seller]
        plain = (await seller.get(placed.headers["location"], params={"timeline": False})).json()
        assert plain["timeline"] is None

        entries = await world.front.site.documents("api.audit", {"target": f"order/{world.shop_id}/life-1"})
        assert [entry["action"] for entry in entries] == ["order.place.v1", *["order.update-status.v1"] * 3]
        assert entries[0]["correlation"] == placed.headers["x-request-id"]
        assert entries[1]["before"]["status"] == "pending"
        assert entries[1]["after"]["outcome"] == "paid"


async def test_an_order_with_all_fields_is_placed(world: World) -> None:
    line = {"product_id": world.product_id, "quantity": 1, "amount": "50.00", "discount": "5.00"}
    body = {
        "shop_id": world.shop_id,
        "distributor_id": world.seller,
        "lines": [line, line],
        "shipping": 8,
        "tax": "1.00",
        "total": "99.00",
        "prepaid": True,
        "placed_at": "2026-11-20T12:00:00+08:00",
    }
    async with world.as_admin() as admin, world.as_distributor(world.seller) as seller:
        answer = await admin.post("/api/orders", json=body)
        assert answer.status_code == 201, answer.text
        order = answer.json()
        assert (order["total"], order["placed_at"], len(order["lines"])) == ("99.00", "2026-11-20T04:00:00Z", 2)
        wrong = await admin.post("/api/orders", json={**body, "total": "98.00"})
        assert (wrong.status_code, wrong.json()["reason"]) == (422, "total_mismatch")
        # A distributor, who earns from it, may not mark it as paid.
        answer = await seller.post("/api/orders", json=body)
        assert (answer.status_code, answer.json()["reason"]) == (403, "insufficient_scope")


async def test_the_same_idempotency_key_is_the_same_order(world: World) -> None:
    async with world.as_distributor(world.seller) as seller, world.as_admin() as admin:
        key = {"Idempotency-Key": unique("key")}
        first, second = await asyncio.gather(
            *(seller.post("/api/orders", json=world.order(), headers=key) for _ in range(2))
        )
        assert (first.status_code, second.status_code) == (201, 201), first.text + second.text
        # Their statuses may differ already.
        assert first.json()["order_id"] == second.json()["order_id"]
        order = f"order/{world.shop_id}/{first.json()['order_id']}"
        third = await seller.post("/api/orders", json=world.order(), headers=key)
        assert (third.status_code, third.json()["order_id"]) == (201, first.json()["order_id"])
        assert len(await world.front.site.documents("api.audit", {"target": order})) <= 2
        other = await seller.post("/api/orders", json=world.order(quantity=1), headers=key)
        assert (other.status_code, other.json()["reason"]) == (422, "idempotency_key_reused")
        # The same key of another principal is another key.
        theirs = await admin.post("/api/orders", json=world.order(), headers=key)
        assert theirs.status_code == 201
        assert theirs.json()["order_id"] != first.json()["order_id"]


async def test_the_outcome_of_an_async_request_is_found_at_its_location(world: World) -> None:
    async with world.as_shop() as shop, world.as_admin() as admin:
        answer = await shop.post("/api/orders", json=world.order(), headers={"Prefer": "respond-async"})
        assert answer.status_code == 202, answer.text
        assert answer.headers["preference-applied"] == "respond-async"
        url = answer.headers["location"]

        async def done() -> Any:
            message = (await shop.get(url)).json()
            return message if message["state"] == "done" else None

        message = await until(done, what="the message is handled")
        assert (message["type"], message["outcome"]) == ("order.place.v1", "accepted")
        assert (await shop.get(message["location"])).status_code == 200
        assert (await admin.get(url)).status_code == 404
        waited = await shop.post("/api/orders", json=world.order(), headers={"Prefer": "wait=5"})
        assert (waited.status_code, waited.headers["preference-applied"]) == (201, "wait=5")
        body = {**world.order(order_id="async-refused"), "total_price": "1.001"}
        refused = await shop.post("/api/orders", json=body, headers={"Prefer": "respond-async"})

        async def was_refused() -> Any:
            message = (await shop.get(refused.headers["location"], headers={"Accept-Language": "zh"})).json()
            return message if message["state"] == "refused" else None

        message = await until(was_refused, what="the message is refused")
        assert (message["reason"], message["location"]) == ("amount_precision", None)
        assert "精度" in message["title"]


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"product_id": 2**62}, 422, "product_unknown"),
        ({"distributor_id": 2**62}, 422, "distributor_unknown"),
        ({"shop_id": "nowhere"}, 422, "shop_unknown"),
        ({"shop_id": None}, 422, "shop_required"),
        ({"total_price": "1.001"}, 422, "amount_precision"),
        ({"quantity": 0}, 422, "invalid_request"),
        ({"quantity": True}, 422, "invalid_request"),
        ({"total_price": "NaN"}, 422, "invalid_request"),
        ({"order_id": "a/b"}, 422, "invalid_request"),
        ({"order_id": "\ud800"}, 422, "invalid_request"),
        ({"prepaid": True}, 422, "invalid_request"),
        ({"lines": []}, 422, "invalid_request"),
    ],
)
async def test_invalid_orders_are_refused(world: World, change: dict[str, Any], status: int, reason: str) -> None:
    async with world.as_admin() as admin:
        headers = {"Content-Type": "application/json"}
        answer = await admin.post("/api/orders", content=json.dumps(world.order(**change)), headers=headers)
        assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


async def test_a_principal_finds_only_orders_within_reach(world: World) -> None:
    async with (
        world.as_admin() as admin,
        world.as_distributor(world.top) as top,
        world.as_distributor(world.middle) as middle,
        world.as_distributor(world.seller) as seller,
        world.as_distributor(await world.front.distributor()) as stranger,
        world.as_shop() as shop,
        world.as_shop(unique("shop")) as other_shop,
    ):
        own = await world.placed(admin)
        of_middle = await world.placed(middle, distributor_id=world.middle)
        key = f"/api/orders/{world.shop_id}/{own['order_id']}"
        seeing = (admin, top, middle, seller, shop)
        assert [(await client.get(key)).status_code for client in seeing] == [200] * 5
        assert [(await client.get(f"/api/orders/{own['order_id']}")).status_code for client in seeing] == [200] * 5
        for client in (stranger, other_shop):
            for answer in (
                await client.get(key),
                await client.get(f"/api/orders/{own['order_id']}"),
                await client.get(f"/api/orders/{world.shop_id}/none"),
            ):
                assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
        above = f"/api/orders/{world.shop_id}/{of_middle['order_id']}"
        assert (await seller.get(above)).status_code == 404
        assert (await other_shop.patch(key, json={"status": "paid"})).status_code == 404
        assert (await other_shop.put(f"{key}/after-sale", json={"open": True})).status_code == 404
        line = {"product_id": world.product_id, "quantity": 1}
        assert (await other_shop.post(f"{key}/refunds", json={"lines": [line]})).status_code == 404
        assert (await seller.patch(key, json={"status": "completed"})).status_code == 403
        # A distributor may not sell for their upline, or for strangers.
        answer = await seller.post("/api/orders", json=world.order(distributor_id=world.middle))
        assert (answer.status_code, answer.json()["reason"]) == (422, "distributor_unknown")
        listed = {client: await ids_of(client) for client in (seller, middle, stranger, other_shop)}
        assert own["order_id"] in listed[seller]
        assert of_middle["order_id"] not in listed[seller]
        assert {own["order_id"], of_middle["order_id"]} <= set(listed[middle])
        assert listed[stranger] == listed[other_shop] == []
        upline = (await middle.get(key)).json()["upline"]
        assert [up["distributor_id"] for up in upline] == [world.seller, world.middle]


async def ids_of(client: httpx.AsyncClient, **filters: Any) -> list[str]:
    """The order ids of all pages, three on a page."""
    seen: list[str] = []
    url: str | None = "/api/orders"
    params: dict[str, Any] | None = {"limit": 3, **filters}
    while url is not None:
        answer = await client.get(url, params=params)
        assert answer.status_code == 200, answer.text
        seen += [order["order_id"] for order in answer.json()["items"]]
        url, params = answer.json()["next"], None
    return seen


async def test_lists_are_filtered_and_paged(front: Front) -> None:
    world = await a_world(front)
    async with world.as_admin() as admin:
        line = {"product_id": world.product_id, "quantity": 1, "amount": "9.00"}
        for number in range(8):
            # Two orders per moment, so that pages end between equal times.
            day = f"2026-11-0{1 + number // 2}T00:00:00Z"
            body = {"shop_id": world.shop_id, "order_id": f"n-{number}", "lines": [line], "placed_at": day}
            answer = await admin.post("/api/orders", json={**body, "distributor_id": world.seller})
            assert answer.status_code == 201, answer.text
        newest_first = [f"n-{number}" for number in reversed(range(8))]
        assert await ids_of(admin, shop_id=world.shop_id) == newest_first
        assert await ids_of(admin, distributor_id=world.seller) == newest_first
        assert await ids_of(admin, distributor_id=world.seller, status="shipped") == []
        await admin.patch(f"/api/orders/{world.shop_id}/n-4", json={"status": "cancelled"})
        assert await ids_of(admin, shop_id=world.shop_id, status="cancelled") == ["n-4"]
        period = {"placed_from": "2026-11-02T00:00:00Z", "placed_to": "2026-11-04T00:00:00Z"}
        assert await ids_of(admin, shop_id=world.shop_id, **period) == ["n-5", "n-4", "n-3", "n-2"]
        for params in (
            {"cursor": "abc"},
            {"limit": 201},
            {"status": "odd"},
            {"placed_from": "2026-11-02"},
            {"placed_to": "1"},
        ):
            assert (await admin.get("/api/orders", params=params)).status_code == 422


async def test_edits_compare_the_etag(world: World) -> None:
    async with world.as_admin() as admin:
        order = await world.placed(admin)
        url = f"/api/orders/{world.shop_id}/{order['order_id']}"
        await world.reserved(order["order_id"])
        seen = await admin.get(url)
        again = await admin.get(url, headers={"If-None-Match": seen.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        stale = await admin.patch(url, json={"status": "paid"}, headers={"If-Match": '"1"'})
        assert (stale.status_code, stale.json()["reason"]) == (412, "precondition_failed")
        paid = await admin.patch(url, json={"status": "paid"}, headers={"If-Match": seen.headers["etag"]})
        assert paid.status_code == 200, paid.text
        late = await admin.patch(url, json={"status": "shipped"}, headers={"If-Match": seen.headers["etag"]})
        assert late.status_code == 412
        shipped = await admin.patch(url, json={"status": "shipped"}, headers={"If-Match": paid.headers["etag"]})
        assert shipped.status_code == 200, shipped.text


async def test_refunds_and_after_sale(world: World) -> None:
    async with world.as_admin() as admin:
        order = await world.placed(admin)
        url = f"/api/orders/{world.shop_id}/{order['order_id']}"
        line = {"product_id": world.product_id, "quantity": 1}
        early = await admin.post(f"{url}/refunds", json={"lines": [line]})
        assert (early.status_code, early.json()["reason"]) == (409, "not_paid")
        await world.reserved(order["order_id"])
        assert (await admin.patch(url, json={"status": "paid"})).status_code == 200
        opened = await admin.put(f"{url}/after-sale", json={"open": True})
        assert (opened.status_code, opened.json()["after_sale_open"]) == (200, True)
        body = {"refund_id": "back-1", "lines": [line]}
        refunded = await admin.post(f"{url}/refunds", json=body)
        assert refunded.status_code == 201, refunded.text
        assert refunded.json()["refunded_total"] == "50.00"
        assert [refund["refund_id"] for refund in refunded.json()["refunds"]] == ["back-1"]
        again = await admin.post(f"{url}/refunds", json=body)
        assert (again.status_code, again.json()["refunded_total"]) == (200, "50.00")
        more = await admin.post(f"{url}/refunds", json={"lines": [{**line, "quantity": 2}]})
        assert (more.status_code, more.json()["reason"]) == (409, "more_than_left")
        other = await admin.post(f"{url}/refunds", json={**body, "lines": [{**line, "amount": "1.00"}]})
        assert (other.status_code, other.json()["reason"]) == (409, "conflict")


async def test_without_the_broker_reads_work_and_writes_are_refused(site: Site, world: World, tmp_path: Path) -> None:
    async with world.as_admin() as admin:
        order = await world.placed(admin)
        token = admin.headers["Authorization"]
    url = f"/api/orders/{world.shop_id}/{order['order_id']}"
    nowhere = "amqp://guest:guest@127.0.0.1:1"
    async with (
        serving(site, tmp_path, rabbitmq_url=nowhere, public_url=world.front.url) as lonely,
        lonely.client(headers={"Authorization": token}) as client,
    ):
        assert (await client.get(url)).status_code == 200
        assert (await client.get("/api/orders")).status_code == 200
        for answer in (
            await client.post("/api/orders", json=world.order()),
            await client.patch(url, json={"status": "paid"}),
        ):
            assert (answer.status_code, answer.json()["reason"]) == (503, "broker_unavailable"), answer.text
            assert int(answer.headers["retry-after"]) > 0


async def test_a_page_of_large_orders_ends_early_and_the_next_one_goes_on(world: World) -> None:
    async with world.as_shop() as shop:
        order = await world.placed(shop)
        with MongoClient[dict[str, Any]](world.front.site.settings.mongodb_url, tz_aware=True) as mongo:
            orders = mongo[world.front.site.settings.database]["order_intake.orders"]
            found = orders.find_one({"_id": f"{world.shop_id}/{order['order_id']}"}) or {}
            lists = [name for name in found["lists"] if not name.startswith(("number/", "status/"))]
            copies = [
                {
                    **found,
                    "_id": f"{world.shop_id}/copy-{number}",
                    "order_id": f"copy-{number}",
                    "lists": lists,
                    "lines": [{**found["lines"][0], "line": line} for line in range(1, 501)],
                }
                for number in range(60)
            ]
            orders.insert_many(copies)
            try:
                sizes, seen, url = [], [], "/api/orders?limit=200"
                while url:
                    answer = await shop.get(url)
                    sizes.append(len(answer.content))
                    seen += [one["order_id"] for one in answer.json()["items"]]
                    url = answer.json()["next"]
            finally:
                orders.delete_many({"_id": {"$in": [copy["_id"] for copy in copies]}})
    assert max(sizes) < 2 * PAGE_BYTES_MAX
    assert len(sizes) > 3
    assert len(seen) == len(set(seen))
    assert {f"copy-{number}" for number in range(60)} <= set(seen)
