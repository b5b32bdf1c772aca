"""Secrets of routes, webhooks and the mail server leave no trace, however their receivers answer, and neither do the
accounts, names and id numbers of payees: nothing that is stored, logged, measured or answered has them.
"""

from __future__ import annotations

import asyncio
import json
import secrets as secrets_of_python
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from bson import json_util
from pymongo import MongoClient

from contracts.alert_routing.v1 import DefineRoute
from contracts.notifications.channel import Kind
from contracts.notifications.view import NOTIFICATIONS
from contracts.operations.view import DEAD_LETTERS
from contracts.payees.fields import PayoutMethod
from contracts.payees.v1 import SetMethod
from contracts.payees.view import PAYEES
from contracts.webhooks.view import DELIVERIES
from contracts.wire.envelope import COMMANDS_EXCHANGE, STRUCTURED
from infra.ports.store import Document
from infra.runtime import roster
from infra.vault.master import add_key
from tests.api.front import serving
from tests.api.world import World, a_world
from tests.builders import NOW, message
from tests.connected.running import Site, free_ports, get, until
from tests.connected.test_operators import send
from tests.receivers.world import KINDS, READER, OutsideWorld, outside_world

BY_COMMAND: tuple[Kind, ...] = ("email", "webhook", "dingtalk")
BY_HTTP: tuple[Kind, ...] = ("wecom", "feishu", "slack")
WAITING = {"Prefer": "wait=10"}
SHOP_LEARNS_S = 6.0
TYPES = ["order.accepted.v1"]


@dataclass
class Traces:
    """Everything that a run left behind, by where it was."""

    texts: dict[str, str] = field(default_factory=dict)

    def add(self, where: str, text: str) -> None:
        self.texts[f"{where} {len(self.texts)}"] = text

    def holding(self, secrets: Mapping[str, str]) -> list[str]:
        """Where a secret is, as it is, in a URL or in base64."""
        return [
            f"{name} in {where}"
            for where, text in self.texts.items()
            for name, secret in secrets.items()
            if any(form in text for form in forms_of(secret))
        ]


def forms_of(secret: str) -> tuple[str, ...]:
    plain = secret.removeprefix("whsec_")
    return plain, quote(plain, safe=""), b64encode(plain.encode()).decode().rstrip("=")


@pytest.mark.parametrize("form", range(3))
def test_a_secret_is_found_in_each_form(form: int) -> None:
    traces = Traces()
    traces.add("a log", f"key={forms_of('whsec_a+b/c')[form]}&x")

    assert traces.holding({"key": "whsec_a+b/c"}) == ["key in a log 0"]
    assert traces.holding({"key": "another"}) == []


async def test_secrets_of_receivers_are_nowhere(site: Site, tmp_path: Path) -> None:
    traces = Traces()
    ports = free_ports(2)
    everyone = [worker.name for worker in site.workers]
    async with outside_world(tmp_path, deadline_s=2.0) as outside:
        master_keys = tmp_path / "master.keys"
        add_key(master_keys, NOW)
        settings = {**outside.settings(), "master_key_file": str(master_keys)}
        secrets = outside.secrets()
        async with (
            site.processes([everyone, [roster.CLOCK]], health_port=ports, clock_interval_s=1, **settings),
            serving(site, tmp_path, **settings) as front,
        ):
            world = await a_world(front)
            await define_by_command(outside, world, traces, tmp_path)
            async with world.as_admin() as admin, world.as_shop(world.shop_id) as shop:
                for client in (admin, shop):
                    client.event_hooks["response"] = [keeping(traces)]
                await define_by_http(outside, admin)
                secrets["secret that the API made"] = await define_webhook(outside, world)
                secrets |= await pay_by_http(admin, world.seller)
                secrets |= await pay_by_command(world, traces, tmp_path)
                await asyncio.sleep(SHOP_LEARNS_S)
                for break_receivers in (lambda _: None, fail, refuse):
                    break_receivers(outside)
                    await send_everything(site, world, admin, shop)
                await dead_letter_a_route(site, outside)
                await dead_letter_a_payee(site, world.seller)
                await read_by_http(admin, shop)
            await read_by_command(world, traces)
            for port in (ports, ports + 1):
                status, metrics = await get(port, "/metrics")
                assert status == 200
                traces.add("metrics", metrics)
        scan_logs(tmp_path, traces)
        scan_database(site, traces)

        assert outside.arrivals >= len(KINDS)
        assert "sealed-1:" in str(traces.texts)
        assert "sealed-2:payee-" in str(traces.texts)
        assert {where.partition(" ")[0] for where in traces.texts} >= {"answer", "command", "metrics", "api.audit"}
        assert traces.holding(secrets) == []


