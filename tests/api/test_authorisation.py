"""Authorisation of every operation with an id, checked against a naive model.

Trees, orders and logins are drawn at random. The model decides whether a principal reaches a thing; if not, the API
must answer 404, whatever else is wrong with the request, and otherwise anything but 404. The operations come from the
application itself, and their things from the ids in their paths (ownership.py).
"""

from __future__ import annotations

import os
import random
import re
import secrets
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import pytest

from api.http.openapi import operations
from contracts.network.v1 import CreateTeam, JoinTeam, RegisterDistributor, RegisterShop
from tests.api.front import PASSWORD, Front, bearer, unique
from tests.api.ownership import Thing, thing_of
from tests.api.world import World, a_payout, a_world
from tests.connected.running import until
from tests.described import api_document
from tests.webhook_builders import define

SEED = int(os.environ.get("TREE_SEED", "20261122"))
PEOPLE = 9
ORDERS = 4

WRITES = (
    "distributors:write",
    "teams:write",
    "orders:fulfil",
    "orders:refund",
    "shops:read",
    "shops:write",
    "payees:approve",
    "settlements:write",
    "settlements:approve",
)
"""Granted to some distributors, so that not only a missing permission protects other things from them."""


OWN_ALONE = ("/payout-method", "/allow-duplicate", "/waive-cooling-off", "/identity", "/decide")
"""Where a distributor reaches themselves, and not their downline."""


@dataclass
class Login:
    """A logged-in principal, and the model's facts about it."""

    name: str
    kind: Literal["admin", "distributor", "shop"]
    client: httpx.AsyncClient
    distributor_id: int | None = None
    shop_id: str | None = None
    sent: set[str] = field(default_factory=set)


@dataclass
class Model:
    """The naive model: plain parents, plain sets."""

    sponsor_of: dict[int, int | None] = field(default_factory=dict)
    seller_of: dict[tuple[str, str], int] = field(default_factory=dict)
    leader_of: dict[int, int] = field(default_factory=dict)
    members_of: dict[int, set[int]] = field(default_factory=dict)
    shop_of: dict[str, str] = field(default_factory=dict)

    def chain(self, distributor_id: int) -> list[int]:
        chain, current = [], distributor_id
        while current is not None:
            chain.append(current)
            current = self.sponsor_of[current]  # type: ignore[assignment]
        return chain

    def reaches(self, who: Login, thing: Thing, key: Any, path: str) -> bool:
        if thing == "message":
            return key in who.sent
        if thing == "statement":
            return who.kind == "admin" or who.distributor_id == int(key[2])
        if who.kind == "admin":
            return True
        if thing == "webhook":
            return self.shop_of[key] == who.shop_id
        if who.kind == "shop":
            return (thing == "order" and key[0] == who.shop_id) or (thing == "shop" and key == who.shop_id)
        if thing == "shop":
            return False
        own = who.distributor_id
        if thing == "distributor":
            return own == key if path.endswith(OWN_ALONE) else own in self.chain(key)
        if thing == "order":
            return own in self.chain(self.seller_of[key])
        leads = own in self.chain(self.leader_of[key])
        return leads or (path == "/api/teams/{team_id}" and own in self.members_of[key])


@dataclass
class Stage:
    model: Model
    people: list[Login]
    things: dict[Thing, list[Any]]
    document: dict[str, Any]


@pytest.fixture(scope="module")
async def stage(front: Front) -> Any:
    world, draw = await a_world(front), random.Random(SEED)
    async with AsyncExitStack() as stack:
        yield await _set(front, world, draw, stack)


