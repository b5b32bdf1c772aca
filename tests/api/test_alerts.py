"""Alerts, routes, silences and notifications over HTTP, for administrators only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import aio_pika
import httpx
import pytest

from contracts.wire.envelope import COMMANDS_EXCHANGE
from tests.api.front import Front, unique
from tests.api.world import World, a_world
from tests.connected.running import until

READERS = {"kind": "email", "to": ["warehouse@example.com"]}
WAITING = {"Prefer": "wait=10"}


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


async def a_route(admin: httpx.AsyncClient, **fields: Any) -> str:
    route_id = unique("route")
    body = {"channel": READERS, "group_wait_s": 0, **fields}
    defined = await admin.put(f"/api/notification-routes/{route_id}", json=body, headers=WAITING)
    assert defined.status_code == 200, defined.text
    return route_id


async def test_a_route_is_defined_changed_tested_and_removed(front: Front, world: World) -> None:
    async with world.as_admin() as admin:
        route_id = await a_route(admin, kinds=["none"])
        url = f"/api/notification-routes/{route_id}"
        shown = (await admin.get(url)).json()
        assert (shown["revision"], shown["kinds"], shown["channel"]) == (1, ["none"], {**READERS, "host": None})

        await admin.put(url, json={"channel": READERS, "severity_min": "critical"}, headers=WAITING)
        shown = (await admin.get(url)).json()
        assert (shown["revision"], shown["kinds"], shown["severity_min"]) == (2, [], "critical")
        assert (await admin.post(f"{url}/test", headers=WAITING)).status_code == 200
        assert (await admin.delete(url, headers=WAITING)).status_code == 200
        for answer in (await admin.get(url), await admin.post(f"{url}/test", headers=WAITING)):
            assert (answer.status_code, answer.json()["reason"]) == (404, "unknown_route")


@pytest.mark.parametrize(
    "channel",
    [
        {"kind": "email", "to": []},
        {"kind": "email", "to": ["a@example.com"], "url": "https://example.com"},
        {"kind": "webhook", "to": ["a@example.com"]},
        {"kind": "slack"},
        {"kind": "slack", "url": "https://10.0.0.1/secret-path"},
        {"kind": "slack", "url": "http://example.com/secret-path"},
        {"kind": "slack", "url": "https://198.41.0.4/secret-path", "secret": "密" * 1024},
    ],
)
async def test_a_channel_that_cannot_be_used_is_refused(front: Front, world: World, channel: dict[str, Any]) -> None:
    async with world.as_admin() as admin:
        answer = await admin.put(f"/api/notification-routes/{unique('route')}", json={"channel": channel})

    assert (answer.status_code, answer.json()["reason"]) == (422, "receiver_refused")
    assert "secret-path" not in answer.text


async def test_a_route_that_escalates_to_itself_is_refused(front: Front, world: World) -> None:
    async with world.as_admin() as admin:
        route_id = await a_route(admin, kinds=["none"])
        url, body = f"/api/notification-routes/{route_id}", {"channel": READERS, "escalate_to": route_id}
        answer = await admin.put(url, json=body)

    assert (answer.status_code, answer.json()["reason"]) == (422, "unknown_escalation")


async def test_a_silence_is_created_listed_and_ended(front: Front, world: World) -> None:
    async with world.as_admin() as admin:
        name, until_ = unique("silence"), (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        body = {"silence_id": name, "alert": "stock/none", "until": until_, "reason": "a test"}
        created = await admin.post("/api/silences", json=body, headers=WAITING)
        assert (created.status_code, created.headers["Location"]) == (201, f"/api/silences/{name}")
        listed = (await admin.get("/api/silences", params={"limit": 200})).json()["items"]
        assert name in [silence["silence_id"] for silence in listed]
        ended = await admin.delete(f"/api/silences/{name}", headers=WAITING)
        assert (ended.status_code, ended.json()["ended_by"] is not None) == (200, True)
        broad = {**body, "silence_id": unique("silence"), "alert": None}
        refused = await admin.post("/api/silences", json=broad, headers=WAITING)
        assert (refused.status_code, refused.json()["reason"]) == (422, "silence_too_broad")


async def test_a_dead_letter_is_an_alert_that_is_acknowledged(front: Front, world: World) -> None:
    async with world.as_admin() as admin:
        route_id = await a_route(admin, kinds=["dead_letter"])
        async with front.site.channel() as channel:
            exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
            await exchange.publish(aio_pika.Message(f'{{"odd": "{route_id}"'.encode()), "tag.define.v1")

        async def noticed() -> Any:
            found = (await admin.get("/api/notifications", params={"route": route_id})).json()["items"]
            return found[0] if found else None

        notice = await until(noticed, what="the route reports the alert", every_s=0.2)
        assert notice["alert"].startswith("dead-letters/catalog.tag.define/")
        taken = await admin.post(
            "/api/alerts/acknowledge", json={"alert": notice["alert"], "note": "ours"}, headers=WAITING
        )
        assert (taken.status_code, taken.json()["note"]) == (200, "ours")
        listed = (await admin.get("/api/alerts", params={"state": "open", "kind": "dead_letter", "limit": 200})).json()
        assert notice["alert"] in [alert["alert"] for alert in listed["items"]]
        unknown = await admin.post("/api/alerts/acknowledge", json={"alert": "none"}, headers={"Prefer": "wait=1"})
        assert unknown.status_code == 202


async def test_others_see_none_of_it(front: Front, world: World) -> None:
    async with world.as_distributor(world.seller) as seller:
        for url in ("/api/alerts", "/api/notification-routes", "/api/silences", "/api/notifications"):
            assert (await seller.get(url)).status_code == 403
