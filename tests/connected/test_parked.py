"""What the broker must never do with a message of ours, and what the workers do instead.

RabbitMQ 3.10 keeps the history of a dead letter in a header that the sender may have written. A quorum queue that takes
such a header apart ends, and after the third time it is gone until the node starts again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import aio_pika
import pytest

from contracts.operations.view import DEAD_LETTERS
from contracts.wire.reading import EXCERPT_BYTES_MAX, SENDER_UNKNOWN
from infra.adapters.rabbitmq import RabbitConsumer
from infra.adapters.rabbitmq_admin import BrokerAdmin
from infra.operators.dead_letters import CannotReplay, named, replay
from infra.runtime import roster
from infra.runtime.topology import PARKED
from tests.builders import SHOP, message, place
from tests.connected.running import Site, until
from tests.connected.shops import PLACE, Shop, an_order, connected, enveloped, logins_at
from tests.connected.test_delivery import PLACED, send, set_up, workers

FORGED_DEATHS: dict[str, Any] = {
    "texts": ["x", "y"],
    "numbers": [1, 2],
    "lists": [[["a"]]],
    "tables without a queue": [{"reason": "rejected"}],
    "a death inside": [{"queue": PLACED, "reason": "delivery_limit", "exchange": "tributary.commands"}],
}
OFTEN_ENOUGH = 4
"""The third time within seconds was the last."""

FROM_SHOPS = [
    (worker.queue_of(handler), handler.payloads[-1].message_type)
    for worker in roster.load_all()
    for handler in worker.handlers
    if handler.from_shops
]


@pytest.fixture
async def mine(site: Site) -> AsyncIterator[Shop]:
    await set_up(site)
    async with logins_at(site, SHOP), connected(site, SHOP) as shop:
        yield shop


def too_large(site: Site) -> bytes:
    return json.dumps({"shop_id": SHOP, "note": "x" * site.settings.message_bytes_max}).encode()


async def leaderless(site: Site) -> list[str]:
    assert site.settings.rabbitmq_management_url is not None
    found = await BrokerAdmin(site.settings.rabbitmq_management_url).leaders()
    return [queue.name for queue in site.topology.queues if not found[queue.name]]


@pytest.mark.parametrize("deaths", FORGED_DEATHS.values(), ids=FORGED_DEATHS.keys())
async def test_a_too_large_body_with_forged_deaths_does_no_harm(site: Site, mine: Shop, deaths: Any) -> None:
    async with site.loops(*workers("order_intake", "alerting")):
        for _ in range(OFTEN_ENOUGH):
            await mine.send(PLACE, too_large(site), headers={"x-death": deaths}, reply_to=PLACED)
            [answer] = await mine.answers()
            assert answer["code"] == "too_large"
            await asyncio.sleep(0.3)
        await mine.send(PLACE, an_order(SHOP))
        [answer] = await mine.answers()

    assert answer["code"] == "accepted"
    assert await leaderless(site) == []
    # Its beginning and its length are enough.
    assert await site.ready(PARKED) == 0
    letters = await site.documents(DEAD_LETTERS, {"reason": "too_large"})
    assert {letter["body"] for letter in letters} == {too_large(site)[:EXCERPT_BYTES_MAX].decode()}
    assert all(f"body: {len(too_large(site))} bytes" in letter["detail"] for letter in letters)


async def test_small_orders_between_bodies_that_are_too_large_are_answered_soon(site: Site, mine: Shop) -> None:
    """Such bodies are neither held nor given back nor parked, so that they take no longer than to be sent."""
    body = b'{"x":"' + b"a" * 8 * 1024 * 1024 + b'"}'
    async with site.loops(*workers("order_intake")):
        for _ in range(30):
            await mine.send(PLACE, body)
        await mine.send(PLACE, an_order(SHOP), message_id="last")
        started = monotonic()
        answers = await mine.answers(31)
    assert [answer["code"] for answer in answers[:-1]] == ["too_large"] * 30
    assert answers[-1]["message_id"] == "last"
    assert monotonic() - started < 30
    assert await site.ready(PARKED) == 0


@pytest.mark.parametrize(("queue", "message_type"), FROM_SHOPS)
async def test_what_a_shop_lets_expire_with_forged_deaths_vanishes(
    site: Site, mine: Shop, queue: str, message_type: str
) -> None:
    """No worker runs, so each expires at the broker."""
    for deaths in FORGED_DEATHS.values():
        await mine.send(message_type, {}, expiration=0.001, headers={"x-death": deaths})
        await asyncio.sleep(0.3)
    await mine.send(message_type, b"{", message_id="m-last")

    assert await leaderless(site) == []
    assert await site.ready(queue) == 1
    async with site.loops(*workers("order_intake", "alerting")):
        [answer] = await mine.answers()
    assert answer["message_id"] == "m-last"
    assert await site.ready(PARKED) == 0


async def test_a_message_without_a_login_has_an_unknown_sender_whatever_its_headers_claim(
    site: Site, mine: Shop
) -> None:
    claimed = FORGED_DEATHS["a death inside"]
    forged = enveloped(an_order("store-a.b"), source="urn:shop:store-a.b")
    await mine.send(PLACE, forged, login=None, headers={"x-death": claimed, "x-tributary-sender": "store-a.b"})
    async with site.loops(*workers("order_intake", "alerting")):
        [letter] = await until(lambda: site.documents(DEAD_LETTERS), what="the letter is kept")

    assert letter["reason"] == SENDER_UNKNOWN
    [found] = await named(site.store, letter["_id"])
    with pytest.raises(CannotReplay):
        replay(found)


async def test_an_order_that_was_returned_more_often_than_any_limit_is_handled(site: Site) -> None:
    """Returned for its neighbours' sake, or by restarts. What ends its process itself is noted by the worker."""
    await set_up(site)
    order = message(place())
    await send(site, order.to_bytes(), order.type)
    returned = 0
    async with site.channel() as channel:
        source = await channel.get_queue(PLACED, ensure=False)
        while returned < 150:
            delivered = await source.get()
            await delivered.reject(requeue=True)
            returned += 1
    async with site.loops(*workers("order_intake", "alerting")):
        await until(lambda: site.documents("order_intake.orders"), what="the order is accepted", within_s=20)
    assert await site.documents(DEAD_LETTERS) == []


