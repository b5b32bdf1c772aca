"""The published view of webhooks: collections `shop_webhooks.webhooks` and `shop_webhooks.deliveries`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

WEBHOOKS = "shop_webhooks.webhooks"
DELIVERIES = "shop_webhooks.deliveries"

WebhookState = Literal["enabled", "disabled", "removed"]
DeliveryState = Literal["waiting", "sending", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Webhook:
    """`address` and the secrets are sealed; `host` is the part of the address that people may see.

    `previous_secret` signs too until `previous_until`. `crossings` counts how often it was disabled, enabled or
    removed; `code` and `detail` say why it was disabled.

    `in_flight` and `waiting` count its deliveries that are being sent, and that wait; `not_kept` counts events that
    came while too many waited. If something waits, ticks look at the webhook from `look_at` on. `failures` counts
    attempts that failed in a row, the first of them at `failing_since`; nothing is sent before `paused_until`.
    """

    webhook_id: str
    shop_id: str
    types: tuple[str, ...]
    host: str
    address: str
    secret: str
    state: WebhookState
    defined_at: datetime
    previous_secret: str | None = None
    previous_until: datetime | None = None
    in_flight: int = 0
    waiting: int = 0
    not_kept: int = 0
    look_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    paused_until: datetime | None = None
    crossings: int = 0
    code: str | None = None
    detail: str | None = None
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptNote:
    """One attempt and what became of it; or, with the code `removed`, why there is no other."""

    attempt: int
    at: datetime
    outcome: Literal["done", "refused", "unavailable", "unknown"]
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event for one webhook, with its attempts. `due_at` is when the next attempt is due, or, while one is being
    sent, when it counts as unanswered. The first `attempts_before` attempts belong to an earlier series of retries;
    `redeliveries` counts the series that began after it was delivered.
    """

    delivery_id: str
    webhook_id: str
    shop_id: str
    event_id: str
    event_type: str
    event: str
    state: DeliveryState
    created_at: datetime
    due_at: datetime | None = None
    attempts: int = 0
    attempts_before: int = 0
    redeliveries: int = 0
    notes: tuple[AttemptNote, ...] = ()
    ended_at: datetime | None = None
