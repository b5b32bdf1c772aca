"""Users, managed by administrators, and their audit log."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from pymongo import MongoClient

from tests.api.front import PASSWORD, Front, an_email, bearer


@pytest.fixture
async def admin(front: Front, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client with the token of an administrator."""
    client.headers.update(bearer(await front.admin(client)))
    return client


async def created(front: Front, admin: httpx.AsyncClient, **command: Any) -> dict[str, Any]:
    answer = await admin.post("/api/users", json={"email": an_email(), "roles": ["ROLE_ADMIN"], **command})
    assert answer.status_code == 201, answer.text
    if answer.json()["one_time_password"]:
        front.secrets_seen.append(answer.json()["one_time_password"])
    await front.confirm(answer.json()["id"])
    return answer.json()


async def test_permissions_are_assigned_and_each_change_is_audited(front: Front, admin: httpx.AsyncClient) -> None:
    user = await created(front, admin, password=PASSWORD)
    async with front.client() as theirs:
        body = {"email": user["email"], "password": PASSWORD}
        tokens = front.remember((await theirs.post("/api/auth/login", json=body)).json())
        command = {"withheld": ["audit:read"], "granted": ["invites:write"]}
        changed = await admin.patch(f"/api/users/{user['id']}", json=command, headers={"If-Match": '"1"'})
        assert changed.status_code == 200, changed.text
        assert changed.headers["etag"] == '"2"'
        permissions = changed.json()["permissions"]
        assert ("audit:read" in permissions, "invites:write" in permissions) == (False, True)
        # A user who loses permissions is logged out, and the next login has fewer.
        gone = await theirs.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert gone.status_code == 401
        again = front.remember((await theirs.post("/api/auth/login", json=body)).json())
        assert again["scope"].split() == permissions

    me = (await admin.get("/api/me")).json()
    entries = await front.site.documents("api.audit", {"target": f"user/{user['id']}"})
    assert [entry["action"] for entry in entries] == [
        "user.created", "user.change-confirmed", "user.changed",
    ]  # fmt: skip
    entry = entries[2]
    assert entry["who"] == {"kind": "admin", "subject": me["subject"], "client": "tributary"}
    assert entry["correlation"] == changed.headers["x-request-id"]
    assert entry["before"]["withheld"] == []
    assert entry["after"]["withheld"] == ["audit:read"]
    assert "argon2" not in str(entries)
    assert PASSWORD not in str(entries)


async def test_of_concurrent_edits_one_succeeds(front: Front, admin: httpx.AsyncClient) -> None:
    user = await created(front, admin)
    url = f"/api/users/{user['id']}"
    edits = [{"name": f"Lin {number}"} for number in range(5)]
    answers = await asyncio.gather(*(admin.patch(url, json=edit, headers={"If-Match": '"1"'}) for edit in edits))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    same = await admin.patch(url, json={"name": (await admin.get(url)).json()["name"]})
    assert same.json()["version"] == 2
    assert (await admin.patch(url, json={}, headers={"If-Match": "W/x"})).status_code == 412
    assert (await admin.get(url, headers={"If-None-Match": '"2"'})).status_code == 304


async def test_invalid_changes_are_refused(front: Front, admin: httpx.AsyncClient) -> None:
    user = await created(front, admin)
    url = f"/api/users/{user['id']}"
    expected = [
        (await admin.patch(url, json={"granted": ["root:all"]}), 422, "unknown_permission"),
        (await admin.patch(url, json={"roles": ["ROLE_ROOT"]}), 422, "invalid_request"),
        (await admin.patch(url, json={"roles": ["ROLE_DISTRIBUTOR"]}), 422, "unknown_distributor"),
        (await admin.patch(url, json={"password_hash": "x"}), 422, "invalid_request"),
        (await admin.patch("/api/users/" + "0" * 32, json={}), 404, "not_found"),
        (await admin.get("/api/users/$where"), 422, "invalid_request"),
        (await admin.post("/api/users", json={"email": user["email"], "roles": ["ROLE_ADMIN"]}), 409, "email_taken"),
        (
            await admin.post(
                "/api/users", json={"email": an_email(), "roles": ["ROLE_DISTRIBUTOR"], "distributor_id": 9}
            ),
            422,
            "unknown_distributor",
        ),
    ]
    for answer, status, reason in expected:
        assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


