"""Builders of routes, changes of alerts, and answers of channels."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contracts.alert_routing.v1 import CreateSilence, DefineRoute
from contracts.notifications.channel import NewChannel
from contracts.notifications.v1 import NotificationDelivered, NotificationFailed
from contracts.operations.v1 import AlertRaised, AlertResolved
from tests.builders import NOW

BY_MAIL = NewChannel(kind="email", to=["warehouse@example.com"])


def a_route(route_id: str = "warehouse", **fields: Any) -> DefineRoute:
    """All alerts, by mail, 30 s after the first of a group."""
    return DefineRoute.model_validate({"route_id": route_id, "channel": BY_MAIL, "by": "li.na", **fields})


def raised(alert: str = "stock/501", *, times: int | None = 1, at: datetime = NOW, **fields: Any) -> AlertRaised:
    given = {"kind": "stock_low", "detail": f"{alert} is low.", "raised_at": at, "times": times, **fields}
    return AlertRaised.model_validate({"alert": alert, **given})


def resolved(alert: str = "stock/501", *, times: int | None = 1, at: datetime = NOW, **fields: Any) -> AlertResolved:
    given = {"kind": "stock_low", "detail": f"{alert} is in stock.", "resolved_at": at, "times": times, **fields}
    return AlertResolved.model_validate({"alert": alert, **given})


def a_silence(until: datetime, silence_id: str = "stocktaking", **fields: Any) -> CreateSilence:
    given = {"kinds": ("stock_low",), "until": until, "reason": "Stocktaking.", "by": "li.na", **fields}
    return CreateSilence.model_validate({"silence_id": silence_id, **given})


def delivered(notification_id: str, route_id: str = "warehouse", attempt: int = 1) -> NotificationDelivered:
    return NotificationDelivered(
        notification_id=notification_id, route_id=route_id, attempt=attempt, code="ok", delivered_at=NOW
    )


def failed(
    notification_id: str,
    outcome: str = "unavailable",
    *,
    route_id: str = "warehouse",
    attempt: int = 1,
    retry_after_s: int | None = None,
) -> NotificationFailed:
    return NotificationFailed.model_validate(
        {
            "notification_id": notification_id,
            "route_id": route_id,
            "attempt": attempt,
            "outcome": outcome,
            "code": "no_answer",
            "detail": "The server did not answer; look whether it runs.",
            "retry_after_s": retry_after_s,
            "failed_at": NOW,
        }
    )
