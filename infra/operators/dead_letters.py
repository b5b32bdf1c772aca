"""Dead letters for operators: find them, group them by cause, replay them byte for byte, mark them.

They belong to the worker `alerting`; this module only reads them, and marks them by a command to that worker.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Any
from uuid import uuid4

from contracts.operations.v1 import SettleDeadLetter, Settlement
from contracts.operations.view import DEAD_LETTERS, DeadLetter, DeadLetterState
from contracts.wire.envelope import COMMANDS_EXCHANGE, PAYLOADS, STRUCTURED, message_of
from contracts.wire.reading import SENDER_UNKNOWN
from infra.auditing.audit import Read
from infra.operators.operator import source
from infra.ports.messaging import ATTEMPTS_HEADER, REPLAYS_HEADER, ROUTING_KEY_HEADER, SENDER_HEADER, Outgoing
from infra.runtime import roster
from infra.runtime.repository import Codec

_AT_ONCE = 20
"""Letters read in one answer. The driver holds each answer twice while it decodes it, and a body may have 8 MiB."""

_BYTES_AT_ONCE = 8 * 1024 * 1024
_SUBJECT_CHARS_MAX = 128

_letters = Codec(DeadLetter, key="letter_id")
_WITHOUT_BODIES = tuple(field.name for field in fields(DeadLetter) if field.name not in ("body", "traceback"))


@dataclass(slots=True)
class Cause:
    """The letters of one queue and one reason: one thing to correct. `example` is the newest of them."""

    queue: str
    reason: str
    letters: int
    first: datetime
    last: datetime
    example: str
    detail: str


def where(*, states: Sequence[DeadLetterState], queue: str | None = None, reason: str | None = None) -> dict[str, Any]:
    """The condition for letters in these states, and of one queue and one reason if given."""
    filters = {"queue": queue, "reason": reason}
    return {"state": {"$in": list(states)}, **{name: value for name, value in filters.items() if value is not None}}


async def causes(read: Read, condition: Mapping[str, Any]) -> list[Cause]:
    """The letters by cause, the most frequent first."""
    found: dict[tuple[str, str], Cause] = {}
    async for letter in read.stream(DEAD_LETTERS, condition, fields=("queue", "reason", "died_at", "detail")):
        key, at = (letter["queue"], letter["reason"]), letter["died_at"]
        cause = found.setdefault(key, Cause(*key, 0, at, at, letter["_id"], letter["detail"]))
        cause.letters += 1
        cause.first = min(cause.first, at)
        if at > cause.last:
            cause.last, cause.example, cause.detail = at, letter["_id"], letter["detail"]
    return sorted(found.values(), key=lambda cause: (-cause.letters, cause.queue, cause.reason))


async def each(read: Read, condition: Mapping[str, Any], *, bodies: bool) -> AsyncIterator[DeadLetter]:
    """Every letter, the oldest first, a few at a time; with or without bodies and tracebacks."""
    order = (("died_at", 1), ("_id", 1))
    async for document in read.stream(DEAD_LETTERS, condition, sort=order, fields=() if bodies else _WITHOUT_BODIES):
        yield _letters.to_entity({"body": "", **document})


async def ids(read: Read, condition: Mapping[str, Any]) -> list[str]:
    """The ids of the current letters: a letter that arises while they are replayed is not among them.

    Only ids are kept in memory, a hundred bytes each.
    """
    return [letter["_id"] async for letter in read.stream(DEAD_LETTERS, condition, fields=("_id",))]


async def named(read: Read, name: str) -> list[DeadLetter]:
    """The letter with this id, or those whose id begins with `name`: at most two, which means it is ambiguous."""
    found = await read.find(DEAD_LETTERS, {"_id": {"$gte": name, "$lt": f"{name}\uffff"}}, sort=[("_id", 1)], limit=2)
    letters = [_letters.to_entity(document) for document in found]
    return [letter for letter in letters if letter.letter_id == name] or letters


async def concerning(read: Read, subjects: Sequence[str]) -> list[DeadLetter]:
    """The letters about any of the subjects, oldest first."""
    found = await read.find(DEAD_LETTERS, {"concerns": {"$in": list(subjects)}})
    return sorted((_letters.to_entity(document) for document in found), key=lambda letter: letter.died_at)


async def in_chunks(read: Read, letter_ids: Sequence[str]) -> AsyncIterator[list[DeadLetter]]:
    """The letters with their bodies, in chunks; smaller chunks for large bodies."""
    for start in range(0, len(letter_ids), _AT_ONCE):
        wanted = {"_id": {"$in": list(letter_ids[start : start + _AT_ONCE])}}
        chunk: list[DeadLetter] = []
        async for document in read.stream(DEAD_LETTERS, wanted, sort=(("_id", 1),)):
            chunk.append(_letters.to_entity(document))
            if sum(len(letter.body) for letter in chunk) >= _BYTES_AT_ONCE:
                yield chunk
                chunk = []
        if chunk:
            yield chunk


class CannotReplay(Exception):
    """The text says why, in words that follow the letter."""


def replay(letter: DeadLetter) -> Outgoing:
    """The unchanged message, sent directly to the queue where it died: no other reader gets it twice.

    The journal recognises it if it was handled meanwhile; beyond the journal, its natural key does. Raises CannotReplay
    where the letter names a queue that does not read such messages, or where its sender is not known.
    """
    if (why := objection_to_replay(letter)) is not None:
        raise CannotReplay(why)
    headers: dict[str, int | str] = {ATTEMPTS_HEADER: 0, REPLAYS_HEADER: letter.replays + 1}
    if letter.routing_key is not None:
        headers[ROUTING_KEY_HEADER] = letter.routing_key
    if letter.sender is not None:
        headers[SENDER_HEADER] = letter.sender
    return Outgoing("", letter.queue, letter.raw, letter.content_type, headers=headers)


def objection_to_replay(letter: DeadLetter) -> str | None:
    """Why the message cannot be sent again, as words that follow the letter; None where it can."""
    read_there = _types_by_queue().get(letter.queue)
    if letter.is_excerpt:
        return "its body was too large to store; ask the sender for smaller messages, then discard it"
    if letter.reason == SENDER_UNKNOWN:
        return "its sender is not known; the shop must send it again with user_id set to its login; discard it"
    if read_there is None or not letter.queue.startswith(f"{letter.worker}."):
        return f"worker {letter.worker} has no queue {letter.queue}; discard it"
    if letter.type in PAYLOADS and letter.type not in read_there:
        return f"{letter.queue} does not read {letter.type}; discard it"
    return None


@cache
def _types_by_queue() -> Mapping[str, frozenset[str]]:
    return {
        worker.queue_of(handler): frozenset(payload.message_type for payload in handler.payloads)
        for worker in roster.load_all()
        for handler in worker.handlers
    }


def settlement(
    letter: DeadLetter, action: Settlement, *, by: str, at: datetime, note: str | None, os_user: str | None = None
) -> Outgoing:
    """The command that marks the letter, under a new id; the worker recognises a repeat by the letter's state."""
    command = SettleDeadLetter(letter_id=letter.letter_id, action=action, by=by, note=note, os_user=os_user)
    concerns = letter.concerns if letter.concerns and len(letter.concerns) <= _SUBJECT_CHARS_MAX else None
    message = message_of(SettleDeadLetter)(
        id=str(uuid4()),
        source=source(),
        type=command.message_type,
        time=at,
        subject=command.about(),
        correlationid=concerns,
        data=command,
    )
    return Outgoing(COMMANDS_EXCHANGE, command.message_type, message.to_bytes(), STRUCTURED)
