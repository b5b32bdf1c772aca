"""Messages whose properties no client can decode: each is dead-lettered alone, and all others are handled."""

from __future__ import annotations

import asyncio
import base64
import struct
import time
from collections.abc import Mapping, Sequence

import pytest

from contracts.catalog.v1 import DefineProduct
from contracts.wire.envelope import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, STRUCTURED
from infra.gateway import event_listener
from infra.gateway.command_client import CommandClient
from infra.runtime import roster
from infra.runtime.topology import PARKED
from tests.builders import message, place
from tests.connected.running import Site, command, journal_of, until
from tests.connected.test_delivery import PLACED, set_up
from tests.raw_amqp import (
    NOT_UTF8,
    RawSender,
    RefusedByBroker,
    long_string,
    persistent,
    raw_sender,
    short,
    table,
    timestamp,
)

MICROSECONDS = 1_764_378_000_000_000
FAR = timestamp(MICROSECONDS)
ORDER = "order.place.v2"
GOOD_ORDERS = 300

PERSISTENT = persistent(STRUCTURED)

BAD: dict[str, Mapping[str, bytes]] = {
    "content_type": {"content_type": short(NOT_UTF8)},
    "content_encoding": {"content_encoding": short(NOT_UTF8)},
    "correlation_id": {"correlation_id": short(NOT_UTF8)},
    "reply_to": {"reply_to": short(NOT_UTF8)},
    "message_id": {"message_id": short(NOT_UTF8)},
    "timestamp": {"timestamp": FAR},
    "type": {"message_type": short(NOT_UTF8)},
    "app_id": {"app_id": short(NOT_UTF8)},
    "cluster_id": {"cluster_id": short(NOT_UTF8)},
    "headers.a time": {"headers": table([(b"a time", b"T" + FAR)])},
    "headers.nested": {"headers": table([(b"nested", b"F" + table([(NOT_UTF8, long_string(b"x"))]))])},
    "headers.deep": {"headers": table([(b"deep", b"A\x00\x00\x00\x09T" + FAR)])},
    "headers": {"headers": table([(b"many", b"A" + struct.pack(">I", 100_000) + b"V" * 100_000)])},
    r"headers.\xff": {"headers": table([(b"\xff", long_string(b"x"))])},
}
"""Properties by the name that the letter must contain."""

STRANGE: dict[str, Mapping[str, bytes]] = {
    "a header of raw bytes": {"headers": table([(b"trace", long_string(NOT_UTF8))])},
    "attempts as text": {"headers": table([(b"x-tributary-attempts", long_string(b"many"))])},
    "attempts below zero": {"headers": table([(b"x-tributary-attempts", b"l" + b"\xff" * 8)])},
    "attempts beyond the database": {"headers": table([(b"x-tributary-attempts", b"l\x7f" + b"\xff" * 7)])},
    "replays beyond the database": {"headers": table([(b"x-tributary-replays", b"l\x7f" + b"\xff" * 7)])},
    "a routing key of raw bytes": {"headers": table([(b"x-tributary-routing-key", long_string(NOT_UTF8))])},
    "a reply queue too long": {"headers": table([(b"x-tributary-reply-to", long_string(b"x" * 300))])},
    "a reply queue of raw bytes": {"headers": table([(b"x-tributary-reply-to", long_string(NOT_UTF8))])},
    "a reply queue that does not exist": {"reply_to": short(b"no such queue")},
    "a direct reply that does not exist": {
        "headers": table([(b"x-tributary-reply-to", long_string(b"amq.rabbitmq.reply-to.x"))])
    },
    "a delivery count": {"headers": table([(b"x-delivery-count", b"l\x00\x00\x00\x00\x00\x00\x00\x63")])},
    "deaths as text": {"headers": table([(b"x-death", long_string(b"often"))])},
    "any priority": {"priority": b"\xff"},
    "bytes that are text": {"message_id": short("№ 7".encode())},
}
"""Decodable, and not used by a worker: such an order is handled like any other."""


async def send(sender: RawSender, number: str, properties: Mapping[str, bytes], body: bytes | None = None) -> bytes:
    body = body or message(place(number), id=f"id-{number}").to_bytes()
    await sender.publish(COMMANDS_EXCHANGE.encode(), ORDER.encode(), body, {**PERSISTENT, **properties})
    return body


async def orders_are(site: Site, count: int, *, within_s: float = 30.0) -> None:
    async def are_there() -> bool:
        return len(await site.documents("order_intake.orders")) == count

    await until(are_there, what=f"{count} orders are accepted", within_s=within_s)


