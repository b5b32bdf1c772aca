"""Dead letters and traces over HTTP."""

from __future__ import annotations

from typing import Any

import aio_pika
import httpx
import pytest

from contracts.wire.envelope import COMMANDS_EXCHANGE
from tests.api.front import Front, unique
from tests.api.world import World, a_world
from tests.connected.running import until


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


async def a_letter(front: Front, admin: httpx.AsyncClient) -> dict[str, Any]:
    """The dead letter of a message that no worker can read."""
    mark = unique("unreadable")
    async with front.site.channel() as channel:
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        await exchange.publish(aio_pika.Message(f'{{"odd": "{mark}"'.encode()), "order.place.v2")

    async def there() -> Any:
        found = (await admin.get("/api/dead-letters", params={"queue": QUEUE, "limit": 200})).json()
        for item in found["items"]:
            letter = (await admin.get(f"/api/dead-letters/{item['letter_id']}")).json()
            if mark in letter["body"]:
                return letter
        return None

    letter: dict[str, Any] = await until(there, what="the letter is there", every_s=0.2)
    return letter


QUEUE = "order_intake.order.place"


async def test_a_dead_letter_is_replayed_once(front: Front, world: World) -> None:
    async with world.as_admin() as admin, world.as_distributor(world.seller) as seller:
        letter = await a_letter(front, admin)
        url = f"/api/dead-letters/{letter['letter_id']}"
        assert (letter["state"], letter["reason"]) == ("waiting", "malformed_json")
        assert (await seller.get(url)).status_code == 403
        replayed = await admin.post(f"{url}/replay", json={"note": "once more"})
        assert replayed.status_code == 200, replayed.text
        assert (replayed.json()["state"], replayed.json()["note"]) == ("replayed", "once more")

        async def died_again() -> bool:
            where = {"replays": 1, "body": letter["body"]}
            return bool(await front.site.documents("alerting.dead_letters", where))

        await until(died_again, what="it died again")
        again = await admin.post(f"{url}/replay", json={})
        assert (again.status_code, again.json()["state"]) == (200, "replayed")
        late = await admin.post(f"{url}/discard", json={})
        assert (late.status_code, late.json()["reason"]) == (409, "already_replayed")
        entries = await front.site.documents("api.audit", {"target": f"dead-letter/{letter['letter_id']}"})
        assert [entry["after"]["action"] for entry in entries] == ["replayed"]
        assert entries[0]["before"] == {"state": "waiting"}


async def test_a_dead_letter_is_discarded(front: Front, world: World) -> None:
    async with world.as_admin() as admin:
        letter = await a_letter(front, admin)
        url = f"/api/dead-letters/{letter['letter_id']}"
        gone = await admin.post(f"{url}/discard", json={"note": "a test"})
        assert (gone.status_code, gone.json()["state"]) == (200, "discarded")
        back = await admin.post(f"{url}/replay", json={})
        assert (back.status_code, back.json()["reason"]) == (409, "already_discarded")
        listed = (await admin.get("/api/dead-letters", params={"state": "discarded"})).json()["items"]
        assert letter["letter_id"] in {item["letter_id"] for item in listed}
        nothing = await admin.get("/api/dead-letters", params={"reason": "no_such_reason"})
        assert nothing.json() == {"items": [], "next": None}
        assert (await admin.get("/api/dead-letters/none")).status_code == 404
        assert (await admin.post("/api/dead-letters/none/replay", json={})).status_code == 404


async def test_an_order_is_traced(world: World) -> None:
    async with world.as_admin() as admin, world.as_distributor(world.seller) as seller:
        answer = await admin.post("/api/orders", json=world.order())
        order = answer.json()
        key = f"{world.shop_id}/{order['order_id']}"
        await world.reserved(order["order_id"])
        trace = (await admin.get("/api/trace", params={"of": key})).json()
        assert ("order_intake", "order.place.v2", "accepted") in [
            (step["worker"], step["type"], step["outcome"]) for step in trace["steps"]
        ]
        # The request id finds the same order.
        same = await admin.get("/api/trace", params={"of": answer.headers["x-request-id"]})
        assert key in str(same.json())
        assert (await admin.get("/api/trace", params={"of": "nothing"})).status_code == 404
        assert (await seller.get("/api/trace", params={"of": key})).status_code == 403


async def test_an_unknown_message_is_not_found(world: World) -> None:
    async with world.as_admin() as admin:
        for odd in ("none", "a" * 200):
            assert (await admin.get(f"/api/messages/{odd}")).status_code == 404
        assert (await admin.get("/api/messages/" + "a" * 201)).status_code == 422


async def test_the_allow_header_lists_all_methods(world: World) -> None:
    async with world.as_admin() as admin:
        answer = await admin.delete("/api/orders/shop-7/1")
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PATCH")
