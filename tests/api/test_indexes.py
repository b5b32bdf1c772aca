"""No read of the API goes without an index: every operation that reads is asked with every filter and pair of filters.

Operations and filters are taken from the description, so a new one is looked at by itself, or fails until this knows
something to ask it for. What the server did is read from its own profile. A `$graphLookup` hangs on any one document
and is not judged by this; it is explained in tests/connected/test_network_tree.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from api.app import create_app
from api.openapi import operations
from infra.runtime.settings import Settings
from tests.api.front import Front, an_email, unique
from tests.api.test_operations import a_letter
from tests.api.world import World, a_world
from tests.connected.test_indexes import READ_WHOLE

PAGES = ("limit", "cursor")
BAD = {"$or": [{"planSummary": {"$regex": "COLLSCAN"}}, {"op": "query", "hasSortStage": True}]}
"""An aggregation sorts what it has summed up; a list must come in its order."""
FEW = {"IXSCAN { email: 1 }": "one user at most", "IXSCAN { about: 1 }": "the messages of one request"}
"""Ways to find so little that sorting it costs nothing."""


def no_ports() -> Any:
    raise AssertionError("describing the API needs no server")


READS = {
    path: [one for one in operation.get("parameters", ()) if one["in"] != "header"]
    for path, method, operation in operations(create_app(Settings(), no_ports).openapi())
    if method == "get" and operation.get("security")
}


@dataclass
class Stage:
    """Something that every read finds: what ids and filters stand for, and who asks."""

    known: Mapping[str, Any]
    people: Mapping[str, httpx.AsyncClient]
    database: Any


@pytest.fixture(scope="module")
async def stage(front: Front) -> Any:
    world = await a_world(front)
    settings = front.site.settings
    async with AsyncExitStack() as stack:
        people = {
            "admin": await stack.enter_async_context(world.as_admin()),
            "distributor": await stack.enter_async_context(world.as_distributor(world.top)),
            "shop": await stack.enter_async_context(world.as_shop()),
        }
        known = await everything(front, world, people["admin"])
        await front.site.quiet()
        with MongoClient[dict[str, Any]](settings.mongodb_url) as mongo:
            yield Stage(known, people, mongo[settings.database])


async def everything(front: Front, world: World, admin: httpx.AsyncClient) -> dict[str, Any]:
    """One of each noun at least, and a value for each filter."""
    order = await world.paid(admin)
    made = {}
    for noun, body in {
        "categories": {"name": unique("category")},
        "tags": {"name": unique("tag")},
        "teams": {"name": "Riverside", "leader_id": world.middle},
        "users": {"email": an_email(), "roles": ["ROLE_ADMIN"]},
    }.items():
        for _ in range(2):
            answer = await admin.post(
                f"/api/{noun}", json={**body, **({"email": an_email()} if "email" in body else {})}
            )
            assert answer.status_code == 201, answer.text
            made[noun] = answer.json()
            body = {**body, "name": unique(noun)} if noun in ("categories", "tags") else body
    sent = await admin.post("/api/tags", json={"name": unique("tag")}, headers={"Prefer": "respond-async"})
    letter = await a_letter(front, admin)
    await a_letter(front, admin)
    return {
        "active": "true",
        "as_of": "2026-11-01T00:00:00Z",
        "category_id": made["categories"]["category_id"],
        "depth": 3,
        "distributor_id": world.seller,
        "email": made["users"]["email"],
        "explain": "true",
        "leader_id": world.middle,
        "letter_id": letter["letter_id"],
        "low": "false",
        "message_id": sent.json()["message_id"],
        "month": order["placed_at"][:7],
        "nodes": 2,
        "of": f"{world.shop_id}/{order['order_id']}",
        "order_id": order["order_id"],
        "placed_from": "2026-01-01T00:00:00Z",
        "placed_to": "2036-01-01T00:00:00Z",
        "product_id": world.product_id,
        "q": "green te",
        "queue": letter["queue"],
        "reason": letter["reason"],
        "role": "ROLE_ADMIN",
        "shop_id": world.shop_id,
        "sponsor_id": world.top,
        "stage": "active",
        "state": "waiting",
        "status": "paid",
        "tag": made["tags"]["tag_id"],
        "tag_id": made["tags"]["tag_id"],
        "team_id": made["teams"]["team_id"],
        "tier": "standard",
        "timeline": "true",
        "user_id": made["users"]["id"],
        "version": world.rule_version,
    }


@contextmanager
def without_index(database: Any) -> Iterator[list[dict[str, Any]]]:
    """What reads a whole collection, or sorts in memory, while this holds."""
    found: list[dict[str, Any]] = []
    database["system.profile"].drop()
    database.command("profile", 1, filter=BAD)
    try:
        yield found
    finally:
        database.command("profile", 0, filter="unset")
        found += database["system.profile"].find({"op": {"$in": ["query", "command", "getmore"]}})
        database["system.profile"].drop()


def ways(path: str) -> Iterator[tuple[str, ...]]:
    """The filters of this read: none but those that it must have, each, and each two of them."""
    names = [one["name"] for one in READS[path] if one["in"] == "query" and one["name"] not in PAGES]
    needed = [one["name"] for one in READS[path] if one["in"] == "query" and one.get("required")]
    for count in range(3):
        for chosen in combinations([name for name in names if name not in needed], count):
            yield (*needed, *chosen)


def test_something_is_known_to_ask_every_read_for(stage: Stage) -> None:
    asked = {one["name"] for parameters in READS.values() for one in parameters}
    assert asked - stage.known.keys() - set(PAGES) == set(), "say in `everything` what these may be"


@pytest.mark.parametrize("path", READS)
async def test_a_read_is_served_by_an_index(stage: Stage, path: str) -> None:
    url = re.sub(r"{(\w+)}", lambda name: str(stage.known[name.group(1)]), path)
    paged = any(one["name"] == "limit" for one in READS[path])
    heard: dict[str, set[int]] = {who: set() for who in stage.people}
    with without_index(stage.database) as scans:
        for who, client in stage.people.items():
            for chosen in ways(path):
                filters = {name: stage.known[name] for name in chosen}
                answer = await client.get(url, params={**filters, **({"limit": 1} if paged else {})})
                heard[who].add(answer.status_code)
                if paged and answer.status_code == 200 and (following := answer.json().get("next")):
                    heard[who].add((await client.get(following)).status_code)
    assert heard["admin"] == {200}
    assert heard["distributor"] | heard["shop"] <= {200, 403, 404}
    asked = [
        scan for scan in scans if scan["ns"].partition(".")[2] not in READ_WHOLE and scan["planSummary"] not in FEW
    ]
    assert [(scan["ns"], str(scan["command"])[:300]) for scan in asked if "$graphLookup" not in str(scan)] == []


def test_a_read_without_an_index_would_be_seen(stage: Stage) -> None:
    with without_index(stage.database) as scans:
        list(stage.database["order_intake.orders"].find({"currency": "CNY"}))
        list(stage.database["order_intake.orders"].find({"shop_id": "none"}).sort("total_minor"))
        list(stage.database["order_intake.orders"].find({"_id": "none"}))
    assert [scan["ns"].partition(".")[2] for scan in scans] == ["order_intake.orders"] * 2
