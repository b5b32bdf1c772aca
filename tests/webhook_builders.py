"""Small builders of webhooks, in the world of tests/builders.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from contracts.webhooks.v1 import DefineWebhook, ShopEventCopied, WebhookDelivered, WebhookDue, WebhookFailed
from contracts.webhooks.view import Webhook, WebhookDelivery
from contracts.wire.envelope import derived_id
from tests.builders import NOW, SHOP
from workers.shop_webhooks.model import IN_FLIGHT_MAX, UNANSWERED_AFTER, State

HOOK = "hook-1"
PAID = "order.paid.v1"
URL, SECRET, NEXT_SECRET = "sealed-1:dXJs", "sealed-1:b25l", "sealed-1:dHdv"
EVENT = '{"type":"order.paid.v1"}'


def define(webhook_id: str = HOOK, **fields: Any) -> DefineWebhook:
    given = {"shop_id": SHOP, "types": (PAID,), "host": "hooks.test", "address": URL, "secret": SECRET, "by": "li.na"}
    return DefineWebhook(webhook_id=webhook_id, **{**given, **fields})


def a_webhook(webhook_id: str = HOOK, **fields: Any) -> Webhook:
    return replace(Webhook(webhook_id, SHOP, (PAID,), "hooks.test", URL, SECRET, "enabled", NOW), **fields)


def copied(event_id: str = "event-1", event_type: str = PAID, shop_id: str = SHOP) -> ShopEventCopied:
    return ShopEventCopied(shop_id=shop_id, event_id=event_id, event_type=event_type, event=EVENT)


def delivery_id(event_id: str = "event-1", webhook_id: str = HOOK) -> str:
    return derived_id("webhook", webhook_id, event_id)


def a_delivery(event_id: str = "event-1", webhook_id: str = HOOK, **fields: Any) -> WebhookDelivery:
    given = {"state": "waiting", "created_at": NOW, "due_at": NOW, **fields}
    return WebhookDelivery(delivery_id(event_id, webhook_id), webhook_id, SHOP, event_id, PAID, EVENT, **given)


def webhook_due(
    event_id: str = "event-1", webhook_id: str = HOOK, attempt: int = 1, secrets: tuple[str, ...] = (SECRET,)
) -> WebhookDue:
    return WebhookDue(
        webhook_id=webhook_id,
        shop_id=SHOP,
        delivery_id=delivery_id(event_id, webhook_id),
        attempt=attempt,
        host="hooks.test",
        address=URL,
        secrets=secrets,
        event=EVENT,
    )


def delivered(event_id: str = "event-1", attempt: int = 1) -> WebhookDelivered:
    return WebhookDelivered(
        webhook_id=HOOK,
        shop_id=SHOP,
        delivery_id=delivery_id(event_id),
        attempt=attempt,
        code="delivered",
        detail="answered 204.",
        delivered_at=NOW,
    )


def failed(event_id: str = "event-1", attempt: int = 1, **fields: Any) -> WebhookFailed:
    given = {
        "shop_id": SHOP,
        "outcome": "unavailable",
        "code": "receiver_unavailable",
        "detail": "hooks.test answered 503.",
        "failed_at": NOW,
        **fields,
    }
    return WebhookFailed(webhook_id=HOOK, delivery_id=delivery_id(event_id), attempt=attempt, **given)


def hooks(*webhooks: Webhook, deliveries: Sequence[WebhookDelivery] = ()) -> State:
    """These webhooks and deliveries; the webhooks count those that wait."""
    return State(
        {each.webhook_id: _counting(each, deliveries) for each in webhooks},
        {each.delivery_id: each for each in deliveries},
    )


def _counting(webhook: Webhook, deliveries: Sequence[WebhookDelivery]) -> Webhook:
    due = [d.due_at for d in deliveries if (d.webhook_id, d.state) == (webhook.webhook_id, "waiting") and d.due_at]
    return replace(webhook, waiting=len(due), look_at=webhook.look_at or min(due)) if due else webhook


def full(webhook_id: str = HOOK) -> Webhook:
    """A webhook without room: its shop has as many attempts under way as it may have."""
    return a_webhook(webhook_id, in_flight=IN_FLIGHT_MAX)


def sending(event_id: str = "event-1", attempts: int = 1, **fields: Any) -> WebhookDelivery:
    return a_delivery(
        event_id, **{"state": "sending", "attempts": attempts, "due_at": NOW + UNANSWERED_AFTER, **fields}
    )