async def _set(front: Front, world: World, draw: random.Random, stack: AsyncExitStack) -> Stage:
    model = Model({world.top: None, world.middle: world.top, world.seller: world.middle})
    admin = Login("admin", "admin", await stack.enter_async_context(world.as_admin()))
    second = Login("second admin", "admin", await stack.enter_async_context(world.as_admin()))
    first = secrets.randbelow(2**40) + 2**41
    ids = [first + number for number in range(PEOPLE)]
    for number, distributor_id in enumerate(ids):
        sponsor_id = draw.choice([*ids[:number], None]) if number else None
        model.sponsor_of[distributor_id] = sponsor_id
        await front.send(RegisterDistributor(distributor_id=distributor_id, sponsor_id=sponsor_id))
        await _exists(front, "network.distributors", {"_id": distributor_id})
    other_shop = unique("shop")
    [known] = await front.site.documents("network.shops", {"_id": world.shop_id})
    await front.send(RegisterShop(shop_id=other_shop, currency="CNY", market=known["market"]))
    await _exists(front, "network.shops", {"_id": other_shop})
    for _ in range(ORDERS):
        shop_id, seller = draw.choice([world.shop_id, other_shop]), draw.choice(ids)
        order = await world.placed(admin.client, shop_id=shop_id, distributor_id=seller)
        model.seller_of[shop_id, order["order_id"]] = seller
    for number in range(3):
        team_id, leader_id = first + number, draw.choice(ids)
        members = set(draw.sample(ids, 3)) if number == 0 else {ids[number]} - model.members_of[first]
        await front.send(CreateTeam(team_id=team_id, name=unique("team"), leader_id=leader_id))
        await _exists(front, "network.teams", {"_id": team_id})
        for member in members:
            await front.send(JoinTeam(team_id=team_id, distributor_id=member))
            await _exists(front, "network.distributors", {"_id": member, "teams.team_id": team_id})
        model.leader_of[team_id], model.members_of[team_id] = leader_id, members
    people = [admin]
    for number, distributor_id in enumerate(draw.sample(ids, 5)):
        granted = WRITES if number < 3 else ()
        client = await _logged_in(front, admin, second, distributor_id, granted, stack)
        people.append(Login(f"distributor {distributor_id}", "distributor", client, distributor_id))
    for shop_id in (world.shop_id, other_shop):
        client = await stack.enter_async_context(world.as_shop(shop_id))
        people.append(Login(shop_id, "shop", client, shop_id=shop_id))
    for who in people:
        sold: dict[str, Any] = {"shop_id": who.shop_id or world.shop_id, "distributor_id": who.distributor_id or ids[0]}
        answer = await who.client.post("/api/orders", json=world.order(**sold), headers={"Prefer": "respond-async"})
        assert answer.status_code == 202, answer.text
        who.sent.add(answer.json()["message_id"])
        await until(_no_longer_pending(who, answer.headers["location"]), what="the order is taken")
        shown = (await who.client.get(answer.headers["location"])).json()
        location = shown.get("location") or ""
        assert location.startswith("/api/orders/"), shown
        shop_id, order_id = location.split("/")[3:5]
        model.seller_of[shop_id, order_id] = sold["distributor_id"]
    for shop_id in (world.shop_id, other_shop):
        hook = unique("hook")
        await front.send(define(hook, shop_id=shop_id))
        await _exists(front, "shop_webhooks.webhooks", {"_id": hook})
        model.shop_of[hook] = shop_id
    things: dict[Thing, list[Any]] = {
        "distributor": ids,
        "order": list(model.seller_of),
        "team": list(model.leader_of),
        "message": [message for who in people for message in who.sent],
        "shop": [world.shop_id, other_shop],
        "webhook": list(model.shop_of),
        "statement": [tuple((await a_payout(world, whose, market="default")).split("/")) for whose in ids[:4]],
    }
    return Stage(model, people, things, api_document())


def _no_longer_pending(who: Login, location: str) -> Any:
    async def done() -> bool:
        return bool((await who.client.get(location)).json().get("state") not in ("pending", None))

    return done


async def _logged_in(
    front: Front, admin: Login, second: Login, distributor_id: int, granted: tuple[str, ...], stack: AsyncExitStack
) -> httpx.AsyncClient:
    client = await stack.enter_async_context(front.client())
    email, tokens = await front.log_in_as(client, distributor_id)
    if granted:
        [user] = (await admin.client.get("/api/users", params={"email": email})).json()["items"]
        answer = await admin.client.patch(f"/api/users/{user['id']}", json={"granted": list(granted)})
        assert answer.status_code == 200, answer.text
        version = {"version": answer.json()["version"]}
        confirmed = await second.client.post(f"/api/users/{user['id']}/confirm", json=version)
        assert confirmed.status_code == 200, confirmed.text
        body = {"email": email, "password": confirmed.json()["one_time_password"], "new_password": PASSWORD}
        front.secrets_seen.append(body["password"])
        tokens = front.remember((await client.post("/api/auth/login", json=body)).json())
    client.headers.update(bearer(tokens["access_token"]))
    return client


async def _exists(front: Front, collection: str, where: dict[str, Any]) -> None:
    async def found() -> bool:
        return bool(await front.site.documents(collection, where))

    await until(found, what=f"{where} is in {collection}")


