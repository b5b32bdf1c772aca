"""Answering a shop: what became of its message, in the words of the version it sent, to its own queue alone."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from contracts.operations.v1 import MessageAnswered
from contracts.wire.envelope import BATCH, PAYLOADS, SHOP_EVENTS_EXCHANGE, Message, Refusal, emit
from contracts.wire.refusal import NOT_YOUR_SHOP, NotYours, Refused
from infra.ports.messaging import Outgoing, Sender
from infra.runtime.failure_policy import DEAD_LETTERED, FailurePolicy
from infra.runtime.fold import Folded, Work

_field_of = re.compile(r"([a-z_]+(?:\.[a-z0-9_]+)*): ").match


@dataclass(frozen=True, slots=True)
class _Outcome:
    outcome: Literal["done", "refused", "deferred", "dead_lettered"]
    code: str
    detail: str | None = None


def answer_to_shop(
    work: Work, sender: Sender, outcome: str | None, caused: Sequence[bytes], folded: Folded, policy: FailurePolicy
) -> Outgoing:
    """`outcome` is None where the message is to be tried again; `caused` are the events that it caused."""
    item = work.item
    found = _found(item, outcome, caused, folded)
    field = _field_of(found.detail or "")
    waits_s = sum(policy.delays_s[work.attempt - 1 :]) if found.outcome == "deferred" else 0
    answer = MessageAnswered(
        message_id=sender.message_id,
        type=sender.sent_as,
        concerns=_about(item, sender),
        outcome=found.outcome,
        code=found.code,
        detail=found.detail,
        field=field[1] if field else None,
        tried_until=folded.at + timedelta(seconds=waits_s) if waits_s else None,
    )
    message = emit(answer, cause=item, source=folded.worker, index=(found.outcome, work.attempt), at=folded.at)
    body = b"[" + message.to_bytes() + b"]"
    return Outgoing(SHOP_EVENTS_EXCHANGE, sender.shop, body, BATCH, mandatory=False, best_effort=True)


def _found(
    item: Message[Any] | Refused[Any] | NotYours, outcome: str | None, caused: Sequence[bytes], folded: Folded
) -> _Outcome:
    failure = folded.failures.get(item.key)
    if isinstance(item, NotYours):
        return _Outcome("refused", NOT_YOUR_SHOP, item.detail)
    if failure is not None:
        return _Outcome("dead_lettered" if outcome == DEAD_LETTERED else "deferred", failure.reason, failure.detail)
    for body in caused:
        event = json.loads(body)
        payload = PAYLOADS.get(event["type"])
        if payload is not None and issubclass(payload, Refusal):
            return _Outcome("refused", event["data"]["reason"], event["data"]["detail"])
    return _Outcome("done", outcome or "repeated")


def _about(item: Message[Any] | Refused[Any] | NotYours, sender: Sender) -> str | None:
    if isinstance(item, NotYours):
        return f"shop/{sender.shop}"
    return item.data.about() if isinstance(item, Message) else getattr(item, "concerns", None)
