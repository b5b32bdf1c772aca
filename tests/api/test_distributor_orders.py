"""Who names an order owns it: what a distributor's token may not choose, and how much it may hold without paying."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.network.v1 import RegisterShop
from tests.api.front import PASSWORD, Front, an_email, bearer, pkce, serving, unique
from tests.api.test_oauth import REDIRECT, code_for, exchange
from tests.api.world import World, a_world
from tests.connected.running import Site, until


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


async def a_shop(world: World, **settings: Any) -> str:
    """A shop of its own, in the market of the world."""
    shop_id = unique("shop")
    await world.front.send(RegisterShop(shop_id=shop_id, currency="CNY", market=world.market, **settings))

    async def known() -> bool:
        return bool(await world.front.site.documents("network.shops", {"_id": shop_id}))

    await until(known, what="the shop is registered")
    return shop_id


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("reason")


def of_lines(world: World, **fields: Any) -> dict[str, Any]:
    line = {"product_id": world.product_id, "quantity": 1, "amount": "50.00"}
    return {"shop_id": world.shop_id, "distributor_id": world.seller, "lines": [line], **fields}


@asynccontextmanager
async def with_permissions(world: World, distributor_id: int, *granted: str) -> AsyncIterator[httpx.AsyncClient]:
    """The token of a distributor to whom an administrator has granted more."""
    async with world.front.client() as client, world.as_admin() as admin:
        email, _ = await world.front.log_in_as(client, distributor_id)
        [user] = (await admin.get("/api/users", params={"email": email})).json()["items"]
        answer = await admin.patch(f"/api/users/{user['id']}", json={"granted": list(granted)})
        assert answer.status_code == 200, answer.text
        tokens = (await client.post("/api/auth/login", json={"email": email, "password": PASSWORD})).json()
        client.headers.update(bearer(world.front.remember(tokens)["access_token"]))
        yield client


async def test_a_distributor_cannot_take_a_shops_number(world: World) -> None:
    number = unique("9")
    async with world.as_distributor(world.seller) as seller, world.as_shop() as shop:
        for body in (world.order(order_id=number), of_lines(world, order_id=number), world.order(order_id="o-mine")):
            assert refusal(await seller.post("/api/orders", json=body)) == (403, "not_for_distributors")
        made = await world.placed(seller)
        assert made["order_id"].startswith("o-")
        # The shop's own order under the number counts, and a made number is not the shop's to take.
        own = await shop.post("/api/orders", json=world.order(order_id=number, total_price="5.00"))
        assert (own.status_code, own.json()["total"]) == (201, "5.00"), own.text
        for taken in (made["order_id"], "o-", "o-1"):
            answer = await shop.post("/api/orders", json=world.order(order_id=taken))
            assert refusal(answer) == (422, "order_id_reserved"), answer.text
        assert (await world.placed(shop))["order_id"].startswith("o-")
    async with world.as_admin() as admin:
        assert (await world.placed(admin, order_id=unique("o-admin")))["order_id"].startswith("o-admin")


@pytest.mark.parametrize("placed_at", ["2026-10-02T00:00:00Z", "2017-01-01T00:00:00Z", "2036-01-01T00:00:00Z"])
async def test_a_distributor_cannot_choose_the_day(world: World, placed_at: str) -> None:
    async with world.as_distributor(world.seller) as seller:
        answer = await seller.post("/api/orders", json=of_lines(world, placed_at=placed_at))
    assert refusal(answer) == (403, "not_for_distributors")


async def test_a_distributors_order_is_never_prepaid_or_free(world: World) -> None:
    line = {"product_id": world.product_id, "quantity": 1, "amount": "50.00"}
    free = {**line, "discount": "50.00"}
    async with with_permissions(world, world.seller, "orders:fulfil", "orders:refund") as seller:
        answer = await seller.post("/api/orders", json=of_lines(world, prepaid=True))
        assert refusal(answer) == (403, "not_for_distributors")
        for body in (
            world.order(total_price="0"),
            world.order(total_price=0),
            of_lines(world, lines=[line, free]),
            of_lines(world, lines=[free], shipping="9.00"),
        ):
            assert refusal(await seller.post("/api/orders", json=body)) == (422, "price_required")
        # Nor do they report that an order of theirs, or of those below, is paid or complete.
        order = await world.placed(seller)
        await world.reserved(order["order_id"])
        url = f"/api/orders/{world.shop_id}/{order['order_id']}"
        for status in ("paid", "completed"):
            for answer in (
                await seller.patch(url, json={"status": status}),
                await seller.put(f"/api/orders/{order['order_id']}/status", json={"status": status}),
            ):
                assert refusal(answer) == (403, "own_earnings"), answer.text
        assert refusal(await seller.put(f"{url}/after-sale", json={"open": False})) == (403, "own_earnings")
        assert (await seller.patch(url, json={"status": "cancelled"})).status_code == 200


async def test_unpaid_orders_do_not_empty_the_shelves(world: World) -> None:
    shop_id = await a_shop(
        world, distributor_orders=True, distributor_unpaid_orders_max=2, distributor_unpaid_units_max=7
    )
    # Who has placed nothing yet.
    new = replace(world, seller=await world.front.distributor())
    async with new.as_distributor(new.seller) as seller, new.as_shop(shop_id) as shop:
        everything = await seller.post("/api/orders", json=new.order(shop_id=shop_id, quantity=8))
        assert refusal(everything) == (409, "too_many_unpaid_units")
        body = new.order(shop_id=shop_id)
        answers = await asyncio.gather(*(seller.post("/api/orders", json=body) for _ in range(8)))
        placed = [answer.json()["order_id"] for answer in answers if answer.status_code == 201]
        refused = {refusal(answer) for answer in answers if answer.status_code != 201}
        assert (len(placed), refused) == (2, {(409, "too_many_unpaid_orders")})
        # Who places has the limit: not the seller whom it names, nor the shop's own orders.
        assert (await shop.post("/api/orders", json=world.order(shop_id=shop_id, quantity=9))).status_code == 201
        assert (await shop.patch(f"/api/orders/{placed[0]}", json={"status": "cancelled"})).status_code == 200
        assert (await seller.post("/api/orders", json=body)).status_code == 201
        assert refusal(await seller.post("/api/orders", json=body)) == (409, "too_many_unpaid_orders")
        # Another login of the same distributor shares them.
        async with new.as_distributor(new.seller) as second:
            assert refusal(await second.post("/api/orders", json=body)) == (409, "too_many_unpaid_orders")
            async_answer = await second.post("/api/orders", json=body, headers={"Prefer": "respond-async"})
            state = await second.get(async_answer.headers["location"], headers={"Prefer": "wait=5"})
            assert state.status_code == 200, state.text
            assert (await seller.get(async_answer.headers["location"])).status_code == 404
    async with world.as_distributor(world.top) as top:
        for who in (world.middle, world.seller):
            assert (await top.post("/api/orders", json={**body, "distributor_id": who})).status_code == 201
        third = await top.post("/api/orders", json={**body, "distributor_id": world.top})
        assert refusal(third) == (409, "too_many_unpaid_orders")


async def test_a_shop_takes_distributors_orders_only_if_it_says_so(site: Site, world: World, tmp_path: Path) -> None:
    silent, closed = await a_shop(world), await a_shop(world, distributor_orders=False)
    async with world.as_distributor(world.seller) as seller, world.as_admin() as admin, world.as_shop(closed) as shop:
        for shop_id in (silent, closed):
            answer = await seller.post("/api/orders", json=world.order(shop_id=shop_id))
            assert refusal(answer) == (403, "distributors_not_accepted")
            assert (await admin.post("/api/orders", json=world.order(shop_id=shop_id))).status_code == 201
        assert (await shop.post("/api/orders", json=world.order(shop_id=closed))).status_code == 201
        async with serving(site, tmp_path, default_shop_id=silent) as house, house.client() as client:
            # The given call, on the house's default shop.
            client.headers.update(bearer(await _token(house, world.seller)))
            body = {
                "distributor_id": world.seller,
                "product_id": world.product_id,
                "quantity": 1,
                "total_price": "59.70",
            }
            answer = await client.post("/api/orders", json=body)
            assert (answer.status_code, answer.json()["shop_id"]) == (201, silent), answer.text
        async with serving(site, tmp_path, default_shop_id=closed) as house, house.client() as client:
            client.headers.update(bearer(await _token(house, world.seller)))
            assert refusal(await client.post("/api/orders", json=body)) == (403, "distributors_not_accepted")


async def _token(house: Front, distributor_id: int) -> str:
    async with house.client() as client:
        _, tokens = await house.log_in_as(client, distributor_id)
    token: str = tokens["access_token"]
    return token


async def test_no_one_raises_their_own_tier_or_moves_themselves(world: World) -> None:
    async with with_permissions(world, world.middle, "distributors:write", "teams:write") as middle:
        own, below = f"/api/distributors/{world.middle}", f"/api/distributors/{world.seller}"
        for answer in (
            await middle.patch(own, json={"tier": "gold"}),
            await middle.patch(own, json={"active": True, "effective_at": "2026-01-02T00:00:00Z"}),
            await middle.post(f"{own}/move", json={"sponsor_id": world.seller}),
            await middle.post(f"{own}/move", json={"sponsor_id": None}),
        ):
            assert refusal(answer) == (403, "own_standing"), answer.text
        assert (await middle.patch(below, json={"tier": "silver"})).status_code == 200
        mine = await middle.post("/api/teams", json={"name": "Mine", "leader_id": world.middle})
        assert refusal(mine) == (403, "own_standing")
        theirs = await middle.post("/api/teams", json={"name": "Theirs", "leader_id": world.seller})
        assert theirs.status_code == 201, theirs.text
        taken = await middle.put(f"{theirs.headers['location']}/leader", json={"leader_id": world.middle})
        assert refusal(taken) == (403, "own_standing")
        [known] = await world.front.site.documents("network.distributors", {"_id": world.middle})
        assert [standing["tier"] for standing in known["standings"]] == ["standard"]


@asynccontextmanager
async def as_admin_who_sells(world: World, distributor_id: int) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator who is a distributor too."""
    front = world.front
    async with world.as_admin() as admin, front.client() as client:
        email = an_email()
        body = {"email": email, "roles": ["ROLE_ADMIN"], "distributor_id": distributor_id, "password": PASSWORD}
        made = await admin.post("/api/users", json=body)
        assert made.status_code == 201, made.text
        await front.confirm(made.json()["id"])
        answer = await client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
        client.headers.update(bearer(front.remember(answer.json())["access_token"]))
        assert (await client.get("/api/me")).json()["kind"] == "admin"
        yield client


