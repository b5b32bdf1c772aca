"""The rules of deliveries: one for each copy and matching webhook, tried until it is delivered or has failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from contracts.clock.v1 import ClockTicked
from contracts.webhooks.v1 import ShopEventCopied, WebhookDelivered, WebhookDisabled, WebhookFailed
from contracts.webhooks.view import AttemptNote, WebhookDelivery
from contracts.wire.answer import PAUSED
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message, derived_id
from workers.shop_webhooks.model import (
    NOT_MADE,
    UNANSWERED,
    WAITING_MAX,
    State,
    after_failure,
    ended,
    failed_at,
    has_failed_too_long,
    noted,
    paused,
    succeeded,
)
from workers.shop_webhooks.sending import plan_next_look, send_due

_GONE = "gone"
"""The code of an answer 410: the receiver asks for nothing more."""

_FAILING = "failing"
"""The code of a webhook that was disabled because its receiver took nothing for a day."""


def take_copy(state: State, message: Message[ShopEventCopied]) -> Decision[State]:
    """Make a delivery for each enabled webhook of the shop that asks for this type; without one, drop the copy. A
    webhook for which too much waits gets none, and counts it.
    """
    copy = message.data
    matching = [
        webhook
        for webhook in state.webhooks.values()
        if webhook.shop_id == copy.shop_id and webhook.state == "enabled" and copy.event_type in webhook.types
    ]
    if not matching:
        return Decision(state, outcome="dropped")
    for webhook in matching:
        if webhook.waiting >= WAITING_MAX:
            state = state.with_webhook(replace(webhook, not_kept=webhook.not_kept + 1))
            continue
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
    if not state.deliveries:
        return Decision(state, outcome="not_kept")
    after, due = send_due(state, message.time)
    return Decision(after, due, "taken")


def note_delivered(state: State, message: Message[WebhookDelivered]) -> Decision[State]:
    """The event is delivered, by whichever attempt, and the next one that waits is sent."""
    answer = message.data
    delivery = state.deliveries.get(answer.delivery_id)
    if delivery is None or delivery.state == "delivered":
        return Decision(state, outcome="outdated")
    note = AttemptNote(answer.attempt, answer.delivered_at, "done", answer.code, answer.detail)
    after = state.with_delivery(ended(delivery, "delivered", note))
    if webhook := after.webhooks.get(delivery.webhook_id):
        after = after.with_webhook(succeeded(webhook))
    after, due = send_due(after, message.time)
    return Decision(after, due, "delivered")


def note_failed(state: State, message: Message[WebhookFailed]) -> Decision[State]:
    """Plan the next attempt, or give up. A receiver that is gone disables its webhook, and the delivery has failed; so
    does one that has failed for a day, and the delivery waits. An attempt that was not made pauses the webhook, if its
    destination is paused.
    """
    answer = message.data
    delivery = state.deliveries.get(answer.delivery_id)
    if delivery is None or delivery.state != "sending" or delivery.attempts != answer.attempt:
        return Decision(state, outcome="outdated")
    note = AttemptNote(answer.attempt, answer.failed_at, answer.outcome, answer.code, answer.detail)
    if answer.outcome == "refused" and answer.code == _GONE:
        return _disabled(state.with_delivery(ended(delivery, "failed", note)), note, delivery.webhook_id, "failed")
    state = _failed(state, delivery, note, answer.retry_after_s)
    webhook, outcome = state.webhooks[delivery.webhook_id], state.deliveries[delivery.delivery_id].state
    if webhook.state == "enabled" and has_failed_too_long(webhook, note.at):
        detail = f"{webhook.host} has taken no event for a day; at last: {note.detail}"
        return _disabled(state, replace(note, code=_FAILING, detail=detail), delivery.webhook_id, outcome)
    after, due = send_due(state, message.time)
    return Decision(after, due, outcome)


def _failed(state: State, delivery: WebhookDelivery, note: AttemptNote, retry_after_s: int | None) -> State:
    """The state after an attempt that failed, was not made, or has no answer; only the first counts for the webhook.
    Nothing waits for a removed webhook.
    """
    webhook = state.webhooks[delivery.webhook_id]
    after = after_failure(delivery, note, retry_after_s)
    if webhook.state == "removed" and after.state == "waiting":
        return state.with_delivery(
            _failed_by_removal(noted(delivery, note) if note.code not in NOT_MADE else delivery, note.at)
        )
    state = state.with_delivery(after)
    webhook = state.webhooks[delivery.webhook_id]
    if note.code == PAUSED and after.due_at is not None:
        return state.with_webhook(paused(webhook, after.due_at))
    is_of_receiver = note.code not in (*NOT_MADE, UNANSWERED)
    return state.with_webhook(failed_at(webhook, note.at)) if is_of_receiver else state


def _failed_by_removal(delivery: WebhookDelivery, now: datetime) -> WebhookDelivery:
    """What is left of a removed webhook has failed."""
    note = AttemptNote(delivery.attempts, now, "refused", "removed", "The webhook was removed.")
    return ended(delivery, "failed", note)


def send_waiting(state: State, message: Message[ClockTicked]) -> Decision[State]:
    """Send what is due, and end what waits for a removed webhook. An attempt never answered has failed by then."""
    now = message.data.at
    for delivery in state.deliveries.values():
        if delivery.state == "sending" and delivery.due_at is not None and delivery.due_at <= now:
            note = AttemptNote(delivery.attempts, now, "unknown", UNANSWERED, "The attempt has no outcome.")
            state = _failed(state, delivery, note, None)
    removed = {webhook.webhook_id for webhook in state.webhooks.values() if webhook.state == "removed"}
    for delivery in state.deliveries.values():
        if delivery.state == "waiting" and delivery.webhook_id in removed:
            state = state.with_delivery(_failed_by_removal(delivery, now))
    after, due = send_due(state, now)
    return Decision(plan_next_look(after, now), due, "sent" if due else "nothing_due")


def _disabled(state: State, note: AttemptNote, webhook_id: str, outcome: str) -> Decision[State]:
    """Disable the webhook for the reason of the note, if it is not yet."""
    webhook = state.webhooks[webhook_id]
    if webhook.state != "enabled":
        return Decision(state, outcome=outcome)
    disabled = replace(webhook, state="disabled", crossings=webhook.crossings + 1, code=note.code, detail=note.detail)
    event = WebhookDisabled(
        webhook_id=webhook.webhook_id,
        shop_id=webhook.shop_id,
        host=webhook.host,
        crossing=disabled.crossings,
        code=note.code,
        detail=note.detail,
    )
    return Decision(state.with_webhook(disabled), (event,), "disabled")