async def define_by_command(outside: OutsideWorld, world: World, traces: Traces, folder: Path) -> None:
    for kind in BY_COMMAND:
        file = folder / f"{kind}.json"
        file.write_text(json.dumps(body_of(outside, kind)))
        await command(world, traces, "alerts", "define-route", kind, str(file), "--json")
        file.unlink()


async def command(world: World, traces: Traces, *words: str) -> None:
    ended = await world.front.command(*words)
    assert ended.code == 0, ended.err
    traces.add(f"command {words[0]}", ended.out + ended.err)


def body_of(outside: OutsideWorld, kind: Kind) -> dict[str, object]:
    if kind == "email":
        return {"channel": {"kind": kind, "to": [READER]}, "group_wait_s": 0}
    address = outside.address(kind)
    secret = {"secret": address.secret} if address.secret else {}
    return {"channel": {"kind": kind, "url": address.url, **secret}, "group_wait_s": 0}


def keeping(traces: Traces) -> Callable[[httpx.Response], Awaitable[None]]:
    async def keep(answer: httpx.Response) -> None:
        await answer.aread()
        traces.add("answer", f"{answer.request.url} {answer.headers} {answer.text}")

    return keep


async def define_by_http(outside: OutsideWorld, admin: httpx.AsyncClient) -> None:
    for kind in BY_HTTP:
        answer = await admin.put(f"/api/notification-routes/{kind}", json=body_of(outside, kind), headers=WAITING)
        assert answer.status_code == 200, answer.text
    refused = {"channel": {"kind": "webhook", "url": f"http://198.41.0.4/{outside.token}", "secret": outside.token}}
    answer = await admin.put("/api/notification-routes/refused", json=refused, headers=WAITING)
    assert answer.status_code in (400, 422), answer.text


async def define_webhook(outside: OutsideWorld, world: World) -> str:
    """The secret is in this answer alone, which is not kept."""
    async with world.as_shop(world.shop_id) as shop:
        answer = await shop.post("/api/webhooks", json={"url": outside.shop_url(), "types": TYPES})
    assert answer.status_code == 201, answer.text
    outside.shop.secret = str(answer.json()["secret"])
    return outside.shop.secret


def a_payee() -> dict[str, str]:
    """What of a payee may be nowhere, by name."""
    account = f"{secrets_of_python.randbelow(10**16):016d}"
    number = f"G{secrets_of_python.randbelow(10**8):08d}"
    return {"account": account, "holder": f"Ann {secrets_of_python.token_hex(8)}", "id_number": number}


async def pay_by_http(admin: httpx.AsyncClient, distributor_id: int) -> dict[str, str]:
    """Also with an account that is refused."""
    payee, at = a_payee(), f"/api/distributors/{distributor_id}"
    method = {"rail": "manual", "currency": "CNY", "country": "CN", "holder": payee["holder"]}
    for rail, status in (("iso20022", 422), ("manual", 200)):
        body = {**method, "rail": rail, "account": payee["account"]}
        answer = await admin.put(f"{at}/payout-method", json=body, headers=WAITING)
        assert answer.status_code == status, answer.text
    answer = await admin.put(f"{at}/identity", json=identity_of(payee), headers=WAITING)
    assert answer.status_code == 200, answer.text
    await admin.get(f"{at}/payout-method")
    return {f"payee's {name} by HTTP": value for name, value in payee.items()}


async def pay_by_command(world: World, traces: Traces, folder: Path) -> dict[str, str]:
    payee, whose = a_payee(), str(world.middle)
    method = {"rail": "manual", "currency": "CNY", "country": "CN"}
    bodies = {
        "set": {**method, "holder": payee["holder"], "account": payee["account"]},
        "identity": identity_of(payee),
    }
    for verb, body in bodies.items():
        file = folder / f"payee-{verb}.json"
        file.write_text(json.dumps(body))
        await command(world, traces, "payees", verb, whose, str(file), "--json")
        file.unlink()
    for words in (("payees", "show", whose), ("keys", "list"), ("trace", f"distributor/{whose}")):
        await command(world, traces, *words)
    return {f"payee's {name} by command": value for name, value in payee.items()}