async def test_an_administrator_who_earns_from_an_order_does_not_report_it_as_paid(world: World) -> None:
    leader, member = await world.front.distributor(), await world.front.distributor()
    async with world.as_admin() as admin:
        team = await admin.post("/api/teams", json={"name": "Harbour", "leader_id": leader})
        joined = await admin.post(f"{team.headers['location']}/members", json={"distributor_id": member})
        assert joined.status_code == 200, joined.text
        below, of_member = await world.placed(admin), await world.placed(admin, distributor_id=member)
    for order in (below, of_member):
        await world.reserved(order["order_id"])
    cases = ((world.top, world.seller, below), (leader, member, of_member))
    for earner, seller, order in cases:
        url = f"/api/orders/{world.shop_id}/{order['order_id']}"
        async with as_admin_who_sells(world, earner) as client:
            prepaid = of_lines(world, distributor_id=seller, prepaid=True)
            for body in (prepaid, {**prepaid, "placed_at": "2026-11-02T00:00:00Z"}):
                assert refusal(await client.post("/api/orders", json=body)) == (403, "own_earnings")
            for answer in (
                await client.patch(url, json={"status": "paid"}),
                await client.put(f"/api/orders/{order['order_id']}/status", json={"status": "completed"}),
                await client.put(f"{url}/after-sale", json={"open": False}),
            ):
                assert refusal(answer) == (403, "own_earnings"), answer.text
            # Of an order that pays others, the same person may.
            other = await world.front.distributor()
            theirs = await client.post("/api/orders", json=of_lines(world, distributor_id=other, prepaid=True))
            assert theirs.status_code == 201, theirs.text


