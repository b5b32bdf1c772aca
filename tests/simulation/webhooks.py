"""Webhooks of shops in a run, from its beginning or later, and what must hold of their deliveries."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from pydantic_core import from_json

from contracts.webhooks.v1 import EnableWebhook, RemoveWebhook, RotateWebhookSecret, ShopEventCopied
from contracts.webhooks.view import DELIVERIES, WEBHOOKS
from contracts.wire.envelope import EVENTS_EXCHANGE, PAYLOADS
from infra.ports.store import Document
from tests.simulation.broker import Publication, SimulatedBroker
from tests.simulation.outside import SimulatedOutside, name_of
from tests.simulation.store import SimulatedStore
from tests.simulation.traffic import Traffic
from tests.simulation.world import SHOPS, TRAFFIC_S
from tests.webhook_builders import NEXT_SECRET, define

TYPES = ("order.accepted.v1", "order.paid.v1", "order.cancelled.v1")


def send_webhooks(traffic: Traffic) -> None:
    """Up to one webhook of each shop, some defined twice, and what shops do to them in any order."""
    rng = random.Random(f"webhooks/{traffic.moments}")
    for shop_id in SHOPS:
        if rng.random() < 0.5:
            continue
        webhook_id = f"hook-of-{shop_id}"
        own = {"webhook_id": webhook_id, "shop_id": shop_id, "by": "li.na"}
        within_s = rng.choice((0.001, TRAFFIC_S))
        traffic.send(define(**own, types=TYPES[: rng.choice((1, 3))]), within_s=within_s, times=rng.choice((1, 2)))
        if rng.random() < 0.3:
            traffic.send(RotateWebhookSecret(**own, secret=NEXT_SECRET))
        if rng.random() < 0.2:
            traffic.send(RemoveWebhook(**own))
        if rng.random() < 0.5:
            traffic.send(EnableWebhook(**own))


def with_webhooks(store: SimulatedStore) -> frozenset[str]:
    """The shops that have one, as processes read it."""
    return frozenset(each["shop_id"] for each in store.tables[WEBHOOKS].values() if each["state"] == "enabled")


def hooked(
    store: SimulatedStore, broker: SimulatedBroker, outside: SimulatedOutside, emitted: Iterable[Document]
) -> Iterator[str]:
    """A copy is the event of its shop's order as that may read it. Each delivery ends, if its webhook is enabled."""
    recorded = {item["id"]: from_json(item["body"]) for item in emitted if item["type"].startswith("order.")}
    for outgoing in broker.published:
        if (outgoing.exchange, outgoing.routing_key) == (EVENTS_EXCHANGE, ShopEventCopied.message_type):
            for event in Publication(outgoing).events:
                yield from _checked(event["data"], recorded)
    arrived = {name_of(each.request) for each in outside.arrivals}
    enabled = {key for key, each in store.tables[WEBHOOKS].items() if each["state"] == "enabled"}
    for key, delivery in store.tables[DELIVERIES].items():
        is_over = delivery["state"] == "failed" or (delivery["state"] == "delivered" and key in arrived)
        if not is_over and delivery["webhook_id"] in enabled:
            yield f"webhook delivery {key} is {delivery['state']}: {delivery}"


def _checked(copy: Document, recorded: dict[str, Document]) -> Iterator[str]:
    event = recorded.get(copy["event_id"])
    if event is None:
        yield f"{copy['event_id']} was copied for a webhook, but no journal has it"
        return
    due = {**event, "data": PAYLOADS[event["type"]].for_shop(event["data"])}
    if event["data"]["shop_id"] != copy["shop_id"] or from_json(copy["event"]) != due:
        yield f"{copy['event_id']} was copied for the webhooks of {copy['shop_id']} as {copy['event']}, due is {due}"
