"""Joining the network with an invite code."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from contracts.network.v1 import RegisterDistributor
from infra.runtime.command_client import Answer
from tests.api.front import PASSWORD, Front, an_email, bearer
from tests.connected.running import until


async def join(client: httpx.AsyncClient, code: str, email: str, **more: Any) -> httpx.Response:
    body = {"invite_code": code, "email": email, "password": PASSWORD, "name": "Lin"}
    headers = more.pop("headers", {})
    return await client.post("/api/auth/register", json={**body, **more}, headers=headers)


async def joined(front: Front, distributor_id: int) -> list[dict[str, Any]]:
    return await front.site.documents("network.distributors", {"_id": distributor_id})


async def test_a_new_distributor_stands_below_the_sponsor_and_can_log_in(
    front: Front, client: httpx.AsyncClient
) -> None:
    sponsor_id, code = await front.invite(client)
    email = an_email()
    answer = await join(client, f" {code.lower()} ".strip(), email)
    assert answer.status_code == 201, answer.text
    distributor_id = answer.json()["distributor_id"]
    [document] = await joined(front, distributor_id)
    assert document["sponsor_id"] == sponsor_id
    tokens = await client.post("/api/auth/login", json={"email": email, "password": PASSWORD})
    me = await client.get("/api/me", headers=bearer(front.remember(tokens.json())["access_token"]))
    assert (me.json()["kind"], me.json()["distributor_id"]) == ("distributor", distributor_id)

    again = await join(client, code, email)
    assert (again.status_code, again.json()) == (201, answer.json())
    stolen = await join(client, code, email, password="another person's password")
    assert (stolen.status_code, stolen.json()["reason"]) == (409, "email_taken")
    used_up = await join(client, code, an_email())
    assert (used_up.status_code, used_up.json()["reason"]) == (422, "invalid_invite")


async def test_whoever_does_not_wait_asks_again_and_is_one_distributor(front: Front, client: httpx.AsyncClient) -> None:
    _, code = await front.invite(client)
    email = an_email()
    first = await join(client, code, email, headers={"Prefer": "respond-async"})
    assert (first.status_code, first.json()["status"]) == (202, "pending")
    assert first.headers["retry-after"]
    assert await front.site.documents("identity.users", {"email": email}) == []

    async def answered() -> httpx.Response | None:
        answer = await join(client, code, email, headers={"Prefer": "wait=5"})
        return answer if answer.status_code == 201 else None

    answer = await until(answered, what="the network has answered", every_s=0.5)
    assert len(await joined(front, answer.json()["distributor_id"])) == 1
    registrations = await front.site.documents("identity.registrations", {"email": email})
    assert [each["state"] for each in registrations] == ["done"]


async def test_of_many_with_one_code_one_joins_and_nobody_twice(front: Front, client: httpx.AsyncClient) -> None:
    sponsor_id, code = await front.invite(client)
    same, email = an_email(), an_email()
    answers = await asyncio.gather(*(join(client, code, who) for who in (same, same, same, email)))
    assert {answer.status_code for answer in answers} <= {201, 409, 422, 429}
    done = [answer.json() for answer in answers if answer.status_code == 201]
    assert len({each["distributor_id"] for each in done}) == 1
    below = await front.site.documents("network.distributors", {"sponsor_id": sponsor_id})
    assert len(below) == 1


async def test_a_number_that_came_by_message_meanwhile_is_left_to_its_owner(
    front: Front, client: httpx.AsyncClient
) -> None:
    """Under the same sponsor, even: the newcomer must not become somebody who is there already."""
    sponsor_id, code = await front.invite(client)
    taken = max(each["_id"] for each in await front.site.documents("network.distributors")) + 1
    email = an_email()
    await front.send(RegisterDistributor(distributor_id=taken, sponsor_id=sponsor_id))
    answer = await join(client, code, email)
    assert answer.status_code == 201, answer.text
    assert answer.json()["distributor_id"] != taken


async def test_codes_that_are_none_are_refused_and_guessing_them_must_wait(
    front: Front, client: httpx.AsyncClient
) -> None:
    email = an_email()
    reasons = [(await join(client, f"GUESS-{number}", email)).json()["reason"] for number in range(6)]
    assert reasons == ["invalid_invite"] * 5 + ["too_many_attempts"]
    for code in ({"$gt": ""}, "", "x" * 65):
        answer = await client.post(
            "/api/auth/register", json={"invite_code": code, "email": an_email(), "password": PASSWORD}
        )
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_request")


async def test_only_a_distributor_can_invite(front: Front, client: httpx.AsyncClient) -> None:
    token = await front.admin(client)
    answer = await client.post("/api/auth/invites", json={}, headers=bearer(token))
    assert (answer.status_code, answer.json()["reason"]) == (403, "insufficient_scope")


async def test_codes_are_kept_as_hashes(front: Front, client: httpx.AsyncClient) -> None:
    _, code = await front.invite(client, uses_max=2)
    for email in (an_email(), an_email()):
        assert (await join(client, code, email)).status_code == 201
    assert (await join(client, code, an_email())).status_code == 422
    assert code not in str(await front.site.documents("identity.invites"))


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (Answer("registered", ()), False),
        (Answer("duplicate", ()), True),
        (Answer("refused", ({"type": "distributor.refused.v1", "data": {"reason": "conflict"}},)), True),
        (Answer("refused", ({"type": "distributor.refused.v1", "data": {"reason": "sponsor_unknown"}},)), False),
    ],
)
def test_a_duplicate_of_somebody_elses_is_a_taken_number(answer: Answer, taken: bool) -> None:
    from api.auth.registration import _number_was_taken

    assert _number_was_taken(answer) is taken
