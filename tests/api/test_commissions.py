"""A distributor's earnings, shown only to themselves and their upline."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.front import Front
from tests.api.world import World, a_world
from tests.connected.running import until


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


async def test_an_order_pays_the_chain_and_explains_it(world: World) -> None:
    async with world.as_admin() as admin, world.as_distributor(world.middle) as middle:
        order = await world.paid(admin)
        url = f"/api/commission/{world.middle}"
        page = (await middle.get(url)).json()
        assert page["distributor_id"] == world.middle
        [balance] = page["balances"]
        assert (balance["currency"], balance["held"], balance["available"], balance["paid"]) == (
            *("CNY", "5.00"),
            *("0.00", "0.00"),
        )
        [earning] = page["items"]
        assert (earning["order_id"], earning["amount"], earning["status"]) == (order["order_id"], "5.00", "held")
        assert earning["expected_release_at"] is None
        [entry] = earning["entries"]
        assert (entry["level"], entry["rate"], entry["base"], entry["plan"]) == (2, "0.05", "100.00", "levels")
        text = " ".join(sentence for section in earning["explanation"] for sentence in section["sentences"])
        assert "5 %" in text
        # The explanation does not mention the others' shares.
        assert str(world.top) not in text
        assert "10.00" not in text
        assert "18.00" not in text
        chinese = await middle.get(url, headers={"Accept-Language": "zh-CN,zh;q=0.9"})
        assert chinese.headers["content-language"] == "zh"
        words = chinese.json()["items"][0]["explanation"]
        assert any("佣金" in sentence or "订单" in sentence for section in words for sentence in section["sentences"])
        assert (await middle.get(url, params={"explain": False})).json()["items"][0]["explanation"] is None

        key = f"/api/orders/{world.shop_id}/{order['order_id']}"
        for status in ("shipped", "completed"):
            assert (await admin.patch(key, json={"status": status})).status_code == 200

        async def has_a_release_day() -> Any:
            return (await middle.get(url)).json()["items"][0]["expected_release_at"]

        assert await until(has_a_release_day, what="the commission has a day")
        line = {"product_id": world.product_id, "quantity": 1}
        assert (await admin.post(f"{key}/refunds", json={"lines": [line]})).status_code == 201

        async def is_taken_back() -> bool:
            return bool((await middle.get(url)).json()["items"][0]["taken_back"] == "2.50")

        await until(is_taken_back, what="half of it is taken back")
        page = (await middle.get(url)).json()
        assert page["balances"][0]["held"] == "2.50"
        assert page["items"][0]["remaining"] == "2.50"


async def test_only_the_distributor_and_their_upline_see_it(world: World) -> None:
    stranger_id = await world.front.distributor()
    async with (
        world.as_admin() as admin,
        world.as_distributor(world.top) as top,
        world.as_distributor(world.seller) as seller,
        world.as_distributor(stranger_id) as stranger,
        world.as_shop() as shop,
    ):
        for noun in ("commission", "rewards"):
            url = f"/api/{noun}/{world.middle}"
            assert [(await who.get(url)).status_code for who in (admin, top)] == [200, 200]
            for who in (seller, stranger):
                answer = await who.get(url)
                assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
            assert (await shop.get(url)).status_code == 403
            assert (await admin.get(f"/api/{noun}/{2**62}")).status_code == 404
            for odd in ("0", "-1", str(2**63), "x", "1.5"):
                assert (await admin.get(f"/api/{noun}/{odd}")).status_code == 422


async def test_earnings_are_listed_page_by_page(front: Front) -> None:
    world = await a_world(front)
    async with world.as_admin() as admin, world.as_distributor(world.seller) as seller:
        made = [(await world.paid(admin))["order_id"] for _ in range(3)]
        url: str | None = f"/api/commission/{world.seller}?limit=2"
        seen: list[str] = []
        while url is not None:
            page = (await seller.get(url)).json()
            seen += [item["order_id"] for item in page["items"]]
            assert page["balances"][0]["held"] == "30.00"
            url = page["next"]
        assert seen == made[::-1]
        etag = (await seller.get(f"/api/commission/{world.seller}")).headers["etag"]
        again = await seller.get(f"/api/commission/{world.seller}", headers={"If-None-Match": etag})
        assert again.status_code == 304
        month = (await seller.get(f"/api/rewards/{world.seller}")).json()["items"]
        assert [(each["sales"], each["currency"]) for each in month] == [("300.00", "CNY")]
