"""Notifications for tests of channels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from contracts.notifications.channel import Channel, Kind
from contracts.notifications.v1 import Item, NotificationDue
from infra.receivers.addresses import Address, seal_address
from infra.settings import Settings

SINCE = datetime(2026, 11, 30, 2, 10, tzinfo=UTC)
KEY = "5b3d1c0e-5f57-5a55-8a3c-3a1f6c1e8b21"
ROUTE = "warehouse"
DELIVERY_SECRET = SecretStr("a delivery secret of more than 32 characters")
FACTS = {"product_id": "501", "available": "3", "low_at": "5"}


def an_item(**changed: Any) -> Item:
    fields: dict[str, Any] = {
        "alert": "stock/501",
        "kind": "stock_low",
        "state": "open",
        "detail": "product 501: 3 left, the threshold is 5; order more.",
        "facts": FACTS,
        "since": SINCE,
    }
    return Item(**{**fields, **changed})


def due(channel: Channel, items: Sequence[Item] = (), **changed: Any) -> NotificationDue:
    fields: dict[str, Any] = {
        "notification_id": KEY,
        "route_id": ROUTE,
        "attempt": 1,
        "reason": "raised",
        "channel": channel,
        "thread": "stock_low/shop-367",
        "items": list(items) or [an_item()],
    }
    return NotificationDue(**{**fields, **changed})


def mail_to(*readers: str) -> Channel:
    return Channel(kind="email", to=list(readers))


def sealed(kind: Kind, url: str, secret: str | None = None, host: str = "hooks.test", route: str = ROUTE) -> Channel:
    return Channel(kind=kind, host=host, sealed=seal_address(Address(url, secret), route, DELIVERY_SECRET))


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """What the sender logged. The servers of the tests, which log what they receive, are in the same process."""
    ours = (record for record in caplog.records if not record.name.startswith(("uvicorn", "mail.")))
    return "\n".join(caplog.handler.format(record) for record in ours)


SOON_S = 1.5
"""The deadline of calls that nothing answers: long enough for a busy machine to send the request before it."""


def settings(**changed: Any) -> Settings:
    return Settings(**{"delivery_secret": DELIVERY_SECRET, "outside_deadline_s": 20.0, **changed})
