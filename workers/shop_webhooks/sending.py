"""Which deliveries are sent now: those that are due, as far as their shop has room."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from contracts.webhooks.v1 import WebhookDue
from contracts.webhooks.view import Webhook, WebhookDelivery
from workers.shop_webhooks.model import IN_FLIGHT_MAX, State, begun, may_be_sent_to, secrets_at


def send_due(state: State, now: datetime) -> tuple[State, tuple[WebhookDue, ...]]:
    """Begin the attempts that are due, those of each shop by themselves."""
    due: dict[str, list[WebhookDelivery]] = {}
    for delivery in state.deliveries.values():
        if delivery.state == "waiting" and delivery.due_at is not None and delivery.due_at <= now:
            due.setdefault(delivery.shop_id, []).append(delivery)
    events: list[WebhookDue] = []
    for shop_id in sorted(due):
        room = IN_FLIGHT_MAX - sum(each.in_flight for each in state.webhooks.values() if each.shop_id == shop_id)
        for _ in range(room):
            following = _next_of(due[shop_id], state, now)
            if following is None:
                break
            due[shop_id].remove(following)
            sent = begun(following, now)
            events.append(_due(state.webhooks[following.webhook_id], sent, now))
            state = state.with_delivery(sent)
    return state, tuple(events)


def plan_next_look(state: State, now: datetime) -> State:
    """Plan the next look at each webhook that was looked at: when more of it is due, but behind all others that are."""
    for webhook_id in sorted(state.looked_at):
        webhook = state.webhooks[webhook_id]
        if webhook.waiting:
            left = [each.due_at for each in state.deliveries.values() if _waits_for(each, webhook) and each.due_at]
            earliest = max(filter(None, (min(left, default=now), webhook.paused_until, now)))
            state = state.with_webhook(replace(webhook, look_at=earliest))
    return state


def _waits_for(delivery: WebhookDelivery, webhook: Webhook) -> bool:
    return delivery.webhook_id == webhook.webhook_id and delivery.state == "waiting"


def _next_of(due: list[WebhookDelivery], state: State, now: datetime) -> WebhookDelivery | None:
    """The longest due of the webhook with the fewest attempts under way: a slow one leaves room for its neighbours."""

    def order(delivery: WebhookDelivery) -> tuple[int, datetime, str]:
        in_flight = state.webhooks[delivery.webhook_id].in_flight
        return in_flight, delivery.due_at or delivery.created_at, delivery.delivery_id

    known = (each for each in due if each.webhook_id in state.webhooks)
    return min(
        (each for each in known if may_be_sent_to(state.webhooks[each.webhook_id], now)), key=order, default=None
    )


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
        redelivery=delivery.redeliveries,
    )
