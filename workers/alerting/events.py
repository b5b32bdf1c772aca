"""The events of alerts, with what routes and translations need to know about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from contracts.operations.v1 import AlertRaised, AlertResolved
from contracts.operations.view import Alert

_CRITICAL = frozenset(["stock_oversold", "queue_old", "verification_breach", "route_failing", "payout_conflicting"])
_INFO = frozenset(["stock_expiring"])


def _severity(kind: str) -> Literal["info", "warning", "critical"]:
    return "critical" if kind in _CRITICAL else "info" if kind in _INFO else "warning"


def raised(
    alert: Alert,
    facts: Mapping[str, Any],
    *,
    product_id: int | None = None,
    shop_id: str | None = None,
    market: str | None = None,
) -> AlertRaised:
    """The event of an alert that has just been opened. `facts` are the values of its sentence."""
    return AlertRaised(
        alert=alert.alert,
        kind=alert.kind,
        detail=alert.detail,
        raised_at=alert.changed_at,
        severity=_severity(alert.kind),
        shop_id=shop_id,
        market=market,
        product_id=product_id,
        facts={name: str(value) for name, value in facts.items()},
        times=alert.times,
    )


def resolved(
    alert: Alert,
    facts: Mapping[str, Any],
    *,
    product_id: int | None = None,
    shop_id: str | None = None,
    market: str | None = None,
) -> AlertResolved:
    """The event of an alert that has just been closed."""
    return AlertResolved(
        alert=alert.alert,
        kind=alert.kind,
        detail=alert.detail,
        resolved_at=alert.changed_at,
        severity=_severity(alert.kind),
        shop_id=shop_id,
        market=market,
        product_id=product_id,
        facts={name: str(value) for name, value in facts.items()},
        times=alert.times,
    )
