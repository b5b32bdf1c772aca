"""What happens to a message that could not be handled: a retry after a pause, or a dead letter with its cause."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from contracts.operations.v1 import MessageDeadLettered
from contracts.wire.envelope import STRUCTURED, Message
from contracts.wire.refusal import Conflict, Refused, Unreadable
from infra.ports.messaging import Sender

DELAY_PREFIX = "tributary.delay."
DEAD_LETTERED = "dead_lettered"
"""The outcome of a message that became a dead letter, as its sender learns it."""
_TRACEBACK_CHARS_MAX = 8_000

_CONTROLS = bytes(set(range(32)) - set(b"\b\t\n\f\r"))
"""What JSON writes as six bytes."""

_SMALL_BYTES = 4 * 1024
"""A few such characters are shown as they are, whatever the length."""


def delay_name(delay_s: int) -> str:
    """The name of the exchange and of its queue that hold messages for `delay_s` and then return them."""
    return f"{DELAY_PREFIX}{delay_s}s"


def _unchecked(item: Message[Any] | Refused[Any], sender: Sender) -> Sender:
    """What could not be read is checked like a first arrival when it is replayed: it may be readable then."""
    return replace(sender, sent_as="") if isinstance(item, Unreadable) else sender


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a message was not handled: a reason code, a sentence, and a traceback if there was an exception."""

    reason: str
    detail: str
    traceback: str | None = None

    @classmethod
    def from_exception(cls, error: BaseException) -> Failure:
        text = "".join(traceback.format_exception(error))
        return cls("handler_error", f"{error.__class__.__name__}: {error}", text[-_TRACEBACK_CHARS_MAX:])


@dataclass(frozen=True, slots=True)
class FailurePolicy:
    """`delays_s` are the pauses before the second, third … try; after the last try the message is dead-lettered."""

    delays_s: Sequence[int]

    def delay_after(self, attempt: int) -> int | None:
        """The pause after try number `attempt` (the first is 1), or None after the last try."""
        return self.delays_s[attempt - 1] if attempt <= len(self.delays_s) else None


def dead_letter(
    item: Message[Any] | Refused[Any],
    failure: Failure,
    *,
    worker: str,
    queue: str,
    attempts: int,
    replays: int,
    sender: Sender | None = None,
) -> MessageDeadLettered:
    """Describe a dead-lettered message with its body, so that it can be read, corrected and replayed."""
    if isinstance(item, Unreadable):
        body, about = item.body, item.concerns
        content_type, routing_key = item.content_type, item.routing_key
    else:
        message = item.message if isinstance(item, Conflict) else item
        body, about = message.to_bytes(), message.data.about()
        content_type, routing_key = STRUCTURED, item.type
    text, encoding = _as_text(body)
    return MessageDeadLettered(
        worker=worker,
        queue=queue,
        message_id=item.id,
        type=item.type,
        reason=failure.reason,
        detail=failure.detail,
        attempts=attempts,
        replays=replays,
        traceback=failure.traceback,
        content_type=content_type,
        encoding=encoding,
        body=text,
        routing_key=routing_key,
        concerns=about,
        sender=_unchecked(item, sender).to_header() if sender else None,
    )


def _as_text(body: bytes) -> tuple[str, Literal["utf-8", "base64"]]:
    """The body for a JSON text, and its encoding: base64 for bytes that are no text, or would be longer as such."""
    controls = len(body) - len(body.translate(None, _CONTROLS))
    if controls * 15 <= max(len(body), _SMALL_BYTES):
        with suppress(UnicodeDecodeError):
            return body.decode(), "utf-8"
    return base64.b64encode(body).decode(), "base64"