async def test_an_administrator_adds_no_one_to_their_own_branch_or_team(world: World) -> None:
    other, own = await world.front.distributor(), f"/api/distributors/{world.seller}"
    async with world.as_admin() as admin:
        team = await admin.post("/api/teams", json={"name": "Mine", "leader_id": world.top})
        assert team.status_code == 201, team.text
    async with as_admin_who_sells(world, world.top) as client:
        for sponsor in (world.top, world.middle):
            moved = await client.post(f"/api/distributors/{other}/move", json={"sponsor_id": sponsor})
            assert refusal(moved) == (403, "own_standing"), moved.text
        added = await client.post(f"{team.headers['location']}/members", json={"distributor_id": other})
        assert refusal(added) == (403, "own_standing"), added.text
        # Their own branch is theirs to order, as any administrator's.
        members = f"{team.headers['location']}/members"
        assert (await client.post(members, json={"distributor_id": world.middle})).status_code == 200
        back = await client.post(f"{own}/move", json={"sponsor_id": world.middle})
        assert back.status_code == 200, back.text


async def test_an_administrator_does_not_pay_a_distributor_whose_login_they_made(world: World) -> None:
    """A puppet: a distributor at the top, with a login of one's own making, and a prepaid order for it."""
    async with world.as_admin() as ann, world.as_admin() as bob:
        made = (await bob.post("/api/distributors", json={"tier": "gold"})).json()
        puppet = int(made["distributor_id"])
        user = {"email": an_email(), "roles": ["ROLE_DISTRIBUTOR"], "distributor_id": puppet, "password": PASSWORD}
        # Nor by the other order of steps: who registered it makes no login for it.
        assert refusal(await bob.post("/api/users", json=user)) == (409, "not_independent")
        assert (await ann.post("/api/users", json=user)).status_code == 201
        order = await world.placed(ann, distributor_id=puppet)
        await world.reserved(order["order_id"])
        url = f"/api/orders/{world.shop_id}/{order['order_id']}"
        for answer in (
            await ann.post("/api/orders", json=of_lines(world, distributor_id=puppet, prepaid=True)),
            await ann.patch(url, json={"status": "paid"}),
        ):
            assert refusal(answer) == (403, "own_earnings"), answer.text
        for answer in (
            await ann.post(f"/api/distributors/{world.top}/move", json={"sponsor_id": puppet}),
            await ann.patch(f"/api/distributors/{puppet}", json={"tier": "silver"}),
            await ann.post("/api/teams", json={"name": "Puppets", "leader_id": puppet}),
        ):
            assert refusal(answer) == (403, "own_standing"), answer.text
        # It is another administrator's to decide.
        assert (await bob.patch(url, json={"status": "paid"})).status_code == 200
        assert (await bob.patch(f"/api/distributors/{puppet}", json={"tier": "silver"})).status_code == 200


