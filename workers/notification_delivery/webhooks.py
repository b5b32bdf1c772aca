"""The rule of a webhook's answer: it becomes an event. `shop_webhooks` keeps it, and decides about another attempt."""

from __future__ import annotations

from contracts.webhooks.v1 import WebhookDelivered, WebhookDue, WebhookFailed
from contracts.wire.answer import Answer
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.notification_delivery.model import State


def key_of_webhook(due: WebhookDue) -> str:
    """The delivery: the receiver recognises a repeat by it, so all its attempts have the same key. A redelivery of
    what was delivered is another call, or it would be answered by the one before.
    """
    return f"{due.delivery_id}/{due.redelivery}" if due.redelivery else due.delivery_id


def shop_of(due: WebhookDue) -> str:
    """The shop, however many webhooks it has: its slow receivers hold up its own events."""
    return due.shop_id


def report_webhook(state: State, message: Message[WebhookDue], answer: Answer) -> Decision[State]:
    """Report the attempt."""
    due = message.data
    if answer.outcome == "done":
        delivered = WebhookDelivered(
            webhook_id=due.webhook_id,
            shop_id=due.shop_id,
            delivery_id=due.delivery_id,
            attempt=due.attempt,
            code=answer.code,
            detail=answer.detail,
            delivered_at=answer.at,
        )
        return Decision(state, (delivered,), answer.outcome)
    failed = WebhookFailed(
        webhook_id=due.webhook_id,
        shop_id=due.shop_id,
        delivery_id=due.delivery_id,
        attempt=due.attempt,
        outcome=answer.outcome,
        code=answer.code,
        detail=answer.detail,
        retry_after_s=answer.retry_after_s,
        failed_at=answer.at,
    )
    return Decision(state, (failed,), answer.outcome)
