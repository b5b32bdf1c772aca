"""Defects that fuzzing has found: methods of an address, and values read as booleans or times."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.api.front import Front, bearer, unique
from tests.api.world import World, a_world


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


@pytest.fixture
async def admin(front: Front, client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.headers.update(bearer(await front.admin(client)))
    return client


@pytest.mark.parametrize(
    ("method", "path", "taken"),
    [
        ("GET", "/api/inventory/adjustments", "POST"),
        ("PUT", "/api/inventory/adjustments", "POST"),
        ("PUT", "/api/inventory/hot", "GET"),
        ("GET", "/api/rules/backtest", "POST"),
        ("GET", "/api/rules/explain", "POST"),
        ("PATCH", "/api/users/permissions", "GET"),
        ("DELETE", "/api/rules/explain", "POST"),
        ("OPTIONS", "/oauth/authorize", "GET, POST"),
        # An order may be named "status", so this is also the address of an order.
        ("DELETE", "/api/orders/shop-7/status", "GET, PATCH, PUT"),
    ],
)
async def test_a_fixed_address_does_not_match_a_template(
    client: httpx.AsyncClient, method: str, path: str, taken: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, taken)
    assert answer.json()["reason"] == "method_not_allowed"


async def test_every_method_of_an_address_is_described(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    for path, item in paths.items():
        if "{" not in path:
            allowed = (await client.request("TRACE", path)).headers["allow"].split(", ")
            assert set(allowed) - {"HEAD"} == {method.upper() for method in item}, path


@pytest.mark.parametrize("moment", ["0.5", "5", "-5", "1e3"])
async def test_a_number_as_a_time_is_refused(admin: httpx.AsyncClient, world: World, moment: str) -> None:
    url = f"/api/distributors/{world.seller}"
    assert (await admin.get(f"{url}/upline", params={"as_of": moment})).status_code == 422
    assert (await admin.get("/api/orders", params={"placed_from": moment})).status_code == 422
    assert (await admin.patch(url, json={"active": True, "effective_at": moment})).status_code == 422


@pytest.mark.parametrize("day", [0, 0.5, "0", "2026-11", "2026-11-22T00:00:00Z", True])
async def test_a_number_as_a_day_is_refused(admin: httpx.AsyncClient, world: World, day: Any) -> None:
    url = f"/api/distributors/{world.seller}/move-preview"
    answer = await admin.post(url, json={"sponsor_id": world.middle, "until": day})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "date_type")
    trial = {"rule_version": world.rule_version, "first_day": day, "last_day": "2026-11-22"}
    answer = await admin.post("/api/rules/backtest", json=trial)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "date_type")


@pytest.mark.parametrize("value", [0, 1, "yes", "true"])
async def test_only_true_and_false_are_booleans(admin: httpx.AsyncClient, world: World, value: Any) -> None:
    plan = {"plan": "team_bonus", "name": "team", "rate": "0.05"}
    drafts = (
        {**plan, "own_sales": value},
        {**plan, "conditions": {"active": value}},
        {"plan": "unilevel", "name": "levels", "rates": ["0.1"], "compression": value},
    )
    for draft in drafts:
        rules = {"title": "Autumn", "market": "default", "pool_rate": "0.20", "plans": [draft]}
        answer = await admin.post("/api/rules/explain", json={"rules": rules})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bool_type")
    me = (await admin.get("/api/me")).json()["subject"]
    for path in (f"/api/distributors/{world.seller}", f"/api/products/{world.product_id}", f"/api/users/{me}"):
        answer = await admin.patch(path, json={"active": value})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bool_type"), path
    order = {"shop_id": world.shop_id, "distributor_id": world.seller, "prepaid": value}
    lines = [{"product_id": world.product_id, "quantity": 1, "amount": "1.00"}]
    assert (await admin.post("/api/orders", json={**order, "lines": lines})).status_code == 422


@pytest.mark.parametrize("noun", ["categories", "tags"])
async def test_a_repeat_after_the_removal_is_not_found(admin: httpx.AsyncClient, noun: str) -> None:
    key = {"Idempotency-Key": unique("key")}
    made = await admin.post(f"/api/{noun}", json={"name": "Tea"}, headers=key)
    assert made.status_code == 201, made.text
    assert (await admin.delete(made.headers["location"])).status_code == 204
    again = await admin.post(f"/api/{noun}", json={"name": "Tea"}, headers=key)
    assert (again.status_code, again.json()["reason"]) == (404, "not_found")
    described = (await admin.get("/openapi.json")).json()["paths"][f"/api/{noun}"]["post"]["responses"]
    assert "removed" in described["404"]["description"]


async def test_the_email_pattern_is_the_same_in_all_regex_dialects(client: httpx.AsyncClient) -> None:
    """Python treats U+0085 as a space, JSON Schema does not; the flag makes Python follow JSON Schema."""
    login = (await client.get("/openapi.json")).json()["components"]["schemas"]["LogIn"]["properties"]["email"]
    assert re.search(login["pattern"], "lin@example.com", re.ASCII)
    assert not re.search(login["pattern"], "lin@exam\x85ple.com", re.ASCII)
