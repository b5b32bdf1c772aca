"""The channel `wecom`: a group robot of WeCom (企业微信). The key is in the address; there is no signature."""

from __future__ import annotations

from datetime import datetime

from contracts.notifications.v1 import NotificationDue
from contracts.wire.answer import Answer
from infra.adapters.outside.https import Post, Reply
from infra.adapters.outside.robot import BUSY, GONE, INVALID, json_post, judge_body, robot_text, too_many
from infra.receivers.addresses import Address

TEXT_BYTES_MAX = 2048

_MEANINGS = {
    -1: BUSY,
    40008: INVALID,
    40058: INVALID,
    45009: too_many(60),
    45033: too_many(60),
    93000: GONE,
    93004: GONE,
    93008: GONE,
}


def compose(due: NotificationDue, address: Address, key: str, at: datetime) -> Post:
    return json_post(address.url, {"msgtype": "text", "text": {"content": robot_text(due, TEXT_BYTES_MAX)}})


def judge(reply: Reply) -> Answer:
    return judge_body(reply, _MEANINGS, code_field="errcode")
