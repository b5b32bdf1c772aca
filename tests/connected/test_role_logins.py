"""Every process runs with the login of its kind alone, and the command line with the operator's."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from contracts.operations.view import DEAD_LETTERS
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.operators.broker_logins import role_logins, save_role_logins
from infra.runtime import roster
from tests.api.front import serving
from tests.api.world import a_world
from tests.connected.running import Site, command, journal_of, until
from tests.connected.shops import PLACE, Shop, connected, enveloped, logins_at

Addresses = dict[str, str]


@pytest.fixture
async def addresses(site: Site) -> AsyncIterator[Addresses]:
    """The broker's address for each kind of process; the logins are gone at the end."""
    assert site.settings.rabbitmq_management_url is not None
    admin = BrokerAdmin(site.settings.rabbitmq_management_url)
    logins = role_logins(site.workers)
    passwords = {role: secrets.token_hex(8) for role in logins}
    await save_role_logins(admin, site.workers, passwords)
    host = urlsplit(site.settings.rabbitmq_url).netloc.rpartition("@")[2]
    yield {role: f"amqp://{login.name}:{passwords[role]}@{host}" for role, login in logins.items()}
    for login in logins.values():
        await admin.delete_login(login.name)


async def test_the_whole_system_runs_with_a_login_for_each_kind(
    site: Site, addresses: Addresses, tmp_path: Path
) -> None:
    """Orders by AMQP and HTTP, a retry, a dead letter and its replay, time, and a diagnosis without a problem."""
    everyone = [worker.name for worker in site.workers]
    ours = site.environment(rabbitmq_url=addresses["operator"])
    async with (
        site.processes([everyone], rabbitmq_url=addresses["worker"]),
        site.processes([[roster.CLOCK]], rabbitmq_url=addresses["clock"], clock_interval_s=1),
        serving(site, tmp_path, rabbitmq_url=addresses["api"]) as front,
    ):
        world = await a_world(front)
        async with world.as_shop() as client:
            await world.placed(client, order_id="over-http")
        async with logins_at(site, world.shop_id), connected(site, world.shop_id) as shop:
            await _orders_of(shop, world.seller, world.product_id)

        [letter] = await site.documents(DEAD_LETTERS)
        replayed = await command("dead", "replay", letter["_id"], environment=ours)
        assert replayed.code == 0, replayed.err

        async def again() -> bool:
            return len(await site.documents(DEAD_LETTERS)) == 2

        await until(again, what="it was replayed, and died again")

        async def ticked() -> bool:
            return bool(await site.documents(journal_of("order_intake"), {"queue": "order_intake.clock.ticked"}))

        await until(ticked, what="the clock has ticked")
        report = await command("doctor", "--json", environment=ours)
        assert [each for each in report.object["findings"] if each["level"] == "problem"] == []
        assert report.code == 0
        assert "4 of processes" in report.out
    orders = {order["_id"] for order in await site.documents("order_intake.orders")}
    assert orders == {f"{world.shop_id}/{number}" for number in ("over-http", "over-amqp")}


async def _orders_of(shop: Shop, seller: int, product_id: int) -> None:
    """One order that is accepted, one that is tried again and refused, and one that is unreadable."""

    def an_order(number: str, **fields: Any) -> bytes:
        order = {"shop_id": shop.shop_id, "order_id": number, "distributor_id": seller, "product_id": product_id}
        return enveloped({**order, "quantity": 1, "total_price": "10.00", **fields}, number, f"urn:shop:{shop.shop_id}")

    await shop.send(PLACE, an_order("over-amqp"))
    await shop.send(PLACE, an_order("unknown", product_id=1))
    await shop.send(PLACE, b'{"half": ', message_id="half")
    answers = {(each["message_id"], each["outcome"], each["code"]) for each in await shop.answers(4)}
    assert answers == {
        ("over-amqp", "done", "accepted"),
        ("unknown", "deferred", "product_unknown"),
        ("unknown", "refused", "product_unknown"),
        ("half", "dead_lettered", "malformed_json"),
    }