def _with_ids(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, method, operation in operations(document):
        if "{" in path:
            yield path, method, operation


async def test_a_principal_reaches_exactly_what_the_model_allows(stage: Stage) -> None:
    """A thing beyond reach gets exactly the answer of a thing that does not exist."""
    wrong, requested = [], 0
    for path, method, operation in _with_ids(stage.document):
        if (thing := thing_of(path)) is None:
            continue
        for who in stage.people:
            nothing = await _request(who, path, method, operation, _none_of(thing))
            for key in stage.things[thing]:
                reached = stage.model.reaches(who, thing, key, path)
                if reached and method != "get":
                    continue
                requested += 1
                answer = await _request(who, path, method, operation, key)
                if reached:
                    # Without the permission the answer is 403 in any case.
                    fits = answer[0] in (200, 304) or (answer == nothing and answer[0] == 403)
                else:
                    fits = answer == nothing and answer[0] >= 400 and (method != "get" or answer[0] in (403, 404))
                if not fits:
                    wrong.append(f"{method} {path} {key} as {who.name}: {answer}, nothing there: {nothing}")
    assert wrong == []
    assert requested > 500


async def test_a_distributor_with_every_permission_gets_404_about_others(stage: Stage) -> None:
    """The test above would pass even if every answer were a missing permission."""
    [permitted, *_] = [who for who in stage.people if who.kind == "distributor"]
    foreign = [key for key in stage.things["distributor"] if permitted.distributor_id not in stage.model.chain(key)]
    assert foreign
    statuses = set()
    for path, method, operation in _with_ids(stage.document):
        if thing_of(path) == "distributor":
            statuses.add((await _request(permitted, path, method, operation, foreign[0]))[0])
    assert statuses == {404}


async def test_lists_hold_what_the_model_allows(stage: Stage) -> None:
    model = stage.model
    for who in stage.people:
        orders = {(one["shop_id"], one["order_id"]) for one in await _all(who, "/api/orders", limit=200)}
        assert orders & set(model.seller_of) == {
            key for key in model.seller_of if model.reaches(who, "order", key, "/api/orders")
        }, who.name
        shops = await who.client.get("/api/shops", params={"limit": 200})
        if shops.status_code == 200:
            seen = {one["shop_id"] for one in await _all(who, "/api/shops", limit=200)}
            mine = {key for key in stage.things["shop"] if model.reaches(who, "shop", key, "/api/shops")}
            assert seen & set(stage.things["shop"]) == mine, who.name
            assert who.kind == "admin" or seen == mine, who.name
        else:
            assert (who.kind, shops.status_code) == ("distributor", 403)
        for key in stage.things["distributor"]:
            reached = model.reaches(who, "distributor", key, "")
            answer = await who.client.get("/api/distributors", params={"sponsor_id": key})
            assert (answer.status_code == 200) == reached, (who.name, key, answer.text)
            if reached:
                expected = {below for below, sponsor_id in model.sponsor_of.items() if sponsor_id == key}
                assert {one["distributor_id"] for one in answer.json()["items"]} == expected
            teams = await who.client.get("/api/teams", params={"leader_id": key})
            assert (teams.status_code == 200) == reached, (who.name, key, teams.text)
            sold = await who.client.get("/api/orders", params={"distributor_id": key, "limit": 200})
            if sold.status_code == 200:
                shown = {(one["shop_id"], one["order_id"]) for one in sold.json()["items"]}
                assert all(model.reaches(who, "order", order, "") for order in shown), (who.name, key)
        if who.kind == "distributor":
            mine = {one["team_id"] for one in await _all(who, "/api/teams")}
            assert mine == {
                team_id
                for team_id in model.leader_of
                if who.distributor_id == model.leader_of[team_id] or who.distributor_id in model.members_of[team_id]
            }


async def _all(who: Login, path: str, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    answer = await who.client.get(path, params=params)
    while True:
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["items"]
        if page["next"] is None:
            return found
        answer = await who.client.get(page["next"])


def _none_of(thing: Thing) -> Any:
    """A key of a thing that does not exist."""
    if thing == "order":
        return (unique("shop"), unique("none"))
    if thing == "statement":
        return ("default", "1999-01", "7", "CNY")
    return unique("none") if thing in ("message", "shop", "webhook") else 2**62 + secrets.randbelow(2**40)


async def _request(who: Login, path: str, method: str, operation: dict[str, Any], key: Any) -> tuple[int, str | None]:
    """The status, and the reason of a refusal. The body is the documented example."""
    if isinstance(key, tuple):
        names = ("shop_id", "order_id") if len(key) == 2 else ("market", "period", "distributor_id", "currency")
        values = dict(zip(names, key, strict=True))
    else:
        values = dict.fromkeys(re.findall(r"{(\w+)}", path), key)
    url = re.sub(r"{(\w+)}", lambda found: str(values[found.group(1)]), path)
    content = (operation.get("requestBody") or {}).get("content", {}).get("application/json", {})
    examples = [content["example"]] if "example" in content else []
    examples += [one["value"] for one in content.get("examples", {}).values()]
    options: dict[str, Any] = {"json": examples[0]} if examples else {}
    answer = await who.client.request(method.upper(), url, **options)
    problem = answer.json() if answer.status_code >= 400 else {}
    return answer.status_code, problem.get("reason")
