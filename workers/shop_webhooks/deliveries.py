"""The rules of deliveries: one for each copy and matching webhook, tried until it is delivered or has failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from contracts.clock.v1 import ClockTicked
from contracts.webhooks.v1 import ShopEventCopied, WebhookDelivered, WebhookDisabled, WebhookFailed
from contracts.webhooks.view import AttemptNote, Webhook, WebhookDelivery
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message, derived_id
from workers.shop_webhooks.model import EMPTIED_AFTER, State, after_failure, ended
from workers.shop_webhooks.sending import send_due

_GONE = "gone"
"""The code of an answer 410: the receiver asks for nothing more."""


def take_copy(state: State, message: Message[ShopEventCopied]) -> Decision[State]:
    """Make a delivery for each enabled webhook of the shop that asks for this type; without one, drop the copy."""
    copy = message.data
    matching = [
        webhook
        for webhook in state.webhooks.values()
        if webhook.shop_id == copy.shop_id and webhook.state == "enabled" and copy.event_type in webhook.types
    ]
    if not matching:
        return Decision(state, outcome="dropped")
    for webhook in matching:
        delivery = WebhookDelivery(
            delivery_id=derived_id("webhook", webhook.webhook_id, copy.event_id),
            webhook_id=webhook.webhook_id,
            shop_id=copy.shop_id,
            event_id=copy.event_id,
            event_type=copy.event_type,
            event=copy.event,
            state="waiting",
            created_at=message.time,
            due_at=message.time,
        )
        state = state.with_delivery(delivery)
    after, due = send_due(state, message.time)
    return Decision(after, due, "taken")


def note_delivered(state: State, message: Message[WebhookDelivered]) -> Decision[State]:
    """The event is delivered, by whichever attempt, and the next one that waits is sent."""
    answer = message.data
    delivery = state.deliveries.get(answer.delivery_id)
    if delivery is None or delivery.state == "delivered":
        return Decision(state, outcome="outdated")
    was_sending = delivery.state == "sending"
    note = AttemptNote(answer.attempt, answer.delivered_at, "done", answer.code, answer.detail)
    after = state.with_delivery(ended(delivery, "delivered", note))
    if was_sending:
        after = after.with_webhook(_with_room(state.webhooks[delivery.webhook_id]))
    after, due = send_due(after, message.time)
    return Decision(after, due, "delivered")


def note_failed(state: State, message: Message[WebhookFailed]) -> Decision[State]:
    """Plan the next attempt, or give up. A receiver that is gone disables its webhook, and the delivery has failed."""
    answer = message.data
    delivery = state.deliveries.get(answer.delivery_id)
    if delivery is None or delivery.state != "sending" or delivery.attempts != answer.attempt:
        return Decision(state, outcome="outdated")
    note = AttemptNote(answer.attempt, answer.failed_at, answer.outcome, answer.code, answer.detail)
    webhook = _with_room(state.webhooks[delivery.webhook_id])
    if answer.outcome == "refused" and answer.code == _GONE:
        return _disable(state, webhook, delivery, note)
    failed = after_failure(delivery, note, answer.retry_after_s)
    after, due = send_due(state.with_delivery(failed).with_webhook(webhook), message.time)
    return Decision(after, due, failed.state)


def send_waiting(state: State, message: Message[ClockTicked]) -> Decision[State]:
    """Send what is due, and end what waits for a removed webhook. An attempt never answered has failed by then."""
    now = message.data.at
    for delivery in state.deliveries.values():
        if delivery.state == "sending" and delivery.due_at is not None and delivery.due_at <= now:
            note = AttemptNote(delivery.attempts, now, "unknown", "unanswered", "The attempt has no outcome.")
            webhook = _with_room(state.webhooks[delivery.webhook_id])
            state = state.with_delivery(after_failure(delivery, note, None)).with_webhook(webhook)
    after, due = send_due(_end_removed(state, now), now)
    return Decision(after, due, "sent" if due else "nothing_due")


def _end_removed(state: State, now: datetime) -> State:
    """What waits for a removed webhook has failed. A webhook without any deliveries a day later is emptied."""
    removed = [webhook for webhook in state.webhooks.values() if webhook.state == "removed" and webhook.removed_at]
    ids = {webhook.webhook_id for webhook in removed}
    left = [delivery for delivery in state.deliveries.values() if delivery.webhook_id in ids]
    for delivery in left:
        if delivery.state == "waiting":
            note = AttemptNote(delivery.attempts, now, "refused", "removed", "The webhook was removed.")
            state = state.with_delivery(ended(delivery, "failed", note))
    for webhook in [] if left else removed:
        if not webhook.in_flight and webhook.removed_at and webhook.removed_at + EMPTIED_AFTER <= now:
            state = state.with_webhook(replace(webhook, is_emptied=True))
    return state


def _with_room(webhook: Webhook) -> Webhook:
    return replace(webhook, in_flight=webhook.in_flight - 1)


def _disable(state: State, webhook: Webhook, delivery: WebhookDelivery, note: AttemptNote) -> Decision[State]:
    failed = ended(delivery, "failed", note)
    if webhook.state != "enabled":
        return Decision(state.with_delivery(failed).with_webhook(webhook), outcome="failed")
    disabled = replace(webhook, state="disabled", crossings=webhook.crossings + 1, code=note.code, detail=note.detail)
    event = WebhookDisabled(
        webhook_id=webhook.webhook_id,
        shop_id=webhook.shop_id,
        host=webhook.host,
        crossing=disabled.crossings,
        code=note.code,
        detail=note.detail,
    )
    return Decision(state.with_delivery(failed).with_webhook(disabled), (event,), "disabled")