async def test_nor_with_a_token_of_fewer_permissions(world: World) -> None:
    """A person may ask for one without users:write: they have the puppet's login all the same."""
    front, scope = world.front, "orders:read orders:write orders:fulfil orders:refund distributors:write teams:write"
    puppet, member = await front.distributor(), await front.distributor()
    async with front.client() as ann, front.client() as narrow, world.as_admin() as bob:
        email, one_time = await front.administrator()
        body = {"email": email, "password": one_time, "new_password": PASSWORD}
        ann.headers.update(
            bearer(front.remember((await ann.post("/api/auth/login", json=body)).json())["access_token"])
        )
        user = {"email": an_email(), "roles": ["ROLE_DISTRIBUTOR"], "distributor_id": puppet, "password": PASSWORD}
        assert (await ann.post("/api/users", json=user)).status_code == 201
        order = await world.placed(bob, distributor_id=puppet)
        led = await bob.post("/api/teams", json={"name": "Led", "leader_id": puppet})
        other = await bob.post("/api/teams", json={"name": "Other", "leader_id": world.top})
        assert (led.status_code, other.status_code) == (201, 201)
        await world.reserved(order["order_id"])

        app = unique("app")
        await front.operations.create_client(app, "Desk", [REDIRECT])
        verifier, challenge = pkce()
        code = (await code_for(front, app, email, challenge, scope=scope))["code"]
        tokens = front.remember((await exchange(narrow, app, code, code_verifier=verifier)).json())
        assert set(tokens["scope"].split()) == set(scope.split())
        narrow.headers.update(bearer(tokens["access_token"]))

        url, number = f"/api/orders/{world.shop_id}/{order['order_id']}", order["order_id"]
        for answer in (
            await narrow.post("/api/orders", json=of_lines(world, distributor_id=puppet, prepaid=True)),
            await narrow.patch(url, json={"status": "paid"}),
            await narrow.patch(f"/api/orders/{number}", json={"status": "paid"}),
            await narrow.put(f"/api/orders/{number}/status", json={"status": "completed"}),
            await narrow.put(f"{url}/after-sale", json={"open": False}),
            await narrow.put(f"/api/orders/{number}/after-sale", json={"open": False}),
        ):
            assert refusal(answer) == (403, "own_earnings"), answer.text
        for answer in (
            await narrow.patch(f"/api/distributors/{puppet}", json={"tier": "gold"}),
            await narrow.post(f"/api/distributors/{puppet}/move", json={"sponsor_id": world.top}),
            await narrow.post(f"/api/distributors/{world.top}/move", json={"sponsor_id": puppet}),
            await narrow.post("/api/teams", json={"name": "Puppets", "leader_id": puppet}),
            await narrow.put(f"{other.headers['location']}/leader", json={"leader_id": puppet}),
            await narrow.post(f"{led.headers['location']}/members", json={"distributor_id": member}),
        ):
            assert refusal(answer) == (403, "own_standing"), answer.text
        # The other order of steps: what the narrow token has done counts for a login that the other one makes.
        assert (await narrow.patch(f"/api/distributors/{member}", json={"tier": "gold"})).status_code == 200
        later = {**user, "email": an_email(), "distributor_id": member}
        assert refusal(await ann.post("/api/users", json=later)) == (409, "not_independent")


async def test_no_one_else_takes_the_next_number_of_a_shop_with_a_login(world: World) -> None:
    """The shop's own order would be refused, and its `paid` would pay for the other one."""
    shop_id, number = await a_shop(world), unique("web")
    async with world.as_admin() as admin:
        # Without a login it is the administrators who enter its orders.
        first = await admin.post("/api/orders", json=world.order(shop_id=shop_id, order_id=unique("till")))
        assert first.status_code == 201, first.text
        async with world.as_shop(shop_id) as shop:
            for body in (
                world.order(shop_id=shop_id, order_id=number),
                of_lines(world, shop_id=shop_id, order_id=number),
            ):
                assert refusal(await admin.post("/api/orders", json=body)) == (422, "order_id_reserved")
            assert (await admin.post("/api/orders", json=world.order(shop_id=shop_id))).status_code == 201
            assert (
                await shop.post("/api/orders", json=world.order(shop_id=shop_id, order_id=number))
            ).status_code == 201
