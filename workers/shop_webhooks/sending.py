"""Which deliveries are sent now: those that are due, as far as their webhook has room."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from contracts.webhooks.v1 import WebhookDue
from contracts.webhooks.view import Webhook, WebhookDelivery
from workers.shop_webhooks.model import IN_FLIGHT_MAX, State, begun, secrets_at


def send_due(state: State, now: datetime) -> tuple[State, tuple[WebhookDue, ...]]:
    """Begin the attempts that are due, the longest due first."""
    events: list[WebhookDue] = []
    for delivery in sorted(state.deliveries.values(), key=_order):
        webhook = state.webhooks.get(delivery.webhook_id)
        if delivery.state != "waiting" or delivery.due_at is None or delivery.due_at > now:
            continue
        if webhook is None or webhook.state != "enabled" or webhook.in_flight >= IN_FLIGHT_MAX:
            continue
        sent = begun(delivery, now)
        state = state.with_delivery(sent).with_webhook(replace(webhook, in_flight=webhook.in_flight + 1))
        events.append(_due(webhook, sent, now))
    return state, tuple(events)


def _order(delivery: WebhookDelivery) -> tuple[datetime, str]:
    return delivery.due_at or delivery.created_at, delivery.delivery_id


def _due(webhook: Webhook, delivery: WebhookDelivery, now: datetime) -> WebhookDue:
    return WebhookDue(
        webhook_id=webhook.webhook_id,
        shop_id=webhook.shop_id,
        delivery_id=delivery.delivery_id,
        attempt=delivery.attempts,
        host=webhook.host,
        address=webhook.address,
        secrets=secrets_at(webhook, now),
        event=delivery.event,
    )
