"""Ids beyond 2^53, in a browser and over HTTP: no client shows a rounded number."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from contracts.network.v1 import RegisterDistributor
from tests.api.front import Front, bearer
from tests.api.test_docs_page import WITHIN_MS, docs, executed, unfolded
from tests.api.world import a_snowflake, a_world
from tests.connected.running import next_message

DECISION = Path(__file__).parents[2] / "docs" / "decisions" / "0030-ids-beyond-2-53.md"


def _as_a_browser_reads(text: str) -> Any:
    """JavaScript's numbers are doubles."""
    return json.loads(text, parse_int=lambda digits: int(float(digits)))


async def _authorized(page: Page, token: str) -> None:
    await page.get_by_role("button", name="Authorize").first.click()
    dialog = page.locator(".modal-ux")
    await dialog.locator(".auth-container", has_text="bearer").locator("input").first.fill(token)
    await dialog.get_by_label("Apply credentials").first.click()
    await dialog.get_by_role("button", name="Close").first.click()


@pytest.mark.full
async def test_the_docs_page_sends_and_shows_the_number(front: Front, client: httpx.AsyncClient) -> None:
    world = await a_world(front, base=a_snowflake())
    assert float(world.seller) == float(world.top), "a browser would round both to the same number"
    token = await front.admin(client)
    async with docs(front) as page:
        await _authorized(page, token)

        shown = await unfolded(page, "distributors", "showDistributor")
        await shown.get_by_placeholder("distributor_id").fill(str(world.seller))
        body = (await executed(shown, "200")).locator(".highlight-code pre").first
        await expect(body).to_contain_text(f'"distributor_id": "{world.seller}"')
        await expect(body).to_contain_text(f'"sponsor_id": "{world.middle}"')

        listed = await unfolded(page, "distributors", "listDistributors")
        await listed.get_by_placeholder("sponsor_id").fill(str(world.top))
        body = (await executed(listed, "200")).locator(".highlight-code pre").first
        await expect(body).to_contain_text(str(world.middle))

        moved = await unfolded(page, "distributors", "moveDistributor")
        await moved.get_by_placeholder("distributor_id").fill(str(world.seller))
        await moved.locator("textarea").first.fill(f'{{"sponsor_id": {world.top}}}')
        body = (await executed(moved, "200")).locator(".highlight-code pre").first
        await expect(body).to_contain_text(f'"sponsor_id": "{world.top}"', timeout=WITHIN_MS)

        read = await page.evaluate(
            """async ([url, token]) => {
                const answer = await fetch(url, {headers: {Authorization: `Bearer ${token}`}});
                const data = JSON.parse(await answer.text());
                const order = {distributor_id: data.distributor_id, sponsor_id: data.sponsor_id};
                return [String(data.distributor_id), String(data.sponsor_id), JSON.stringify(order)];
            }""",
            [f"/api/distributors/{world.seller}", token],
        )
    written = json.dumps({"distributor_id": str(world.seller), "sponsor_id": str(world.top)}, separators=(",", ":"))
    assert read == [str(world.seller), str(world.top), written]


async def test_javascript_reads_and_writes_a_message_as_the_decision_states(front: Front) -> None:
    """docs/decisions/0030-ids-beyond-2-53.md has the reviver; messages over AMQP carry integers."""
    number = a_snowflake() + 7
    async with front.site.tap("distributor.registered.v1") as tap:
        await front.send(RegisterDistributor(distributor_id=number))
        event = await next_message(tap)
    assert f'"distributor_id":{number}' in event.body.decode()
    reviver = " ".join(
        re.findall(r"`JSON\.parse\(body, (.*?)\)`, and", DECISION.read_text("utf-8"), re.DOTALL)[0].split()
    )

    async with docs(front) as page:
        rounded, read, written = await page.evaluate(
            f"""body => {{
                const [event] = JSON.parse(body, {reviver});
                const id = event.data.distributor_id;
                const command = JSON.stringify({{distributor_id: JSON.rawJSON(id), share: 0.5}});
                return [String(JSON.parse(body)[0].data.distributor_id), id, command];
            }}""",
            event.body.decode(),
        )

    assert rounded != str(number)
    assert read == str(number)
    assert written == f'{{"distributor_id":{number},"share":0.5}}'


