"""Messages that RabbitMQ itself parks are visible: as a dead letter, an alert, in `verify` and in `trace`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import aio_pika
import pytest

from contracts.catalog.v1 import DefineProduct
from contracts.wire.envelope import COMMANDS_EXCHANGE, SHOPS_EXCHANGE, Message
from infra.adapters import rabbitmq as broker
from infra.processes import process
from infra.processes.start import StartError
from infra.runtime import roster
from infra.runtime.topology import PARKED
from infra.runtime.worker import Worker
from tests.builders import SHOP, message, place
from tests.connected.running import Site, command, until
from tests.connected.test_delivery import send, set_up, workers
from tests.raw_amqp import NOT_UTF8, long_string, persistent, raw_sender, table, timestamp

KEEPER = "alerting.parked"
ACCEPTED = "stock_reservation.order.accepted"
DEFINED = "catalog.product.define"


def a_product() -> Message[DefineProduct]:
    return message(DefineProduct(product_id=777, name="Green tea", category_id=7))


async def exhaust(site: Site, queue: str) -> None:
    """Requeue the messages of the queue until the broker parks them."""
    async with site.channel() as channel:
        await channel.set_qos(prefetch_count=100)

        async def requeue(delivered: aio_pika.abc.AbstractIncomingMessage) -> None:
            await delivered.reject(requeue=True)

        source = await channel.get_queue(queue, ensure=False)
        tag = await source.consume(requeue)

        async def is_parked() -> bool:
            return await site.ready(KEEPER) > 0 and await site.ready(queue) == 0

        await until(is_parked, what=f"the broker has parked {queue}", within_s=30)
        await source.cancel(tag)


async def the_letters(site: Site, count: int = 1) -> list[dict[str, object]]:
    async def are_there() -> bool:
        return len(await site.documents("alerting.dead_letters")) >= count

    await until(are_there, what=f"{count} letters are kept", within_s=20)
    return await site.documents("alerting.dead_letters")


async def test_a_command_is_listed_traced_counted_and_replayed(site: Site) -> None:
    tea = a_product()
    await send(site, tea.to_bytes(), tea.type)
    await exhaust(site, DEFINED)
    async with site.loops(*workers("alerting")):
        [letter] = await the_letters(site)
        [alert] = await until(lambda: site.documents("alerting.alerts", {"state": "open"}), what="an alert is open")

    environment = site.environment()
    listed = await command("dead", "list", "--json", environment=environment)
    traced = await command("trace", "product/777", "--json", environment=environment)
    [cause] = listed.object["causes"]
    assert (cause["queue"], cause["reason"]) == (DEFINED, "delivery_limit")
    assert letter["body"] == tea.to_bytes().decode()
    assert alert["_id"] == f"dead-letters/{DEFINED}/delivery_limit"
    assert "delivery_limit" in traced.out
    report = await site.assert_sound()
    assert report.figures["I5"]["dead_letters_waiting"] == 1
    assert report.figures["I5"]["commands_dead"] == 1

    async with site.loops(*workers("catalog", "alerting")):
        replayed = await command("dead", "replay", "--all", environment=environment)
        assert replayed.code == 0, replayed.err
        await until(lambda: site.documents("catalog.products"), what="the product is defined", within_s=20)
    assert await site.ready(PARKED) == 0


async def test_every_event_of_a_batch_is_a_letter_and_no_breach(site: Site) -> None:
    await set_up(site)
    orders = [message(place(number)) for number in ("1", "2")]
    body = b"[" + b",".join(order.to_bytes() for order in orders) + b"]"
    async with site.loops(*workers("order_intake")):
        await send(site, body, orders[0].type, "application/cloudevents-batch+json")

        async def is_published() -> bool:
            return await site.ready(ACCEPTED) > 0

        await until(is_published, what="the orders are accepted", within_s=20)
    await exhaust(site, ACCEPTED)
    async with site.loops(*(worker for worker in roster.load_all() if worker.name != "stock_reservation")):
        letters = await the_letters(site, 2)
        await site.quiet()

    assert {(letter["queue"], letter["concerns"]) for letter in letters} == {
        (ACCEPTED, f"order/{SHOP}/1"),
        (ACCEPTED, f"order/{SHOP}/2"),
    }
    await site.assert_sound()


@pytest.mark.parametrize(
    "properties",
    [
        {"timestamp": timestamp(2**62)},
        {"headers": table([(b"\xff", long_string(NOT_UTF8)), (b"x", b"T" + timestamp(2**62))])},
    ],
    ids=["a property", "headers"],
)
async def test_a_parked_undecodable_message_still_names_its_queue(site: Site, properties: Mapping[str, bytes]) -> None:
    """A message of an older version: the broker adds its own headers to those of the sender."""
    tea = a_product()
    encoded = persistent("application/cloudevents+json", **properties)
    async with raw_sender(site.settings.rabbitmq_url) as raw:
        await raw.publish(COMMANDS_EXCHANGE.encode(), tea.type.encode(), tea.to_bytes(), encoded)
    await exhaust(site, DEFINED)
    async with site.loops(*workers("alerting")):
        [letter] = await the_letters(site)

    assert (letter["queue"], letter["reason"]) == (DEFINED, "delivery_limit")
    assert letter["body"] == tea.to_bytes().decode()


async def test_a_message_rejected_by_a_foreign_consumer_is_a_letter(site: Site) -> None:
    tea = a_product()
    await send(site, tea.to_bytes(), tea.type)
    async with site.channel() as channel:
        delivered = await (await channel.get_queue(DEFINED, ensure=False)).get()
        await delivered.reject(requeue=False)
    async with site.loops(*workers("alerting")):
        [letter] = await the_letters(site)

    assert (letter["queue"], letter["reason"]) == (DEFINED, "rejected")


async def test_a_parked_message_that_is_too_large_is_reported_and_kept_whole(site: Site) -> None:
    body = json.dumps({"product_id": 777, "note": "x" * site.settings.message_bytes_max}).encode()
    await send(site, body, "product.define.v1", "application/json")
    await exhaust(site, DEFINED)
    async with site.loops(*workers("alerting")):
        [letter] = await the_letters(site)

        async def is_kept() -> bool:
            return await site.ready(PARKED) == 1

        await until(is_kept, what="the body is parked", within_s=20)

    assert (letter["queue"], letter["reason"]) == (DEFINED, "too_large")
    assert await site.ready(KEEPER) == 0


async def test_a_system_of_an_older_version_gets_the_new_binding(site: Site) -> None:
    """Its dead-letter exchange led to a queue without a reader."""
    async with site.channel() as channel:
        await (await channel.get_queue(PARKED, ensure=False)).bind(PARKED, "#")
    await process.prepare(site.settings)
    async with site.channel() as channel:
        await (await channel.get_exchange(PARKED, ensure=False)).publish(aio_pika.Message(b"{}"), "order.place.v1")

        async def has_arrived() -> bool:
            return await site.ready(KEEPER) == 1

        await until(has_arrived, what="the message is in the keeper's queue", within_s=10)
    await asyncio.sleep(0.2)
    assert await site.ready(PARKED) == 0


async def test_the_keeper_reads_its_queue_and_the_doctor_looks_for_it(site: Site) -> None:
    [keeper] = [worker for worker in roster.load_all() if worker.keeps_parked]
    assert isinstance(keeper, Worker)
    async with site.processes([[keeper.name]]):

        async def is_read() -> bool:
            depth = (await broker.depths(site.settings.rabbitmq_url, [KEEPER]))[KEEPER]
            return depth is not None and depth.consumers == 1

        await until(is_read, what="the keeper reads", within_s=30)
        found = await command("doctor", "--json", environment=site.environment())
    assert KEEPER not in found.out
    without = await command("doctor", "--json", environment=site.environment())
    assert "No worker reads any queue" in without.out or KEEPER in without.out


async def test_a_queue_of_an_older_version_is_replaced_once_it_is_empty(site: Site) -> None:
    """Its arguments let the broker dead-letter what a shop sends."""
    name = "order_intake.order.refund"
    former = {"x-queue-type": "quorum", "x-dead-letter-exchange": PARKED, "x-delivery-limit": 100}
    try:
        async with site.channel() as channel:
            await channel.queue_delete(name)
            queue = await channel.declare_queue(name, durable=True, arguments=former)
            await queue.bind(COMMANDS_EXCHANGE, "order.refund.v1")
        refused = message(a_product().data)
        async with site.channel() as channel:
            exchange = await channel.get_exchange(COMMANDS_EXCHANGE, ensure=False)
            await exchange.publish(aio_pika.Message(refused.to_bytes()), "order.refund.v1")
        with pytest.raises(StartError, match="is replaced once it is empty and without a reader"):
            await process.prepare(site.settings.model_copy(update={"startup_wait_s": 0.0}))
        assert await site.ready(name) == 1
        async with site.channel() as channel:
            await (await channel.get_queue(name, ensure=False)).purge()
        await process.prepare(site.settings)
    finally:
        async with site.channel() as channel:
            await channel.queue_delete(name)
        await process.prepare(site.settings)
    async with site.channel() as channel:
        exchange = await channel.get_exchange(SHOPS_EXCHANGE, ensure=False)
        await exchange.publish(aio_pika.Message(b"{}"), "order.refund.v1", mandatory=True)
        await (await channel.get_queue(name, ensure=False)).purge()