async def test_an_undecodable_property_affects_its_own_message_only(site: Site) -> None:
    await set_up(site)
    sent: dict[bytes, str] = {}
    async with (
        site.loops(*map(roster.load, ("order_intake", "alerting"))),
        raw_sender(site.settings.rabbitmq_url) as raw,
    ):
        for number, (name, properties) in enumerate(BAD.items()):
            sent[await send(raw, f"bad-{number}", properties)] = name
            await send(raw, f"good-{number}", {})

        async def are_dead_lettered() -> bool:
            return len(await site.documents("alerting.dead_letters")) == len(BAD)

        await until(are_dead_lettered, what="every bad message is a letter", within_s=20)
        await orders_are(site, len(BAD))

    letters = await site.documents("alerting.dead_letters")
    named = {letter["body"].encode(): letter["detail"] for letter in letters}
    assert {(letter["queue"], letter["reason"]) for letter in letters} == {(PLACED, "unreadable_property")}
    assert {body: name for body, name in sent.items() if not named[body].startswith(f"{name} (")} == {}
    assert await site.ready(PARKED) == 0
    assert await site.ready(PLACED) == 0


async def test_the_same_body_with_each_bad_property_is_one_letter_each(site: Site) -> None:
    """Also when the order itself was handled under this id."""
    await set_up(site)
    async with (
        site.loops(*map(roster.load, ("order_intake", "alerting"))),
        raw_sender(site.settings.rabbitmq_url) as raw,
    ):
        body = await send(raw, "one", {})
        await orders_are(site, 1)
        for properties in BAD.values():
            await send(raw, "one", properties, body)

        async def are_dead_lettered() -> bool:
            return len(await site.documents("alerting.dead_letters")) == len(BAD)

        await until(are_dead_lettered, what="every bad message is a letter", within_s=20)

    assert {letter["concerns"] for letter in await site.documents("alerting.dead_letters")} == {"order/shop-1/one"}


async def test_a_routing_key_that_is_not_text_is_named(site: Site) -> None:
    """A sender may name the queue in the header CC, with any routing key."""
    body = message(place()).to_bytes()
    properties = {**PERSISTENT, "headers": table([(b"CC", b"A" + table_of_strings(PLACED.encode()))])}
    async with (
        site.loops(*map(roster.load, ("order_intake", "alerting"))),
        raw_sender(site.settings.rabbitmq_url) as raw,
    ):
        await raw.publish(b"", NOT_UTF8, body, properties)
        [letter] = await until(lambda: site.documents("alerting.dead_letters"), what="the letter is kept", within_s=20)

    assert (letter["reason"], letter["body"].encode()) == ("unreadable_property", body)
    assert letter["detail"].startswith(r"routing_key (\xff\xfe")


async def test_a_body_that_is_not_text_is_kept_in_base64(site: Site) -> None:
    async with (
        site.loops(*map(roster.load, ("order_intake", "alerting"))),
        raw_sender(site.settings.rabbitmq_url) as raw,
    ):
        await send(raw, "", BAD["timestamp"], NOT_UTF8)
        [letter] = await until(lambda: site.documents("alerting.dead_letters"), what="the letter is kept", within_s=20)

    assert (letter["reason"], letter["encoding"]) == ("unreadable_property", "base64")
    assert base64.b64decode(letter["body"]) == NOT_UTF8


@pytest.mark.parametrize("name", STRANGE)
async def test_a_strange_value_that_no_worker_needs_changes_nothing(site: Site, name: str) -> None:
    await set_up(site)
    async with site.loops(*map(roster.load, ("order_intake", "alerting"))) as running:
        async with raw_sender(site.settings.rabbitmq_url) as raw:
            await send(raw, "strange", STRANGE[name])
            await send(raw, "after", {})
        await orders_are(site, 2)
        assert not any(task.done() for task in running)

    assert await site.documents("alerting.dead_letters") == []
    assert await site.ready(PARKED) == 0


async def test_properties_that_the_broker_refuses_reach_no_worker(site: Site) -> None:
    """RabbitMQ closes the sender's channel over these. If another version accepts them, the tests above apply."""
    refused = {
        "expiration": {"expiration": short(b"soon")},
        "user_id": {"user_id": short(NOT_UTF8)},
        "delivery_mode": {"delivery_mode": b"\x07"},
    }
    for name, properties in refused.items():
        async with raw_sender(site.settings.rabbitmq_url) as raw:
            with pytest.raises(RefusedByBroker):
                await send(raw, name, properties)


async def test_undecodable_messages_do_not_stop_three_hundred_others(site: Site) -> None:
    """Every process starts with a full prefetch window: one bad message must not stop the others."""
    await set_up(site)
    async with raw_sender(site.settings.rabbitmq_url) as raw:
        for number in range(GOOD_ORDERS):
            await send(raw, str(number), {})
            if number == GOOD_ORDERS // 2:
                await send(raw, "poison", BAD["timestamp"])
                await send(raw, "poison", BAD["message_id"])
    async with site.processes([["order_intake"], ["alerting"], ["stock_reservation"], ["notification"]]):
        await orders_are(site, GOOD_ORDERS)
        async with raw_sender(site.settings.rabbitmq_url) as raw:
            await send(raw, "poison-again", BAD["timestamp"])
            await send(raw, "at-once", {})
        # A message that was tried again with the bad one would come after the first pause.
        await orders_are(site, GOOD_ORDERS + 1, within_s=site.settings.retry_delays_s[0])

        async def are_dead_lettered() -> bool:
            return len(await site.documents("alerting.dead_letters")) == 3

        await until(are_dead_lettered, what="the letters are kept", within_s=20)
        listed = await command("dead", "list", "--json", environment=site.environment())
        assert [(cause["reason"], cause["letters"]) for cause in listed.object["causes"]] == [
            ("unreadable_property", 3)
        ]
        replayed = await command("dead", "replay", "--all", environment=site.environment())
        assert replayed.code == 0, replayed.err
        # Two letters contain the same order, and only one of them places it.
        await orders_are(site, GOOD_ORDERS + 3)
        await site.quiet()
    assert await site.ready(PARKED) == 0
    await site.assert_sound()


