"""Settlement over HTTP: two persons, a close by hand, and a statement in each form, seen only by its owner."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest

from tests.api.front import PASSWORD, Front, an_email, bearer, unique
from tests.api.world import World, a_statement, a_world


@pytest.fixture(scope="module")
async def world(front: Front) -> World:
    return await a_world(front)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason"]


def an_adjustment(world: World, **fields: Any) -> dict[str, Any]:
    usual = {"adjustment_id": unique("adjustment"), "market": world.market, "distributor_id": world.seller}
    return {**usual, "currency": "CNY", "amount": "150.00", "reason": "goodwill", "note": "Order 1 was late.", **fields}


async def test_an_adjustment_of_two_persons_ends_on_a_statement(world: World) -> None:
    async with world.as_admin() as ann, world.as_admin() as bob, world.as_distributor(world.seller) as seller:
        proposed = await ann.post("/api/adjustments", json=an_adjustment(world))
        assert (proposed.status_code, proposed.json()["booked_at"]) == (201, None), proposed.text
        shown = proposed.json()
        url, approval = f"/api/adjustments/{shown['adjustment_id']}/approve", {"digest": shown["digest"]}
        assert refusal(await ann.post(url, json=approval)) == (409, "same_person")
        assert refusal(await bob.post(url, json={"digest": "0" * 64})) == (409, "digest_mismatch")
        assert (await seller.post(url, json=approval)).status_code == 403
        booked = (await bob.post(url, json=approval)).json()
        assert (len(booked["approved_by"]), booked["booked_at"] is not None) == (1, True)

        [coming] = (await seller.get("/api/settlements/preview", params={"distributor_id": world.seller})).json()
        assert (coming["gross"], coming["payable"], coming["outcome"]) == ("150.00", "150.00", "payable")
        assert f"of market {world.market} ends " in coming["sentences"][0]
        page = (await seller.get(f"/api/commission/{world.seller}")).json()
        assert [(one["available"], one["payable"]) for one in page["balances"]] == [("150.00", "0.00")]
        assert page["coming"] == [coming]

        body = {"market": world.market, "period": coming["period"]}
        assert refusal(await ann.post("/api/settlements/close", json=body)) == (409, "period_not_over")
        assert refusal(await ann.post("/api/settlements/close", json={**body, "period": "1999-01"})) == (
            *(404, "unknown_period"),
        )
        for_all = await ann.post("/api/settlements/close", json={**body, "final": True})
        assert refusal(for_all) == (422, "final_of_all")
        assert (await seller.post("/api/settlements/close", json=body)).status_code == 403
        closed = await ann.post("/api/settlements/close", json={**body, "distributor_id": world.seller})
        assert closed.status_code == 200, closed.text
        again = await ann.post("/api/settlements/close", json={**body, "distributor_id": world.seller})
        assert refusal(again) == (409, "nothing_to_close")

        [summary] = (await seller.get(closed.json()["statements"])).json()["items"]
        assert (summary["statement_id"], summary["payable"]) == (booked["statement_id"], "150.00")
        page = (await seller.get(f"/api/commission/{world.seller}")).json()
        assert [(one["available"], one["payable"]) for one in page["balances"]] == [("0.00", "150.00")]
        statement = (await seller.get(summary["url"])).json()
        assert (statement["adjustments"], statement["line_count"], statement["closed_by"]) == ("150.00", 1, None)
        assert (await ann.get(summary["url"])).json()["closed_by"].startswith("admin/")
        entries = await world.front.site.documents("api.audit", {"target": f"settlement/{world.market}"})
        assert [entry["action"] for entry in entries] == ["settlement.close.v1"]


async def test_no_one_approves_what_they_get_themselves(world: World) -> None:
    """The maker of the payee's login may hold its password."""
    async with world.as_admin() as ann, world.as_admin() as bob:
        payee = await world.front.distributor()
        body = {"email": an_email(), "roles": ["ROLE_DISTRIBUTOR"], "distributor_id": payee}
        assert (await bob.post("/api/users", json=body)).status_code == 201
        shown = (await ann.post("/api/adjustments", json=an_adjustment(world, distributor_id=payee))).json()
        url = f"/api/adjustments/{shown['adjustment_id']}/approve"
        assert refusal(await bob.post(url, json={"digest": shown["digest"]})) == (403, "payee_approves_own")


