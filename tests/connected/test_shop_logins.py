"""A shop's login at the broker reaches the commands of that shop and its own queue, whatever it tries.

Each attack runs on the real broker, with a login as `tributary identity create-shop` makes it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException
from aiormq.exceptions import ChannelAccessRefused

from contracts.wire.envelope import BATCH, EVENTS_EXCHANGE, SHOP_EVENTS_EXCHANGE, SHOPS_EXCHANGE, STRUCTURED
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.operators.dead_letters import CannotReplay, named, replay
from infra.operators.shop_logins import ShopLogins, shop_address
from infra.ports.time import RealTime
from infra.runtime import roster
from infra.shops.logins import shop_login, shop_queue
from infra.shops.readers import READERS, Readers
from tests.builders import JOINED, TEA, TEAS, put_in_force, receive
from tests.connected.running import Site, until

PLACE = "order.place.v1"
UPDATE = "order.update-status.v1"
SECRET = "a-secret-of-this-test-only"
MINE, THEIRS = "store-a", "store-a.b"
"""One id begins like the other, and a dot separates words of routing keys."""

COMMANDS = "tributary.commands"
SELLER = 3


@dataclass
class Shop:
    """A program of a shop, with the shop's login and nothing else."""

    shop_id: str
    channel: AbstractChannel

    async def send(self, message_type: str, body: object, *, login: str | None = "", **properties: Any) -> None:
        """Publish with confirm; `login` is the user id that is claimed, by default the shop's own."""
        exchange = await self.channel.get_exchange(SHOPS_EXCHANGE, ensure=False)
        user_id = shop_login(self.shop_id).name if login == "" else login
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        await exchange.publish(aio_pika.Message(raw, user_id=user_id, **properties), message_type)

    async def received(self, message_type: str, wanted: int = 1) -> list[dict[str, Any]]:
        """What came of this type to the shop's queue, once they are that many; others are dropped."""
        queue = await self.channel.get_queue(shop_queue(self.shop_id).name, ensure=False)
        found: list[dict[str, Any]] = []

        async def enough() -> bool:
            while (message := await queue.get(no_ack=True, fail=False)) is not None:
                events = json.loads(message.body)
                found.extend(events if message.content_type == BATCH else [events])
            return sum(event["type"] == message_type for event in found) >= wanted

        await until(enough, what=f"{wanted} of {message_type} for {self.shop_id}", within_s=20)
        return [event["data"] for event in found if event["type"] == message_type]

    async def answers(self, wanted: int = 1) -> list[dict[str, Any]]:
        return await self.received("message.answered.v1", wanted)

    async def silent(self) -> bool:
        await asyncio.sleep(0.5)
        queue = await self.channel.get_queue(shop_queue(self.shop_id).name, ensure=False)
        return await queue.get(no_ack=True, fail=False) is None


@pytest.fixture
async def logins(site: Site) -> AsyncIterator[ShopLogins]:
    assert site.settings.rabbitmq_management_url is not None
    await site.store.prepare([READERS])
    logins = ShopLogins(BrokerAdmin(site.settings.rabbitmq_management_url), site.store, RealTime())
    for shop_id in (MINE, THEIRS):
        await logins.save(shop_id, SECRET)
    yield logins
    for shop_id in (MINE, THEIRS):
        await logins.end(shop_id)
        async with site.channel() as channel:
            await channel.queue_delete(shop_queue(shop_id).name)


@asynccontextmanager
async def connected(site: Site, shop_id: str) -> AsyncIterator[Shop]:
    url = shop_address(site.settings.rabbitmq_url, shop_id, SECRET)
    connection = await aio_pika.connect(url, timeout=10)
    async with connection:
        yield Shop(shop_id, await connection.channel(publisher_confirms=True, on_return_raises=True))


@pytest.fixture
async def mine(site: Site, logins: ShopLogins) -> AsyncIterator[Shop]:
    async with connected(site, MINE) as shop:
        yield shop


@pytest.fixture
async def theirs(site: Site, logins: ShopLogins) -> AsyncIterator[Shop]:
    async with connected(site, THEIRS) as shop:
        yield shop


Attack = Callable[[AbstractChannel], Awaitable[object]]


async def publish_to(channel: AbstractChannel, exchange: str, key: str, **properties: Any) -> None:
    found = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    await found.publish(aio_pika.Message(b"{}", **properties), key)


async def bind_queue(channel: AbstractChannel, queue: str, exchange: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).bind(exchange, "#")


async def bind_exchange(channel: AbstractChannel, target: str, source: str) -> None:
    await (await channel.get_exchange(target, ensure=False)).bind(source, "#")


