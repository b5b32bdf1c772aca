"""The rule of an answer: it becomes an event, and the newest attempt is kept."""

from __future__ import annotations

from contracts.notifications.deliveries import NotificationDelivery
from contracts.notifications.v1 import NotificationDelivered, NotificationDue, NotificationFailed
from contracts.wire.answer import Answer
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.notification_delivery.model import State


def key_of(due: NotificationDue) -> str:
    """The notification: receivers recognise a repeat by it, so all its attempts have the same key."""
    return due.notification_id


def route_of(due: NotificationDue) -> str:
    """The route: a slow receiver holds up its own notifications."""
    return due.route_id


def record(state: State, message: Message[NotificationDue], answer: Answer) -> Decision[State]:
    """Report the attempt. `notification` decides whether and when there is another; so the outcome is only kept here.

    An answer to an older attempt that comes late is reported, and changes what is kept only if it was delivered.
    """
    due = message.data
    known = state.deliveries.get(due.notification_id)
    event = _event_of(due, answer)
    if known is not None and (known.outcome == "done" or (due.attempt < known.attempts and answer.outcome != "done")):
        return Decision(state, (event,), answer.outcome)
    delivery = NotificationDelivery(
        notification_id=due.notification_id,
        route_id=due.route_id,
        attempts=max(due.attempt, known.attempts if known else 0),
        outcome=answer.outcome,
        code=answer.code,
        detail=answer.detail,
        answered_at=answer.at,
        reference=answer.reference,
    )
    return Decision(state.with_delivery(delivery), (event,), answer.outcome)


def _event_of(due: NotificationDue, answer: Answer) -> NotificationDelivered | NotificationFailed:
    if answer.outcome == "done":
        return NotificationDelivered(
            notification_id=due.notification_id,
            route_id=due.route_id,
            attempt=due.attempt,
            code=answer.code,
            reference=answer.reference,
            delivered_at=answer.at,
            detail=answer.detail,
        )
    return NotificationFailed(
        notification_id=due.notification_id,
        route_id=due.route_id,
        attempt=due.attempt,
        outcome=answer.outcome,
        code=answer.code,
        detail=answer.detail,
        retry_after_s=answer.retry_after_s,
        failed_at=answer.at,
    )
