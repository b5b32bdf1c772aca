"""Loads the webhooks and deliveries of a batch and saves the changes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from infra.ports.store import Collection, Document, Find, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.shop_webhooks.model import DEFINED_MAX, DEFINED_WITHIN, IN_FLIGHT_MAX, State

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

LOOKS_MAX, LOOKS_BYTES_MAX = 50, 8 * 2**20
"""Webhooks whose waiting deliveries one batch reads, and the bytes of these; ticks look at the others in turn."""

LOOKED_AT, EMPTIED = IN_FLIGHT_MAX + 1, 20
"""What is read of one webhook: all that can be sent at a time, and the next; of one that was removed, what is ended."""

UNANSWERED_MAX = 200
"""Attempts without an answer that a tick ends; the next takes the rest."""

KEPT_FOR_S = 30 * 86_400
"""How long a delivery is kept after it ended, as a shop compares its month with ours and redelivers what failed; and a
webhook that was removed, once nothing waits for it.
"""


def _of_indexes(webhook: Webhook) -> Document:
    """Whether the events of its shop concern it, whether ticks look at it, and since when it is removed and empty."""
    is_removed = webhook.state == "removed"
    is_empty = is_removed and not webhook.waiting and not webhook.in_flight
    return {
        "is_live": True if not is_removed or webhook.in_flight else None,
        "is_looked_at": True if webhook.waiting and webhook.state != "disabled" else None,
        "emptied_at": webhook.removed_at if is_empty else None,
    }


_webhooks = Codec(Webhook, key="webhook_id", derived=_of_indexes)
_deliveries = Codec(WebhookDelivery, key="delivery_id")
to_webhook = _webhooks.to_entity


class WebhookRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            WEBHOOKS,
            "webhooks of shops, by id",
            (
                Index((("shop_id", 1), ("_id", 1)), "the webhooks of a shop"),
                Index((("state", 1), ("shop_id", 1)), "the shops that have an enabled one"),
                Index((("shop_id", 1), ("is_live", 1)), "those that the events of a shop concern"),
                Index((("shop_id", 1), ("defined_at", 1)), "what a shop defined within a day"),
                Index((("is_looked_at", 1), ("look_at", 1)), "those for which something waits, in turn"),
                Index((("emptied_at", 1),), "30 days after its removal it is deleted", expire_after_s=KEPT_FOR_S),
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

    def __init__(
        self, webhooks: dict[str, Webhook], deliveries: dict[str, WebhookDelivery], looked_at: frozenset[str]
    ) -> None:
        self._webhooks = Loaded(webhooks)
        self._deliveries = Loaded(deliveries)
        self._looked_at = looked_at
        self._of_shop: dict[str, list[str]] = {}
        """The webhooks of each shop."""
        self._due_of: dict[str, list[str]] = {}
        """What was loaded for each shop because it is due, or was sent."""
        for webhook in webhooks.values():
            self._of_shop.setdefault(webhook.shop_id, []).append(webhook.webhook_id)
        for delivery in deliveries.values():
            self._due_of.setdefault(delivery.shop_id, []).append(delivery.delivery_id)

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        data = [message.data for message in messages]
        return {"deliveries": with_ids(DELIVERIES, filter(None, map(_delivery_id, data)))}

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        """A message names its shop, a tick those whose turn it is. An answer or a tick also sends what is due."""
        data = [message.data for message in messages]
        ticks = [each.at for each in data if isinstance(each, ClockTicked)]
        deliveries: dict[str, WebhookDelivery] = _deliveries.by_key(found["deliveries"])
        webhooks = await _webhooks.fetch(tx, WEBHOOKS, filter(None, map(_webhook_id, data)))
        turn: list[Webhook] = []
        if ticks:
            deliveries |= await _unanswered(tx, max(ticks))
            turn = await _turn(tx, max(ticks))
            webhooks |= {each.webhook_id: each for each in turn}
        shops = {each.shop_id for each in deliveries.values()} | {each.shop_id for each in turn}
        webhooks |= await _live(tx, shops | {each.shop_id for each in data if not isinstance(each, ClockTicked)})
        webhooks |= await _defined(tx, messages)
        if answered := {each.shop_id for each in data if isinstance(each, WebhookDelivered | WebhookFailed)}:
            now = max(message.time for message in messages)
            turn = [each for each in webhooks.values() if each.shop_id in answered and _has_due(each, now)][:LOOKS_MAX]
        waiting, looked_at = await _waiting(tx, turn)
        return cls(webhooks, waiting | deliveries, looked_at if ticks else frozenset())

    def state_for(self, message: Message[Consumed]) -> State:
        data = message.data
        if isinstance(data, ClockTicked):
            return State(self._webhooks.all(), self._deliveries.all(), self._looked_at)
        own = {*self._of_shop.get(data.shop_id, ()), *filter(None, [_webhook_id(data)])}
        is_answer = isinstance(data, WebhookDelivered | WebhookFailed)
        due = self._due_of.get(data.shop_id, []) if is_answer else []
        return State(
            self._webhooks.pick(sorted(own)), self._deliveries.pick([*due, *filter(None, [_delivery_id(data)])])
        )

    def keep(self, state: State) -> None:
        for webhook in state.webhooks.values():
            if self._webhooks.get(webhook.webhook_id) is None:
                self._of_shop.setdefault(webhook.shop_id, []).append(webhook.webhook_id)
        self._webhooks.keep(state.webhooks)
        self._deliveries.keep(state.deliveries)

    async def save(self, tx: Transaction) -> None:
        await _webhooks.save(tx, WEBHOOKS, self._webhooks)
        await _deliveries.save(tx, DELIVERIES, self._deliveries)


async def _live(tx: Transaction, shops: Iterable[str]) -> dict[str, Webhook]:
    """The webhooks of these shops, without those that were removed and get nothing any more."""
    query = Find(WEBHOOKS, {"shop_id": {"$in": sorted(shops)}, "is_live": True})
    return _webhooks.by_key([] if query.is_idle else await query.run(tx))


async def _defined(tx: Transaction, messages: Sequence[Message[Consumed]]) -> dict[str, Webhook]:
    """What the shops that define a webhook defined within a day, removed or not."""
    since: dict[str, datetime] = {}
    for message in messages:
        if isinstance(message.data, DefineWebhook):
            since[message.data.shop_id] = message.bounded_time - DEFINED_WITHIN
    queries = [
        Find(WEBHOOKS, {"shop_id": shop_id, "defined_at": {"$gt": at}}, limit=DEFINED_MAX)
        for shop_id, at in since.items()
    ]
    found = await tx.find_all(queries) if queries else []
    return _webhooks.by_key(webhook for webhooks in found for webhook in webhooks)


async def _unanswered(tx: Transaction, now: datetime) -> dict[str, WebhookDelivery]:
    where = {"state": "sending", "due_at": {"$lte": now}}
    found, _ = await tx.find_some(
        DELIVERIES, where, sort=(("due_at", 1),), limit=UNANSWERED_MAX, bytes_max=LOOKS_BYTES_MAX
    )
    return _deliveries.by_key(found)


async def _turn(tx: Transaction, now: datetime) -> list[Webhook]:
    """The webhooks whose turn it is: those that were not looked at for longest."""
    where = {"is_looked_at": True, "look_at": {"$lte": now}}
    found, _ = await tx.find_some(WEBHOOKS, where, sort=(("look_at", 1),), limit=LOOKS_MAX, bytes_max=LOOKS_BYTES_MAX)
    return list(map(to_webhook, found))


async def _waiting(tx: Transaction, webhooks: Sequence[Webhook]) -> tuple[dict[str, WebhookDelivery], frozenset[str]]:
    """What waits for each of these webhooks, the longest due first, a few of each; and the webhooks that were read."""
    found: dict[str, WebhookDelivery] = {}
    looked_at: set[str] = set()
    left = LOOKS_BYTES_MAX
    for webhook in webhooks:
        if left <= 0:
            break
        where = {"webhook_id": webhook.webhook_id, "state": "waiting"}
        limit = EMPTIED if webhook.state == "removed" else LOOKED_AT
        some, _ = await tx.find_some(DELIVERIES, where, sort=(("due_at", 1),), limit=limit, bytes_max=left)
        found |= _deliveries.by_key(some)
        looked_at.add(webhook.webhook_id)
        left -= sum(len(document["event"]) for document in some)
    return found, frozenset(looked_at)


def _has_due(webhook: Webhook, now: datetime) -> bool:
    return webhook.state == "enabled" and webhook.look_at is not None and webhook.look_at <= now


def _delivery_id(data: Consumed) -> str | None:
    return data.delivery_id if isinstance(data, RedeliverWebhook | WebhookDelivered | WebhookFailed) else None


def _webhook_id(data: Consumed) -> str | None:
    return None if isinstance(data, ShopEventCopied | ClockTicked) else data.webhook_id
