"""What became of each notification, as the worker `notification_delivery` keeps it and others may read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from contracts.wire.answer import Outcome

DELIVERIES = "notification_delivery.deliveries"


@dataclass(frozen=True, slots=True)
class NotificationDelivery:
    """The newest attempt of a notification and its outcome: the code, the sentence and the reference of its answer.

    One that was delivered stays so.
    """

    notification_id: str
    route_id: str
    attempts: int
    outcome: Outcome
    code: str
    detail: str
    answered_at: datetime
    reference: str | None = None