async def consume(channel: AbstractChannel, queue: str) -> None:
    async def ignore(message: object) -> None: ...

    await (await channel.get_queue(queue, ensure=False)).consume(ignore)


async def purge(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).purge()


OWN = shop_queue(MINE).name
OTHER = shop_queue(THEIRS).name
DLX = {"x-message-ttl": 1, "x-dead-letter-exchange": COMMANDS, "x-dead-letter-routing-key": "shop.register.v1"}
REFUSED: dict[str, Attack] = {
    "commands from inside": lambda channel: publish_to(channel, COMMANDS, "rules.activate.v1"),
    "a forged event": lambda channel: publish_to(channel, EVENTS_EXCHANGE, "order.paid.v1"),
    "a forged tick": lambda channel: publish_to(channel, EVENTS_EXCHANGE, "clock.ticked.v1"),
    "a queue by its name": lambda channel: publish_to(channel, "", "order_intake.order.place"),
    "the other shop's queue": lambda channel: publish_to(channel, SHOP_EVENTS_EXCHANGE, THEIRS),
    "its own queue": lambda channel: publish_to(channel, SHOP_EVENTS_EXCHANGE, MINE),
    "a delay": lambda channel: publish_to(channel, "tributary.delay.1s", "rule_book.rules.activate"),
    "the dead-letter exchange": lambda channel: publish_to(channel, "tributary.parked", "any"),
    "a fanout of the broker": lambda channel: publish_to(channel, "amq.topic", "any"),
    "a queue with a dead-letter exchange": lambda channel: channel.declare_queue("q", arguments=DLX),
    "a queue that looks like its own": lambda channel: channel.declare_queue(f"{OWN}.more", arguments=DLX),
    "an exclusive queue": lambda channel: channel.declare_queue("", exclusive=True),
    "a queue like those of the API": lambda channel: channel.declare_queue("tributary.reply.0a", exclusive=True),
    "an exchange with an alternate": lambda channel: channel.declare_exchange(
        "x", "topic", arguments={"alternate-exchange": COMMANDS}
    ),
    "its queue bound to all events": lambda channel: bind_queue(channel, OWN, EVENTS_EXCHANGE),
    "its queue bound to others' events": lambda channel: bind_queue(channel, OWN, SHOP_EVENTS_EXCHANGE),
    "its queue bound to what shops send": lambda channel: bind_queue(channel, OWN, SHOPS_EXCHANGE),
    "its exchange bound to commands": lambda channel: bind_exchange(channel, COMMANDS, SHOPS_EXCHANGE),
    "its exchange bound to events": lambda channel: bind_exchange(channel, SHOPS_EXCHANGE, EVENTS_EXCHANGE),
    "reading the other shop's queue": lambda channel: consume(channel, OTHER),
    "reading a work queue": lambda channel: consume(channel, "order_intake.order.place"),
    "reading the parked bodies": lambda channel: consume(channel, "tributary.parked"),
    "purging a work queue": lambda channel: purge(channel, "order_intake.order.place"),
    "deleting a work queue": lambda channel: channel.queue_delete("order_intake.order.place"),
    "deleting its own queue": lambda channel: channel.queue_delete(OWN),
    "deleting its exchange": lambda channel: channel.exchange_delete(SHOPS_EXCHANGE),
}


@pytest.mark.parametrize("attack", REFUSED.values(), ids=REFUSED.keys())
async def test_the_broker_refuses(mine: Shop, attack: Attack) -> None:
    with pytest.raises(ChannelAccessRefused):
        await attack(mine.channel)


@pytest.mark.parametrize("claimed", [shop_login(THEIRS).name, "tributary", "guest", "shop."])
async def test_the_broker_refuses_a_user_id_that_is_not_the_logins_own(mine: Shop, claimed: str) -> None:
    with pytest.raises((*CONNECTION_EXCEPTIONS, AMQPException)):
        await mine.send(PLACE, {}, login=claimed)


async def test_another_shops_login_needs_its_secret(site: Site, logins: ShopLogins) -> None:
    url = shop_address(site.settings.rabbitmq_url, THEIRS, "guessed")
    with pytest.raises((*CONNECTION_EXCEPTIONS, AMQPException)):
        await aio_pika.connect(url, timeout=10)


async def test_a_renewed_secret_ends_the_former_one_and_its_connections(site: Site, logins: ShopLogins) -> None:
    async with connected(site, MINE) as shop:
        await logins.save(MINE, "another-secret")

        async def closed() -> bool:
            try:
                await shop.send(PLACE, {})
            except (*CONNECTION_EXCEPTIONS, AMQPException):
                return True
            return False

        await until(closed, what="the connection is closed", within_s=15)
    with pytest.raises((*CONNECTION_EXCEPTIONS, AMQPException)):
        await aio_pika.connect(shop_address(site.settings.rabbitmq_url, MINE, SECRET), timeout=10)


