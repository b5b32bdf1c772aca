"""The channel `webhook`: Standard Webhooks 1.0.0. Receivers recognise a repeat by `webhook-id`, which is the key."""

from __future__ import annotations

import json
from datetime import datetime

from contracts.notifications.v1 import NotificationDue
from contracts.notifications.wording import text_of
from contracts.wire.answer import Answer
from infra.adapters.outside.https import Post, Reply, answer_of_status
from infra.adapters.outside.signed import BODY_BYTES_MAX, signed_post
from infra.receivers.addresses import Address


def compose(due: NotificationDue, address: Address, key: str, at: datetime) -> Post:
    return signed_post(address, key, at, body_of(due, at))


def judge(reply: Reply) -> Answer:
    return answer_of_status(reply)


def body_of(due: NotificationDue, at: datetime) -> bytes:
    """The whole notification but for its channel; alerts that do not fit are counted in `more`."""
    kept = len(due.items)
    while len(body := _body_of(due, kept, at)) > BODY_BYTES_MAX and kept:
        kept -= 1
    return body


def _body_of(due: NotificationDue, kept: int, at: datetime) -> bytes:
    text = text_of(due)
    items = due.items[:kept]
    data = {
        **due.model_dump(mode="json", exclude={"channel", "items", "more", "attempt"}),
        "title": text.title,
        "lines": text.lines[:kept] if due.items else text.lines,
        "items": [item.model_dump(mode="json") for item in items],
        "more": due.more + len(due.items) - kept,
    }
    happened = max((item.since for item in due.items), default=at)
    return _json({"type": "notification", "timestamp": happened.isoformat(), "data": data})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
