"""Exchange rates over HTTP: a table takes two persons of finance, and never changes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.front import Front, unique
from tests.api.world import World, a_source, a_world


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason"]


def a_table(source: str, day: int, **fields: Any) -> dict[str, Any]:
    rates = [{"currency": "CNY", "rate": "7.8000"}, {"currency": "USD", "rate": "1.0920"}]
    usual = {"table_id": unique("rates"), "source": source, "base": "EUR", "as_of": f"2026-11-0{day}T15:00:00Z"}
    return {**usual, "rates": rates, "spread": "0.005", **fields}


async def test_a_table_takes_two_persons(world: World) -> None:
    source = a_source()
    async with world.as_admin() as ann, world.as_admin() as bob, world.as_distributor(world.seller) as seller:
        proposed = await ann.post("/api/exchange-rates", json=a_table(source, 1))
        assert proposed.status_code == 201, proposed.text
        shown = proposed.json()
        assert proposed.headers["location"] == f"/api/exchange-rates/{shown['table_id']}"
        assert (shown["state"], shown["spread"], shown["rates"][1]) == (
            *("proposed", "0.005"),
            {"currency": "USD", "rate": "1.0920"},
        )
        url, approval = f"/api/exchange-rates/{shown['table_id']}/approve", {"digest": shown["digest"]}
        assert refusal(await ann.post(url, json=approval)) == (409, "same_person")
        assert refusal(await bob.post(url, json={"digest": "0" * 64})) == (409, "digest_mismatch")
        assert (await seller.post(url, json=approval)).status_code == 403
        approved = (await bob.post(url, json=approval)).json()
        assert (approved["state"], approved["decided_by"] not in (None, shown["proposed_by"])) == ("approved", True)
        reject = f"/api/exchange-rates/{shown['table_id']}/reject"
        assert refusal(await ann.post(reject, json={"reason": "late"})) == (409, "already_decided")
        assert (await ann.get(f"/api/exchange-rates/{shown['table_id']}")).json() == approved


async def test_a_wrong_table_is_refused_with_its_reason(world: World) -> None:
    source = a_source()
    async with world.as_admin() as ann, world.as_admin() as bob:
        first = (await ann.post("/api/exchange-rates", json=a_table(source, 2))).json()
        url = f"/api/exchange-rates/{first['table_id']}"
        assert (await bob.post(f"{url}/approve", json={"digest": first["digest"]})).status_code == 200
        jump = [{"currency": "USD", "rate": "10.920"}]
        wrong: list[tuple[dict[str, Any], tuple[int, str]]] = [
            (a_table(source, 3, table_id=first["table_id"]), (409, "conflict")),
            (a_table(source, 1), (409, "older_than_known")),
            (a_table(source, 3, base="GBP"), (422, "base_differs")),
            (a_table(source, 3, rates=jump), (422, "implausible")),
            (a_table(source, 3, as_of="2999-01-01T00:00:00Z"), (422, "time_in_future")),
            (a_table(source, 3, rates=[*jump, *jump]), (422, "inconsistent_request")),
            (a_table(source, 3, rates=[{"currency": "EUR", "rate": "1"}]), (422, "inconsistent_request")),
        ]
        for body, expected in wrong:
            assert refusal(await ann.post("/api/exchange-rates", json=body)) == expected
        confirmed = await ann.post("/api/exchange-rates", json=a_table(source, 3, rates=jump, confirm_jump=True))
        assert confirmed.json()["jumps"] == [{"currency": "USD", "before": "1.0920", "rate": "10.920"}]
        missing = await bob.post("/api/exchange-rates/none/approve", json={"digest": "0" * 64})
        assert refusal(missing) == (404, "not_found")


async def test_the_table_that_held_at_a_time_comes_first(world: World) -> None:
    source = a_source()
    async with world.as_admin() as ann, world.as_admin() as bob:
        made = []
        for day in (1, 2):
            table = (await ann.post("/api/exchange-rates", json=a_table(source, day))).json()
            url = f"/api/exchange-rates/{table['table_id']}/approve"
            assert (await bob.post(url, json={"digest": table["digest"]})).status_code == 200
            made.append(table["table_id"])
        rejected = (await ann.post("/api/exchange-rates", json=a_table(source, 3))).json()
        url = f"/api/exchange-rates/{rejected['table_id']}/reject"
        assert (await ann.post(url, json={"reason": "wrong_column"})).json()["reject_reason"] == "wrong_column"

        async def listed(**filters: str) -> list[str]:
            page = await ann.get("/api/exchange-rates", params={"source": source, **filters})
            return [item["table_id"] for item in page.json()["items"]]

        assert await listed() == [rejected["table_id"], *reversed(made)]
        assert await listed(state="approved") == [*reversed(made)]
        assert await listed(state="approved", as_of="2026-11-02T14:59:59Z") == made[:1]