async def test_a_statement_in_each_form(world: World) -> None:
    front, whose = world.front, await world.front.distributor()
    key = await a_statement(front, whose, world.market)
    async with world.as_distributor(whose) as owner, world.as_distributor(world.top) as other, world.as_shop() as shop:
        url = f"/api/settlements/{key}"
        shown = await owner.get(url, headers={"Accept-Language": "zh-CN"})
        assert shown.json()["sentences"] == [
            "期初 0.00 + 明细 150.00 = 应结总额 150.00",
            "应结总额 150.00 = 应付 150.00 + 税款 0.00 + 手续费 0.00 + 结转 0.00",
            "应付给您 150.00 CNY。",
        ]
        assert shown.headers["content-language"] == "zh"
        assert (
            await owner.get(url, headers={"If-None-Match": shown.headers["etag"], "Accept-Language": "zh-CN"})
        ).status_code == 304
        [line] = (await owner.get(f"{url}/lines")).json()["items"]
        assert (line["kind"], line["amount"]) == ("adjustment", "150.00")

        table = await owner.get(url, headers={"Accept": "text/csv"})
        assert table.headers["content-type"] == "text/csv; charset=utf-8"
        assert table.headers["content-disposition"] == f'attachment; filename="statement-{key.replace("/", "-")}.csv"'
        rows = list(csv.reader(io.StringIO(table.content.decode("utf-8-sig"), newline="")))
        assert (["Payable", "150.00"] in rows, rows[-1][5]) == (True, "150.00")
        page = await owner.get(url, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert page.text.startswith("<!DOCTYPE html>")
        document = await owner.get(url, headers={"Accept": "application/pdf", "Accept-Language": "zh"})
        assert (document.content[:5], document.headers["content-type"]) == (b"%PDF-", "application/pdf")
        assert refusal(await owner.get(url, headers={"Accept": "image/png"})) == (406, "not_acceptable")

        for address in (url, f"{url}/lines", f"/api/settlements/preview?distributor_id={whose}"):
            assert refusal(await other.get(address)) == (404, "not_found")
            assert (await shop.get(address)).status_code == 403
        assert refusal(await other.get("/api/settlements", params={"distributor_id": whose})) == (404, "not_found")
        assert (await other.get("/api/settlements")).json()["items"] == []


async def test_statements_are_listed_by_period_outcome_and_number(world: World) -> None:
    keys = [await a_statement(world.front, await world.front.distributor(), world.market) for _ in range(3)]
    period = keys[0].split("/")[1]
    async with world.as_admin() as admin:
        where: dict[str, Any] = {"market": world.market, "period": period, "currency": "CNY", "outcome": "payable"}
        url: str | None = str(httpx.URL("/api/settlements", params={**where, "limit": 1}))
        seen: list[str] = []
        while url is not None:
            page = (await admin.get(url)).json()
            seen += [item["statement_id"] for item in page["items"]]
            url = page["next"]
        assert set(keys) <= set(seen)
        assert sorted(set(seen)) == seen
        none = await admin.get("/api/settlements", params={**where, "outcome": "carried_negative"})
        assert none.json()["items"] == []
        numbers = [one["number"] for one in (await admin.get("/api/settlements")).json()["items"]]
        assert numbers == sorted(numbers, reverse=True)


async def test_terms_take_a_second_person(world: World) -> None:
    terms = {"market": world.market, "zone": "Asia/Shanghai", "minimum": [{"currency": "CNY", "amount": "100.00"}]}
    async with world.as_admin() as ann, world.as_admin() as bob, world.as_distributor(world.seller) as seller:
        proposed = await ann.post("/api/settlement-terms", json={"terms": terms})
        assert proposed.status_code == 201, proposed.text
        shown = proposed.json()
        url, approval = f"/api/settlement-terms/{shown['terms_version']}/approve", {"digest": shown["digest"]}
        assert shown["terms"]["minimum"] == {"CNY": "100.00"}
        listed = {"market": world.market}
        assert (await seller.get("/api/settlement-terms", params=listed)).json()["items"] == []
        assert refusal(await ann.post(url, json=approval)) == (409, "same_person")
        assert (await bob.post(url, json=approval)).json()["since"] is not None
        [seen] = (await seller.get("/api/settlement-terms", params=listed)).json()["items"]
        assert (seen["terms_version"], seen["proposed_by"]) == (shown["terms_version"], None)
        finer = {**terms, "minimum": [{"currency": "CNY", "amount": "1.001"}]}
        assert refusal(await ann.post("/api/settlement-terms", json={"terms": finer})) == (422, "amount_precision")
        assert (await ann.post("/api/settlement-terms", json={"terms": {**terms, "zone": "Mars"}})).status_code == 422


async def test_finance_decides_about_money_and_nothing_else(world: World) -> None:
    front = world.front
    async with world.as_admin() as ann, world.as_admin() as bob, front.client() as finance:
        made = await ann.post("/api/users", json={"email": an_email(), "roles": ["ROLE_FINANCE"]})
        user = made.json()
        assert (made.status_code, user["active"], user["pending"] is not None) == (201, False, True), made.text
        confirmed = await bob.post(f"/api/users/{user['id']}/confirm", json={"version": user["version"]})
        body = {"email": user["email"], "password": confirmed.json()["one_time_password"], "new_password": PASSWORD}
        front.secrets_seen.append(body["password"])
        tokens = front.remember((await finance.post("/api/auth/login", json=body)).json())
        finance.headers.update(bearer(tokens["access_token"]))
        assert (await finance.post("/api/adjustments", json=an_adjustment(world))).status_code == 201
        assert (await finance.get("/api/settlements")).status_code == 200
        for path in ("/api/users", "/api/inventory/hot"):
            assert (await finance.get(path)).status_code == 403
        assert (await finance.post("/api/orders", json=world.order())).status_code == 403