def an_order(
    shop_id: str = MINE, order_id: str = "1001", price: str = "98.00", product_id: int = TEA
) -> dict[str, Any]:
    return {
        "shop_id": shop_id,
        "order_id": order_id,
        "distributor_id": SELLER,
        "product_id": product_id,
        "quantity": 1,
        "total_price": price,
    }


def enveloped(
    data: dict[str, Any], message_id: str = "m-1", source: str = f"urn:shop:{MINE}", kind: str = PLACE
) -> bytes:
    head = {
        "specversion": "1.0",
        "id": message_id,
        "source": source,
        "type": kind,
        "time": RealTime().now().isoformat(),
    }
    return json.dumps({**head, "data": data}).encode()


WORLD: Sequence[tuple[str, dict[str, Any]]] = [
    ("shop.register.v1", {"shop_id": MINE, "currency": "CNY", "market": "east"}),
    ("shop.register.v1", {"shop_id": THEIRS, "currency": "CNY", "market": "east"}),
    ("distributor.register.v1", {"distributor_id": SELLER, "sponsor_id": None, "joined_at": JOINED.isoformat()}),
    ("product.define.v1", {"product_id": TEA, "name": "tea", "category_id": TEAS}),
]


@pytest.fixture
async def trading(site: Site, logins: ShopLogins) -> AsyncIterator[Site]:
    """All workers run, and both shops, a seller, tea and rules are known."""
    async with site.loops(*roster.load_all()):
        async with site.channel() as channel:
            exchange = await channel.get_exchange(COMMANDS, ensure=False)
            for kind, data in WORLD:
                await exchange.publish(aio_pika.Message(json.dumps(data).encode()), kind)
            *rules, activation = put_in_force()
            for command in (*rules, activation.model_copy(update={"effective_from": None}), receive()):
                raw = command.model_dump_json(exclude_none=True).encode()
                await exchange.publish(aio_pika.Message(raw), command.message_type)
        await site.quiet()
        yield site


async def orders(site: Site) -> dict[str, Any]:
    return {order["_id"]: order for order in await site.documents("order_intake.orders")}


async def test_its_own_order_is_accepted_and_answered_under_its_own_id(trading: Site, mine: Shop, theirs: Shop) -> None:
    await mine.send(PLACE, enveloped(an_order(), "store-a-1"), content_type=STRUCTURED)
    await mine.send(PLACE, an_order(order_id="1002"), message_id="bare-2")

    answers = await mine.answers(2)
    assert [(each["message_id"], each["type"], each["outcome"], each["code"]) for each in answers] == [
        ("store-a-1", PLACE, "done", "accepted"),
        ("bare-2", PLACE, "done", "accepted"),
    ]
    assert answers[0]["concerns"] == f"order/{MINE}/1001"
    assert set(await orders(trading)) == {f"{MINE}/1001", f"{MINE}/1002"}
    assert await theirs.silent()


async def test_events_of_its_orders_come_to_it_alone(trading: Site, mine: Shop, theirs: Shop) -> None:
    """Those that others cause, too: the stock's answer makes a prepaid order paid."""
    await mine.send(PLACE, an_order())
    await mine.send(UPDATE, {"shop_id": MINE, "order_id": "1001", "status": "paid"})

    [paid] = await mine.received("order.paid.v1")
    assert (paid["shop_id"], paid["order_id"]) == (MINE, "1001")
    assert await theirs.silent()


async def test_a_shop_without_a_login_gets_no_copies(site: Site, logins: ShopLogins) -> None:
    readers = Readers(site.store, RealTime())
    await readers.load()
    assert readers.shops() == {MINE, THEIRS}

    await logins.end(MINE)
    await readers.load()
    assert readers.shops() == {THEIRS}


OTHERS = [
    enveloped(an_order(THEIRS), source=f"urn:shop:{THEIRS}"),
    enveloped(an_order(THEIRS)),
    enveloped(an_order(), source=f"urn:shop:{THEIRS}"),
    enveloped(an_order(), source="urn:tributary:operator"),
    json.dumps(an_order(THEIRS)).encode(),
    json.dumps(an_order(THEIRS, price="no price")).encode(),
    enveloped({**an_order(THEIRS), "quantity": -1}, source=f"urn:shop:{THEIRS}"),
]


