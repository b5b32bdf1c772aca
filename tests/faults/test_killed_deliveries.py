"""`notification_delivery` killed again and again during real deliveries: every receiver gets everything."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import aio_pika
import pytest
from aio_pika.abc import AbstractExchange

from contracts.notifications.v1 import Item, NotificationDue
from contracts.webhooks.v1 import WebhookDue
from contracts.webhooks.view import WEBHOOKS
from contracts.wire.envelope import EVENTS_EXCHANGE, STRUCTURED, Payload, derived_id, message_of
from infra.adapters.mongo import MongoStore
from infra.processes import process
from infra.settings import Settings
from tests.connected.running import Site, journal_of, until
from tests.faults.nemesis_fleet import TrialFleet
from tests.receivers.world import HOST, KINDS, OutsideWorld, mark, outside_world
from tests.sampling import sampled
from tests.servers import LocalStack

KILLS = sampled(8, whole=50)
BETWEEN_KILLS = sampled(19, whole=20)
DELIVERIES = KILLS * BETWEEN_KILLS
SEED = 20_261_130
RESTART_WITHIN_S = 0.2
PAUSE_S = 0.03
"""A call takes a moment, so that a kill falls into one."""

WITHIN_S = 120.0
WORKER = "notification_delivery"
ALL_KINDS = (*KINDS, "shop")
HOOK, SHOP = "hook-1", "store-367"


@pytest.fixture
async def site(stack: LocalStack, tmp_path: Path) -> AsyncIterator[Site]:
    endpoints = stack.endpoints
    settings = Settings(
        rabbitmq_url=endpoints.rabbitmq_url,
        mongodb_url=endpoints.mongodb_url,
        redis_url=endpoints.redis_url,
        database="tributary_killed_deliveries",
    )
    await process.prepare(settings)
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    site = Site(settings, tmp_path, store)
    await site.empty()
    yield site
    store.close()


def due(world: OutsideWorld, kind: str, number: int) -> tuple[str, Payload]:
    """The event that asks for a delivery, and its key. The end of the key is the number that people see."""
    key = f"delivery-{number:08d}"
    if kind == "shop":
        address, secret = world.sealed_webhook(HOOK)
        fields = {"webhook_id": HOOK, "shop_id": SHOP, "delivery_id": key, "attempt": 1, "host": HOST}
        event = '{"type":"order.paid.v1"}'
        return key, WebhookDue(address=address, secrets=(secret,), event=event, **fields)
    item = Item(alert=f"stock/{number}", kind="stock_low", state="open", detail="3 left.", since=datetime.now(UTC))
    [channel_kind] = [each for each in KINDS if each == kind]
    channel = world.channel(channel_kind, kind)
    return key, NotificationDue(
        notification_id=key, route_id=kind, attempt=1, reason="raised", channel=channel, thread=kind, items=[item]
    )


async def publish(exchange: AbstractExchange, payload: Payload) -> None:
    message = message_of(payload.__class__)(
        id=derived_id("killed", payload.model_dump_json()),
        source="urn:tributary:tests",
        type=payload.message_type,
        time=datetime.now(UTC),
        data=payload,
    )
    body = aio_pika.Message(message.to_bytes(), content_type=STRUCTURED, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await exchange.publish(body, routing_key=payload.message_type, mandatory=True)


async def test_every_delivery_arrives_though_its_worker_is_killed(site: Site, tmp_path: Path) -> None:
    rng = Random(SEED)
    expected: defaultdict[str, set[str]] = defaultdict(set)
    async with outside_world(tmp_path) as world, site.channel() as channel:
        world.hook.pause_s = world.shop.pause_s = PAUSE_S
        exchange = await channel.get_exchange(EVENTS_EXCHANGE, ensure=False)
        webhook = {"_id": HOOK, "shop_id": SHOP, "state": "enabled"}
        await site.store.transact(lambda tx: tx.insert(WEBHOOKS, [webhook]))
        fleet = TrialFleet([[WORKER]], {**site.environment(), **world.environment()}, logs=tmp_path)
        fleet.restart_within_s = RESTART_WITHIN_S
        fleet.start()
        tending = asyncio.create_task(fleet.tend_for_ever())
        try:
            [member] = fleet.members
            for kill in range(KILLS):
                before = world.arrivals
                for number in range(kill * BETWEEN_KILLS, (kill + 1) * BETWEEN_KILLS):
                    kind = ALL_KINDS[number % len(ALL_KINDS)]
                    key, payload = due(world, kind, number)
                    expected[kind].add(mark(kind, key))
                    await publish(exchange, payload)
                await kill_after(before + rng.randrange(1, BETWEEN_KILLS), world, fleet, rng)
            await until(lambda: all_handled(site), what="all deliveries are handled", within_s=WITHIN_S, every_s=0.3)
        finally:
            fleet.stopping = True
            await tending
            await asyncio.to_thread(fleet.stop)
    books = world.books()
    records = await site.documents(journal_of(WORKER))
    emitted = [event["type"] for record in records for event in record.get("emitted", ())]

    assert member.restarts == KILLS
    assert {kind: set(book) for kind, book in books.items()} == expected
    assert world.hook.unverified == world.shop.unverified == 0
    # A kill repeats at most the calls that were in flight, those of the one shop included.
    in_flight_max = site.settings.calls_in_flight_max + site.settings.calls_of_owner_max
    assert world.arrivals - DELIVERIES <= KILLS * in_flight_max
    assert sorted(set(emitted)) == ["notification.delivered.v1", "webhook.delivered.v1"]
    assert len(emitted) == DELIVERIES


async def kill_after(arrivals: int, world: OutsideWorld, fleet: TrialFleet, rng: Random) -> None:
    """Kill the process a random moment after this many arrivals."""
    [member] = fleet.members
    restarts = member.restarts

    async def has_worked() -> bool:
        return world.arrivals >= arrivals

    await until(has_worked, what=f"{arrivals} arrivals", within_s=WITHIN_S, every_s=0.002)
    await asyncio.sleep(rng.uniform(0, 2 * PAUSE_S))
    fleet.send(member, signal.SIGKILL)

    async def is_restarted() -> bool:
        return member.restarts > restarts

    await until(is_restarted, what="the process was started again", within_s=WITHIN_S)


async def all_handled(site: Site) -> bool:
    records = await site.documents(journal_of(WORKER))
    return len({item["id"] for record in records for item in record.get("handled", ())}) == DELIVERIES
