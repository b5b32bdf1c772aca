"""What is promised about messages, on the real broker: confirmed, batched, retried, dead-lettered, and never lost."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import aio_pika
import pytest

from contracts.wire.envelope import BATCH, COMMANDS_EXCHANGE, EVENTS_EXCHANGE, STRUCTURED, Message
from infra.adapters.rabbitmq import RabbitConsumer, RabbitPublisher
from infra.ports.messaging import ATTEMPTS_HEADER, BrokerUnavailable, Outgoing, Publisher
from infra.runtime import roster
from infra.runtime.topology import PARKED
from infra.runtime.worker import Worker
from tests.builders import ORDER, SHOP, message, place, update
from tests.connected.running import Site, journal_of, next_message, until
from tests.stock_builders import receive
from tests.workflow.conftest import set_up_commands

PLACE_V2 = "order.place.v2"
PLACED = "order_intake.order.place"
STATUSES = "order_intake.order.update-status"


class DiedBeforePublish(Exception):
    """Simulates a process that ends after its commit and before its publish."""


class DyingPublisher:
    """A publisher that dies at the first event."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        raise DiedBeforePublish


async def send(site: Site, body: bytes, routing_key: str, content_type: str = STRUCTURED) -> None:
    async with site.channel() as channel:
        exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
        await exchange.publish(
            aio_pika.Message(body, content_type=content_type, delivery_mode=aio_pika.DeliveryMode.PERSISTENT),
            routing_key=routing_key,
        )


async def send_together(site: Site, messages: Sequence[Message[Any]]) -> None:
    body = b"[" + b",".join(each.to_bytes() for each in messages) + b"]"
    await send(site, body, messages[0].type, BATCH)


def workers(*names: str) -> list[Worker]:
    return [roster.load(name) for name in names]


async def set_up(site: Site) -> None:
    """Create shop, sponsors, products and rules through the workers that own them."""
    async with site.loops(*workers("catalog", "network", "rule_book", "stock_reservation")):
        for payload in set_up_commands():
            await send(site, message(payload).to_bytes(), payload.message_type)

        async def is_there() -> bool:
            rules = await site.documents("rule_book.rules", {"stage": "active"})
            distributors = await site.documents("network.distributors")
            items = await site.documents("stock_reservation.items")
            return bool(rules) and len(distributors) == 3 and len(items) == 2

        await until(is_there, what="the set-up is stored")


async def test_events_of_one_type_leave_together_and_outlive_the_broker(site: Site) -> None:
    await set_up(site)
    orders = [message(place(str(number))) for number in range(5)]
    async with site.tap("order.accepted.v1") as tap:
        await send_together(site, orders)
        async with site.loops(*workers("order_intake")):
            batch = await next_message(tap)
        assert await tap.get(fail=False) is None

    events = json.loads(batch.body)
    assert batch.content_type == BATCH
    assert batch.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert [event["data"]["order_id"] for event in events] == ["0", "1", "2", "3", "4"]
    assert [event["causationid"] for event in events] == [order.id for order in orders]
    # It was confirmed: the next worker's queue has it, too.
    assert await site.ready("stock_reservation.order.accepted") == 1


async def test_consumers_of_one_queue_acknowledge_what_is_their_own(site: Site) -> None:
    consumer = RabbitConsumer(site.settings.rabbitmq_url)
    inboxes = [consumer.subscribe(PLACED, prefetch=1, bytes_max=1) for _ in range(3)]
    await consumer.start()
    try:
        for number in range(3):
            await send(site, b"[%d]" % number, PLACE_V2, BATCH)
        firsts = [delivery for inbox in inboxes if (delivery := await inbox.first())]
        assert sorted(delivery.body for delivery in firsts) == [b"[0]", b"[1]", b"[2]"]
        newest = max(firsts, key=lambda delivery: delivery.body)
        await inboxes[firsts.index(newest)].acknowledge([newest])
    finally:
        await consumer.cancel()
        await consumer.stop()

    async def are_returned() -> bool:
        return await site.ready(PLACED) == 2

    await until(are_returned, what="those without an acknowledgement are returned")


async def test_a_handled_message_is_freed(site: Site) -> None:
    """At once, not at the next collection of garbage cycles: these are rare, and bodies are large."""
    consumer = RabbitConsumer(site.settings.rabbitmq_url)
    inbox = consumer.subscribe(PLACED, prefetch=1, bytes_max=1)
    await consumer.start()
    gc.disable()
    try:
        await send(site, b"[]", PLACE_V2, BATCH)
        delivery = await inbox.first()
        assert delivery is not None
        body = delivery.body
        await inbox.acknowledge([delivery])
        del delivery

        async def is_released() -> bool:
            # One reference is this test's variable, the other the call itself.
            return sys.getrefcount(body) == 2

        await until(is_released, what="nothing else holds the body")
    finally:
        gc.enable()
        await consumer.cancel()
        await consumer.stop()