def identity_of(payee: Mapping[str, str]) -> dict[str, str]:
    usual = {"kind": "person", "id_type": "passport", "country": "CN", "tax_residence": "CN"}
    return {**usual, "legal_name": payee["holder"], "id_number": payee["id_number"]}


def refuse(outside: OutsideWorld) -> None:
    outside.mail.after = "refuse"
    outside.hook.status = outside.shop.status = 403
    outside.robots.secret = outside.robots.token = "another"


def fail(outside: OutsideWorld) -> None:
    outside.mail.after = "cut"
    outside.hook.status = outside.shop.status = 500
    outside.robots.overloaded = True


async def send_everything(site: Site, world: World, admin: httpx.AsyncClient, shop: httpx.AsyncClient) -> None:
    """A notification by each route and an event of an order; returns when each has been attempted."""
    before = await attempted(site)
    for kind in KINDS:
        answer = await admin.post(f"/api/notification-routes/{kind}/test", headers=WAITING)
        assert answer.status_code == 200, answer.text
    await world.placed(shop)

    async def are_attempted() -> bool:
        return await attempted(site) >= before + len(KINDS)

    await until(are_attempted, what="everything was attempted", every_s=0.2)


async def attempted(site: Site) -> int:
    """Notifications and events whose first attempt has an answer."""
    notifications = await site.documents(NOTIFICATIONS, {"code": {"$ne": None}})
    return len(notifications) + len(await site.documents(DELIVERIES, {"notes": {"$gt": []}}))


async def dead_letter_a_route(site: Site, outside: OutsideWorld) -> None:
    """A letter keeps the body, in which the address is sealed."""
    route = message(DefineRoute(route_id="broken", channel=outside.channel("slack", "broken"), by="li.na"))
    await send(site, COMMANDS_EXCHANGE, route.type, route.to_bytes()[:-1], STRUCTURED)

    async def is_kept() -> list[Document]:
        return await site.documents(DEAD_LETTERS)

    await until(is_kept, what="the route is dead-lettered")


async def dead_letter_a_payee(site: Site, distributor_id: int) -> None:
    """A letter keeps the body, in which the account is sealed."""
    [known] = await site.documents(PAYEES, {"_id": distributor_id})
    fields = {name: known["method"][name] for name in PayoutMethod.model_fields if known["method"].get(name)}
    payee = SetMethod(distributor_id=distributor_id, method=PayoutMethod(**fields), fingerprint="0" * 64, by="li.na")
    body = message(payee).to_bytes()[:-1]
    await send(site, COMMANDS_EXCHANGE, payee.message_type, body, STRUCTURED)

    async def is_kept() -> bool:
        return len(await site.documents(DEAD_LETTERS)) > 1

    await until(is_kept, what="the payee is dead-lettered")


async def read_by_http(admin: httpx.AsyncClient, shop: httpx.AsyncClient) -> None:
    for path in ("notification-routes", "notifications", "alerts", "silences", "audit", "dead-letters"):
        await admin.get(f"/api/{path}")
    webhooks = (await shop.get("/api/webhooks")).json()["items"]
    for webhook in webhooks:
        await shop.get(f"/api/webhooks/{webhook['webhook_id']}/attempts")


async def read_by_command(world: World, traces: Traces) -> None:
    for words in (("alerts", "routes"), ("alerts", "notifications"), ("alerts", "list"), ("dead", "list")):
        await command(world, traces, *words, "--json")
    [letter, *_] = await world.front.site.documents(DEAD_LETTERS)
    await command(world, traces, "dead", "show", letter["_id"])
    await command(world, traces, "audit", "list", "--json")


def scan_logs(folder: Path, traces: Traces) -> None:
    for log in folder.glob("**/*.log"):
        traces.add(log.name, log.read_text())


def scan_database(site: Site, traces: Traces) -> None:
    with MongoClient[Document](site.settings.mongodb_url) as client:
        database = client[site.settings.database]
        for name in database.list_collection_names():
            for document in database[name].find():
                traces.add(name, json_util.dumps(document))
