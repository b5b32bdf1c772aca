"""Distributors and teams over HTTP: registered, ranked, moved, led, and shown to those within reach."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from contracts.catalog.v1 import DefineProduct, DefineTag
from contracts.network.v1 import CreateTeam, RegisterDistributor
from contracts.rules.v1 import ProposeRules
from tests.api.front import Front, bearer, unique
from tests.api.world import World, a_world
from tests.builders import a_rule_document
from tests.connected.running import until


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


@pytest.fixture
async def admin(front: Front, client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.headers.update(bearer(await front.admin(client)))
    return client


async def registered(admin: httpx.AsyncClient, sponsor_id: int | None = None, **more: Any) -> int:
    body = {key: value for key, value in {"sponsor_id": sponsor_id, **more}.items() if value is not None}
    answer = await admin.post("/api/distributors", json=body)
    assert answer.status_code == 201, answer.text
    distributor_id: int = answer.json()["distributor_id"]
    assert answer.headers["location"] == f"/api/distributors/{distributor_id}"
    return distributor_id


async def test_numbers_are_counted_up_and_a_repeat_gets_the_same_one(admin: httpx.AsyncClient, world: World) -> None:
    body = {"sponsor_id": world.top, "tier": "gold"}
    key = {"Idempotency-Key": unique("key")}
    first, second = [await admin.post("/api/distributors", json=body, headers=key) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert first.json()["tier"] == "gold"
    other = await registered(admin, world.top)
    assert other > first.json()["distributor_id"]


async def test_numbers_from_messages_do_not_move_our_own(front: Front, admin: httpx.AsyncClient, world: World) -> None:
    highest, rules = 2**63 - 1, a_rule_document(market=world.market)
    last_product = DefineProduct(product_id=highest, name="Last", category_id=highest, category_name="Last")
    await front.send(
        RegisterDistributor(distributor_id=highest),
        last_product,
        DefineTag(tag_id=highest, name=unique("Last")),
        CreateTeam(team_id=highest, leader_id=world.top, name="Last"),
        ProposeRules(rule_version=2**31 - 1, proposed_by="ann", rules=rules),
    )
    views = {"network.distributors": highest, "catalog.products": highest, "catalog.categories": highest}
    views |= {"catalog.tags": highest, "network.teams": highest, "rule_book.rules": 2**31 - 1}
    for view, number in views.items():

        async def there(view: str = view, number: int = number) -> bool:
            return bool(await front.site.documents(view, {"_id": number}))

        await until(there, what=f"{number} is in {view}")
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "distributors": ("distributor_id", {"sponsor_id": world.top}),
        "products": ("product_id", {"name": "Tea", "category_id": highest}),
        "categories": ("category_id", {"name": unique("Tea")}),
        "tags": ("tag_id", {"name": unique("organic")}),
        "teams": ("team_id", {"name": "North", "leader_id": world.top}),
        "rules": ("rule_version", {"rules": rules.model_dump(mode="json")}),
    }
    for noun, (field, body) in bodies.items():
        first, second = [await admin.post(f"/api/{noun}", json=body | _renamed(body)) for _ in range(2)]
        assert (first.status_code, second.status_code) == (201, 201), (first.text, second.text)
        assert first.json()[field] < second.json()[field] < 2**53


def _renamed(body: dict[str, Any]) -> dict[str, Any]:
    return {"name": unique(body["name"])} if "name" in body else {}


async def test_a_tier_is_changed_with_the_current_etag(admin: httpx.AsyncClient, world: World) -> None:
    url = f"/api/distributors/{await registered(admin, world.top)}"
    shown = await admin.get(url)
    etag = {"If-Match": shown.headers["etag"]}
    assert (await admin.get(url, headers={"If-None-Match": shown.headers["etag"]})).status_code == 304
    changed = await admin.patch(url, json={"tier": "gold"}, headers=etag)
    assert (changed.status_code, changed.json()["tier"]) == (200, "gold")
    late = await admin.patch(url, json={"tier": "silver"}, headers=etag)
    assert (late.status_code, late.json()["reason"]) == (412, "precondition_failed")
    # The answer to a change has the ETag for the next one.
    off = await admin.patch(url, json={"active": False}, headers={"If-Match": changed.headers["etag"]})
    assert (off.json()["active"], off.json()["tier"]) == (False, "gold")
    before = await admin.patch(url, json={"tier": "silver", "effective_at": "2001-01-01T00:00:00Z"})
    assert (before.status_code, before.json()["reason"]) == (409, "out_of_order")
    nothing = await admin.patch(url, json={})
    assert (nothing.status_code, nothing.json()["reason"]) == (422, "nothing_to_change")


async def test_invalid_requests_are_refused(admin: httpx.AsyncClient, world: World) -> None:
    far = 2**62
    url = f"/api/distributors/{world.top}"
    expected = [
        (await admin.post("/api/distributors", json={"sponsor_id": far}), 422, "sponsor_unknown"),
        (await admin.post("/api/distributors", json={"sponsor_id": "07"}), 422, "invalid_request"),
        (await admin.patch(f"/api/distributors/{far}", json={"tier": "gold"}), 404, "not_found"),
        (await admin.post(f"{url}/move", json={"sponsor_id": world.top}), 422, "own_sponsor"),
        (await admin.post(f"{url}/move", json={"sponsor_id": world.seller}), 409, "cycle"),
        (await admin.post(f"{url}/move", json={"sponsor_id": far}), 422, "sponsor_unknown"),
        (await admin.post(f"{url}/move", json={}), 422, "invalid_request"),
        (await admin.post(f"{url}/move-preview", json={"sponsor_id": world.seller}), 409, "move_impossible"),
        (await admin.get(f"{url}/downline", params={"depth": 11}), 422, "invalid_request"),
        (await admin.get(f"{url}/downline", params={"nodes": 1001}), 422, "invalid_request"),
        (await admin.get("/api/distributors/0"), 422, "invalid_request"),
        (await admin.post("/api/teams", json={"name": "A", "leader_id": far}), 422, "leader_unknown"),
        (await admin.get("/api/teams/4611686018427387904"), 404, "not_found"),
    ]
    for answer, status, reason in expected:
        assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


async def test_a_move_is_rehearsed_and_then_applied(world: World) -> None:
    async with world.as_admin() as admin:
        await world.paid(admin)
        elsewhere = await registered(admin)
        url = f"/api/distributors/{world.seller}"
        preview = await admin.post(f"{url}/move-preview", json={"sponsor_id": elsewhere, "days": 2})
        assert preview.status_code == 200, preview.text
        figures = preview.json()
        assert (figures["chain"], figures["orders"], figures["sellers"]) == ([elsewhere], 1, 1)
        [currency] = figures["currencies"]
        changes = {one["distributor_id"]: one["change"] for one in currency["people"]}
        assert changes == {world.middle: "-5.00", world.top: "-3.00", elsewhere: "5.00"}
        cycle = await admin.post(f"/api/distributors/{world.top}/move-preview", json={"sponsor_id": world.seller})
        assert (cycle.status_code, cycle.json()["reason"]) == (409, "move_impossible")
        assert "would close a cycle" in cycle.json()["detail"]
        moved = await admin.post(f"{url}/move", json={"sponsor_id": elsewhere})
        assert (moved.status_code, moved.json()["sponsor_id"]) == (200, elsewhere)
        chain = (await admin.get(f"{url}/upline")).json()["chain"]
        assert [step["distributor_id"] for step in chain] == [world.seller, elsewhere]
        before = (await admin.get(f"{url}/upline", params={"as_of": "2020-01-01T00:00:00Z"})).json()["chain"]
        assert [step["distributor_id"] for step in before] == [world.seller, world.middle, world.top]
        async with world.as_distributor(world.middle) as middle:
            assert (await middle.get(url)).status_code == 404
        back = await admin.post(f"{url}/move", json={"sponsor_id": world.middle})
        assert back.status_code == 200


async def test_a_distributor_sees_themselves_and_their_downline(world: World) -> None:
    async with world.as_distributor(world.middle) as middle:
        for path in ("", "/downline", "/upline", "/performance"):
            assert (await middle.get(f"/api/distributors/{world.seller}{path}")).status_code == 200
            assert (await middle.get(f"/api/distributors/{world.middle}{path}")).status_code == 200
            assert (await middle.get(f"/api/distributors/{world.top}{path}")).status_code == 404
        chain = (await middle.get(f"/api/distributors/{world.seller}/upline")).json()["chain"]
        assert [step["distributor_id"] for step in chain] == [world.seller, world.middle]
        listed = (await middle.get("/api/distributors")).json()["items"]
        assert [one["distributor_id"] for one in listed] == [world.seller]
        assert (await middle.get("/api/distributors", params={"sponsor_id": world.top})).status_code == 404
        assert (await middle.patch(f"/api/distributors/{world.seller}", json={"tier": "gold"})).status_code == 403
    async with world.as_distributor(world.top) as top:
        root = (await top.get(f"/api/distributors/{world.top}/downline")).json()["root"]
        names = [(child["distributor_id"], child["level"]) for child in root["children"]]
        assert (world.middle, 1) in names


async def test_a_tree_is_cut_at_its_limits_and_links_to_the_rest(admin: httpx.AsyncClient) -> None:
    root = await registered(admin)
    children = sorted(await asyncio.gather(*(registered(admin, root) for _ in range(5))))
    grandchildren = [await registered(admin, child) for child in children[:2]]
    url = f"/api/distributors/{root}/downline"
    whole = (await admin.get(url)).json()
    assert whole["nodes"] == 8
    assert [node["distributor_id"] for node in whole["root"]["children"]] == children
    assert whole["root"]["children_next"] is None
    assert [one["distributor_id"] for one in whole["root"]["children"][1]["children"]] == [grandchildren[1]]
    shallow = (await admin.get(url, params={"depth": 1})).json()
    follow = shallow["root"]["children"][0]["children_next"]
    assert [one["distributor_id"] for one in (await admin.get(follow)).json()["items"]] == [grandchildren[0]]
    cut = (await admin.get(url, params={"nodes": 4})).json()
    assert cut["nodes"] == 4
    rest = (await admin.get(cut["root"]["children_next"])).json()["items"]
    assert [one["distributor_id"] for one in rest] == children[3:]
    seen: list[int] = []
    link = f"/api/distributors?sponsor_id={root}&limit=2"
    while link:
        page = (await admin.get(link)).json()
        seen += [one["distributor_id"] for one in page["items"]]
        link = page["next"]
    assert seen == children
    await admin.patch(f"/api/distributors/{children[1]}", json={"tier": "gold", "active": False})
    for command, expected in (({"tier": "gold"}, [children[1]]), ({"active": False}, [children[1]])):
        answer = await admin.get("/api/distributors", params={"sponsor_id": root, **command})
        assert [one["distributor_id"] for one in answer.json()["items"]] == expected
    standard = await admin.get("/api/distributors", params={"sponsor_id": root, "tier": "standard", "active": True})
    assert [one["distributor_id"] for one in standard.json()["items"]] == [children[0], *children[2:]]


async def test_a_team_is_joined_led_and_left(world: World, admin: httpx.AsyncClient) -> None:
    created = await admin.post("/api/teams", json={"name": "Riverside", "leader_id": world.top})
    assert created.status_code == 201, created.text
    team_id = created.json()["team_id"]
    url = f"/api/teams/{team_id}"
    stranger = await registered(admin)
    for member in (world.seller, world.middle, stranger):
        joined = await admin.post(f"{url}/members", json={"distributor_id": member})
        assert joined.status_code == 200, joined.text
    hierarchy = (await admin.get(f"{url}/hierarchy")).json()
    levels = {one["level"]: [member["distributor_id"] for member in one["members"]] for one in hierarchy["levels"]}
    assert levels == {1: [world.middle], 2: [world.seller]}
    assert [member["distributor_id"] for member in hierarchy["elsewhere"]] == [stranger]
    page = (await admin.get(f"{url}/members", params={"limit": 2})).json()
    rest = (await admin.get(page["next"])).json()
    assert len(page["items"]) + len(rest["items"]) == 3
    assert [team["team_id"] for team in (await admin.get("/api/teams?leader_id=" + str(world.top))).json()["items"]]

    async with world.as_distributor(world.seller) as seller:
        assert (await seller.get(url)).status_code == 200
        assert (await seller.get(f"{url}/members")).status_code == 404
        assert [team["team_id"] for team in (await seller.get("/api/teams")).json()["items"]] == [team_id]
    async with world.as_distributor(world.top) as top:
        assert (await top.get(f"{url}/hierarchy")).status_code == 200

    left = await admin.delete(f"{url}/members/{world.seller}")
    assert left.status_code == 200, left.text
    again = await admin.delete(f"{url}/members/{world.seller}")
    assert (again.status_code, again.json()["reason"]) == (409, "not_a_member")
    etag = (await admin.get(url)).headers["etag"]
    led = await admin.put(f"{url}/leader", json={"leader_id": stranger}, headers={"If-Match": etag})
    assert (led.status_code, led.json()["leader_id"]) == (200, stranger)
    assert etag.startswith('"1-')
    assert led.headers["etag"] == '"2"'
    late = await admin.put(f"{url}/leader", json={"leader_id": world.top}, headers={"If-Match": etag})
    assert late.status_code == 412
    async with world.as_distributor(world.top) as top:
        assert (await top.get(url)).status_code == 404


async def test_the_upline_of_a_leader_sees_their_own_downline_of_the_team(
    world: World, admin: httpx.AsyncClient
) -> None:
    created = await admin.post("/api/teams", json={"name": "Mixed", "leader_id": world.middle})
    url = f"/api/teams/{created.json()['team_id']}"
    stranger = await registered(admin)
    for member in (world.seller, stranger):
        assert (await admin.post(f"{url}/members", json={"distributor_id": member})).status_code == 200

    async def seen(client: httpx.AsyncClient) -> tuple[set[int], set[int]]:
        listed = (await client.get(f"{url}/members")).json()["items"]
        shown = (await client.get(f"{url}/hierarchy")).json()
        below = [member for level in shown["levels"] for member in level["members"]]
        return (
            {one["distributor_id"] for one in listed},
            {one["distributor_id"] for one in (*below, *shown["elsewhere"])},
        )

    async with world.as_distributor(world.middle) as leader, world.as_distributor(world.top) as top:
        assert await seen(leader) == await seen(admin) == ({world.seller, stranger},) * 2
        assert await seen(top) == ({world.seller},) * 2


async def test_permissions_granted_beyond_the_role_reach_no_further(world: World, admin: httpx.AsyncClient) -> None:
    """A distributor with these permissions may register and move distributors only in their own downline."""
    email, _ = await world.front.log_in_as(admin, world.middle)
    user = (await admin.get("/api/users", params={"email": email})).json()["items"][0]
    command = {"granted": ["distributors:write", "teams:write"]}
    assert (await admin.patch(f"/api/users/{user['id']}", json=command)).status_code == 200
    async with world.as_distributor(world.middle) as middle:
        # This login has the role's permissions only.
        assert (await middle.post("/api/distributors", json={})).status_code == 403
    async with world.front.client() as middle:
        body = {"email": email, "password": "seven grey herons wade"}
        token = world.front.remember((await middle.post("/api/auth/login", json=body)).json())["access_token"]
        middle.headers.update(bearer(token))
        assert (await middle.post("/api/distributors", json={})).json()["reason"] == "top_of_network"
        assert (await middle.post("/api/distributors", json={"sponsor_id": world.top})).status_code == 404
        mine = await middle.post("/api/distributors", json={"sponsor_id": world.seller})
        assert mine.status_code == 201, mine.text
        url = f"/api/distributors/{mine.json()['distributor_id']}"
        assert (await middle.post(f"{url}/move", json={"sponsor_id": world.top})).status_code == 404
        assert (await middle.post(f"{url}/move", json={"sponsor_id": None})).status_code == 403
        assert (await middle.post(f"{url}/move", json={"sponsor_id": world.middle})).status_code == 200
        assert (await middle.post(f"{url}/move-preview", json={"sponsor_id": None})).status_code == 404
        assert (await middle.post("/api/teams", json={"name": "Mine", "leader_id": world.top})).status_code == 404
