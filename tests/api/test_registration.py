"""Registration in the network with an invite code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.identity.accounts.identity import Identity
from api.identity.accounts.registration import _PER_DAY_MAX, Joining
from api.storage.audit_log import AuditLog
from contracts.network.v1 import RegisterDistributor
from contracts.wire.envelope import Message
from infra.gateway.command_client import Answer
from infra.ports.messaging import BrokerUnavailable, Outgoing
from infra.ports.time import RealTime
from tests.api.front import PASSWORD, Front, a_network, an_email, bearer, serving, unique
from tests.connected.running import Site, until


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
    assert (stolen.status_code, stolen.json()["reason"]) == (422, "invalid_invite")
    used_up = await join(client, code, an_email())
    assert (used_up.status_code, used_up.json()["reason"]) == (422, "invalid_invite")


async def test_a_repeated_async_registration_creates_one_distributor(front: Front, client: httpx.AsyncClient) -> None:
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


async def test_of_concurrent_registrations_with_one_code_one_succeeds(front: Front, client: httpx.AsyncClient) -> None:
    sponsor_id, code = await front.invite(client)
    same, email = an_email(), an_email()
    answers = await asyncio.gather(*(join(client, code, who) for who in (same, same, same, email)))
    assert {answer.status_code for answer in answers} <= {201, 409, 422, 429}
    done = [answer.json() for answer in answers if answer.status_code == 201]
    assert len({each["distributor_id"] for each in done}) == 1
    below = await front.site.documents("network.distributors", {"sponsor_id": sponsor_id})
    assert len(below) == 1


async def test_a_number_taken_by_a_message_is_not_used(front: Front, client: httpx.AsyncClient) -> None:
    """Even under the same sponsor: the new user must not get another distributor's number."""
    sponsor_id, code = await front.invite(client, uses_max=2)
    taken = (await join(client, code, an_email())).json()["distributor_id"] + 1
    email = an_email()
    await front.send(RegisterDistributor(distributor_id=taken, sponsor_id=sponsor_id))
    answer = await join(client, code, email)
    assert answer.status_code == 201, answer.text
    assert answer.json()["distributor_id"] != taken


async def invite_of(front: Front, sponsor_id: int) -> dict[str, Any]:
    [invite] = await front.site.documents("identity.invites", {"sponsor_id": sponsor_id})
    return invite