async def test_what_a_browser_reads_it_can_send(front: Front) -> None:
    world = await a_world(front, base=a_snowflake())
    async with world.as_admin() as admin:
        seller = _as_a_browser_reads((await admin.get(f"/api/distributors/{world.seller}")).text)
        stock = _as_a_browser_reads((await admin.get(f"/api/inventory/{world.product_id}")).text)
        assert (seller["distributor_id"], stock["product_id"]) == (str(world.seller), str(world.product_id))

        order = world.order(distributor_id=seller["distributor_id"], product_id=stock["product_id"])
        placed = await admin.post("/api/orders", json=order)
        assert placed.status_code == 201, placed.text
        lines = [{"product_id": stock["product_id"], "quantity": 1, "amount": "5.00"}]
        many = await admin.post(
            "/api/orders", json={"shop_id": world.shop_id, "distributor_id": str(world.seller), "lines": lines}
        )
        assert many.status_code == 201, many.text
        counted = await admin.post(
            "/api/inventory/adjustments", json=[{"product_id": stock["product_id"], "delta": -2}]
        )
        assert counted.json()["results"][0]["status"] == "done", counted.text

    first, second = _as_a_browser_reads(placed.text), _as_a_browser_reads(many.text)
    for order_view in (first, second):
        assert order_view["distributor_id"] == str(world.seller)
        assert [one["distributor_id"] for one in order_view["upline"]] == [str(world.seller - n) for n in range(3)]
        assert [line["product_id"] for line in order_view["lines"]] == [str(world.product_id)]
    assert first["lines"][0]["category_id"] == 7, "a small id stays a number"
    assert counted.json()["results"][0]["product_id"] == str(world.product_id)


async def test_every_read_about_a_large_id_is_exact(front: Front) -> None:
    world = await a_world(front, base=a_snowflake())
    async with world.as_admin() as admin:
        order = await world.paid(admin)
        key = f"{world.shop_id}/{order['order_id']}"
        large = {world.top, world.middle, world.seller, world.product_id}
        paths = (
            *(f"/api/distributors/{world.top}{part}" for part in ("", "/downline", "/performance")),
            f"/api/distributors/{world.seller}/upline",
            f"/api/distributors?sponsor_id={world.middle}",
            f"/api/orders?distributor_id={world.seller}",
            f"/api/orders/{key}?timeline=true",
            f"/api/trace?of={key}",
            f"/api/commission/{world.seller}",
            f"/api/products/{world.product_id}",
            f"/api/inventory/{world.product_id}",
            "/api/inventory/hot?limit=100",
        )
        for path in paths:
            answer = await admin.get(path)
            assert answer.status_code == 200, f"{path} {answer.text}"
            assert _numbers(json.loads(answer.text)) & large == set(), f"{path} has a number that a browser rounds"
            assert any(str(number) in answer.text for number in large) or "hot" in path, path
        preview = await admin.post(
            f"/api/distributors/{world.seller}/move-preview", json={"sponsor_id": str(world.top)}
        )
        assert preview.json()["chain"] == [str(world.top)], preview.text
        backtest = await admin.post(
            "/api/rules/backtest",
            json={
                "rule_version": world.rule_version,
                "first_day": order["placed_at"][:10],
                "last_day": order["placed_at"][:10],
            },
        )
        assert _numbers(backtest.json()) & large == set()
    traced = await front.command("trace", key, "--json")
    explained = await front.command("explain", key, "--json")
    for shown in (traced, explained):
        assert shown.code == 0, shown.err
        assert _numbers(shown.object) & large == set()
        assert str(world.seller) in shown.out
    async with front.client() as client:
        _, tokens = await front.log_in_as(client, world.seller)
        client.headers.update(bearer(tokens["access_token"]))
        assert (await client.get("/api/me")).json()["distributor_id"] == str(world.seller)
        assert (await client.get(f"/api/distributors/{world.seller}")).status_code == 200
    claims = tokens["access_token"].split(".")[1]
    decoded = _as_a_browser_reads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)).decode())
    assert decoded["distributor_id"] == str(world.seller)


def _numbers(value: Any) -> set[int]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return {number for inner in value for number in _numbers(inner)}
    return {value} if isinstance(value, int) else set()


async def test_an_id_that_every_client_keeps_is_a_number(front: Front) -> None:
    world = await a_world(front, base=2**53 - 4)
    async with world.as_admin() as admin:
        shown = (await admin.get(f"/api/distributors/{world.seller}")).json()
        product = (await admin.get(f"/api/products/{world.product_id}")).json()

    assert (shown["distributor_id"], shown["sponsor_id"]) == (2**53 - 2, 2**53 - 3)
    assert product["product_id"] == 2**53 - 1
