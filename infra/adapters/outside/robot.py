"""What chat robots have in common: plain text of limited bytes, and a code in the body that decides.

None of them can be asked whether it has a message. Its number is in the text, so that people recognise a repeat.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from contracts.notifications.v1 import NotificationDue
from contracts.notifications.wording import text_of
from contracts.wire.answer import Answer
from infra.adapters.outside.https import Post, Reply, answer_of_status

_INERT = str.maketrans("@<>[]*`~#", "＠＜＞［］＊｀～＃")
"""Letters that any robot reads as a mention or as mark-up, as letters that none of them reads so."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a robot's code means. `detail` follows the name of the host."""

    outcome: Literal["refused", "unavailable"]
    code: str
    detail: str
    retry_after_s: int | None = None


def too_many(wait_s: int) -> Meaning:
    return Meaning("unavailable", "rate_limited", "takes no more messages for now; it is tried again later.", wait_s)


BUSY = Meaning("unavailable", "receiver_unavailable", "is busy; it is tried again later.")
GONE = Meaning("refused", "gone", "does not know this robot: copy its address again, and define the route with it.")
WRONG_SIGN = Meaning(
    "refused",
    "wrong_sign",
    "does not accept the signature: copy the robot's secret again, define the route with it, and compare this "
    "machine's clock.",
)
NO_KEYWORD = Meaning(
    "refused", "no_keyword", "accepts only messages with its keywords: add the keyword Tributary to the robot."
)
NOT_ALLOWED_IP = Meaning(
    "refused", "ip_not_allowed", "does not accept this machine's address: add it to the robot's allowed addresses."
)
_UNLISTED = Meaning("unavailable", "rejected", "did not take the message; it is tried again later.")
INVALID = Meaning("refused", "rejected", "cannot read the message; report this with the notification's number.")


def robot_text(due: NotificationDue, bytes_max: int) -> str:
    """Title, lines and number in at most `bytes_max` bytes of UTF-8, which one line always fits. Others are counted."""
    text = text_of(due)
    lines = [line.translate(_INERT) for line in text.lines]
    title = text.title.translate(_INERT)
    kept = len(lines)
    while len((written := _joined(title, lines[:kept], text.footer(len(lines) - kept))).encode()) > bytes_max:
        kept -= 1
    return written


def _joined(title: str, lines: Sequence[str], footer: Sequence[str]) -> str:
    return "\n".join((title, *lines, *footer))


def json_post(url: str, body: Mapping[str, object]) -> Post:
    return Post(url, {"content-type": "application/json; charset=utf-8"}, json.dumps(body, ensure_ascii=False).encode())


def judge_body(reply: Reply, meanings: Mapping[int, Meaning], *, code_field: str) -> Answer:
    """A status other than 2xx decides; with 2xx, 0 in `code_field` is delivered, and any other code is not.

    A code without a known meaning is tried again: an alert that comes twice is better than none.
    """
    if not 200 <= reply.status < 300:
        return answer_of_status(reply)
    code = fields_of(reply).get(code_field)
    if not isinstance(code, int) or isinstance(code, bool):
        return reply.answer("unknown", "no_answer", "got the message and gave no readable answer.")
    if code == 0:
        return reply.answer("done", "delivered", "answered with code 0.")
    return answer_of(reply, meanings.get(code, _UNLISTED), code)


def answer_of(reply: Reply, meaning: Meaning, code: object) -> Answer:
    detail = f"{reply.host} {meaning.detail} (code {code})"
    wait_s = reply.retry_after_s if meaning.retry_after_s is None else meaning.retry_after_s
    return Answer(meaning.outcome, meaning.code, detail, reply.at, retry_after_s=wait_s)


def fields_of(reply: Reply) -> dict[str, Any]:
    """The JSON object of the body; empty if there is none."""
    try:
        body = json.loads(reply.body or b"")
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