async def test_a_distributor_may_not_manage_users(front: Front, client: httpx.AsyncClient) -> None:
    _, tokens = await front.log_in_as(client, await front.distributor())
    client.headers.update(bearer(tokens["access_token"]))
    for answer in (
        await client.get("/api/users"),
        await client.post("/api/users", json={"email": an_email(), "roles": ["ROLE_ADMIN"]}),
        await client.patch("/api/users/" + "0" * 32, json={"roles": ["ROLE_ADMIN"]}),
    ):
        assert (answer.status_code, answer.json()["reason"]) == (403, "insufficient_scope")


async def test_users_are_listed_page_by_page(front: Front, admin: httpx.AsyncClient) -> None:
    made = {(await created(front, admin))["id"] for _ in range(3)}
    seen: list[str] = []
    url: str | None = "/api/users?limit=2&role=ROLE_ADMIN"
    while url is not None:
        page = (await admin.get(url)).json()
        seen += [user["id"] for user in page["items"]]
        url = page["next"]
    assert made <= set(seen)
    assert seen == sorted(set(seen))
    assert len((await admin.get("/api/users/permissions")).json()) > 10


async def test_an_inactive_user_cannot_log_in(front: Front, admin: httpx.AsyncClient) -> None:
    user = await created(front, admin, password=PASSWORD)
    assert (await admin.patch(f"/api/users/{user['id']}", json={"active": False})).status_code == 200
    async with front.client() as theirs:
        answer = await theirs.post("/api/auth/login", json={"email": user["email"], "password": PASSWORD})
    assert (answer.status_code, answer.json()["reason"]) == (401, "wrong_credentials")


async def test_a_lost_password_is_replaced_and_ends_every_login(front: Front, admin: httpx.AsyncClient) -> None:
    login = {"roles": ["ROLE_DISTRIBUTOR"], "distributor_id": await front.distributor()}
    user = await created(front, admin, password=PASSWORD, **login)
    body = {"email": user["email"], "password": PASSWORD}
    async with front.client() as theirs:
        tokens = front.remember((await theirs.post("/api/auth/login", json=body)).json())
        reset = await admin.post(f"/api/users/{user['id']}/reset-password")
        assert reset.status_code == 200, reset.text
        one_time = reset.json()["one_time_password"]
        front.secrets_seen.append(one_time)
        assert (await theirs.post("/api/auth/login", json=body)).status_code == 401
        old = await theirs.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert old.status_code == 401
        body = {"email": user["email"], "password": one_time, "new_password": PASSWORD + " again"}
        logins = await asyncio.gather(*(theirs.post("/api/auth/login", json=body) for _ in range(3)))
    assert sum(login.status_code == 200 for login in logins) == 1
    assert one_time not in str(await front.site.documents("api.audit"))


async def test_changing_a_password_ends_the_other_logins(front: Front, client: httpx.AsyncClient) -> None:
    email, tokens = await front.log_in_as(client, await front.distributor())
    body = {"email": email, "password": PASSWORD, "new_password": PASSWORD + " again"}
    assert (await client.post("/api/auth/login", json=body)).status_code == 200
    old = await client.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert old.status_code == 401


async def test_tampering_with_the_audit_log_is_detected(front: Front, admin: httpx.AsyncClient) -> None:
    await asyncio.gather(*(created(front, admin) for _ in range(4)))
    sound = await front.command("audit", "verify", "--json")
    assert (sound.code, sound.object["holds"]) == (0, True), sound.out
    # Changes by messages are added meanwhile.
    assert 4 <= sound.object["entries"] <= len(await front.site.documents("api.audit"))
    recorded = sound.object["head"]
    assert (await front.command("audit", "verify", "--expect", recorded)).code == 0
    with MongoClient[dict[str, Any]](front.site.settings.mongodb_url) as mongo:
        log = mongo[front.site.settings.database]["api.audit"]
        second = log.find_one({"_id": 2})
        assert second
        log.update_one({"_id": 2}, {"$set": {"who.subject": "another user"}})
        changed = await front.command("audit", "verify", "--json")
        log.replace_one({"_id": 2}, second)
    assert (changed.code, changed.object["breaches"]) == (1, ["entry 2 is not what was written"])
    assert (await front.command("audit", "verify")).code == 0
