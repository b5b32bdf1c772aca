"""Webhooks of shops in a run, from its beginning or later, and what must hold of their deliveries."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator

from pydantic_core import from_json

from contracts.webhooks.v1 import EnableWebhook, RemoveWebhook, RotateWebhookSecret, ShopEventCopied, WebhookDue
from contracts.webhooks.view import DELIVERIES, WEBHOOKS
from contracts.wire.envelope import EVENTS_EXCHANGE, PAYLOADS
from infra.ports.store import JOURNALS, Document
from tests.simulation.broker import Publication, SimulatedBroker
from tests.simulation.outside import SimulatedOutside, name_of, outcomes_in
from tests.simulation.store import SimulatedStore
from tests.simulation.traffic import Traffic
from tests.simulation.world import SHOPS, TRAFFIC_S
from tests.webhook_builders import NEXT_SECRET, define

_JOURNAL = JOURNALS + "shop_webhooks"

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
    """A copy is the event of its shop's order as that may read it, and is handled. Only events of deliveries arrive."""
    recorded = {item["id"]: from_json(item["body"]) for item in emitted if item["type"].startswith("order.")}
    handled = outcomes_in(store.tables[_JOURNAL])
    deliveries = store.tables[DELIVERIES]
    for outgoing in broker.published:
        if (outgoing.exchange, outgoing.routing_key) == (EVENTS_EXCHANGE, ShopEventCopied.message_type):
            for event in Publication(outgoing).events:
                yield from _checked(event["data"], recorded)
                if event["id"] not in handled:
                    yield f"{event['data']['event_id']} was copied for a webhook, but the copy was never handled"
    arrived = {name_of(each.request): each.request for each in outside.arrivals if isinstance(each.request, WebhookDue)}
    for key, request in arrived.items():
        if key not in deliveries or deliveries[key]["event"] != request.event:
            yield f"webhook delivery {key} arrived as {request.event}, due is {deliveries.get(key)}"
    webhooks = store.tables[WEBHOOKS]
    counts = Counter((each["webhook_id"], each["state"]) for each in deliveries.values())
    for key, webhook in webhooks.items():
        if (webhook["in_flight"], webhook["waiting"]) != (counts[key, "sending"], counts[key, "waiting"]):
            yield f"webhook {key} counts {webhook['in_flight']} sending, {webhook['waiting']} waiting; {counts} are"
    for key, delivery in deliveries.items():
        if not _has_ended(delivery, is_arrived=key in arrived, webhook=webhooks[delivery["webhook_id"]]):
            yield f"webhook delivery {key} is {delivery['state']}: {delivery}"


def _has_ended(delivery: Document, *, is_arrived: bool, webhook: Document) -> bool:
    """It is delivered and arrived, or failed for a reason, or waits for a person to enable its webhook."""
    if delivery["state"] == "failed":
        return bool(delivery["notes"]) and delivery["notes"][-1]["outcome"] != "done"
    if delivery["state"] == "delivered":
        return is_arrived
    return bool(delivery["state"] == "waiting" and webhook["state"] == "disabled")


def _checked(copy: Document, recorded: dict[str, Document]) -> Iterator[str]:
    event = recorded.get(copy["event_id"])
    if event is None:
        yield f"{copy['event_id']} was copied for a webhook, but no journal has it"
        return
    due = {**event, "data": PAYLOADS[event["type"]].for_shop(event["data"])}
    if event["data"]["shop_id"] != copy["shop_id"] or from_json(copy["event"]) != due:
        yield f"{copy['event_id']} was copied for the webhooks of {copy['shop_id']} as {copy['event']}, due is {due}"
