"""Clients as an integrator has them: classes generated from each document read what the system really sends.

The generator is datamodel-code-generator with its defaults; what it makes is imported and used as it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import aio_pika
import httpx
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from api.openapi import operations
from contracts.catalogue import ALL, kind_of
from contracts.envelope import COMMANDS_EXCHANGE
from contracts.schema import DOCUMENT
from tests.api.front import Front, unique
from tests.api.world import World, a_snowflake, a_world
from tests.connected.running import until

ORDER_EVENTS = {
    "order.accepted.v1",
    "stock.reserved.v1",
    "order.paid.v1",
    "commission.accrued.v1",
    "order.shipped.v1",
    "order.completed.v1",
}


def generated(source: Path, kind: str, folder: Path) -> ModuleType:
    made = folder / f"generated_{kind}.py"
    scopes = ("--openapi-scopes", "schemas", "paths") if kind == "openapi" else ()
    subprocess.run(
        [
            *(sys.executable, "-m", "datamodel_code_generator", "--input", str(source), "--input-file-type", kind),
            *(*scopes, "--output-model-type", "pydantic_v2.BaseModel", "--formatters", "builtin"),
            *("--output", str(made)),
        ],
        check=True,
        timeout=120,
    )
    spec = spec_from_file_location(made.stem, made)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[made.stem] = module
    spec.loader.exec_module(module)
    return module


def class_of(module: ModuleType, key: str) -> Any:
    """The class of a schema; the generator leaves underscores out."""
    return getattr(module, key.replace("_", ""))


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return generated(DOCUMENT, "asyncapi", tmp_path_factory.mktemp("messages"))


@pytest.fixture(scope="module")
def described(front: Front) -> dict[str, Any]:
    """The document, as the running API gives it."""
    document: dict[str, Any] = httpx.get(f"{front.url}/openapi.json", timeout=30).json()
    return document


@pytest.fixture(scope="module")
def http(described: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("http")
    (folder / "openapi.json").write_text(json.dumps(described))
    return generated(folder / "openapi.json", "openapi", folder)


def batch_class(messages: ModuleType, message_type: str) -> Any:
    """`order.paid.v1` is sent as `OrderPaidV1Batch`: the document says so, and so does the generated name."""
    document = json.loads(DOCUMENT.read_text("utf-8"))
    reference = document["components"]["messages"][message_type]["payload"]["$ref"]
    return class_of(messages, reference.rpartition("/")[2])


@pytest.mark.parametrize("base", [None, a_snowflake()], ids=["small ids", "ids beyond 2^53"])
async def test_events_from_the_broker_are_read_by_generated_classes(
    front: Front, messages: ModuleType, base: int | None
) -> None:
    async with front.site.tap("#") as tap:
        world = await a_world(front, base=base)
        order_id = await _ordered(front, world, messages)
        async with world.as_admin() as admin:
            await world.reserved(order_id)
            url = f"/api/orders/{world.shop_id}/{order_id}"
            for status in ("paid", "shipped", "completed"):
                answer = await admin.patch(url, json={"status": status})
                assert answer.status_code == 200, answer.text
        await world.booked(order_id)
        seen = await _events(tap, order_id, ORDER_EVENTS)

    read: dict[str, list[Any]] = {}
    for event in seen:
        assert event.content_type == "application/cloudevents-batch+json"
        assert event.routing_key is not None
        batch = batch_class(messages, event.routing_key).model_validate_json(event.body)
        assert json.loads(batch.model_dump_json(exclude_unset=True, by_alias=True)) == json.loads(event.body)
        read.setdefault(event.routing_key, []).extend(batch.root)
    assert ORDER_EVENTS | {"distributor.registered.v1", "shop.registered.v1", "rules.activated.v1"} <= read.keys()
    [accepted] = [one for one in read["order.accepted.v1"] if one.data.order_id == order_id]
    assert accepted.data.distributor_id == world.seller
    assert [one.distributor_id for one in accepted.data.upline] == [world.seller, world.middle, world.top]


async def _ordered(front: Front, world: World, messages: ModuleType) -> str:
    """Place an order by a command that the generated classes make."""
    order_id = unique("order")
    line = messages.OrderPlaceV2Line(product_id=world.product_id, quantity=2, amount="100.00")
    data = messages.OrderPlaceV2Data(
        shop_id=world.shop_id, order_id=order_id, distributor_id=world.seller, lines=[line]
    )
    command = messages.OrderPlaceV2(
        specversion="1.0",
        id=unique("id"),
        source=world.shop_id,
        type="order.place.v2",
        time="2026-11-02T09:30:00Z",
        data=data,
    )
    async with front.site.channel() as channel:
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        body = command.model_dump_json(exclude_unset=True).encode()
        await exchange.publish(aio_pika.Message(body, content_type="application/cloudevents+json"), "order.place.v2")
    return order_id


async def _events(tap: AbstractQueue, order_id: str, wanted: set[str]) -> list[AbstractIncomingMessage]:
    """Every message up to the last that is wanted of the order."""
    found: list[AbstractIncomingMessage] = []
    missing = set(wanted)

    async def all_came() -> bool:
        while (event := await tap.get(fail=False, no_ack=True)) is not None:
            found.append(event)
            if order_id.encode() in event.body:
                missing.discard(str(event.routing_key))
        return not missing

    await until(all_came, what=f"{sorted(wanted)} came")
    return found


def test_every_message_has_a_class_of_its_own(messages: ModuleType) -> None:
    document = json.loads(DOCUMENT.read_text("utf-8"))
    classes = {}
    for name, payload in ALL.items():
        made = batch_class(messages, name)
        example = document["components"]["messages"][name]["examples"][0]["payload"]
        read = made.model_validate(example)
        [one] = read.root if kind_of(payload) == "event" else [read]
        assert one.type == name
        classes[name] = made
    assert len(set(classes.values())) == len(ALL)


@pytest.mark.parametrize("base", [None, a_snowflake()], ids=["small ids", "ids beyond 2^53"])
async def test_answers_over_http_are_read_by_generated_classes(
    front: Front, http: ModuleType, described: dict[str, Any], base: int | None
) -> None:
    world = await a_world(front, base=base)
    async with world.as_admin() as admin:
        seller = http.DistributorView.model_validate_json(
            (await admin.get(f"/api/distributors/{world.seller}")).content
        ).distributor_id
        assert int(seller.root) == world.seller
        # What was read is what is sent: an id goes from an answer into a request as it is.
        body = http.SimpleOrder(
            shop_id=world.shop_id, distributor_id=seller, product_id=world.product_id, quantity=2, total_price="100.00"
        )
        wish = http.ApiOrdersPostRequest(body).model_dump_json(exclude_unset=True)
        answer = await admin.post("/api/orders", content=wish, headers={"Content-Type": "application/json"})
        assert answer.status_code == 201, answer.text
        order = http.OrderView.model_validate_json(answer.content)
        assert order.distributor_id == seller
        await world.reserved(order.order_id)
        answer = await admin.patch(f"/api/orders/{world.shop_id}/{order.order_id}", json={"status": "paid"})
        assert http.OrderView.model_validate_json(answer.content).status.value == "paid"
        await world.booked(order.order_id)

        named = {
            "distributor_id": world.seller,
            "product_id": world.product_id,
            "shop_id": world.shop_id,
            "order_id": order.order_id,
            "version": world.rule_version,
            "reason": "conflict",
            "of": f"{world.shop_id}/{order.order_id}",
        }
        read = [path async for path in _read_all(admin, http, described, named)]
        draft = {"rule_version": world.rule_version, "first_day": "2026-10-01", "last_day": "2026-10-31"}
        tried = await admin.post("/api/rules/backtest", json=draft)
        assert http.Backtest.model_validate_json(tried.content).orders == 0
    assert {"/api/orders", "/api/trace", "/.well-known/jwks.json", "/api/commission/{distributor_id}"} <= set(read)
    assert len(read) > 25


async def _read_all(
    admin: httpx.AsyncClient, http: ModuleType, described: Mapping[str, Any], named: Mapping[str, Any]
) -> AsyncIterator[str]:
    """Every read of the document whose parameters are known: asked, and read by the class of its answer."""
    for path, method, operation in operations(described):
        needed = {one["name"]: one["in"] for one in operation.get("parameters", ()) if one.get("required")}
        if method != "get" or not needed.keys() <= named.keys() or path == "/oauth/authorize":
            continue
        query = {name: named[name] for name, place in needed.items() if place == "query"}
        answer = await admin.get(path.format(**named), params=query)
        assert answer.status_code == 200, f"{path} {answer.text}"
        for media_type, content in operation["responses"]["200"]["content"].items():
            if "json" in media_type:
                for made, value in _typed(http, content["schema"], answer.json()):
                    told = made.model_validate(value).model_dump(mode="json", by_alias=True, exclude_unset=True)
                    assert told.keys() == value.keys(), path
                yield path


def _typed(http: ModuleType, schema: Mapping[str, Any], value: Any) -> Iterator[tuple[Any, Any]]:
    if "$ref" in schema:
        yield class_of(http, schema["$ref"].rpartition("/")[2]), value
    else:
        for one in value:
            yield from _typed(http, schema["items"], one)
