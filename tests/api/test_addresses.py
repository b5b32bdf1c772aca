"""What fuzzing has found once: which methods an address takes, and what is read as a truth or as a time."""

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
        # An order may be named "status", so this address is an order's as well.
        ("DELETE", "/api/orders/shop-7/status", "GET, PATCH, PUT"),
    ],
)
async def test_a_fixed_address_is_no_value_of_a_template(
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
async def test_a_number_is_no_time(admin: httpx.AsyncClient, world: World, moment: str) -> None:
    url = f"/api/distributors/{world.seller}"
    assert (await admin.get(f"{url}/upline", params={"as_of": moment})).status_code == 422
    assert (await admin.get("/api/orders", params={"placed_from": moment})).status_code == 422
    assert (await admin.patch(url, json={"active": True, "effective_at": moment})).status_code == 422


@pytest.mark.parametrize("day", [0, 0.5, "0", "2026-11", "2026-11-22T00:00:00Z", True])
async def test_a_number_is_no_day(admin: httpx.AsyncClient, world: World, day: Any) -> None:
    url = f"/api/distributors/{world.seller}/move-preview"
    answer = await admin.post(url, json={"sponsor_id": world.middle, "until": day})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "date_type")
    trial = {"rule_version": world.rule_version, "first_day": day, "last_day": "2026-11-22"}
    answer = await admin.post("/api/rules/backtest", json=trial)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "date_type")


@pytest.mark.parametrize("truth", [0, 1, "yes", "true"])
async def test_only_true_and_false_are_truths(admin: httpx.AsyncClient, world: World, truth: Any) -> None:
    plan = {"plan": "team_bonus", "name": "team", "rate": "0.05"}
    drafts = (
        {**plan, "own_sales": truth},
        {**plan, "conditions": {"active": truth}},
        {"plan": "unilevel", "name": "levels", "rates": ["0.1"], "compression": truth},
    )
    for draft in drafts:
        rules = {"title": "Autumn", "market": "default", "pool_rate": "0.20", "plans": [draft]}
        answer = await admin.post("/api/rules/explain", json={"rules": rules})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bool_type")
    me = (await admin.get("/api/me")).json()["subject"]
    for path in (f"/api/distributors/{world.seller}", f"/api/products/{world.product_id}", f"/api/users/{me}"):
        answer = await admin.patch(path, json={"active": truth})
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bool_type"), path
    order = {"shop_id": world.shop_id, "distributor_id": world.seller, "prepaid": truth}
    lines = [{"product_id": world.product_id, "quantity": 1, "amount": "1.00"}]
    assert (await admin.post("/api/orders", json={**order, "lines": lines})).status_code == 422


@pytest.mark.parametrize("noun", ["categories", "tags"])
async def test_a_repeat_tells_that_it_has_been_removed_since(admin: httpx.AsyncClient, noun: str) -> None:
    key = {"Idempotency-Key": unique("key")}
    made = await admin.post(f"/api/{noun}", json={"name": "Tea"}, headers=key)
    assert made.status_code == 201, made.text
    assert (await admin.delete(made.headers["location"])).status_code == 204
    again = await admin.post(f"/api/{noun}", json={"name": "Tea"}, headers=key)
    assert (again.status_code, again.json()["reason"]) == (404, "not_found")
    described = (await admin.get("/openapi.json")).json()["paths"][f"/api/{noun}"]["post"]["responses"]
    assert "removed" in described["404"]["description"]


async def test_an_address_for_mail_is_described_alike_for_all_dialects_of_patterns(client: httpx.AsyncClient) -> None:
    """U+0085 is a space to us, and to JSON Schema it is none; the flag makes Python read as JSON Schema does."""
    login = (await client.get("/openapi.json")).json()["components"]["schemas"]["LogIn"]["properties"]["email"]
    assert re.search(login["pattern"], "lin@example.com", re.ASCII)
    assert not re.search(login["pattern"], "lin@exam\x85ple.com", re.ASCII)