@pytest.mark.parametrize("forged", OTHERS)
async def test_a_message_in_another_ones_name_is_refused_and_changes_nothing(
    trading: Site, mine: Shop, theirs: Shop, forged: bytes
) -> None:
    await mine.send(PLACE, forged)

    [answer] = await mine.answers()
    assert (answer["outcome"], answer["code"]) == ("refused", "not_your_shop")
    assert answer["field"] in ("shop_id", "source")
    assert await theirs.silent()
    assert await orders(trading) == {}

    # The id that was used first by the forger is still the other shop's own.
    await theirs.send(PLACE, enveloped(an_order(THEIRS), source=f"urn:shop:{THEIRS}"))
    [answer] = await theirs.answers()
    assert (answer["message_id"], answer["code"]) == ("m-1", "accepted")


async def test_an_update_of_another_shops_order_is_refused(trading: Site, mine: Shop, theirs: Shop) -> None:
    await theirs.send(PLACE, an_order(THEIRS))
    await theirs.answers()
    await mine.send(UPDATE, {"shop_id": THEIRS, "order_id": "1001", "status": "cancelled"})

    [answer] = await mine.answers()
    assert answer["code"] == "not_your_shop"
    assert (await orders(trading))[f"{THEIRS}/1001"]["status"] == "pending"


async def test_a_member_of_a_batch_that_is_not_its_own_leaves_the_others_alone(trading: Site, mine: Shop) -> None:
    members = [an_order(), an_order(THEIRS), an_order(order_id="2")]
    batch = b",".join(enveloped(data, f"m-{number}") for number, data in enumerate(members, 1))
    await mine.send(PLACE, b"[" + batch + b"]", content_type=BATCH)

    answers = await mine.answers(3)
    assert sorted((each["message_id"], each["code"]) for each in answers) == [
        ("m-1", "accepted"),
        ("m-2", "not_your_shop"),
        ("m-3", "accepted"),
    ]


async def test_without_a_user_id_it_becomes_a_dead_letter_that_cannot_be_replayed(trading: Site, mine: Shop) -> None:
    await mine.send(PLACE, an_order(THEIRS), login=None)

    async def letter() -> Any:
        found = await trading.documents("alerting.dead_letters")
        return found[0] if found else None

    found = await until(letter, what="the letter is kept")
    assert found["reason"] == "sender_unknown"
    assert "user_id" in found["detail"]
    [kept] = await named(trading.store, found["_id"])
    with pytest.raises(CannotReplay, match="user_id"):
        replay(kept)
    assert await orders(trading) == {}


async def test_headers_and_reply_addresses_of_a_shop_count_for_nothing(trading: Site, mine: Shop) -> None:
    """Neither tries that it claims, nor a sender, nor a routing key, nor a queue of ours as the place for answers."""
    headers = {
        "x-tributary-attempts": 99,
        "x-tributary-replays": 7,
        "x-tributary-sender": f"{THEIRS} {PLACE} x",
        "x-tributary-routing-key": "order.place.v2",
        "x-tributary-reply-to": "rule_book.rules.activate",
        "x-death": [{"queue": "rule_book.rules.activate", "reason": "rejected"}],
    }
    await mine.send(PLACE, an_order(product_id=999), headers=headers, reply_to="rule_book.rules.activate")

    first, last = await mine.answers(2)
    assert (first["outcome"], first["code"], first["field"]) == ("deferred", "product_unknown", "product_id")
    assert first["tried_until"] > "2026"
    assert (last["outcome"], last["code"], last["field"]) == ("refused", "product_unknown", "product_id")
    assert last["detail"].startswith("product_id: product 999")
    assert await trading.documents("alerting.dead_letters") == []


async def test_what_cannot_be_read_is_answered_with_the_shops_own_id_and_field(trading: Site, mine: Shop) -> None:
    wrong = enveloped({**an_order(), "quantity": 0}, "m-9")
    await mine.send(PLACE, wrong)
    await mine.send(PLACE, b'{"shop_id": ', message_id="m-10")

    answers = {each["message_id"]: each for each in await mine.answers(2)}
    assert (answers["m-9"]["outcome"], answers["m-9"]["field"]) == ("refused", "quantity")
    assert (answers["m-10"]["outcome"], answers["m-10"]["code"]) == ("dead_lettered", "malformed_json")


async def test_a_repeat_is_answered_as_the_first(trading: Site, mine: Shop) -> None:
    for _ in range(2):
        await mine.send(PLACE, enveloped(an_order(), "m-1"))
        [answer] = await mine.answers()
        assert (answer["outcome"], answer["code"], answer["message_id"]) == ("done", "accepted", "m-1")