async def test_without_the_broker_no_registration_begins_and_the_code_stays_valid(
    site: Site, front: Front, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    sponsor_id, code = await front.invite(client)
    email = an_email()
    nowhere = "amqp://guest:guest@127.0.0.1:1"
    async with serving(site, tmp_path, rabbitmq_url=nowhere) as lonely, lonely.client() as away:
        for address in (an_email(), email):
            answer = await join(away, code, address)
            assert (answer.status_code, answer.json()["reason"]) == (503, "broker_unavailable"), answer.text
            assert int(answer.headers["retry-after"]) > 0
            assert await front.site.documents("identity.registrations", {"email": address}) == []
            assert await front.site.documents("identity.users", {"email": address}) == []
    assert (await invite_of(front, sponsor_id))["uses"] == 0
    assert await front.site.documents("network.distributors", {"sponsor_id": sponsor_id}) == []

    answer = await join(client, code, email)
    assert answer.status_code == 201, answer.text
    [distributor] = await front.site.documents("network.distributors", {"sponsor_id": sponsor_id})
    assert distributor["_id"] == answer.json()["distributor_id"]
    assert (await invite_of(front, sponsor_id))["uses"] == 1


class LostBroker:
    """A broker that is connected, but away when something is sent."""

    connected = True

    async def send(
        self, message: Message[Any], *, wait_s: float, on_confirmed: Callable[[], None] = lambda: None
    ) -> Answer | None:
        raise BrokerUnavailable("RabbitMQ did not take the command: the connection was closed")

    async def forward(self, outgoing: Outgoing) -> None:
        raise AssertionError("a registration does not forward messages")


async def test_a_registration_continues_after_the_broker_was_lost(front: Front, client: httpx.AsyncClient) -> None:
    sponsor_id, code = await front.invite(client)
    email, store, time = an_email(), front.site.store, RealTime()
    identity = Identity.of(front.site.settings, store, LostBroker(), AuditLog(store, time), time, no_provider)
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            await identity.registrations.register(Joining(code, email, PASSWORD, "Lin"), a_network(), unique("id"), 2)
    [begun] = await front.site.documents("identity.registrations", {"email": email})
    assert (begun["state"], (await invite_of(front, sponsor_id))["uses"]) == ("pending", 1)

    answer = await join(client, code, email)
    assert (answer.status_code, answer.json()["distributor_id"]) == (201, begun["distributor_id"]), answer.text
    [distributor] = await front.site.documents("network.distributors", {"sponsor_id": sponsor_id})
    assert distributor["_id"] == begun["distributor_id"]
    assert (await invite_of(front, sponsor_id))["uses"] == 1


async def no_provider(address: str) -> dict[str, Any]:
    raise AssertionError(f"nothing may be fetched from {address}")


async def test_invalid_codes_are_refused_and_guessing_is_limited(front: Front, client: httpx.AsyncClient) -> None:
    email = an_email()
    reasons = [(await join(client, f"GUESS-{number}", email)).json()["reason"] for number in range(6)]
    assert reasons == ["invalid_invite"] * 5 + ["too_many_attempts"]
    for code in ({"$gt": ""}, "", "x" * 65):
        answer = await client.post(
            "/api/auth/register", json={"invite_code": code, "email": an_email(), "password": PASSWORD}
        )
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_request")


async def test_without_a_valid_code_known_and_unknown_addresses_get_the_same_answer(
    front: Front, client: httpx.AsyncClient
) -> None:
    _, code = await front.invite(client)
    known = an_email()
    assert (await join(client, code, known)).status_code == 201
    distributor, _ = await front.log_in_as(client, await front.distributor())
    answers = []
    for email in (known, distributor, an_email()):
        for guess in ("AAAAA-AAAAA-AAAAA-AAAAA", code):
            async with front.client() as stranger:
                answer = await join(stranger, guess, email, password="eleven purple kettles")
            body = {name: value for name, value in answer.json().items() if name != "request_id"}
            answers.append((answer.status_code, body, sorted(answer.headers)))
    assert answers == [answers[0]] * len(answers)
    assert answers[0][1]["reason"] == "invalid_invite"


async def test_asking_for_a_taken_address_costs_a_use(front: Front, client: httpx.AsyncClient) -> None:
    _, code = await front.invite(client, uses_max=3)
    known, _ = await front.administrator()
    answers = [await join(client, code, known, headers={"X-Forwarded-For": a_network()}) for _ in range(4)]
    assert [answer.json()["reason"] for answer in answers] == ["email_taken"] * 3 + ["invalid_invite"]


async def test_invites_of_one_distributor_make_few_logins_a_day(front: Front, client: httpx.AsyncClient) -> None:
    """However many invites there are: a person with a hundred logins has a hundred limits of unpaid orders."""
    sponsor_id, code = await front.invite(client, uses_max=1000)
    _, tokens = await front.log_in_as(client, sponsor_id)
    answer = await client.post("/api/auth/invites", json={"uses_max": 9}, headers=bearer(tokens["access_token"]))
    front.secrets_seen.append(other := answer.json()["code"])
    known, _ = await front.administrator()
    for number in range(_PER_DAY_MAX - 1):
        taken = await join(client, code, known, headers={"X-Forwarded-For": f"192.0.2.{number}"})
        assert taken.json()["reason"] in ("email_taken", "too_many_attempts"), taken.text
        if taken.json()["reason"] == "too_many_attempts":
            # The address has to wait as well; its turns are made up for by new ones.
            assert (await join(client, code, an_email(), headers={"X-Forwarded-For": a_network()})).status_code == 201
    assert (await join(client, other, an_email(), headers={"X-Forwarded-For": a_network()})).status_code == 201
    for each in (code, other):
        more = await join(client, each, an_email(), headers={"X-Forwarded-For": a_network()})
        assert (more.status_code, more.json()["reason"]) == (429, "too_many_attempts"), more.text
        assert 80_000 < int(more.headers["retry-after"]) <= 86_400
    _, another = await front.invite(client)
    assert (await join(client, another, an_email())).status_code == 201


async def test_no_former_password_registers_again(front: Front, client: httpx.AsyncClient) -> None:
    _, code = await front.invite(client)
    email, new = an_email(), "eleven purple kettles"
    joined_as = await join(client, code, email)
    body = {"email": email, "password": PASSWORD, "new_password": new}
    assert (await client.post("/api/auth/login", json=body)).status_code == 200
    for guess in (code, "AAAAA-AAAAA-AAAAA-AAAAA"):
        answer = await join(client, guess, email)
        assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_invite")
        assert joined_as.json()["user_id"] not in answer.text
    # Nor does the current one without the code that was used.
    other = await join(client, "AAAAA-AAAAA-AAAAA-AAAAA", email, password=new)
    assert other.json()["reason"] == "invalid_invite"
    assert (await join(client, code, email, password=new)).json() == joined_as.json()
    registrations = await front.site.documents("identity.registrations", {"email": email})
    assert [each["password_hash"] for each in registrations] == [""]


@pytest.mark.parametrize("first", ["login", "register"])
async def test_guesses_at_login_and_registration_have_one_counter(
    front: Front, client: httpx.AsyncClient, first: str
) -> None:
    email, _ = await front.log_in_as(client, await front.distributor())

    async def guess(at: str) -> int:
        async with front.client() as stranger:
            if at == "register":
                return (await join(stranger, "GUESS", email, password="eleven purple kettles")).status_code
            return (await stranger.post("/api/auth/login", json={"email": email, "password": "x"})).status_code

    second = "register" if first == "login" else "login"
    codes = [await guess(first) for _ in range(3)] + [await guess(second) for _ in range(3)]
    assert 429 not in codes[:5]
    assert codes[5] == 429
    assert await guess(first) == 429


async def test_a_common_password_is_refused_everywhere(front: Front, client: httpx.AsyncClient) -> None:
    _, code = await front.invite(client)
    email, _ = await front.log_in_as(client, await front.distributor())
    for common in ("password1234", "123456789012", "qwertyuiop12"):
        assert (await join(client, code, an_email(), password=common)).json()["reason"] == "weak_password"
        body = {"email": email, "password": PASSWORD, "new_password": common}
        assert (await client.post("/api/auth/login", json=body)).json()["reason"] == "weak_password"


async def test_only_a_distributor_can_invite(front: Front, client: httpx.AsyncClient) -> None:
    token = await front.admin(client)
    answer = await client.post("/api/auth/invites", json={}, headers=bearer(token))
    assert (answer.status_code, answer.json()["reason"]) == (403, "insufficient_scope")


async def test_an_invite_ends_with_the_login_that_made_it(front: Front, client: httpx.AsyncClient) -> None:
    """Who knew the password for an hour would keep a way in for a year."""
    email, tokens = await front.log_in_as(client, await front.distributor())
    mine = bearer(tokens["access_token"])

    async def invite() -> str:
        answer = await client.post("/api/auth/invites", json={"uses_max": 9}, headers=mine)
        assert answer.status_code == 201, answer.text
        front.secrets_seen.append(answer.json()["code"])
        return str(answer.json()["code"])

    async def reason(code: str) -> str | None:
        async with front.client() as stranger:
            answer = await join(stranger, code, an_email())
        return None if answer.status_code == 201 else str(answer.json()["reason"])

    first = await invite()
    assert await reason(first) is None
    ended = await client.delete("/api/auth/invites", headers=mine)
    assert ended.status_code == 200, ended.text
    second = await invite()
    assert [await reason(code) for code in (first, second)] == ["invalid_invite", None]
    body = {"email": email, "password": PASSWORD, "new_password": "eleven purple kettles"}
    tokens = front.remember((await client.post("/api/auth/login", json=body)).json())
    mine = bearer(tokens["access_token"])
    third = await invite()
    assert [await reason(code) for code in (second, third)] == ["invalid_invite", None]
    user_id = (await client.get("/api/me", headers=mine)).json()["subject"]
    boss = bearer(await front.admin(client))
    for active in (False, True):
        changed = await client.patch(f"/api/users/{user_id}", json={"active": active}, headers=boss)
        assert changed.status_code == 200, changed.text
        assert await reason(third) == "invalid_invite"


async def test_codes_are_stored_as_hashes(front: Front, client: httpx.AsyncClient) -> None:
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
def test_a_duplicate_of_another_distributor_is_a_taken_number(answer: Answer, taken: bool) -> None:
    from api.identity.accounts.registration import _number_was_taken

    assert _number_was_taken(answer) is taken
