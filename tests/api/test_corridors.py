"""Corridors over HTTP: one person defines one, another opens it, and one is enough to close it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.front import Front, unique
from tests.api.world import World, a_world


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason"]


def a_corridor(**fields: Any) -> dict[str, Any]:
    usual = {"corridor_id": unique("corridor"), "rail": "wise", "from_country": "DE", "to_country": "NZ"}
    limit = [{"currency": "NZD", "amount": "500.00"}]
    return {**usual, "currencies": ["NZD"], "limit_per_payment": limit, **fields}


async def test_a_corridor_takes_two_persons_and_one_closes_it(world: World) -> None:
    async with world.as_admin() as ann, world.as_admin() as bob, world.as_distributor(world.seller) as seller:
        defined = await ann.post("/api/corridors", json=a_corridor())
        assert defined.status_code == 201, defined.text
        shown = defined.json()
        assert (shown["state"], shown["limit_per_payment"], shown["limit_per_year"]) == (
            *("proposed", {"NZD": "500.00"}),
            {},
        )
        url, approval = f"/api/corridors/{shown['corridor_id']}", {"digest": shown["digest"]}
        assert refusal(await ann.post(f"{url}/approve", json=approval)) == (409, "same_person")
        assert refusal(await bob.post(f"{url}/approve", json={"digest": "0" * 64})) == (409, "digest_mismatch")
        assert (await seller.post(f"{url}/approve", json=approval)).status_code == 403
        assert (await bob.post(f"{url}/approve", json=approval)).json()["state"] == "open"

        second = (await ann.post("/api/corridors", json=a_corridor())).json()
        replacing = f"/api/corridors/{second['corridor_id']}"
        assert (await bob.post(f"{replacing}/approve", json={"digest": second["digest"]})).status_code == 200
        listed = (await ann.get("/api/corridors", params={"state": "open"})).json()["items"]
        ours = {shown["corridor_id"], second["corridor_id"]}
        assert [one["corridor_id"] for one in listed if one["corridor_id"] in ours] == [second["corridor_id"]]

        closed = (await bob.post(f"{replacing}/close", json={"reason": "policy"})).json()
        assert (closed["state"], closed["close_reason"], closed["closed_by"] is None) == ("closed", "policy", False)
        assert refusal(await bob.post(f"{replacing}/approve", json={"digest": second["digest"]})) == (
            *(409, "already_decided"),
        )
        finer = [{"currency": "NZD", "amount": "0.001"}]
        fine = await ann.post("/api/corridors", json=a_corridor(limit_per_year=finer))
        assert refusal(fine) == (422, "amount_precision")
        for act, body in (("approve", approval), ("close", {"reason": "policy"})):
            assert refusal(await ann.post(f"/api/corridors/none/{act}", json=body)) == (404, "not_found")
