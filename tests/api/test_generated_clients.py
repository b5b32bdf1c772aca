"""Generated clients: classes generated from each document read what the system really sends.

The generator is datamodel-code-generator with its defaults; its output is imported unchanged.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import aio_pika
import httpx
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from api.http.openapi import operations
from contracts.wire.catalogue import ALL, kind_of
from contracts.wire.envelope import COMMANDS_EXCHANGE
from contracts.wire.schema import DOCUMENT
from tests.api.front import PASSWORD, Front, an_email, unique
from tests.api.generated import Generated, class_of, generated, typed
from tests.api.generated_payouts import corridors, exchange_rates, pay_out, payees
from tests.api.world import World, a_notice, a_snowflake, a_world
from tests.builders import a_rule_document
from tests.connected.running import until

ORDER_EVENTS = {
    "order.accepted.v1",
    "stock.reserved.v1",
    "order.paid.v1",
    "commission.accrued.v1",
    "order.shipped.v1",
    "order.completed.v1",
}


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return generated(DOCUMENT, "asyncapi", tmp_path_factory.mktemp("messages"))


@pytest.fixture(scope="module")
def described(front: Front) -> dict[str, Any]:
    """The document of the running API."""
    document: dict[str, Any] = httpx.get(f"{front.url}/openapi.json", timeout=30).json()
    return document


@pytest.fixture(scope="module")
def http(described: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("http")
    (folder / "openapi.json").write_text(json.dumps(described))
    return generated(folder / "openapi.json", "openapi", folder)


def batch_class(messages: ModuleType, message_type: str) -> Any:
    """`order.paid.v1` is sent as `OrderPaidV1Batch`: the document and the generated name agree."""
    document = json.loads(DOCUMENT.read_text("utf-8"))
    reference = document["components"]["messages"][message_type]["payload"]["$ref"]
    return class_of(messages, reference.rpartition("/")[2])


@pytest.mark.parametrize("base", [None, a_snowflake()], ids=["small ids", "ids beyond 2^53"])
async def test_generated_classes_parse_events_from_the_broker(
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
    """Place an order with a command of the generated classes."""
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
    """Every message up to the last wanted one of the order."""
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
async def test_generated_classes_parse_answers_over_http(
    front: Front, http: ModuleType, described: dict[str, Any], base: int | None
) -> None:
    world = await a_world(front, base=base)
    async with world.as_admin() as admin:
        seller = http.DistributorView.model_validate_json(
            (await admin.get(f"/api/distributors/{world.seller}")).content
        ).distributor_id
        assert int(seller.root) == world.seller
        # An id from an answer goes into a request unchanged.
        body = http.SimpleOrder(
            shop_id=world.shop_id, distributor_id=seller, product_id=world.product_id, quantity=2, total_price="100.00"
        )
        content = http.ApiOrdersPostRequest(body).model_dump_json(exclude_unset=True)
        answer = await admin.post("/api/orders", content=content, headers={"Content-Type": "application/json"})
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
    """Send every read of the document whose parameters are known, and parse the answer with its class."""
    for path, method, operation in operations(described):
        needed = {one["name"]: one["in"] for one in operation.get("parameters", ()) if one.get("required")}
        if method != "get" or not needed.keys() <= named.keys() or path == "/oauth/authorize":
            continue
        query = {name: named[name] for name, place in needed.items() if place == "query"}
        answer = await admin.get(path.format(**named), params=query)
        assert answer.status_code == 200, f"{path} {answer.text}"
        for media_type, content in operation["responses"]["200"]["content"].items():
            if "json" in media_type:
                for made, value in typed(http, content["schema"], answer.json()):
                    dumped = made.model_validate(value).model_dump(mode="json", by_alias=True, exclude_unset=True)
                    assert dumped.keys() == value.keys(), path
                yield path


def test_generated_classes_parse_the_examples_of_every_operation(
    http: ModuleType, described: Mapping[str, Any]
) -> None:
    for path, method, operation in operations(described):
        answers = [answer for status, answer in operation["responses"].items() if status[0] == "2"]
        for part in (operation.get("requestBody") or {}, *answers):
            content = part.get("content", {}).get("application/json")
            if content is not None:
                examples = [content["example"]] if "example" in content else []
                examples += [one["value"] for one in content.get("examples", {}).values()]
                assert examples, f"{method} {path} has no example"
                for made, value in (pair for one in examples for pair in typed(http, content["schema"], one)):
                    kept = made.model_validate(value).model_dump(mode="json", by_alias=True, exclude_unset=True)
                    assert kept.keys() == value.keys(), f"{method} {path}"


async def test_generated_classes_make_the_bodies_of_changes(
    front: Front, http: ModuleType, described: Mapping[str, Any]
) -> None:
    world = await a_world(front, base=a_snowflake())
    async with world.as_admin() as session, world.as_admin() as other:
        call = Generated(session, http, described)
        second = Generated(other, http, described, call.used)
        await _catalog(call, world)
        await _network(call, world)
        await _orders(call, world)
        await _rules(call, second, world)
        await _people(call, second, world)
        await _alerts(call, world)
        await _webhooks(call, world)
        await _settlements(call, second, world)
        await payees(call, second, world)
        await exchange_rates(call, second)
        await corridors(call, second)
    async with world.as_distributor(world.top) as session:
        await Generated(session, http, described, call.used)("invite", {"uses_max": 1, "days": 3})
        await Generated(session, http, described, call.used)("endInvites")

    changes = {operation["operationId"] for _, method, operation in operations(described) if method != "get"}
    elsewhere = {"adjustStock", "backtestRules", "discardLetter", "grant", "placeOrder"}
    elsewhere |= {"redeliver", "register", "replayLetter", "takePayoutCallback"}
    forms = {"revoke", "token", "logOutOfPage"}
    assert changes - call.used == elsewhere | forms, "call the new operation, or list it here"


async def _catalog(call: Generated, world: World) -> None:
    category = await call("createCategory", {"name": unique("Tea")})
    await call("changeCategory", {"name": unique("Tea")}, category_id=category.category_id.root)
    tag = await call("createTag", {"name": unique("organic")})
    await call("changeTag", {"name": unique("organic")}, tag_id=tag.tag_id.root)
    created = await call("createProduct", {"name": "Oolong", "category_id": category.category_id, "tags": [tag.tag_id]})
    assert (created.category_id, created.tags) == (category.category_id, [tag.tag_id])
    await call("changeProduct", {"tags": [], "category_id": 7}, product_id=created.product_id.root)
    await call("removeTag", tag_id=tag.tag_id.root)
    await call("removeCategory", category_id=category.category_id.root)
    counted = await call("setStock", {"stock": 900}, product_id=world.product_id)
    assert counted.product_id.root == str(world.product_id)


async def _network(call: Generated, world: World) -> None:
    await call("registerShop", {"shop_id": unique("shop"), "currency": "CNY", "market": world.market})
    joined = await call("registerDistributor", {"sponsor_id": str(world.seller)})
    assert joined.sponsor_id.root == str(world.seller)
    who = joined.distributor_id.root
    await call("changeDistributor", {"tier": "gold"}, distributor_id=who)
    rehearsed = await call("previewDistributorMove", {"sponsor_id": world.top}, distributor_id=who)
    assert [one.root for one in rehearsed.chain] == [str(world.top)]
    moved = await call("moveDistributor", {"sponsor_id": str(world.top)}, distributor_id=who)
    assert moved.sponsor_id.root == str(world.top)
    team = await call("createTeam", {"name": "Riverside", "leader_id": world.top})
    assert team.leader_id.root == str(world.top)
    team_id = team.team_id.root
    member = await call("addMember", {"distributor_id": joined.distributor_id}, team_id=team_id)
    assert member.distributor_id == joined.distributor_id
    await call("changeLeader", {"leader_id": joined.distributor_id}, team_id=team_id)
    await call("removeMember", team_id=team_id, distributor_id=who)


async def _orders(call: Generated, world: World) -> None:
    short = await world.placed(call.session)
    await world.reserved(short["order_id"])
    order_id = short["order_id"]
    await call("putStatus", {"status": "paid"}, order_id=order_id)
    await call("changeOrder", {"status": "shipped"}, order_id=order_id)
    await call("putAfterSale", {"open": True}, order_id=order_id)
    await call("putAfterSale", {"open": False}, order_id=order_id)
    line = {"product_id": str(world.product_id), "quantity": 1}
    named = {"shop_id": world.shop_id, "order_id": order_id}
    refunded = await call("refundOrder", {"lines": [line]}, order_id=order_id)
    assert refunded.lines[0].product_id.root == str(world.product_id)
    await call("putShopAfterSale", {"open": True}, **named)
    await call("refundShopOrder", {"refund_id": unique("refund"), "lines": [line]}, **named)
    other = await world.placed(call.session)
    await call("changeShopOrder", {"status": "cancelled"}, shop_id=world.shop_id, order_id=other["order_id"])


async def _rules(call: Generated, second: Generated, world: World) -> None:
    rules = a_rule_document(market=world.market).model_dump(mode="json", exclude_none=True)
    await call("explainRules", {"rules": rules})
    proposed = await call("proposeRules", {"rules": rules})
    version = proposed.rule_version
    await second("approveRules", {"digest": proposed.digest}, version=version)
    await second("activateRules", {"effective_from": "2099-01-01T00:00:00Z"}, version=version)
    retired = await second("retireRules", {"effective_from": "2100-01-01T00:00:00Z"}, version=version)
    assert retired.stage.value == "active"


async def _people(call: Generated, second: Generated, world: World) -> None:
    # Who is not favoured by what was done before.
    email, who = an_email(), str(await world.front.distributor())
    created = await call("createUser", {"email": email, "roles": ["ROLE_DISTRIBUTOR"], "distributor_id": who})
    assert str(created.distributor_id.root) == str(who)
    changed = await call("changeUser", {"name": "Lin"}, user_id=created.id)
    assert changed.name == "Lin"
    reset = await call("resetPassword", user_id=created.id)
    tokens = await call("logIn", {"email": email, "password": reset.one_time_password, "new_password": PASSWORD})
    tokens = await call("refresh", {"refresh_token": tokens.refresh_token})
    await call("logOut", {"refresh_token": tokens.refresh_token})
    for decide in ("confirmUser", "rejectUser"):
        waiting = await call("createUser", {"email": an_email(), "roles": ["ROLE_ADMIN"], "password": PASSWORD})
        decided = await second(decide, {"version": waiting.version}, user_id=waiting.id)
        assert decided.pending is None


async def _alerts(call: Generated, world: World) -> None:
    notice = await a_notice(world.front, call.session)
    acknowledged = await call("acknowledgeAlert", {"alert": notice["alert"], "note": "Ordered."})
    assert (acknowledged.alert, acknowledged.note) == (notice["alert"], "Ordered.")
    route_id, silence_id = unique("route"), unique("silence")
    channel = {"kind": "email", "to": ["warehouse@example.com"]}
    defined = await call("defineRoute", {"channel": channel, "kinds": ["stock_low"]}, route_id=route_id)
    assert (defined.route_id, defined.kinds) == (route_id, ["stock_low"])
    await call("testRoute", route_id=route_id)
    await call("removeRoute", route_id=route_id)
    until_ = datetime.now(UTC) + timedelta(days=1)
    silence = {"silence_id": silence_id, "alert": notice["alert"], "until": until_, "reason": "Stocktaking."}
    assert (await call("createSilence", silence)).silence_id == silence_id
    assert (await call("endSilence", silence_id=silence_id)).ended_by is not None


async def _webhooks(call: Generated, world: World) -> None:
    body = {"url": "https://198.41.0.4/orders", "types": ["order.paid.v1"], "shop_id": world.shop_id}
    defined = await call("defineWebhook", body)
    rotated = await call("rotateSecret", webhook_id=defined.webhook_id)
    world.front.secrets_seen.extend([defined.secret, rotated.secret])
    await call("enableWebhook", webhook_id=defined.webhook_id)
    assert (await call("removeWebhook", webhook_id=defined.webhook_id)).state.value == "removed"


async def _settlements(call: Generated, second: Generated, world: World) -> None:
    minimum = [{"currency": "CNY", "amount": "100.00"}]
    terms = await call("proposeTerms", {"terms": {"market": world.market, "minimum": minimum}})
    await second("approveTerms", {"digest": terms.digest}, terms_version=terms.terms_version)
    whose = {"market": world.market, "distributor_id": str(world.seller)}
    adjustment = {"adjustment_id": unique("adjustment"), "currency": "CNY", "amount": "150.00", "reason": "goodwill"}
    proposed = await call("proposeAdjustment", {**whose, **adjustment, "note": "Late order."})
    assert proposed.distributor_id.root == str(world.seller)
    approval = {"digest": proposed.digest}
    booked = await second("approveAdjustment", approval, adjustment_id=proposed.adjustment_id)
    period = booked.statement_id.split("/")[1]
    await call("closePeriod", {**whose, "period": period})
    await pay_out(call, second, world, booked.statement_id)