async def test_a_retry_returns_to_its_own_queue_with_its_count(site: Site) -> None:
    early = message(update("paid"))
    await send(site, early.to_bytes(), early.type)
    async with site.loops(*workers("order_intake")):
        await until(
            lambda: site.documents(journal_of("order_intake"), {"retried.reason": "order_unknown"}),
            what="it is retried",
        )

    async with site.channel() as channel:
        retried = await next_message(await channel.get_queue(STATUSES, ensure=False))

    assert retried.headers[ATTEMPTS_HEADER] == len(await site.documents(journal_of("order_intake")))
    assert retried.content_type == BATCH
    [again] = json.loads(retried.body)
    assert again == json.loads(early.to_bytes())


async def test_a_command_is_refused_after_the_last_retry(site: Site) -> None:
    async with site.tap("order.status-refused.v1") as tap, site.loops(*workers("order_intake")):
        await send(site, message(update("paid")).to_bytes(), "order.update-status.v1")
        [refused] = json.loads((await next_message(tap)).body)

    assert refused["data"]["reason"] == "order_unknown"
    records = await site.documents(journal_of("order_intake"))
    tries = [back["attempt"] for record in records for back in record.get("retried", ())]
    assert tries == [1, 2]
    first, second, third = (record["at"] for record in records)
    assert (second - first).total_seconds() >= 1
    assert (third - second).total_seconds() >= 2


async def test_a_raising_rule_ends_in_a_dead_letter_with_its_traceback(site: Site) -> None:
    def raise_error(_state: object, _message: object) -> Any:
        raise ZeroDivisionError("a bug in the rule")

    intake = roster.load("order_intake")
    broken = replace(intake, handlers=tuple(replace(handler, decide=raise_error) for handler in intake.handlers))
    async with site.loops(broken, *workers("alerting")):
        await send(site, message(place()).to_bytes(), "order.place.v2")
        [letter] = await until(lambda: site.documents("alerting.dead_letters"), what="the letter is kept")

    assert (letter["reason"], letter["attempts"]) == ("handler_error", 3)
    assert letter["detail"] == "ZeroDivisionError: a bug in the rule"
    assert "in raise_error" in letter["traceback"]
    assert json.loads(letter["body"])["data"]["order_id"] == ORDER


async def test_an_unreadable_message_is_kept_with_reason_and_body(site: Site) -> None:
    body = b'{"shop_id": "shop-1", "order_id": '
    async with site.loops(*workers("order_intake", "alerting")):
        await send(site, body, "order.place.v1", "application/json")
        [letter] = await until(lambda: site.documents("alerting.dead_letters"), what="the letter is kept")

    assert (letter["queue"], letter["reason"]) == (PLACED, "malformed_json")
    assert letter["body"].encode() == body
    [alert] = await site.documents("alerting.alerts")
    assert alert["state"] == "open"
    assert await site.ready(PLACED) == 0


async def test_a_body_beyond_the_limit_is_parked_whole_and_reported(site: Site) -> None:
    await set_up(site)
    body = json.dumps({"shop_id": SHOP, "note": "x" * site.settings.message_bytes_max}).encode()
    small = message(place())
    async with site.loops(*workers("order_intake", "alerting")):
        await send(site, body, "order.place.v1", "application/json")
        await send(site, small.to_bytes(), small.type)
        [letter] = await until(lambda: site.documents("alerting.dead_letters"), what="the letter is kept")
        await until(lambda: site.documents("order_intake.orders"), what="the other order is accepted")

    assert letter["reason"] == "too_large"
    async with site.channel() as channel:
        parked = await next_message(await channel.get_queue(PARKED, ensure=False))
    assert parked.body == body


async def test_only_a_mandatory_event_that_reaches_no_queue_is_an_error(site: Site) -> None:
    publisher = RabbitPublisher(site.settings.rabbitmq_url, timeout_s=10)
    await publisher.start()
    try:
        nowhere = Outgoing(EVENTS_EXCHANGE, "order.accepted.v9", b"{}", STRUCTURED)
        with pytest.raises(BrokerUnavailable, match="reached no queue; is a binding missing"):
            await publisher.publish([nowhere])
        await publisher.publish([replace(nowhere, mandatory=False)])
    finally:
        await publisher.stop()


