"""Small builders of webhooks, in the world of tests/builders.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from contracts.webhooks.v1 import DefineWebhook, ShopEventCopied, WebhookDelivered, WebhookDue, WebhookFailed
from contracts.webhooks.view import Webhook, WebhookDelivery
from contracts.wire.envelope import derived_id
from tests.builders import NOW, SHOP

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
