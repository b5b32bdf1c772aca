"""Payouts over HTTP: batches of two persons, what distributors see of their own, and callbacks without a login."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.front import Front, an_email, unique
from tests.api.rails import PAYPAL, paid_event
from tests.api.world import World, a_payout, a_world, paid_by, ticked
from tests.connected.running import until

AT = "/api/payouts/"
CALLBACKS = "/api/payout-callbacks/paypal"


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason"]


def a_batch(world: World, *payouts: str, **fields: Any) -> dict[str, Any]:
    return {"batch_id": unique("batch"), "market": world.market, "statement_ids": list(payouts), **fields}


async def in_state(client: httpx.AsyncClient, payout_id: str, state: str) -> dict[str, Any]:
    async def found() -> Any:
        shown = (await client.get(AT + payout_id)).json()
        return shown if shown["state"] == state else None

    shown: dict[str, Any] = await until(found, what=f"{payout_id} is {state}")
    return shown


async def sent_by(world: World, rail: str, state: str, currency: str = "CNY") -> str:
    """A payout that two persons have sent, in this state."""
    front, payee = world.front, await world.front.distributor()
    await paid_by(world, payee, rail, currency)
    payout_id = await a_payout(world, payee)
    async with world.as_admin() as ann, world.as_admin() as bob:
        proposed = (await ann.post("/api/payout-batches", json=a_batch(world, payout_id))).json()
        approved = await bob.post(f"{proposed['url']}/approve", json={"digest": proposed["digest"]})
        assert approved.status_code == 200, approved.text
        await ticked(front)
        await in_state(bob, payout_id, state)
    return payout_id


def from_callbacks(payout: dict[str, Any]) -> list[dict[str, Any]]:
    return [report for report in payout["reports"] if report["source"] == "callback"]


async def key_of(world: World, payout_id: str) -> str:
    [payout] = await world.front.site.documents("payouts.payouts", {"_id": payout_id})
    return str(payout["attempts"][-1]["key"])


async def test_a_batch_of_two_persons_is_sent_and_two_persons_say_what_became_of_it(world: World) -> None:
    front, payee = world.front, await world.front.distributor()
    payout_id = await a_payout(world, payee)
    async with world.as_admin() as ann, world.as_admin() as bob, world.as_distributor(payee) as owner:
        waiting = (await owner.get(AT + payout_id)).json()
        assert (waiting["state"], waiting["reason"], waiting["amount"]) == ("waiting", "no_payout_method", None)
        nothing = await ann.post("/api/payout-batches", json=a_batch(world, payout_id))
        assert refusal(nothing) == (409, "nothing_to_pay")

        await paid_by(world, payee)
        assert (await owner.get(AT + payout_id, headers={"Accept-Language": "zh"})).json()["sentences"] == [
            "150.00 CNY 应付，等待下一批付款。"
        ]
        proposed = await ann.post("/api/payout-batches", json=a_batch(world, payout_id))
        assert (proposed.status_code, proposed.headers["location"]) == (201, proposed.json()["url"]), proposed.text
        batch = proposed.json()
        [line] = batch["lines"]
        assert (line["payout_id"], line["amount"], line["rail"]) == (payout_id, "150.00", "manual")
        [total] = batch["totals"]
        assert (total["amount"], total["count"], batch["approvals"]) == ("150.00", 1, 1)
        assert (await in_state(owner, payout_id, "proposed"))["reports"] == []

        url, approval = batch["url"], {"digest": batch["digest"]}
        assert refusal(await ann.post(f"{url}/approve", json=approval)) == (409, "same_person")
        assert refusal(await bob.post(f"{url}/approve", json={"digest": "0" * 64})) == (409, "digest_mismatch")
        assert (await owner.post(f"{url}/approve", json=approval)).status_code == 403
        approved = await bob.post(f"{url}/approve", json=approval)
        assert (approved.json()["state"], len(approved.json()["approved"])) == ("approved", 1), approved.text
        assert refusal(await bob.post(f"{url}/reject", json={"reason": "late"})) == (409, "already_decided")

        await ticked(front)
        sent = await in_state(ann, payout_id, "sent")
        [attempt] = sent["attempts"]
        assert (attempt["rail"], len(attempt["key"]), sent["approvals"][0]["by"][:6]) == ("manual", 32, "admin/")
        own = (await owner.get(AT + payout_id)).json()
        assert (own["attempts"][0]["key"], own["approvals"], own["proposed_by"]) == (None, [], None)

        stated = {"attempt": 1, "outcome": "paid"}
        evidence = {**stated, "evidence": "Bank statement, line 7714"}
        assert (await owner.post(f"{AT}{payout_id}/resolve", json=evidence)).status_code == 403
        resolved = await ann.post(f"{AT}{payout_id}/resolve", json=evidence)
        assert resolved.json()["resolution"]["evidence"] == evidence["evidence"], resolved.text
        assert refusal(await ann.post(f"{AT}{payout_id}/confirm", json=stated)) == (409, "same_person")
        confirmed = await bob.post(f"{AT}{payout_id}/confirm", json=stated)
        assert confirmed.json()["state"] == "paid", confirmed.text
        paid = (await owner.get(AT + payout_id)).json()
        assert paid["sentences"][0].startswith("150.00 CNY was paid by manual on ")
        [listed] = (await owner.get("/api/payouts", params={"state": "paid"})).json()["items"]
        assert listed["payout_id"] == payout_id
        [of_batch] = (await ann.get(batch["payouts_url"])).json()["items"]
        assert of_batch["state"] == "paid"
        changed = await front.site.documents("api.audit", {"target": f"payout/{payout_id}"})
        assert [entry["action"] for entry in changed] == ["payout.resolve.v1", "payout.confirm-resolution.v1"]


async def test_edge_21_neither_the_payee_nor_the_maker_of_their_login_approves(world: World) -> None:
    payee = await world.front.distributor()
    await paid_by(world, payee)
    payout_id = await a_payout(world, payee)
    async with world.as_admin() as ann, world.as_admin() as bob:
        body = {"email": an_email(), "roles": ["ROLE_DISTRIBUTOR"], "distributor_id": payee}
        assert (await bob.post("/api/users", json=body)).status_code == 201
        batch = (await ann.post("/api/payout-batches", json=a_batch(world, payout_id))).json()
        approved = await bob.post(f"{batch['url']}/approve", json={"digest": batch["digest"]})
        assert refusal(approved) == (403, "payee_approves_own")
        rejected = await ann.post(f"{batch['url']}/reject", json={"reason": "wrong_period"})
        assert (rejected.json()["state"], rejected.json()["reason"]) == ("rejected", "wrong_period")


async def test_a_hold_keeps_payouts_out_of_batches_until_another_release(world: World) -> None:
    payee = await world.front.distributor()
    await paid_by(world, payee)
    payout_id = await a_payout(world, payee)
    url = f"/api/distributors/{payee}/payouts"
    async with world.as_admin() as ann, world.as_distributor(payee) as owner:
        assert (await owner.post(f"{url}/hold", json={"reason": "own"})).status_code == 403
        held = (await ann.post(f"{url}/hold", json={"reason": "under_review"})).json()
        assert (held["on_hold"], held["reason"]) == (True, "under_review")
        assert (await owner.get(AT + payout_id)).json()["reason"] == "on_hold"
        assert refusal(await ann.post("/api/payout-batches", json=a_batch(world, payout_id))) == (409, "nothing_to_pay")
        assert (await ann.post(f"{url}/release")).json()["on_hold"] is False
        assert refusal(await ann.post(f"{url}/release")) == (409, "not_on_hold")
        unknown = await ann.post(f"/api/distributors/{2**62}/payouts/hold", json={"reason": "own"})
        assert refusal(unknown) == (404, "not_found")


async def test_distributors_see_their_own_payouts_and_shops_none(world: World) -> None:
    payee = await world.front.distributor()
    payout_id = await a_payout(world, payee)
    async with world.as_distributor(world.top) as other, world.as_shop() as shop, world.as_admin() as admin:
        assert refusal(await other.get(AT + payout_id)) == (404, "not_found")
        assert refusal(await other.get("/api/payouts", params={"distributor_id": payee})) == (404, "not_found")
        assert (await other.get("/api/payouts")).json()["items"] == []
        assert (await shop.get("/api/payouts")).status_code == 403
        assert (await other.get("/api/payout-batches")).status_code == 403
        assert refusal(await admin.get("/api/payout-batches/none")) == (404, "not_found")
        [one] = (await admin.get("/api/payouts", params={"distributor_id": payee})).json()["items"]
        assert (one["payout_id"], one["statement_url"]) == (payout_id, f"/api/settlements/{payout_id}")


class TestCallbacks:
    async def test_edge_13_a_callback_pays_once_and_a_repeat_is_answered_alike(self, world: World) -> None:
        payout_id = await sent_by(world, "paypal", "sending")
        raw = paid_event(await key_of(world, payout_id), "150.00", "CNY")
        async with world.front.client() as rail, world.as_admin() as ann:
            answers = [await rail.post(CALLBACKS, content=raw, headers=PAYPAL.signed(raw)) for _ in range(3)]
            assert [answer.status_code for answer in answers] == [204] * 3, answers[0].text
            paid = await in_state(ann, payout_id, "paid")
            [report] = from_callbacks(paid)
            assert (report["effect"], report["outcome"]) == ("applied", "paid")

    async def test_edge_15_a_callback_of_another_amount_is_stored_and_posts_nothing(self, world: World) -> None:
        payout_id = await sent_by(world, "paypal", "sending")
        raw = paid_event(await key_of(world, payout_id), "99999.00", "CNY")
        async with world.front.client() as rail, world.as_admin() as ann:
            assert (await rail.post(CALLBACKS, content=raw, headers=PAYPAL.signed(raw))).status_code == 204

            async def conflicts() -> Any:
                shown = (await ann.get(AT + payout_id)).json()
                return shown if shown["conflict"] else None

            shown = await until(conflicts, what="the conflict is known")
            assert (shown["state"], from_callbacks(shown)[-1]["effect"]) == ("doubtful", "conflict")
            key = f"payout-conflict/{shown['distributor_id']}"

            async def alerted() -> bool:
                return bool(await world.front.site.documents("alerting.alerts", {"_id": key, "state": "open"}))

            await until(alerted, what="people are alerted")

    async def test_edge_15_a_callback_of_an_unknown_payment_is_answered_alike(self, world: World) -> None:
        raw = paid_event("0" * 32, "1.00", "CNY")
        async with world.front.client() as rail:
            assert (await rail.post(CALLBACKS, content=raw, headers=PAYPAL.signed(raw))).status_code == 204

    async def test_edge_16_a_forged_callback_is_refused_before_anything_is_stored(self, world: World) -> None:
        payout_id = await sent_by(world, "paypal", "sending")
        raw = paid_event(await key_of(world, payout_id), "150.00", "CNY")
        other = paid_event(await key_of(world, payout_id), "1.00", "CNY")
        async with world.front.client() as rail, world.as_admin() as ann:
            for headers in ({}, PAYPAL.signed(other)):
                forged = await rail.post(CALLBACKS, content=raw, headers=headers)
                assert refusal(forged) == (401, "forged_callback")
            assert from_callbacks((await ann.get(AT + payout_id)).json()) == []
            metrics = (await rail.get("/metrics")).text
            assert 'tributary_callbacks_refused_total{code="forged",rail="paypal"}' in metrics
            for unknown in ("manual", "wechat_pay", "none"):
                answer = await rail.post(f"/api/payout-callbacks/{unknown}", content=raw)
                assert refusal(answer) == (404, "not_found")