async def test_the_same_message_twice_is_handled_once(site: Site) -> None:
    await set_up(site)
    order = message(place())
    async with site.loops(*workers("order_intake")):
        for _ in range(2):
            await send(site, order.to_bytes(), order.type)
        await until(
            lambda: site.documents(journal_of("order_intake"), {"repeats": {"$gt": []}}),
            what="the repeat is recognised",
        )

    [kept] = await site.documents("order_intake.orders")
    assert kept["version"] == 1
    records = await site.documents(journal_of("order_intake"))
    assert [handled["outcome"] for record in records for handled in record.get("handled", ())] == ["accepted"]


async def test_events_committed_but_not_published_are_published_from_the_journal_after_redelivery(site: Site) -> None:
    """Acknowledged last: when the process dies before, the broker requeues the batch."""
    await set_up(site)
    orders = [message(place(str(number))) for number in range(3)]
    async with site.tap("order.accepted.v1") as tap:
        await send_together(site, orders)
        async with site.loops(*workers("order_intake"), over=DyingPublisher) as running:
            done, _ = await asyncio.wait(running, timeout=20, return_when=asyncio.FIRST_EXCEPTION)
            assert [type(task.exception()) for task in done if task.exception()] == [DiedBeforePublish]
        assert len(await site.documents("order_intake.orders")) == 3
        assert await tap.get(fail=False) is None

        async def is_back() -> bool:
            return await site.ready(PLACED) == 1

        await until(is_back, what="the batch is back at the broker")
        before = await site.business_state()
        async with site.loops(*workers("order_intake")):
            events = json.loads((await next_message(tap)).body)

    assert [event["data"]["order_id"] for event in events] == ["0", "1", "2"]
    assert [event["causationid"] for event in events] == [order.id for order in orders]
    assert await site.business_state() == before
    assert await site.ready(PLACED) == 0


async def test_a_stock_receipt_sent_again_much_later_counts_once(site: Site) -> None:
    """Also when the journal no longer has it: another message id, the same receipt."""
    async with site.loops(*workers("stock_reservation")):
        for message_id in ("first", "again"):
            receipt = message(receive(), id=message_id)
            await send(site, receipt.to_bytes(), receipt.type)

        async def are_both_handled() -> bool:
            records = await site.documents(journal_of("stock_reservation"))
            return sum(len(record["handled"]) for record in records) == 2

        await until(are_both_handled, what="both are handled")
    [item] = await site.documents("stock_reservation.items")
    assert item["received"] == 10


async def test_a_repeated_bare_command_counts_although_a_dead_consumer_had_prefetched_it(site: Site) -> None:
    """The third command has the bytes of the first, and is redelivered without having been handled."""
    first, second = (f'{{"tag_id": 3, "name": "{name}"}}'.encode() for name in ("organic", "bio"))
    for body, name in ((first, "organic"), (second, "bio")):
        async with site.loops(*workers("catalog")):
            await send(site, body, "tag.define.v1", "application/json")
            await until(partial(site.documents, "catalog.tags", {"name": name}), what=f"it is {name}")

    await send(site, first, "tag.define.v1", "application/json")
    connection = await aio_pika.connect(site.settings.rabbitmq_url)
    async with connection:
        queue = await (await connection.channel()).get_queue("catalog.tag.define", ensure=False)
        await taken_unacknowledged(queue)
    async with site.loops(*workers("catalog")):
        await until(lambda: site.documents("catalog.tags", {"name": "organic"}), what="it is organic again")


async def test_the_event_of_a_bare_body_is_published_after_redelivery(site: Site) -> None:
    body = b'{"tag_id": 3, "name": "organic"}'
    async with site.tap("tag.defined.v1") as tap:
        await send(site, body, "tag.define.v1", "application/json")
        async with site.loops(*workers("catalog"), over=DyingPublisher) as running:
            await asyncio.wait(running, timeout=20, return_when=asyncio.FIRST_EXCEPTION)

        async def is_back() -> bool:
            return await site.ready("catalog.tag.define") == 1

        await until(is_back, what="it is back at the broker")
        async with site.loops(*workers("catalog")):
            [event] = json.loads((await next_message(tap)).body)

    [tag] = await site.documents("catalog.tags")
    assert (event["data"]["name"], tag["version"]) == ("organic", 1)
    [record] = await site.documents(journal_of("catalog"))
    assert [handled["outcome"] for handled in record["handled"]] == ["defined"]


async def taken_unacknowledged(queue: aio_pika.abc.AbstractQueue) -> None:
    """Get the message of the queue, and hold it unacknowledged until the connection ends."""

    async def came() -> bool:
        return await queue.get(no_ack=False, fail=False) is not None

    await until(came, what="it was delivered")
