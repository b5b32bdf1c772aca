"""What a batch sends: its events, many in one AMQP message, and its retries, which wait in the delay queues."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.webhooks.v1 import ShopEventCopied
from contracts.wire.envelope import (
    BATCH,
    EVENTS_EXCHANGE,
    PAYLOADS,
    SHOP_EVENTS_EXCHANGE,
    STRUCTURED,
    Message,
    derived_id,
    message_of,
)
from infra.ports.messaging import (
    ATTEMPTS_HEADER,
    REDELIVERED_HEADER,
    REPLAYS_HEADER,
    REPLY_TO_HEADER,
    ROUTING_KEY_HEADER,
    SENDER_HEADER,
    Delivery,
    Outgoing,
    Sender,
)
from infra.runtime.failure_policy import delay_name
from infra.runtime.fold import Retry
from infra.runtime.journal import Emitted
from infra.runtime.topology import PARKED
from infra.settings import Settings


def events(emitted: Sequence[Emitted], settings: Settings, *, routed: frozenset[str]) -> list[Outgoing]:
    """Pack events of one type into CloudEvents batches, in their order; `routed` types must reach a queue."""
    by_type: dict[str, list[bytes]] = {}
    for event in emitted:
        by_type.setdefault(event.type, []).append(event.body)
    return [
        Outgoing(EVENTS_EXCHANGE, message_type, packed, BATCH, mandatory=message_type in routed)
        for message_type, bodies in by_type.items()
        for packed in pack(bodies, settings.batch_events_max, settings.publish_bytes_max)
    ]


def events_for_shops(emitted: Sequence[Emitted], settings: Settings, shops: frozenset[str]) -> list[Outgoing]:
    """The events of their orders once more, for each of `shops` by itself, with what that shop may read."""
    by_shop: dict[str, list[bytes]] = {}
    for copy, shop in _of_shops(emitted, shops):
        by_shop.setdefault(shop, []).append(_json(copy).encode())
    return _to_shops(by_shop, settings)


def events_for_webhooks(
    emitted: Sequence[Emitted], settings: Settings, shops: frozenset[str], *, routed: frozenset[str]
) -> list[Outgoing]:
    """The same copies for the webhooks of `shops`, each wrapped: their worker commits them before it acknowledges."""
    bodies = [_copied(event, shop).to_bytes() for event, shop in _of_shops(emitted, shops)]
    name = ShopEventCopied.message_type
    return [
        Outgoing(EVENTS_EXCHANGE, name, packed, BATCH, mandatory=name in routed)
        for packed in pack(bodies, settings.batch_events_max, settings.publish_bytes_max)
    ]


def _of_shops(emitted: Sequence[Emitted], shops: frozenset[str]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each event of an order of these shops, with what its shop may read, and the shop."""
    for event in emitted:
        payload = PAYLOADS[event.type]
        if payload.shop_reads:
            body = json.loads(event.body)
            if (shop := body["data"]["shop_id"]) in shops:
                yield {**body, "data": payload.for_shop(body["data"])}, shop


def _copied(event: Mapping[str, Any], shop: str) -> Message[ShopEventCopied]:
    """The id is derived from the event's, so that the copy of a repeat is recognised."""
    copy = ShopEventCopied(shop_id=shop, event_id=event["id"], event_type=event["type"], event=_json(event))
    return message_of(ShopEventCopied)(
        id=derived_id(ShopEventCopied.message_type, event["id"]),
        source=event["source"],
        type=ShopEventCopied.message_type,
        time=event["time"],
        subject=copy.about(),
        correlationid=event["correlationid"],
        causationid=event["id"],
        traceparent=event["traceparent"],
        data=copy,
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def joined(answers: Sequence[Outgoing], settings: Settings) -> list[Outgoing]:
    """The answers to shops, those to one shop in as few messages as possible; replies to others as they are.

    A queue that takes nothing holds up its connection once a few hundred messages wait for it.
    """
    by_shop: dict[str, list[bytes]] = {}
    others = []
    for answer in answers:
        if answer.exchange == SHOP_EVENTS_EXCHANGE:
            by_shop.setdefault(answer.routing_key, []).append(answer.body[1:-1])
        else:
            others.append(answer)
    return others + _to_shops(by_shop, settings)


def _to_shops(by_shop: Mapping[str, Sequence[bytes]], settings: Settings) -> list[Outgoing]:
    return [
        Outgoing(SHOP_EVENTS_EXCHANGE, shop, packed, BATCH, mandatory=False, best_effort=True)
        for shop, bodies in by_shop.items()
        for packed in pack(bodies, settings.batch_events_max, settings.publish_bytes_max)
    ]


def retries(waiting: Sequence[Retry], queue: str, settings: Settings) -> list[Outgoing]:
    """Messages for the delay queues, which later return them to `queue` with the number of their tries so far."""
    groups: dict[tuple[int, int, int, str | None, Sender | None], list[bytes]] = {}
    for retry in waiting:
        key = (retry.delay_s, retry.attempt, retry.replays, retry.reply_to, retry.sender)
        groups.setdefault(key, []).append(retry.message.to_bytes())
    return [
        Outgoing(
            delay_name(delay_s),
            queue,
            packed,
            BATCH,
            headers={
                ATTEMPTS_HEADER: attempt,
                REPLAYS_HEADER: replays,
                **_answered(reply_to, sender),
            },
        )
        for (delay_s, attempt, replays, reply_to, sender), bodies in groups.items()
        for packed in pack(bodies, settings.batch_events_max, settings.publish_bytes_max)
    ]


def alone(message: Message[Any], delivery: Delivery, queue: str, sender: Sender | None) -> Outgoing:
    """One message of a delivery, as a delivery of its own that counts as redelivered."""
    headers = {
        ATTEMPTS_HEADER: delivery.attempts,
        REPLAYS_HEADER: delivery.replays,
        REDELIVERED_HEADER: 1,
        **_answered(delivery.reply_to, sender),
    }
    return Outgoing("", queue, message.to_bytes(), STRUCTURED, headers=headers)


def parked(delivery: Delivery) -> Outgoing:
    """A body too large for the store, whole, with no header of its sender."""
    headers: dict[str, int | str] = {ROUTING_KEY_HEADER: str(delivery.routing_key)}
    if delivery.sender is not None:
        headers[SENDER_HEADER] = delivery.sender.to_header()
    return Outgoing("", PARKED, delivery.body, delivery.content_type, headers=headers)


def _answered(queue: str | None, sender: Sender | None) -> dict[str, int | str]:
    reply_to: dict[str, int | str] = {REPLY_TO_HEADER: queue} if queue else {}
    return reply_to | ({SENDER_HEADER: sender.to_header()} if sender else {})


def pack(bodies: Sequence[bytes], count_max: int, bytes_max: int) -> list[bytes]:
    """Join JSON bodies into JSON arrays of at most `count_max` items and about `bytes_max` bytes each."""
    arrays: list[bytes] = []
    pending: list[bytes] = []
    size = 0
    for body in bodies:
        if pending and (len(pending) >= count_max or size + len(body) > bytes_max):
            arrays.append(b"[" + b",".join(pending) + b"]")
            pending, size = [], 0
        pending.append(body)
        size += len(body) + 1
    if pending:
        arrays.append(b"[" + b",".join(pending) + b"]")
    return arrays
