"""A shop's login at the broker reaches the commands of that shop and its own queue, whatever it tries.

Each attack runs on the real broker, with a login as `tributary identity create-shop` makes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException
from aiormq.exceptions import ChannelAccessRefused

from contracts.wire.envelope import EVENTS_EXCHANGE, SHOP_EVENTS_EXCHANGE, SHOPS_EXCHANGE
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.operators.diagnosis_logins import look_at_logins
from infra.operators.shop_logins import ShopLogins, shop_address
from infra.ports.time import RealTime
from infra.runtime import roster
from infra.shops.logins import shop_login, shop_queue
from infra.shops.readers import Readers
from tests.connected.running import Site, until
from tests.connected.shops import MINE, PLACE, SECRET, THEIRS, Shop, connected, logins_at

COMMANDS = "tributary.commands"


@pytest.fixture(scope="module")
async def logins(shared_site: Site) -> AsyncIterator[ShopLogins]:
    async with logins_at(shared_site, MINE, THEIRS) as logins:
        yield logins


@pytest.fixture
async def mine(shared_site: Site, logins: ShopLogins) -> AsyncIterator[Shop]:
    async with connected(shared_site, MINE) as shop:
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
DLX: dict[str, Any] = {
    "x-message-ttl": 1,
    "x-dead-letter-exchange": COMMANDS,
    "x-dead-letter-routing-key": "shop.register.v1",
}
REFUSED: dict[str, Attack] = {
    "commands from inside": lambda channel: publish_to(channel, COMMANDS, "rules.activate.v1"),
    "a forged event": lambda channel: publish_to(channel, EVENTS_EXCHANGE, "order.paid.v1"),
    "a forged tick": lambda channel: publish_to(channel, EVENTS_EXCHANGE, "clock.ticked.v1"),
    "a queue by its name": lambda channel: publish_to(channel, "", "order_intake.order.place"),
    "the other shop's queue": lambda channel: publish_to(channel, SHOP_EVENTS_EXCHANGE, THEIRS),
    "its own queue": lambda channel: publish_to(channel, SHOP_EVENTS_EXCHANGE, MINE),
    "a delay": lambda channel: publish_to(channel, "tributary.delay.1s", "rule_book.rules.activate"),
    "the parked bodies": lambda channel: publish_to(channel, "", "tributary.parked"),
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


async def test_another_shops_login_needs_its_secret(shared_site: Site, logins: ShopLogins) -> None:
    url = shop_address(shared_site.settings.rabbitmq_url, THEIRS, "guessed")
    with pytest.raises((*CONNECTION_EXCEPTIONS, AMQPException)):
        await aio_pika.connect(url, timeout=10)


async def test_a_renewed_secret_ends_the_former_one_and_its_connections(shared_site: Site, logins: ShopLogins) -> None:
    async with connected(shared_site, MINE) as shop:
        await logins.save(MINE, "another-secret")

        async def closed() -> bool:
            try:
                await shop.send(PLACE, {})
            except (*CONNECTION_EXCEPTIONS, AMQPException):
                return True
            return False

        await until(closed, what="the connection is closed", within_s=15)
    with pytest.raises((*CONNECTION_EXCEPTIONS, AMQPException)):
        await aio_pika.connect(shop_address(shared_site.settings.rabbitmq_url, MINE, SECRET), timeout=10)
    await logins.save(MINE, SECRET)


async def test_connections_that_come_back_are_closed_again_and_counted_in_the_end(
    shared_site: Site, logins: ShopLogins
) -> None:
    url = shared_site.settings.rabbitmq_management_url
    assert url is not None
    admin, login = BrokerAdmin(url), shop_login(MINE).name
    address = shop_address(shared_site.settings.rabbitmq_url, MINE, SECRET)
    async with AsyncExitStack() as stubborn:
        for _ in range(3):
            await stubborn.enter_async_context(await aio_pika.connect_robust(address, reconnect_interval=0.05))
        assert await admin.end_connections(shop_login(THEIRS).name) == 0
        assert await admin.end_connections(login, within_s=2) > 0
        assert await logins.end(MINE) == 0
    await logins.save(MINE, SECRET)


async def test_a_shop_without_a_login_gets_no_copies(shared_site: Site, logins: ShopLogins) -> None:
    readers = Readers(shared_site.store, RealTime())
    await readers.load()
    assert readers.shops() == {MINE, THEIRS}

    assert await logins.end(MINE) == 0
    await readers.load()
    assert readers.shops() == {THEIRS}
    await logins.save(MINE, SECRET)


async def test_doctor_finds_a_tag_and_a_permission_elsewhere(shared_site: Site, logins: ShopLogins) -> None:
    url = shared_site.settings.rabbitmq_management_url
    assert url is not None
    admin, login = BrokerAdmin(url), shop_login(MINE)
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    await admin._call("PUT", "/vhosts/another")
    try:
        assert [each.level for each in await look_at_logins(url, roster.load_all())] == ["ok"]
        await admin._call("PUT", f"/permissions/another/{login.name}", everything)
        await admin._call("PUT", f"/users/{login.name}", {"password": SECRET, "tags": "management,monitoring"})
        found = await look_at_logins(url, roster.load_all())
    finally:
        await admin._call("DELETE", "/vhosts/another")
    await logins.save(MINE, SECRET)
    assert [each.level for each in found] == ["problem", "problem"]
    assert "the tag management, monitoring" in found[0].detail
    assert "(another)" in found[1].detail
    assert [each.level for each in await look_at_logins(url, roster.load_all())] == ["ok"]


async def test_the_broker_tells_any_login_how_many_messages_a_queue_has(shared_site: Site, mine: Shop) -> None:
    """A limit: a passive declaration needs no permission, so counts of queues are no secret of the house. Nor is which
    shops have a login; what is in a queue is.
    """
    for name in ("order_intake.order.place", OTHER):
        queue = await mine.channel.declare_queue(name, passive=True)
        assert queue.declaration_result.message_count is not None
        with pytest.raises(ChannelAccessRefused):
            await queue.get(no_ack=True, fail=False)
        await mine.channel.reopen()
