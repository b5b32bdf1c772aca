"""Webhooks of shops and the deliveries to them: when the next attempt is due, and how many may run at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Self

from contracts.webhooks.view import AttemptNote, Webhook, WebhookDelivery
from contracts.wire.answer import PAUSED, WITHHELD

IN_FLIGHT_MAX = 2
"""Attempts at a time for one shop, whatever webhooks it has, or had: its slow endpoints hold up its own events."""

FAILURES_MAX = 5
"""Attempts in a row that failed; then the webhook is paused, and after each pause one attempt is made."""

PAUSE_S, PAUSE_MAX_S = 30, 300
"""The first pause, and the longest: each is twice as long as the one before."""

FAILING_MAX = timedelta(days=1)
"""How long a webhook may fail without a single success; then it is disabled."""

NOT_MADE = (PAUSED, WITHHELD)
"""Codes of attempts that were not made: they take no place, and say nothing about the receiver."""

UNANSWERED = "unanswered"
"""The code of an attempt whose answer never came, as our own worker was away: it says nothing about the receiver."""

WAITING_MAX = 10_000
"""Deliveries that wait for one webhook, a day's at a busy shop; what comes then is counted, and not kept."""

RETRY_DELAYS_S = (5, 60, 600, 3600, 21_600, 86_400)
"""The pause after each attempt. After them the delivery has failed, until a person asks for another series."""

UNANSWERED_AFTER = timedelta(hours=1)
"""An attempt without any answer by then counts as failed; its key is the same, so the receiver recognises a repeat."""

PREVIOUS_SECRET_FOR = timedelta(days=1)
"""How long the secret before signs too, after a rotation."""

NOTES_MAX = 50
"""The newest attempts of a delivery that are kept: seven series of retries. Redelivery by hand has no limit."""

WEBHOOKS_MAX = 10
"""Of one shop: each event of its orders is stored and sent for each of them."""

DEFINED_MAX, DEFINED_WITHIN = 100, timedelta(days=1)
"""Webhooks that a shop may define within a day, also if it removes them: each is kept for a while."""


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message: the webhooks of its shop, and deliveries to them that it names or that are due.

    `looked_at` are webhooks whose waiting deliveries a tick sees, the longest due first.
    """

    webhooks: Mapping[str, Webhook] = field(default_factory=dict)
    deliveries: Mapping[str, WebhookDelivery] = field(default_factory=dict)
    looked_at: frozenset[str] = frozenset()

    def with_webhook(self, webhook: Webhook) -> Self:
        return replace(self, webhooks={**self.webhooks, webhook.webhook_id: webhook})

    def with_delivery(self, delivery: WebhookDelivery) -> Self:
        """With the delivery, and the counts of its webhook."""
        state = replace(self, deliveries={**self.deliveries, delivery.delivery_id: delivery})
        webhook = self.webhooks.get(delivery.webhook_id)
        if webhook is None:
            return state
        return state.with_webhook(_counted(webhook, self.deliveries.get(delivery.delivery_id), delivery))


def _counted(webhook: Webhook, before: WebhookDelivery | None, after: WebhookDelivery) -> Webhook:
    was, is_ = before.state if before else None, after.state
    waiting = webhook.waiting + (is_ == "waiting") - (was == "waiting")
    in_flight = webhook.in_flight + (is_ == "sending") - (was == "sending")
    look_at = webhook.look_at
    if is_ == "waiting" and after.due_at is not None:
        look_at = min(look_at or after.due_at, after.due_at)
    return replace(webhook, waiting=waiting, in_flight=in_flight, look_at=look_at if waiting else None)


def may_be_sent_to(webhook: Webhook, now: datetime) -> bool:
    """Whether it is enabled and not paused. One that failed gets one attempt at a time, until one succeeds."""
    if webhook.state != "enabled" or (webhook.paused_until is not None and webhook.paused_until > now):
        return False
    return webhook.failures < FAILURES_MAX or not webhook.in_flight


def succeeded(webhook: Webhook) -> Webhook:
    return replace(webhook, failures=0, failing_since=None, paused_until=None)


def failed_at(webhook: Webhook, at: datetime) -> Webhook:
    """The webhook after one more failure; from the fifth on, paused."""
    failures = webhook.failures + 1
    failed = replace(webhook, failures=failures, failing_since=webhook.failing_since or at)
    if failures < FAILURES_MAX:
        return failed
    pause_s = min(PAUSE_S * 2 ** min(failures - FAILURES_MAX, 10), PAUSE_MAX_S)
    return paused(failed, at + timedelta(seconds=pause_s))


def paused(webhook: Webhook, until: datetime) -> Webhook:
    """Nothing is sent until then, and ticks do not look at it."""
    return replace(webhook, paused_until=until, look_at=until if webhook.waiting else None)


def has_failed_too_long(webhook: Webhook, now: datetime) -> bool:
    return webhook.failing_since is not None and now - webhook.failing_since >= FAILING_MAX


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
    failed for good. An attempt that was not even made takes no place.
    """
    if note.code in NOT_MADE:
        pause = timedelta(seconds=retry_after_s or RETRY_DELAYS_S[0])
        before = delivery.attempts_before + 1
        return replace(delivery, state="waiting", due_at=note.at + pause, attempts_before=before)
    made = delivery.attempts - delivery.attempts_before
    if made > len(RETRY_DELAYS_S):
        return ended(delivery, "failed", note)
    pause = timedelta(seconds=max(RETRY_DELAYS_S[made - 1], retry_after_s or 0))
    return replace(noted(delivery, note), state="waiting", due_at=note.at + pause)