def table_of_strings(*texts: bytes) -> bytes:
    """The content of an array of strings."""
    content = b"".join(map(long_string, texts))
    return len(content).to_bytes(4) + content


async def test_a_poison_reply_does_not_end_the_connection_of_a_client(site: Site) -> None:
    client = CommandClient(site.settings.rabbitmq_url)
    await client.start()
    connection = client._connection
    assert connection is not None
    lost: list[object] = []
    connection.close_callbacks.add(lambda *arguments: lost.append(arguments))
    try:
        async with raw_sender(site.settings.rabbitmq_url) as raw:
            for properties in BAD.values():
                await raw.publish(b"", client._replies.encode(), b'{"correlationid": [], "events": 1}', properties)
            for body in (b"", b"[]", b"1", b"{}", b"\xff", b"[" * 100_000):
                await raw.publish(b"", client._replies.encode(), body)
        async with site.loops(roster.load("catalog")):
            answer = await client.send(message(DefineProduct(product_id=7, name="tea", category_id=1)), wait_s=20)
    finally:
        connection.close_callbacks.clear()
        await client.stop()

    assert answer is not None
    assert answer.outcome != "dead_lettered"
    assert lost == []


async def test_a_poison_event_does_not_end_the_connection_of_a_listener(site: Site) -> None:
    received: list[object] = []

    async def on_events(events: Sequence[object]) -> None:
        received.extend(events)

    async with (
        event_listener.listening(site.settings.rabbitmq_url, ["stock.low.v1"], on_events),
        raw_sender(site.settings.rabbitmq_url) as raw,
    ):

        async def receives() -> bool:
            await raw.publish(EVENTS_EXCHANGE.encode(), b"stock.low.v1", b'{"type": "before"}')
            await asyncio.sleep(0.1)
            return bool(received)

        await until(receives, what="it listens", within_s=20)
        for properties in BAD.values():
            await raw.publish(EVENTS_EXCHANGE.encode(), b"stock.low.v1", b'{"type": "poison"}', properties)
        await raw.publish(EVENTS_EXCHANGE.encode(), b"stock.low.v1", b"[" * 100_000)
        started = time.monotonic()
        await raw.publish(EVENTS_EXCHANGE.encode(), b"stock.low.v1", b'{"type": "after"}')

        async def has_received() -> bool:
            return {"type": "after"} in received

        await until(has_received, what="it goes on", within_s=5)

    assert time.monotonic() - started < 2


async def test_a_count_too_large_for_the_database_still_ends_in_a_letter(site: Site) -> None:
    """Such a number cannot be stored, neither in the journal nor with the letter."""
    async with site.loops(*map(roster.load, ("order_intake", "alerting"))) as running:
        async with raw_sender(site.settings.rabbitmq_url) as raw:
            for number, name in enumerate(("attempts beyond the database", "replays beyond the database")):
                await send(raw, "", STRANGE[name], b"{" + bytes([48 + number]))

        async def are_dead_lettered() -> bool:
            return len(await site.documents("alerting.dead_letters")) == 2

        await until(are_dead_lettered, what="both are letters", within_s=20)
        assert not any(task.done() for task in running)

    assert {letter["reason"] for letter in await site.documents("alerting.dead_letters")} == {"malformed_json"}


async def test_a_full_reply_queue_does_not_stop_the_worker(site: Site) -> None:
    await set_up(site)
    async with site.channel() as channel:
        full = await channel.declare_queue(
            exclusive=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
        )
        async with site.loops(roster.load("order_intake")), raw_sender(site.settings.rabbitmq_url) as raw:
            await send(raw, "one", {"reply_to": short(full.name.encode())})
            await send(raw, "two", {})
            await orders_are(site, 2)

            async def is_done() -> bool:
                records = await site.documents(journal_of("order_intake"))
                return len(records) > 0 and await site.ready("stock_reservation.order.accepted") > 0

            await until(is_done, what="the events are published", within_s=10)
            await asyncio.sleep(0.5)

    # Acknowledged: else they would be back at the broker.
    await asyncio.sleep(0.5)
    assert await site.ready(PLACED) == 0
