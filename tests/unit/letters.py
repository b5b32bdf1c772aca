"""Dead letters of one cause: as their event, and as alerting stores them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from contracts.operations.v1 import MessageDeadLettered
from contracts.operations.view import DeadLetter
from tests.builders import NOW

QUEUE = "order_intake.order.place"
ALERT_KEY = f"dead-letters/{QUEUE}/handler_error"

_SAME: dict[str, Any] = {
    "worker": "order_intake",
    "queue": QUEUE,
    "message_id": "m-1",
    "type": "order.place.v2",
    "reason": "handler_error",
    "detail": "KeyError: 7",
    "attempts": 4,
    "body": "{}",
    "traceback": "Traceback …",
    "concerns": "order/shop-1/1001",
}


def dead_lettered(**fields: Any) -> MessageDeadLettered:
    return MessageDeadLettered(**{**_SAME, **fields})


def a_letter(letter_id: str = "l-1", **fields: Any) -> DeadLetter:
    return replace(DeadLetter(letter_id=letter_id, replays=0, encoding="utf-8", died_at=NOW, **_SAME), **fields)
