"""The channel `feishu`: a custom robot of Feishu (飞书) or Lark, with a signature (签名校验) or a keyword."""

from __future__ import annotations

import hmac
from base64 import b64encode
from datetime import datetime

from contracts.notifications.v1 import NotificationDue
from contracts.wire.answer import Answer
from infra.adapters.outside.https import Post, Reply
from infra.adapters.outside.robot import (
    GONE,
    INVALID,
    NO_KEYWORD,
    NOT_ALLOWED_IP,
    WRONG_SIGN,
    json_post,
    judge_body,
    robot_text,
    too_many,
)
from infra.receivers.addresses import Address

TEXT_BYTES_MAX = 8000
"""The whole body may have 20 kB, and escaping can double the text."""

_MEANINGS = {
    9499: too_many(60),
    11232: too_many(60),
    19001: GONE,
    19002: INVALID,
    19007: GONE,
    19021: WRONG_SIGN,
    19022: NOT_ALLOWED_IP,
    19024: NO_KEYWORD,
}


def compose(due: NotificationDue, address: Address, key: str, at: datetime) -> Post:
    text = {"msg_type": "text", "content": {"text": robot_text(due, TEXT_BYTES_MAX)}}
    return json_post(address.url, {**_signature(address, at), **text})


def judge(reply: Reply) -> Answer:
    return judge_body(reply, _MEANINGS, code_field="code")


def _signature(address: Address, at: datetime) -> dict[str, str]:
    """HMAC-SHA256 with seconds and secret as its key, over nothing, in the body: the reverse of DingTalk's."""
    if address.secret is None:
        return {}
    seconds = str(int(at.timestamp()))
    sign = hmac.digest(f"{seconds}\n{address.secret}".encode(), b"", "sha256")
    return {"timestamp": seconds, "sign": b64encode(sign).decode()}
