"""Two persons are two persons: attacks of an administrator, or of a user who only manages users, alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from api.identity.permissions import PERMISSIONS
from tests.api.front import PASSWORD, Front, an_email, bearer, unique
from tests.api.test_rules import a_draft
from tests.api.world import World, a_world


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("reason")


async def id_of(client: httpx.AsyncClient) -> str:
    subject: str = (await client.get("/api/me")).json()["subject"]
    return subject


async def log_in(front: Front, client: httpx.AsyncClient, email: str, password: str = PASSWORD, **new: str) -> None:
    answer = await client.post("/api/auth/login", json={"email": email, "password": password, **new})
    assert answer.status_code == 200, answer.text
    client.headers.update(bearer(front.remember(answer.json())["access_token"]))


@asynccontextmanager
async def who_only_manages_users(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """An administrator with `users:*` alone."""
    async with world.as_admin() as admin, world.front.client() as client:
        email, one_time = await world.front.administrator()
        [user] = (await admin.get("/api/users", params={"email": email})).json()["items"]
        withheld = sorted(set(PERMISSIONS) - {"users:read", "users:write"})
        answer = await admin.patch(f"/api/users/{user['id']}", json={"withheld": withheld})
        assert answer.status_code == 200, answer.text
        await log_in(world.front, client, email, one_time, new_password=PASSWORD)
        yield client


async def pending(front: Front, admin: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """A user who waits, as an administrator unless the body states otherwise."""
    given = {"email": an_email(), "roles": ["ROLE_ADMIN"], "password": PASSWORD, **body}
    answer = await admin.post("/api/users", json=given)
    assert answer.status_code == 201, answer.text
    user: dict[str, Any] = answer.json()
    return user


async def decided(client: httpx.AsyncClient, user: Mapping[str, Any], how: str = "confirm") -> httpx.Response:
    """With the version that is there now."""
    shown = (await client.get(f"/api/users/{user['id']}")).json()
    return await client.post(f"/api/users/{user['id']}/{how}", json={"version": shown["version"]})


def given(front: Front, confirmed: httpx.Response) -> str:
    """The one-time password that the second person got for the holder of the account."""
    assert confirmed.status_code == 200, confirmed.text
    one_time: str = confirmed.json()["one_time_password"]
    front.secrets_seen.append(one_time)
    return one_time


async def test_no_one_changes_their_own_rights(world: World) -> None:
    async with who_only_manages_users(world) as manager, world.as_admin() as admin:
        for client in (manager, admin):
            url = f"/api/users/{await id_of(client)}"
            for change in ({"granted": ["invites:write"]}, {"active": False}, {"withheld": ["audit:read"]}):
                assert refusal(await client.patch(url, json=change)) == (403, "own_rights"), change
            assert refusal(await client.post(f"{url}/reset-password")) == (403, "own_rights")
            assert (await client.patch(url, json={"name": "Lin"})).json()["name"] == "Lin"
        everything = await manager.patch(f"/api/users/{await id_of(manager)}", json={"withheld": []})
        assert refusal(everything) == (403, "own_rights")


async def test_no_one_grants_what_they_do_not_hold(world: World) -> None:
    distributor = {"roles": ["ROLE_DISTRIBUTOR"], "distributor_id": world.seller}
    async with who_only_manages_users(world) as manager, world.as_admin() as admin:
        for body in ({"roles": ["ROLE_ADMIN"]}, distributor, {"roles": ["ROLE_SHOP"]}):
            answer = await manager.post("/api/users", json={"email": an_email(), **body})
            assert refusal(answer) == (403, "beyond_own_rights"), body
        user = await pending(world.front, admin, **distributor)
        assert user["active"]
        url = f"/api/users/{user['id']}"
        for change in ({"granted": ["rules:approve"]}, {"granted": ["audit:read"]}, {"roles": ["ROLE_ADMIN"]}):
            assert refusal(await manager.patch(url, json=change)) == (403, "beyond_own_rights"), change
        # Neither by a detour: taken away, and given back; or through the other one's password.
        assert (await manager.patch(url, json={"withheld": ["orders:write"]})).status_code == 200
        assert refusal(await manager.patch(url, json={"withheld": []})) == (403, "beyond_own_rights")
        assert (await manager.patch(url, json={"active": False})).status_code == 200
        assert refusal(await manager.patch(url, json={"active": True})) == (403, "beyond_own_rights")
        assert refusal(await manager.post(f"{url}/reset-password")) == (403, "beyond_own_rights")
        assert refusal(await manager.post(f"/api/users/{await id_of(admin)}/reset-password")) == (
            403,
            "beyond_own_rights",
        )


async def test_a_permission_that_was_taken_away_cannot_be_passed_on(world: World) -> None:
    front = world.front
    async with world.as_admin() as bob, front.client() as ann:
        email, one_time = await front.administrator()
        [user] = (await bob.get("/api/users", params={"email": email})).json()["items"]
        await log_in(front, ann, email, one_time, new_password=PASSWORD)
        answer = await bob.patch(f"/api/users/{user['id']}", json={"withheld": ["audit:read"]})
        assert answer.status_code == 200, answer.text
        other = {"email": an_email(), "roles": ["ROLE_DISTRIBUTOR"], "distributor_id": world.seller}
        assert (await ann.post("/api/users", json=other)).status_code == 401, "her token is from before"
        await log_in(front, ann, email)
        made = await ann.post("/api/users", json=other)
        granted = await ann.patch(f"/api/users/{made.json()['id']}", json={"granted": ["audit:read"]})
        assert refusal(granted) == (403, "beyond_own_rights")


async def test_two_persons_make_an_administrator(world: World) -> None:
    front = world.front
    async with world.as_admin() as ann, world.as_admin() as bob, front.client() as carl:
        user = await pending(front, ann)
        assert (user["active"], user["pending"]["what"], user["pending"]["by"]) == (False, "rights", await id_of(ann))
        login = {"email": user["email"], "password": PASSWORD}
        assert (await carl.post("/api/auth/login", json=login)).status_code == 401
        url = f"/api/users/{user['id']}"
        assert refusal(await decided(ann, user)) == (409, "not_independent")
        # Asking again, or switching the account on, is another request of the same person.
        assert not (await ann.patch(url, json={"active": True})).json()["active"]
        assert refusal(await decided(ann, user)) == (409, "not_independent")
        stale = await bob.post(f"{url}/confirm", json={"version": 1})
        assert refusal(stale) == (412, "precondition_failed")
        confirmed = await decided(bob, user)
        assert (confirmed.status_code, confirmed.json()["active"], confirmed.json()["pending"]) == (200, True, None)
        # The maker's password is void: the second person has one for the holder, who replaces it.
        assert refusal(await carl.post("/api/auth/login", json=login)) == (401, "wrong_credentials")
        await log_in(front, carl, user["email"], given(front, confirmed), new_password=PASSWORD)
        assert (await carl.get("/api/me")).json()["kind"] == "admin"
        assert refusal(await decided(bob, user)) == (409, "nothing_pending")
    entries = await front.site.documents("api.audit", {"target": f"user/{user['id']}"})
    actions = [entry["action"] for entry in entries]
    assert actions == ["user.created", "user.change-requested", "user.change-confirmed"]


@pytest.mark.parametrize(
    "change",
    [
        {"roles": ["ROLE_ADMIN", "ROLE_DISTRIBUTOR"]},
        {"granted": ["users:write"]},
        {"granted": ["rules:approve", "orders:read"]},
        {"granted": ["rules:propose"]},
    ],
)
async def test_a_user_becomes_no_administrator_by_one_person(world: World, change: dict[str, Any]) -> None:
    async with world.as_admin() as ann, world.as_admin() as bob:
        user = await pending(world.front, ann, roles=["ROLE_DISTRIBUTOR"], distributor_id=world.seller)
        before = user["permissions"]
        asked = await ann.patch(f"/api/users/{user['id']}", json=change)
        assert (asked.status_code, asked.json()["permissions"]) == (200, before), asked.text
        assert refusal(await decided(ann, user)) == (409, "not_independent")
        rejected = await decided(bob, user, "reject")
        assert (rejected.json()["permissions"], rejected.json()["pending"]) == (before, None)
        assert refusal(await decided(bob, user)) == (409, "nothing_pending")
        await ann.patch(f"/api/users/{user['id']}", json=change)
        # What was taken away meanwhile does not come back with an older request.
        await bob.patch(f"/api/users/{user['id']}", json={"withheld": ["orders:write"]})
        assert refusal(await decided(bob, user)) == (409, "nothing_pending")


async def test_two_persons_reset_the_password_of_an_administrator(world: World) -> None:
    front = world.front
    async with world.as_admin() as ann, world.as_admin() as bob, front.client() as carl:
        email, one_time = await front.administrator()
        await log_in(front, carl, email, one_time, new_password=PASSWORD)
        user = {"id": await id_of(carl)}
        asked = await ann.post(f"/api/users/{user['id']}/reset-password")
        assert (asked.status_code, asked.json()["one_time_password"]) == (200, None)
        await log_in(front, carl, email)
        # A token says in which second it was issued.
        await asyncio.sleep(1.1)
        for alone in (ann, carl):
            assert (await decided(alone, user)).status_code in (403, 409)
        confirmed = await decided(bob, user)
        assert confirmed.status_code == 200, confirmed.text
        new = confirmed.json()["one_time_password"]
        front.secrets_seen.append(new)
        assert refusal(await carl.post("/api/categories", json={"name": unique("tea")})) == (401, "invalid_token")
        answer = await carl.post("/api/auth/login", json={"email": email, "password": PASSWORD})
        assert refusal(answer) == (401, "wrong_credentials")
        await log_in(front, carl, email, new, new_password=PASSWORD + " again")
        # An inactive administrator's password is no way round.
        await ann.patch(f"/api/users/{user['id']}", json={"active": False})
        asked = await ann.post(f"/api/users/{user['id']}/reset-password")
        assert asked.json()["one_time_password"] is None


async def test_a_puppet_is_no_second_person(world: World) -> None:
    """Ann has an administrator made, proposes rules, and approves them with that account."""
    front = world.front
    async with world.as_admin() as ann, world.as_admin() as bob, front.client() as puppet:
        user = await pending(front, ann)
        await log_in(front, puppet, user["email"], given(front, await decided(bob, user)), new_password=PASSWORD)
        proposed = (await ann.post("/api/rules", json={"rules": a_draft()})).json()
        url, digest = f"/api/rules/{proposed['rule_version']}", {"digest": proposed["digest"]}
        assert refusal(await puppet.post(f"{url}/approve", json=digest)) == (409, "not_independent")
        # Nor is Ann the second person of the puppet's rules, nor a second puppet.
        of_puppet = (await puppet.post("/api/rules", json={"rules": a_draft()})).json()
        answer = await ann.post(f"/api/rules/{of_puppet['rule_version']}/approve", json={"digest": of_puppet["digest"]})
        assert refusal(answer) == (409, "not_independent")
        async with front.client() as second:
            other = await pending(front, ann)
            assert refusal(await decided(puppet, other)) == (409, "not_independent")
            once = given(front, await decided(bob, other))
            await log_in(front, second, other["email"], once, new_password=PASSWORD)
            approval = {"digest": of_puppet["digest"]}
            answer = await second.post(f"/api/rules/{of_puppet['rule_version']}/approve", json=approval)
            assert refusal(answer) == (409, "not_independent")
        assert (await bob.post(f"{url}/approve", json=digest)).status_code == 200


async def test_an_account_younger_than_the_proposal_does_not_approve_it(world: World) -> None:
    front = world.front
    async with world.as_admin() as ann, world.as_admin() as bob, world.as_admin() as dana, front.client() as young:
        proposed = (await ann.post("/api/rules", json={"rules": a_draft()})).json()
        user = await pending(front, bob)
        await log_in(front, young, user["email"], given(front, await decided(dana, user)), new_password=PASSWORD)
        approval = {"digest": proposed["digest"]}
        answer = await young.post(f"/api/rules/{proposed['rule_version']}/approve", json=approval)
        assert refusal(answer) == (409, "not_independent")


async def test_a_reset_within_a_week_ends_independence(world: World) -> None:
    front = world.front
    async with world.as_admin() as ann, world.as_admin() as bob, world.as_admin() as carl:
        user = {"id": await id_of(carl)}
        await ann.patch(f"/api/users/{user['id']}", json={"granted": ["invites:write"]})
        proposed = (await ann.post("/api/rules", json={"rules": a_draft()})).json()
        url, digest = f"/api/rules/{proposed['rule_version']}/approve", {"digest": proposed["digest"]}
        assert refusal(await carl.post(url, json=digest)) == (409, "not_independent")
        with MongoClient[dict[str, Any]](front.site.settings.mongodb_url) as mongo:
            users = mongo[front.site.settings.database]["identity.users"]
            [touch] = (users.find_one({"_id": user["id"]}) or {})["touched"]
            assert touch["by"] == await id_of(ann)
            users.update_one({"_id": user["id"]}, {"$set": {"touched.0.at": touch["at"].replace(year=2020)}})
        assert (await carl.post(url, json=digest)).status_code == 200
        assert (await bob.post(url, json=digest)).status_code == 200


async def test_who_was_switched_off_writes_nothing(world: World) -> None:
    front = world.front
    async with world.as_admin() as ann, world.as_admin() as bob:
        url = f"/api/users/{await id_of(bob)}"
        waiting = await pending(front, bob)
        email = (await ann.get(url)).json()["email"]
        assert (await ann.patch(url, json={"withheld": ["products:write"]})).status_code == 200
        answer = await bob.post("/api/categories", json={"name": unique("tea")})
        assert refusal(answer) == (401, "invalid_token")
        await log_in(front, bob, email)
        answer = await bob.post("/api/categories", json={"name": unique("tea")})
        assert refusal(answer) == (403, "insufficient_scope")
        assert (await bob.post("/api/tags", json={"name": unique("tag")})).status_code == 403
        assert (await ann.patch(url, json={"active": False})).status_code == 200
        for method, path in (
            ("POST", "/api/users"),
            ("PATCH", url),
            ("POST", "/api/orders"),
            ("POST", "/api/rules"),
            ("PUT", f"/api/inventory/{world.product_id}"),
            ("DELETE", "/api/teams/1/members/2"),
            ("POST", "/api/auth/invites"),
        ):
            body: dict[str, Any] = {} if method == "DELETE" else {"json": {}}
            assert refusal(await bob.request(method, path, **body)) == (401, "invalid_token"), path
        # What bob had requested ends with him.
        assert refusal(await decided(ann, waiting)) == (409, "nothing_pending")


async def test_a_disabled_client_writes_nothing(world: World) -> None:
    front, shop_id = world.front, world.shop_id
    async with world.as_shop() as shop:
        assert (await shop.post("/api/orders", json=world.order())).status_code == 201
        with MongoClient[dict[str, Any]](front.site.settings.mongodb_url) as mongo:
            clients = mongo[front.site.settings.database]["identity.clients"]
            clients.update_one({"_id": f"shop.{shop_id}"}, {"$set": {"withheld": ["orders:write"]}})
            withheld = await shop.post("/api/orders", json=world.order())
            clients.update_one({"_id": f"shop.{shop_id}"}, {"$set": {"withheld": [], "active": False}})
            disabled = await shop.post("/api/orders", json=world.order())
            clients.update_one({"_id": f"shop.{shop_id}"}, {"$set": {"active": True}})
        assert refusal(withheld) == (403, "insufficient_scope")
        assert refusal(disabled) == (401, "invalid_token")
        assert (await shop.post("/api/orders", json=world.order())).status_code == 201


async def test_the_command_line_makes_the_third_administrator_only_with_another_person(world: World) -> None:
    front, email = world.front, an_email()
    async with world.as_admin() as ann, world.as_admin(), front.client() as client:
        one_time, user_id = await front.operations.create_admin(email, None)
        assert user_id is not None
        body = {"email": email, "password": one_time, "new_password": PASSWORD}
        assert (await client.post("/api/auth/login", json=body)).status_code == 401
        body["password"] = given(front, await decided(ann, {"id": user_id}))
        assert (await client.post("/api/auth/login", json=body)).status_code == 200
