"""Every read of the API uses an index, and scans few documents even where its filters never match together: every
operation that reads is called with every combination of its filters.

Operations and filters come from the OpenAPI document, so a new one is covered automatically, or fails until
`everything` has a value for it. The queries are read from the server's profiler. A `$graphLookup` follows single
documents and is not checked here, but in tests/connected/test_network_tree.py.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from api.http.openapi import operations
from api.http.paging import SCANNED_MAX
from tests.api.crowds import CROWD, crowded, crowds_of
from tests.api.front import Front, an_email, unique
from tests.api.test_operations import a_letter
from tests.api.world import World, a_batch, a_corridor, a_notice, a_webhook, a_world, approved_rates
from tests.connected.running import until
from tests.connected.test_indexes import READ_WHOLE
from tests.described import api_document

PAGES = ("limit", "cursor")
BAD = {"$or": [{"planSummary": {"$regex": "COLLSCAN"}}, {"hasSortStage": True}]}
PAGE = 5
SCANNED = 2 * SCANNED_MAX + 3 * PAGE + 10
"""The most that one query may scan: twice the limit, because documents may be inserted after its end was read."""
MUCH = {"$or": [{name: {"$gt": SCANNED}} for name in ("keysExamined", "docsExamined")]}
OWN = {
    "/api/alerts": {"state": "open"},
    "/api/corridors": {"state": "proposed"},
    "/api/exchange-rates": {"state": "approved", "as_of": "2036-01-01T00:00:00Z"},
    "/api/payouts": {"state": "proposed"},
}
"""Values by path, where the same name has others than elsewhere."""
FEW = {"IXSCAN { email: 1 }": "one user at most", "IXSCAN { about: 1 }": "the messages of one request"}
"""Scans that return so little that sorting it is cheap."""


READS = {
    path: [one for one in operation.get("parameters", ()) if one["in"] != "header"]
    for path, method, operation in operations(api_document())
    if method == "get" and operation.get("security")
}


@dataclass
class Stage:
    """Values for the ids and filters of every read, and the principals who call it."""

    known: Mapping[str, Any]
    people: Mapping[str, httpx.AsyncClient]
    database: Any

    def filters(self, path: str, names: Iterable[str]) -> dict[str, Any]:
        known = {**self.known, **OWN.get(path, {})}
        return {name: known[name] for name in names}


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
    """At least one entity per noun, and a value for each filter."""
    notice = await a_notice(front, admin)
    webhook_id = await a_webhook(world, admin)
    order = await world.paid(admin)
    made = {}
    bodies: dict[str, dict[str, Any]] = {
        "categories": {"name": unique("category")},
        "tags": {"name": unique("tag")},
        "teams": {"name": "Riverside", "leader_id": world.middle},
        "users": {"email": an_email(), "roles": ["ROLE_ADMIN"]},
    }
    for noun, body in bodies.items():
        for _ in range(2):
            answer = await admin.post(
                f"/api/{noun}", json={**body, **({"email": an_email()} if "email" in body else {})}
            )
            assert answer.status_code == 201, answer.text
            made[noun] = answer.json()
            body = {**body, "name": unique(noun)} if noun in ("categories", "tags") else body
    product = f"/api/products/{world.product_id}"
    etag = (await admin.get(product)).headers["etag"]
    command = {"category_id": made["categories"]["category_id"], "tags": [made["tags"]["tag_id"]]}
    assert (await admin.patch(product, json=command, headers={"If-Match": etag})).status_code == 200
    sent = await admin.post("/api/tags", json={"name": unique("tag")}, headers={"Prefer": "respond-async"})
    letter = await a_letter(front, admin)
    await a_letter(front, admin)
    batch = await a_batch(world, admin, world.seller)
    statement = batch["lines"][0]["payout_id"]
    _, period, _, currency = statement.split("/")
    proposed = await admin.post("/api/settlement-terms", json={"terms": {"market": world.market}})
    assert proposed.status_code == 201, proposed.text
    rates = await approved_rates(front, unique("rates"), datetime(2026, 11, 1, tzinfo=UTC), CNY="7.8000")
    corridor = await a_corridor(front, unique("corridor"))
    await attempted(world, admin, webhook_id)
    return {
        "active": "true",
        "alert": notice["alert"],
        "batch_id": batch["batch_id"],
        "as_of": "2026-11-01T00:00:00Z",
        "corridor_id": corridor.corridor_id,
        "currency": currency,
        "statement": statement,
        "terms_version": proposed.json()["terms_version"],
        "market": world.market,
        "outcome": "payable",
        "period": period,
        "category_id": made["categories"]["category_id"],
        "depth": 3,
        "distributor_id": world.seller,
        "email": made["users"]["email"],
        "explain": "true",
        "kind": "stock_low",
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
        "route": notice["route_id"],
        "route_id": notice["route_id"],
        "shop_id": world.shop_id,
        "short": "false",
        "source": rates.source,
        "sponsor_id": world.top,
        "stage": "active",
        "state": "waiting",
        "status": "paid",
        "table_id": rates.table_id,
        "tag": made["tags"]["tag_id"],
        "tag_id": made["tags"]["tag_id"],
        "team_id": made["teams"]["team_id"],
        "tier": "standard",
        "timeline": "true",
        "user_id": made["users"]["id"],
        "version": world.rule_version,
        "webhook_id": webhook_id,
    }


async def attempted(world: World, admin: httpx.AsyncClient, webhook_id: str) -> None:
    """Wait until an event of the shop was sent to the webhook. Workers learn of a webhook within five seconds, so
    orders are placed until one of them is sent; their seller is none whose orders are looked for.
    """

    async def is_attempted() -> bool:
        await world.placed(admin, distributor_id=world.middle)
        items = (await admin.get(f"/api/webhooks/{webhook_id}/attempts")).json()["items"]
        return any(item["attempts"] for item in items)

    await until(is_attempted, what="an event is sent to the webhook", every_s=1)


def address(stage: Stage, path: str) -> str:
    return re.sub(r"{(\w+)}", lambda name: str(stage.known[name.group(1)]), path)


@contextmanager
def queries(database: Any, matching: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """The matching queries that run inside the context."""
    found: list[dict[str, Any]] = []
    database["system.profile"].drop()
    database.command("profile", 1, filter=matching)
    try:
        yield found
    finally:
        database.command("profile", 0, filter="unset")
        found += database["system.profile"].find({"op": {"$in": ["query", "command", "getmore"]}})
        database["system.profile"].drop()


def sorts_sums(query: Mapping[str, Any]) -> bool:
    """An aggregation may sort its sums; a list must come sorted from an index."""
    return "COLLSCAN" not in query["planSummary"] and "$group" in str(query["command"].get("pipeline"))


def filter_choices(path: str) -> Iterator[tuple[str, ...]]:
    """The filter combinations of a read: the required ones with every choice of the others."""
    names = [one["name"] for one in READS[path] if one["in"] == "query" and one["name"] not in PAGES]
    needed = [one["name"] for one in READS[path] if one["in"] == "query" and one.get("required")]
    others = [name for name in names if name not in needed]
    for count in range(1 + len(others)):
        for chosen in combinations(others, count):
            yield (*needed, *chosen)


def test_every_parameter_has_a_value(stage: Stage) -> None:
    needed = {one["name"] for parameters in READS.values() for one in parameters}
    assert needed - stage.known.keys() - set(PAGES) == set(), "add values for these to `everything`"


@pytest.mark.parametrize("path", READS)
async def test_a_read_is_served_by_an_index(stage: Stage, path: str) -> None:
    url = address(stage, path)
    paged = any(one["name"] == "limit" for one in READS[path])
    statuses: dict[str, set[int]] = {who: set() for who in stage.people}
    with queries(stage.database, BAD) as scans:
        for who, client in stage.people.items():
            for chosen in filter_choices(path):
                answer = await client.get(
                    url, params={**stage.filters(path, chosen), **({"limit": 1} if paged else {})}
                )
                statuses[who].add(answer.status_code)
                if paged and answer.status_code == 200 and (following := answer.json().get("next")):
                    statuses[who].add((await client.get(following)).status_code)
    assert statuses["admin"] == {200}
    assert statuses["distributor"] | statuses["shop"] <= {200, 403, 404}
    relevant = [
        scan
        for scan in scans
        if scan["ns"].partition(".")[2] not in READ_WHOLE and scan["planSummary"] not in FEW and not sorts_sums(scan)
    ]
    assert [(scan["ns"], str(scan["command"])[:300]) for scan in relevant if "$graphLookup" not in str(scan)] == []


def test_a_read_without_an_index_is_detected(stage: Stage) -> None:
    with queries(stage.database, BAD) as scans:
        list(stage.database["order_intake.orders"].find({"currency": "CNY"}))
        list(stage.database["order_intake.orders"].find({"shop_id": "none"}).sort("total_minor"))
        list(stage.database["order_intake.orders"].find({"_id": "none"}))
    assert [scan["ns"].partition(".")[2] for scan in scans] == ["order_intake.orders"] * 2


@pytest.fixture(scope="module")
def crowd(stage: Stage) -> Iterator[Stage]:
    """The stage, with thousands of documents that each match one filter of their list."""
    assert CROWD > SCANNED
    with crowded(stage.database, crowds_of(stage.database, stage.known)):
        yield stage


LISTS = [path for path, parameters in READS.items() if any(one["name"] == "cursor" for one in parameters)]


@pytest.mark.parametrize("path", LISTS)
async def test_a_page_scans_few_documents_where_filters_never_match_together(crowd: Stage, path: str) -> None:
    url = address(crowd, path)
    with queries(crowd.database, MUCH) as large:
        for client in crowd.people.values():
            for chosen in filter_choices(path):
                answer = await client.get(url, params={**crowd.filters(path, chosen), "limit": PAGE})
                for _ in range(3):
                    if answer.status_code == 200 and (following := answer.json()["next"]):
                        answer = await client.get(following)
                        assert answer.status_code == 200, answer.text
    assert [(one["ns"], one["keysExamined"], one["docsExamined"], str(one["command"])[:600]) for one in large] == []


@pytest.mark.parametrize("path", [path for path in LISTS if [*filter_choices(path)] != [()]])
async def test_a_match_is_found_behind_many_documents_that_do_not_match(crowd: Stage, path: str) -> None:
    """Short pages lead to it, and no document is repeated."""
    *_, every_filter = filter_choices(path)
    wanted = crowd.filters(path, every_filter)
    following: str | None = str(httpx.URL(address(crowd, path), params={**wanted, "limit": 200}))
    items: list[str] = []
    pages = 0
    while following is not None:
        page = (await crowd.people["admin"].get(following)).json()
        items += map(str, page["items"])
        following = page["next"]
        pages += 1
    assert items
    assert len(set(items)) == len(items)
    assert pages < 20


@pytest.mark.parametrize("who", ["distributor", "shop"])
async def test_no_page_ends_at_an_order_beyond_reach(crowd: Stage, who: str) -> None:
    ends = 0
    for chosen in filter_choices("/api/orders"):
        client, wanted = crowd.people[who], {name: crowd.known[name] for name in chosen}
        following: str | None = str(httpx.URL("/api/orders", params={**wanted, "limit": PAGE}))
        for _ in range(3):
            if following is not None and (following := (await client.get(following)).json()["next"]):
                _, _, key = json.loads(b64decode(httpx.URL(following).params["cursor"] + "==", "-_"))
                assert (await client.get(f"/api/orders/{key}")).status_code == 200, (chosen, key)
                ends += 1
    assert ends > 0


async def test_a_month_is_read_from_its_running_sums(crowd: Stage) -> None:
    """The sums do not change when thousands of postings are inserted directly."""
    with queries(crowd.database, MUCH) as large:
        answer = await crowd.people["admin"].get(f"/api/distributors/{crowd.known['sponsor_id']}/performance")
    assert answer.json()["currencies"] == [{"currency": "CNY", "orders": 0, "net_sales": "0.00", "commissions": "3.00"}]
    assert large == []


async def test_a_query_that_scans_many_documents_is_detected(crowd: Stage) -> None:
    orders = crowd.database["order_intake.orders"]
    both = [{"lists": f"shop/{crowd.known['shop_id']}"}, {"lists": f"seller/{crowd.known['distributor_id']}"}]
    with queries(crowd.database, MUCH) as large:
        list(orders.find({"$and": both}).sort("placed_at", -1).limit(PAGE))
    assert len(large) == 1