async def test_a_loop_holds_few_large_bodies_however_many_are_sent(site: Site) -> None:
    size, sent, most = 1_000_000, 30, 4
    async with site.channel() as channel:
        for number in range(sent):
            body = str(number).encode().ljust(size)
            await channel.default_exchange.publish(aio_pika.Message(body, delivery_mode=2), PLACED)
    consumer = RabbitConsumer(site.settings.rabbitmq_url)
    inbox = consumer.subscribe(PLACED, prefetch=1_000, bytes_max=most * size)
    await consumer.start()
    handled: set[bytes] = set()
    try:
        while len(handled) < sent:
            held = [delivery] if (delivery := await asyncio.wait_for(inbox.first(), 20)) else []
            await asyncio.sleep(0.2)
            while (delivery := inbox.waiting()) is not None:
                held.append(delivery)
            assert 1 <= len(held) <= most
            handled.update(delivery.body for delivery in held)
            await inbox.acknowledge(held)
    finally:
        await consumer.cancel()
        await consumer.stop()
    assert await site.ready(PLACED) == 0


async def test_what_is_parked_is_bounded_and_the_oldest_goes_first(site: Site) -> None:
    [queue] = [queue for queue in site.topology.queues if queue.name == PARKED]
    body = b"x" * 4_000_000
    async with site.channel() as channel:
        for number in range(queue.arguments["x-max-length-bytes"] // len(body) + 3):
            sent = aio_pika.Message(body, message_id=str(number), delivery_mode=2)
            await channel.default_exchange.publish(sent, PARKED)
        kept = await channel.get_queue(PARKED, ensure=False)
        oldest = await kept.get(no_ack=True)
        assert oldest is not None
        assert int(oldest.message_id or 0) > 0
        await kept.purge()
