"""Rules over HTTP: proposed and approved by two persons, readable by everyone once in force."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import pytest

from contracts.rules.document import EXAMPLE
from tests.api.front import Front
from tests.api.world import World, a_world


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


def a_draft(**changes: Any) -> dict[str, Any]:
    return {**EXAMPLE, "title": f"Draft {secrets.token_hex(4)}", **changes}


async def test_two_persons_activate_rules(world: World) -> None:
    async with world.as_admin() as ann, world.as_admin() as bob, world.as_distributor(world.seller) as seller:
        key = {"Idempotency-Key": secrets.token_hex(8)}
        draft = a_draft()
        proposed = await ann.post("/api/rules", json={"rules": draft}, headers=key)
        assert proposed.status_code == 201, proposed.text
        assert (await ann.post("/api/rules", json={"rules": draft}, headers=key)).json() == proposed.json()
        url, digest = proposed.headers["location"], proposed.json()["digest"]
        assert (await seller.get(url)).status_code == 404
        own = await ann.post(f"{url}/approve", json={"digest": digest})
        assert (own.status_code, own.json()["reason"]) == (409, "same_person")
        early = await bob.post(f"{url}/activate", json={})
        assert (early.status_code, early.json()["reason"]) == (409, "not_approved")
        unread = await bob.post(f"{url}/approve", json={"digest": "0" * 64})
        assert (unread.status_code, unread.json()["reason"]) == (409, "digest_mismatch")
        approved = await bob.post(f"{url}/approve", json={"digest": digest})
        assert (approved.status_code, approved.json()["stage"]) == (200, "approved")
        past = await bob.post(f"{url}/retire", json={})
        assert (past.status_code, past.json()["reason"]) == (409, "not_active")
        active = await bob.post(f"{url}/activate", json={})
        assert (active.status_code, active.json()["stage"]) == (200, "active"), active.text
        again = await bob.post(f"{url}/activate", json={})
        assert again.status_code == 200
        other = await ann.post("/api/rules", json={"rules": a_draft(), "rule_version": active.json()["rule_version"]})
        assert (other.status_code, other.json()["reason"]) == (409, "conflict")
        shown = await seller.get(url, headers={"Accept-Language": "zh"})
        assert shown.status_code == 200
        assert any("佣金" in sentence or "规则" in sentence for sentence in shown.json()["sentences"])
        assert shown.json()["terms"]["pool_rate"] == "0.2"
        assert shown.json()["terms"]["targets"][0]["target"] == "10000.00"
        etag = {"If-None-Match": shown.headers["etag"], "Accept-Language": "zh"}
        assert (await seller.get(url, headers=etag)).status_code == 304
        retired = await bob.post(f"{url}/retire", json={"effective_from": "2027-01-01T00:00:00Z"})
        assert (retired.status_code, retired.json()["retired_from"]) == (200, "2027-01-01T00:00:00Z")
        target = f"rules/{active.json()['rule_version']}"
        entries = await world.front.site.documents("api.audit", {"target": target})
        assert [entry["action"] for entry in entries] == [
            f"rules.{word}.v1" for word in ("propose", "approve", "activate", "retire")
        ]
        assert entries[1]["before"]["stage"] == "proposed"


async def test_no_one_brings_earlier_rules_back_alone(front: Front) -> None:
    """The person who retires would choose among all sets that were ever in force."""
    world = await a_world(front)
    async with world.as_admin() as ann, world.as_admin() as bob:
        urls = []
        for title in ("Better", "Planned"):
            draft = a_draft(market=world.market, title=title, targets=[])
            proposed = (await ann.post("/api/rules", json={"rules": draft})).json()
            urls.append(f"/api/rules/{proposed['rule_version']}")
            assert (await bob.post(f"{urls[-1]}/approve", json={"digest": proposed["digest"]})).status_code == 200
        better, planned = urls
        active = await bob.post(f"{better}/activate", json={})
        assert active.status_code == 200, active.text
        for end in ({}, {"effective_from": "2099-01-01T00:00:00Z"}):
            alone = await bob.post(f"{better}/retire", json=end)
            assert (alone.status_code, alone.json()["reason"]) == (409, "earlier_rules_return"), alone.text
        when = {"effective_from": "2098-01-01T00:00:00Z"}
        assert (await bob.post(f"{planned}/activate", json=when)).status_code == 200
        assert (await bob.post(f"{planned}/retire", json=when)).status_code == 200


async def test_rules_beyond_their_market_are_refused(world: World) -> None:
    plans = [{"plan": "unilevel", "name": "deep", "rates": ["0.05", "0.04", "0.03", "0.02"]}]
    async with world.as_admin() as ann, world.as_admin() as bob:
        proposed = (await ann.post("/api/rules", json={"rules": a_draft(plans=plans, targets=[])})).json()
        url = f"/api/rules/{proposed['rule_version']}"
        assert (await bob.post(f"{url}/approve", json={"digest": proposed["digest"]})).status_code == 200
        answer = await bob.post(f"{url}/activate", json={})
        assert (answer.status_code, answer.json()["reason"]) == (409, "market_limit"), answer.text
        elsewhere = a_draft(market=f"m{secrets.token_hex(6)}")
        proposed = (await ann.post("/api/rules", json={"rules": elsewhere})).json()
        url = f"/api/rules/{proposed['rule_version']}"
        await bob.post(f"{url}/approve", json={"digest": proposed["digest"]})
        answer = await bob.post(f"{url}/activate", json={})
        assert (answer.status_code, answer.json()["reason"]) == (422, "market_unknown")


async def test_an_unproposed_draft_is_explained(world: World) -> None:
    plans = [{"plan": "unilevel", "name": "deep", "rates": ["0.05", "0.04", "0.03", "0.02"]}]
    async with world.as_distributor(world.seller) as seller:
        explained = (await seller.post("/api/rules/explain", json={"rules": a_draft(plans=plans)})).json()
        assert explained["market_is_known"]
        assert [breach["limit"] for breach in explained["breaches"]] == ["levels_paid_max"]
        assert any("0.05" in sentence or "5%" in sentence for sentence in explained["sentences"])
        odd = await seller.post("/api/rules/explain", json={"rules": a_draft(pool_rate="0.01")})
        assert (odd.status_code, odd.json()["reason"]) == (422, "inconsistent_request")
        assert (await seller.post("/api/rules", json={"rules": a_draft()})).status_code == 403


async def test_lists_show_the_rules_that_a_principal_may_see(world: World) -> None:
    async with world.as_admin() as admin, world.as_distributor(world.seller) as seller:
        await admin.post("/api/rules", json={"rules": a_draft()})
        assert {"proposed", "active"} <= {rules["stage"] for rules in await listed(admin)}
        assert {rules["stage"] for rules in await listed(seller)} == {"active"}
        assert (await seller.get("/api/rules", params={"stage": "proposed"})).json()["items"] == []
        numbers = [rules["rule_version"] for rules in await listed(admin)]
        assert numbers == sorted(numbers, reverse=True)


async def listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    url: str | None = "/api/rules?limit=2"
    while url is not None:
        page = (await client.get(url)).json()
        items += page["items"]
        url = page["next"]
    return items


async def test_rules_are_backtested_on_past_orders(world: World) -> None:
    async with world.as_admin() as admin:
        order = await world.paid(admin)
        day = order["placed_at"][:10]
        body = {"rule_version": world.rule_version, "first_day": day, "last_day": day}
        answer = await admin.post("/api/rules/backtest", json=body)
        assert answer.status_code == 200, answer.text
        figures = answer.json()["currencies"]["CNY"]
        assert (figures["today"], figures["draft"], figures["change"]) == ("18.00", "18.00", "0.00")
        missing = await admin.post("/api/rules/backtest", json={**body, "rule_version": 2**31})
        assert (missing.status_code, missing.json()["reason"]) == (404, "not_proposed")
        for change in (
            {"first_day": "2020-01-01"},
            {"last_day": "2020-01-01"},
            {"rules": a_draft()},
            {"rule_version": None},
        ):
            odd = await admin.post("/api/rules/backtest", json={**body, **change})
            assert (odd.status_code, odd.json()["reason"]) == (422, "inconsistent_request"), odd.text
