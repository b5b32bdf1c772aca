"""Payees over HTTP: accounts that are shown to no one, two persons where it takes two, and others' payees not found."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.front import Front, unique
from tests.api.test_settlements import refusal
from tests.api.world import World, a_world

IBANS = ("DE89370400440532013000", "DE75512108001245126199", "GB33BUKB20201555555555")
RIC = "11010519491231002X"


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


async def a_payee(front: Front) -> int:
    return await front.distributor()


def a_method(account: str, **fields: Any) -> dict[str, Any]:
    usual = {"rail": "iso20022", "currency": "EUR", "country": account[:2], "holder": "Ann Weber", "account": account}
    return {**usual, **fields}


def an_account() -> str:
    """An IBAN that no other test has."""
    digits = f"{abs(hash(unique('iban'))) % 10**18:018d}"
    number = int(f"{digits}131400")
    return f"DE{98 - number % 97:02d}{digits}"


async def put(client: httpx.AsyncClient, payee: int, account: str, **headers: str) -> httpx.Response:
    return await client.put(f"/api/distributors/{payee}/payout-method", json=a_method(account), headers=headers)


async def test_a_distributor_sets_sees_and_removes_their_own_method(world: World) -> None:
    front, payee, account = world.front, await a_payee(world.front), an_account()
    url = f"/api/distributors/{payee}/payout-method"
    async with world.as_distributor(payee) as own:
        nothing = (await own.get(url)).json()
        assert (nothing["usable"], nothing["reason"], nothing["method"]) == (False, "no_payout_method", None)
        answer = await put(own, payee, account, **{"Idempotency-Key": unique("key")})
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        assert (shown["usable"], shown["usable_from"], shown["version"]) == (True, None, 1)
        assert (shown["method"]["account"], shown["method"]["set_by"]) == (f"•••• {account[-4:]}", None)
        assert account not in (await own.get(url)).text
        again = await put(own, payee, account)
        assert (again.json()["version"], again.json()["method"]["method_id"]) == (1, shown["method"]["method_id"])
        removed = await own.delete(url)
        assert (removed.json()["reason"], removed.json()["version"]) == ("no_payout_method", 2)
    front.secrets_seen.append(account)
    [entry, *_] = await front.site.documents("api.audit", {"target": f"distributor/{payee}"})
    assert account not in str(entry)
    assert "sealed-2" not in str(entry)


async def test_a_repeated_request_is_the_same_command(world: World) -> None:
    payee, account, key = await a_payee(world.front), an_account(), unique("key")
    async with world.as_distributor(payee) as own:
        first = await put(own, payee, account, **{"Idempotency-Key": key})
        again = await put(own, payee, account, **{"Idempotency-Key": key})
        other = await put(own, payee, an_account(), **{"Idempotency-Key": key})
    assert (first.json(), again.status_code) == (again.json(), 200)
    assert refusal(other) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"account": "DE89370400440532013001"}, "account_invalid"),
        ({"country": "FR"}, "account_invalid"),
        ({"rail": "pigeon"}, "unknown_rail"),
        ({"currency": "CNY"}, "currency_not_supported"),
    ],
)
async def test_a_wrong_method_is_refused_without_its_value(world: World, fields: dict[str, str], reason: str) -> None:
    async with world.as_distributor(world.seller) as own:
        body = {**a_method(IBANS[0]), **fields}
        answer = await own.put(f"/api/distributors/{world.seller}/payout-method", json=body)
    assert refusal(answer) == (422, reason)
    assert body["account"] not in answer.text


async def test_a_payee_is_found_by_the_distributor_and_by_finance_only(world: World) -> None:
    async with world.as_distributor(world.top) as upline, world.as_shop() as shop, world.as_admin() as admin:
        url = f"/api/distributors/{world.seller}/payout-method"
        assert refusal(await upline.get(url)) == (404, "not_found")
        assert refusal(await put(upline, world.seller, IBANS[0])) == (404, "not_found")
        assert refusal(await upline.put(f"/api/distributors/{world.seller}/identity", json=an_identity())) == (
            *(404, "not_found"),
        )
        assert (await shop.get(url)).status_code == 403
        assert (await admin.get(url)).status_code == 200
        assert (await admin.get(f"/api/distributors/{2**61}/payout-method")).status_code == 404


async def test_edge_07_a_replaced_account_waits_until_two_persons_waive_it(world: World) -> None:
    payee = await a_payee(world.front)
    url = f"/api/distributors/{payee}/payout-method/waive-cooling-off"
    async with world.as_distributor(payee) as own, world.as_admin() as ann, world.as_admin() as bob:
        await put(own, payee, an_account())
        method = (await put(own, payee, an_account())).json()
        assert method["usable_from"] is not None
        body = {"method_id": method["method"]["method_id"]}
        assert (await own.post(url, json=body)).status_code == 403
        assert refusal(await ann.post(url, json={"method_id": "another"})) == (409, "unknown_method")
        once = (await ann.post(url, json=body)).json()
        assert (len(once["waived_by"]), once["usable_from"]) == (1, method["usable_from"])
        twice = (await bob.post(url, json=body)).json()
        assert (len(twice["waived_by"]), twice["usable_from"] < method["usable_from"]) == (2, True)


async def test_an_account_of_another_distributor_takes_two_persons(world: World) -> None:
    first, second, account = await a_payee(world.front), await a_payee(world.front), an_account()
    url = f"/api/distributors/{second}/payout-method"
    async with (
        world.as_distributor(first) as one,
        world.as_distributor(second) as other,
        world.as_admin() as ann,
        world.as_admin() as bob,
    ):
        await put(one, first, account)
        assert refusal(await put(other, second, account)) == (409, "duplicate_destination")
        assert (await other.get(url)).json()["duplicate"] is None
        waiting = (await ann.get(url)).json()["duplicate"]
        body = {"fingerprint": waiting["fingerprint"]}
        assert refusal(await ann.post(f"{url}/allow-duplicate", json={"fingerprint": "0" * 64})) == (
            *(409, "nothing_to_allow"),
        )
        for person in (ann, ann):
            assert (await person.post(f"{url}/allow-duplicate", json=body)).status_code == 200
        assert refusal(await put(other, second, account)) == (409, "duplicate_destination")
        assert (await bob.post(f"{url}/allow-duplicate", json=body)).json()["duplicate"] is None
        assert (await put(other, second, account)).json()["usable"]


def an_identity(**fields: Any) -> dict[str, Any]:
    usual = {"kind": "person", "legal_name": "Li Na", "id_type": "cn_ric", "id_number": RIC, "country": "CN"}
    return {**usual, "tax_residence": "CN", **fields}


async def test_an_identity_is_decided_by_another_person(world: World) -> None:
    payee = await a_payee(world.front)
    url = f"/api/distributors/{payee}/identity"
    async with world.as_distributor(payee) as own, world.as_admin() as ann:
        assert refusal(await own.put(url, json=an_identity(id_number="1"))) == (422, "identity_invalid")
        submitted = (await own.put(url, json=an_identity())).json()["identity"]
        assert (submitted["state"], submitted["id_number"]) == ("pending", "•••• 002X")
        body = {"identity_id": submitted["identity_id"], "state": "verified"}
        assert (await own.post(f"{url}/decide", json=body)).status_code == 403
        assert refusal(await ann.post(f"{url}/decide", json={**body, "identity_id": "i-0"})) == (
            409,
            "unknown_identity",
        )
        decided = (await ann.post(f"{url}/decide", json=body)).json()["identity"]
        assert (decided["state"], decided["decided_by"].partition("/")[0]) == ("verified", "admin")
        by_ann = await ann.put(url, json=an_identity(legal_name="Li Na Na"))
        body["identity_id"] = by_ann.json()["identity"]["identity_id"]
        assert refusal(await ann.post(f"{url}/decide", json=body)) == (409, "same_person")


async def test_no_one_decides_about_a_payee_whose_login_they_made(world: World) -> None:
    """The maker of the login may hold its password."""
    async with world.as_admin() as ann, world.as_admin() as bob:
        payee = await a_payee(world.front)
        body = {"email": f"{unique('person')}@example.com", "roles": ["ROLE_DISTRIBUTOR"], "distributor_id": payee}
        assert (await bob.post("/api/users", json=body)).status_code == 201
        url = f"/api/distributors/{payee}/identity"
        submitted = (await ann.put(url, json=an_identity())).json()["identity"]
        decision = {"identity_id": submitted["identity_id"], "state": "verified"}
        assert refusal(await bob.post(f"{url}/decide", json=decision)) == (403, "payee_approves_own")
