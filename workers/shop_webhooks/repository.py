"""Loads the webhooks and deliveries of a batch and saves the changes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Self

from contracts.clock.v1 import ClockTicked
from contracts.webhooks.v1 import (
    DefineWebhook,
    DisableWebhook,
    EnableWebhook,
    RedeliverWebhook,
    RemoveWebhook,
    RotateWebhookSecret,
    ShopEventCopied,
    WebhookDelivered,
    WebhookFailed,
)
from contracts.webhooks.view import DELIVERIES, WEBHOOKS, Webhook, WebhookDelivery
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Document, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.shop_webhooks.model import IN_FLIGHT_MAX, State

Consumed = (
    DefineWebhook
    | RemoveWebhook
    | RotateWebhookSecret
    | EnableWebhook
    | DisableWebhook
    | RedeliverWebhook
    | ShopEventCopied
    | WebhookDelivered
    | WebhookFailed
    | ClockTicked
)

DUE_MAX, DUE_BYTES_MAX = 200, 8 * 2**20
"""Deliveries that one message sends or a batch looks at; the next takes the rest."""

KEPT_FOR_S = 30 * 86_400
"""How long a delivery is kept after it ended: a shop compares its month with ours, and redelivers what failed."""


def _of_ticks(webhook: Webhook) -> Document:
    """What ticks do for it."""
    return {
        "has_room": webhook.state == "enabled" and webhook.in_flight < IN_FLIGHT_MAX,
        "is_emptying": webhook.state == "removed" and not webhook.is_emptied,
    }


_webhooks = Codec(Webhook, key="webhook_id", derived=_of_ticks)
_deliveries = Codec(WebhookDelivery, key="delivery_id")
to_webhook = _webhooks.to_entity
to_delivery = _deliveries.to_entity


class WebhookRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            WEBHOOKS,
            "webhooks of shops, by id",
            (
                Index((("shop_id", 1), ("_id", 1)), "the webhooks of a shop"),
                Index((("state", 1), ("shop_id", 1)), "the shops that have an enabled one"),
                Index((("has_room", 1), ("_id", 1)), "those that may be sent to"),
                Index((("is_emptying", 1), ("_id", 1)), "those removed for which something may wait"),
            ),
        ),
        Collection(
            DELIVERIES,
            "an event for a webhook, with its attempts",
            (
                Index((("webhook_id", 1), ("state", 1), ("due_at", 1)), "what is due for a webhook"),
                Index((("state", 1), ("due_at", 1)), "attempts that were never answered"),
                Index(
                    (("webhook_id", 1), ("created_at", -1), ("_id", -1)), "the deliveries of a webhook, newest first"
                ),
                Index((("event_id", 1),), "the deliveries of an event"),
                Index((("ended_at", 1),), "30 days after its end it is deleted", expire_after_s=KEPT_FOR_S),
            ),
        ),
    )

    def __init__(self, webhooks: Loaded[str, Webhook], deliveries: Loaded[str, WebhookDelivery]) -> None:
        self._webhooks = webhooks
        self._deliveries = deliveries
        self._of_webhook: dict[str, list[str]] = {}
        self._ids: dict[str, list[str]] = {}

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        data = [message.data for message in messages]
        return {"deliveries": with_ids(DELIVERIES, filter(None, map(_delivery_id, data)))}

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        """A command or a copy names its webhooks or their shop; an answer or a tick also sends what is due."""
        data = [message.data for message in messages]
        ticks = [each.at for each in data if isinstance(each, ClockTicked)]
        webhooks = await _webhooks.fetch(tx, WEBHOOKS, filter(None, map(_webhook_id, data)))
        shops = {each.shop_id for each in data if isinstance(each, DefineWebhook | ShopEventCopied)}
        if shops:
            webhooks |= _webhooks.by_key(await tx.find(WEBHOOKS, {"shop_id": {"$in": sorted(shops)}}))
        deliveries: dict[str, WebhookDelivery] = _deliveries.by_key(found["deliveries"])
        if ticks:
            removed, _ = await tx.find_some(WEBHOOKS, {"is_emptying": True}, limit=DUE_MAX, bytes_max=DUE_BYTES_MAX)
            webhooks |= _webhooks.by_key(removed)
            deliveries |= await _for_ticks(tx, [*webhooks], max(ticks))
            missing = {each.webhook_id for each in deliveries.values()} - webhooks.keys()
            webhooks |= await _webhooks.fetch(tx, WEBHOOKS, missing)
        elif answered := _answered(data):
            deliveries = await _due(tx, answered, max(message.time for message in messages)) | deliveries
        return cls(Loaded(webhooks), Loaded(deliveries)).indexed(deliveries, webhooks)

    def indexed(self, deliveries: dict[str, WebhookDelivery], webhooks: dict[str, Webhook]) -> Self:
        """What was loaded for each webhook, and the webhooks of each shop."""
        for delivery in deliveries.values():
            self._of_webhook.setdefault(delivery.webhook_id, []).append(delivery.delivery_id)
        for webhook in webhooks.values():
            self._ids.setdefault(webhook.shop_id, []).append(webhook.webhook_id)
        return self

    def state_for(self, message: Message[Consumed]) -> State:
        data = message.data
        if isinstance(data, ClockTicked):
            every = [webhook_id for ids in self._ids.values() for webhook_id in ids]
            loaded = [delivery_id for ids in self._of_webhook.values() for delivery_id in ids]
            return State(self._webhooks.pick(every), self._deliveries.pick(loaded))
        if isinstance(data, DefineWebhook | ShopEventCopied):
            own = {*self._ids.get(data.shop_id, ())} | ({data.webhook_id} if isinstance(data, DefineWebhook) else set())
            return State(self._webhooks.pick(sorted(own)))
        delivery_id = _delivery_id(data)
        sent = isinstance(data, WebhookDelivered | WebhookFailed)
        others = self._of_webhook.get(data.webhook_id, []) if sent else []
        return State(
            self._webhooks.pick([data.webhook_id]),
            self._deliveries.pick([*others, *([delivery_id] if delivery_id else [])]),
        )

    def keep(self, state: State) -> None:
        for webhook in state.webhooks.values():
            if self._webhooks.get(webhook.webhook_id) is None:
                self._ids.setdefault(webhook.shop_id, []).append(webhook.webhook_id)
        self._webhooks.keep(state.webhooks)
        self._deliveries.keep(state.deliveries)

    async def save(self, tx: Transaction) -> None:
        await _webhooks.save(tx, WEBHOOKS, self._webhooks)
        await _deliveries.save(tx, DELIVERIES, self._deliveries)


async def _some(tx: Transaction, where: Document) -> dict[str, WebhookDelivery]:
    found, _ = await tx.find_some(DELIVERIES, where, sort=(("due_at", 1),), limit=DUE_MAX, bytes_max=DUE_BYTES_MAX)
    return _deliveries.by_key(found)


async def _for_ticks(tx: Transaction, removed: Sequence[str], now: datetime) -> dict[str, WebhookDelivery]:
    """Attempts that were never answered, what is due where there is room, and all that waits for removed webhooks."""
    unanswered = await _some(tx, {"state": "sending", "due_at": {"$lte": now}})
    with_room = await tx.find(WEBHOOKS, {"has_room": True}, fields=("_id",))
    due = await _due(tx, [webhook["_id"] for webhook in with_room], now)
    left = await _some(tx, {"webhook_id": {"$in": sorted(removed)}, "state": "waiting"}) if removed else {}
    return unanswered | due | left


async def _due(tx: Transaction, webhooks: Sequence[str], now: datetime) -> dict[str, WebhookDelivery]:
    """What is due for these webhooks by then."""
    if not webhooks:
        return {}
    return await _some(tx, {"webhook_id": {"$in": sorted(set(webhooks))}, "state": "waiting", "due_at": {"$lte": now}})


def _answered(data: Sequence[Consumed]) -> list[str]:
    return [each.webhook_id for each in data if isinstance(each, WebhookDelivered | WebhookFailed)]


def _delivery_id(data: Consumed) -> str | None:
    return data.delivery_id if isinstance(data, RedeliverWebhook | WebhookDelivered | WebhookFailed) else None


def _webhook_id(data: Consumed) -> str | None:
    return None if isinstance(data, ShopEventCopied | ClockTicked) else data.webhook_id
