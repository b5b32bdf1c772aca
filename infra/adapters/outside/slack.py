"""The channel `slack`: an incoming webhook of Slack. Status and a word in the body decide; there is no signature."""

from __future__ import annotations

from datetime import datetime

from contracts.notifications.v1 import NotificationDue
from contracts.wire.answer import Answer
from infra.adapters.outside.https import Post, Reply, answer_of_status
from infra.adapters.outside.robot import GONE, Meaning, answer_of, json_post, robot_text
from infra.receivers.addresses import Address

TEXT_BYTES_MAX = 3000
"""Slack shows about 4,000 characters of a text well."""

_MEANINGS = {
    "no_service": GONE,
    "no_active_hooks": GONE,
    "invalid_token": GONE,
    "channel_not_found": Meaning("refused", "gone", "has no such channel: make a webhook for another one."),
    "channel_is_archived": Meaning("refused", "gone", "has archived the channel: restore it, or use another one."),
    "action_prohibited": Meaning("refused", "rejected", "does not let apps write here: ask its administrator."),
}


def compose(due: NotificationDue, address: Address, key: str, at: datetime) -> Post:
    # The text has no mark-up left but for the ampersand, which Slack reads as the start of an entity.
    return json_post(address.url, {"text": robot_text(due, TEXT_BYTES_MAX).replace("&", "&amp;"), "mrkdwn": False})


def judge(reply: Reply) -> Answer:
    word = (reply.body or b"").strip().decode(errors="replace")
    if word in _MEANINGS:
        return answer_of(reply, _MEANINGS[word], word)
    if 200 <= reply.status < 300 and word != "ok":
        return reply.answer("unknown", "no_answer", "got the message and gave no readable answer.")
    return answer_of_status(reply)
