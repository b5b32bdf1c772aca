"""The channel `dingtalk`: a custom robot of DingTalk (钉钉), with the security setting "sign" (加签) or a keyword."""

from __future__ import annotations

import hmac
from base64 import b64encode
from datetime import datetime

from contracts.notifications.v1 import NotificationDue
from contracts.wire.answer import Answer
from infra.adapters.outside.https import Post, Reply
from infra.adapters.outside.robot import (
    BUSY,
    GONE,
    INVALID,
    NO_KEYWORD,
    NOT_ALLOWED_IP,
    WRONG_SIGN,
    Meaning,
    answer_of,
    fields_of,
    json_post,
    judge_body,
    robot_text,
    too_many,
)
from infra.receivers.addresses import Address
from infra.receivers.guard import parse

TEXT_BYTES_MAX = 8000
"""The whole body may have 20,000, and escaping can double the text."""

_BLOCKED_S = 600
"""More than 20 messages in a minute block the robot for ten."""

_SECURITY = 310000
_SECURITY_MEANINGS = {
    "keyword": NO_KEYWORD,
    "whitelist": NOT_ALLOWED_IP,
    "sign": WRONG_SIGN,
    "timestamp": WRONG_SIGN,
}
"""What a security error means, by a word of its text."""

_MEANINGS = {
    -1: BUSY,
    40035: INVALID,
    130101: too_many(_BLOCKED_S),
    300001: GONE,
    400013: GONE,
    400101: GONE,
    400102: GONE,
    410100: too_many(_BLOCKED_S),
    _SECURITY: Meaning(
        "refused",
        "security_setting",
        "does not accept the message: compare the robot's security settings with the route's secret.",
    ),
}


def compose(due: NotificationDue, address: Address, key: str, at: datetime) -> Post:
    body = {"msgtype": "text", "text": {"content": robot_text(due, TEXT_BYTES_MAX)}, "at": {"isAtAll": False}}
    return json_post(_signed(address, at), body)


def judge(reply: Reply) -> Answer:
    fields = fields_of(reply)
    if fields.get("errcode") == _SECURITY and 200 <= reply.status < 300:
        text = str(fields.get("errmsg")).lower()
        for word, meaning in _SECURITY_MEANINGS.items():
            if word in text:
                return answer_of(reply, meaning, _SECURITY)
    return judge_body(reply, _MEANINGS, code_field="errcode")


def _signed(address: Address, at: datetime) -> str:
    """HMAC-SHA256 with the secret as its key, over milliseconds and secret, in the address."""
    if address.secret is None:
        return address.url
    milliseconds = str(int(at.timestamp() * 1000))
    content = f"{milliseconds}\n{address.secret}"
    sign = b64encode(hmac.digest(address.secret.encode(), content.encode(), "sha256")).decode()
    return str(parse(address.url).copy_merge_params({"timestamp": milliseconds, "sign": sign}))
