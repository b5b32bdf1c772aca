"""Webhooks of shops and the deliveries to them: when the next attempt is due, and how many may run at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Self

from contracts.webhooks.view import AttemptNote, Webhook, WebhookDelivery
from contracts.wire.answer import PAUSED

IN_FLIGHT_MAX = 8
"""Attempts of one webhook at a time."""

RETRY_DELAYS_S = (5, 60, 600, 3600, 21_600, 86_400)
"""The pause after each attempt. After them the delivery has failed, until a person asks for another series."""

UNANSWERED_AFTER = timedelta(hours=1)
"""An attempt without any answer by then counts as failed; its key is the same, so the receiver recognises a repeat."""

PREVIOUS_SECRET_FOR = timedelta(days=1)
"""How long the secret before signs too, after a rotation."""

EMPTIED_AFTER = timedelta(days=1)
"""How long after its removal what waits for a webhook is looked for: a copy may be kept by a transaction that began
before, and clocks of our machines differ.
"""

NOTES_MAX = 50
"""The newest attempts of a delivery that are kept: seven series of retries. Redelivery by hand has no limit."""

WEBHOOKS_MAX = 10
"""Of one shop: each event of its orders is stored and sent for each of them."""


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message: webhooks, and deliveries to them that it names or that are due."""

    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    deliveries: Mapping[str, WebhookDelivery] = field(default_factory=dict)

    def with_webhook(self, webhook: Webhook) -> Self:
        return replace(self, webhooks={**self.webhooks, webhook.webhook_id: webhook})

    def with_delivery(self, delivery: WebhookDelivery) -> Self:
        return replace(self, deliveries={**self.deliveries, delivery.delivery_id: delivery})


def secrets_at(webhook: Webhook, now: datetime) -> tuple[str, ...]:
    """The secrets that sign now, the newest first."""
    if webhook.previous_secret is None or webhook.previous_until is None or webhook.previous_until <= now:
        return (webhook.secret,)
    return (webhook.secret, webhook.previous_secret)


def begun(delivery: WebhookDelivery, now: datetime) -> WebhookDelivery:
    """The delivery while its next attempt is being sent."""
    return replace(delivery, state="sending", attempts=delivery.attempts + 1, due_at=now + UNANSWERED_AFTER)


def ended(delivery: WebhookDelivery, state: Literal["delivered", "failed"], note: AttemptNote) -> WebhookDelivery:
    """The delivery once nothing more is tried."""
    return replace(noted(delivery, note), state=state, due_at=None, ended_at=note.at)


def noted(delivery: WebhookDelivery, note: AttemptNote) -> WebhookDelivery:
    """The delivery with one more note, of the newest ones."""
    return replace(delivery, notes=(*delivery.notes, note)[-NOTES_MAX:])


def after_failure(delivery: WebhookDelivery, note: AttemptNote, retry_after_s: int | None) -> WebhookDelivery:
    """The delivery after a failed attempt: it waits for the next one, at least as long as the receiver asked, or has
    failed for good. An attempt that was not even made, because its destination is paused, takes no place.
    """
    if note.code == PAUSED:
        pause = timedelta(seconds=retry_after_s or RETRY_DELAYS_S[0])
        before = delivery.attempts_before + 1
        return replace(delivery, state="waiting", due_at=note.at + pause, attempts_before=before)
    made = delivery.attempts - delivery.attempts_before
    if made > len(RETRY_DELAYS_S):
        return ended(delivery, "failed", note)
    pause = timedelta(seconds=max(RETRY_DELAYS_S[made - 1], retry_after_s or 0))
    return replace(noted(delivery, note), state="waiting", due_at=note.at + pause)
