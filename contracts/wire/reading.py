"""Parsing of what arrives: structured and batch CloudEvents, and bare JSON bodies from the simplest shops.

Bad input never raises. An unreadable message becomes `Unreadable`, with a reason code to group by and a sentence
that names the field and the rule; the other messages of the same batch are read as usual.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Union

from pydantic import Discriminator, Field, TypeAdapter, ValidationError

from contracts.fields import DETAIL_MAX, GIVEN_MAX
from contracts.times import CLOCK_SKEW_MAX
from contracts.wire.envelope import (
    BATCH,
    BATCH_EVENTS_MAX,
    STRUCTURED,
    Command,
    Message,
    Payload,
    derived_id,
    message_of,
    to_utc_milliseconds,
)
from contracts.wire.refusal import TIME_IN_FUTURE, Unreadable

BARE_SOURCE = "urn:tributary:bare"
UNREADABLE_PROPERTY = "unreadable_property"
TOO_LARGE = "too_large"
TOO_MANY = "too_many_messages"
SENDER_UNKNOWN = "sender_unknown"
"""A shop's message that does not name its login, so that no one can be answered or named."""
_BARE_KEYS = f"{BARE_SOURCE}/"
_PROBLEMS_MAX = 3
_PROBLEMS_READ_MAX = 1_000
_UNREADABLE_MAX = 20
"""Unreadable messages of one body that are answered and kept each by itself."""
_BOM = b"\xef\xbb\xbf"
EXCERPT_BYTES_MAX = 16 * 1024
_REASONS = {
    "json_invalid": "malformed_json",
    "union_tag_invalid": "unknown_type",
    "literal_error": "unknown_type",
    "union_tag_not_found": "missing_field",
    "extra_forbidden": "unknown_field",
    "missing": "missing_field",
}

UNREADABLE_REASONS = frozenset({*_REASONS.values(), "invalid_value", UNREADABLE_PROPERTY, TOO_LARGE, TOO_MANY})
"""Why a message cannot be read: its sender has to correct it."""


@cache
def _adapters(payloads: tuple[type[Payload], ...]) -> tuple[TypeAdapter[Message[Any]], TypeAdapter[list[Message[Any]]]]:
    """Of one message, and of a batch. They take milliseconds to build."""
    envelopes = tuple(message_of(payload) for payload in payloads)
    several: Any = Annotated[Union[envelopes], Discriminator("type")]  # noqa: UP007  (built at run time)
    one: Any = several if len(envelopes) > 1 else envelopes[0]
    return TypeAdapter(one), TypeAdapter(Annotated[list[one], Field(max_length=BATCH_EVENTS_MAX)])


class Reader:
    """Reads the messages of one queue: the given payload types, older versions upcast to the newest."""

    def __init__(self, payloads: Sequence[type[Payload]]) -> None:
        self._payloads = {each.message_type: each for each in payloads}
        self._one, self._many = _adapters(tuple(payloads))

    def read(
        self,
        body: bytes,
        *,
        content_type: str | None,
        routing_key: str,
        received_at: datetime,
        delivery_id: str = "",
    ) -> list[Message[Any] | Unreadable]:
        """Return every message in `body`, in order, each with the time of its receipt by our own clock.

        A bare body has no time and id, so it gets that time and `delivery_id`: each delivery of the same bytes is a
        message of its own. A command too far in the future is refused; our own events are not checked. A byte order
        mark, which some programs write before UTF-8, is ignored.
        """
        body = body.removeprefix(_BOM)
        at = to_utc_milliseconds(received_at)
        start = body.lstrip()[:1]
        if content_type == BATCH or (content_type != STRUCTURED and start == b"["):
            items = self._read_batch(body, content_type, routing_key)
        elif is_enveloped(body, content_type):
            items = [self._read_structured(body, content_type, routing_key)]
        else:
            items = [self._read_bare(body, content_type, routing_key, at, delivery_id)]
        latest = at + CLOCK_SKEW_MAX
        return [
            item
            if isinstance(item, Unreadable)
            else item.received(at)
            if item.time <= latest or not isinstance(item.data, Command)
            else _ahead(item, at, routing_key)
            for item in items
        ]

    def _read_batch(self, body: bytes, content_type: str | None, routing_key: str) -> list[Message[Any] | Unreadable]:
        try:
            return [newest(message) for message in self._many.validate_json(body)]
        except ValidationError as error:
            if _is_too_long(error):
                return [_too_many(body, content_type, routing_key)]
            found = members(body)
            if found is None:
                return [_unreadable(body, error, content_type, routing_key)]
            return _few([self._read_structured(member, STRUCTURED, routing_key) for member in found], routing_key)

    def _read_structured(self, body: bytes, content_type: str | None, routing_key: str) -> Message[Any] | Unreadable:
        try:
            return newest(self._one.validate_json(body))
        except ValidationError as error:
            return _unreadable(body, error, content_type, routing_key)

    def _read_bare(
        self,
        body: bytes,
        content_type: str | None,
        routing_key: str,
        received_at: datetime,
        delivery_id: str,
    ) -> Message[Any] | Unreadable:
        payload = self._payloads.get(routing_key)
        if payload is None:
            return Unreadable(
                id=derived_id("unreadable", body),
                type=routing_key,
                reason="unknown_type",
                detail=f"A bare body takes its type from the routing key, and {routing_key!r} is none of "
                f"{', '.join(self._payloads)}.",
                body=body,
                content_type=content_type,
                routing_key=routing_key,
            )
        try:
            data = payload.model_validate_json(body)
        except ValidationError as error:
            return _unreadable(body, error, content_type, routing_key, bare=True)
        content = derived_id("bare", routing_key, body)
        bare = message_of(payload).model_construct(
            specversion="1.0",
            id=f"{content}.{delivery_id}" if delivery_id else content,
            source=BARE_SOURCE,
            type=routing_key,
            time=received_at,
            data=data,
        )
        return newest(bare)


def _is_too_long(error: ValidationError) -> bool:
    """Whether it is the batch itself that is too long; then there is no other problem."""
    [problem, *others] = _problems(error)
    return not others and problem["type"] == "too_long" and not problem["loc"]


def _problems(error: ValidationError) -> Sequence[Any]:
    """What is wrong with a body. Of very many problems only the number is given: each would become a dictionary."""
    if (count := error.error_count()) > _PROBLEMS_READ_MAX:
        return [{"type": "too_many", "loc": (), "msg": f"{count} fields or values are wrong"}]
    return error.errors(include_url=False)


def _few(items: list[Message[Any] | Unreadable], routing_key: str) -> list[Message[Any] | Unreadable]:
    """With at most _UNREADABLE_MAX unreadable messages by themselves; the others stay one, as a batch of their own."""
    few: list[Message[Any] | Unreadable] = []
    more: list[Unreadable] = []
    room = _UNREADABLE_MAX
    for item in items:
        if isinstance(item, Message) or room:
            few.append(item)
            room -= isinstance(item, Unreadable)
        else:
            more.append(item)
    if not more:
        return items
    body = b"[" + b",".join(item.body for item in more) + b"]"
    together = Unreadable(
        id=derived_id("unreadable", body),
        type=more[0].type,
        reason=more[0].reason,
        detail=f"{len(more)} more messages of this body cannot be read; the first: {more[0].detail}"[:DETAIL_MAX],
        body=body,
        content_type=BATCH,
        routing_key=routing_key,
    )
    return [*few, together]


def is_enveloped(body: bytes, content_type: str | None) -> bool:
    """Whether the body has CloudEvents in it; otherwise it is bare data, of the type that the routing key names."""
    if content_type in (STRUCTURED, BATCH) or b'"specversion"' in body:
        return True
    return body.removeprefix(_BOM).lstrip()[:1] == b"["


def newest(message: Message[Any]) -> Message[Any]:
    """The message in the newest version of its type; itself if it is the newest."""
    payload = message.data
    while (lifted := payload.upcast()) is not payload:
        payload = lifted
    if payload is message.data:
        return message
    attributes = {name: getattr(message, name) for name in Message.model_fields}
    attributes.update(type=payload.message_type, data=payload)
    lifted = message_of(payload.__class__).model_construct(**attributes)
    lifted.was_sent_as(message.type)
    return lifted


def _ahead(message: Message[Any], received_at: datetime, routing_key: str) -> Message[Any] | Unreadable:
    """Refuse a message from the future. A retried bare body has the time of the process that received it first, whose
    clock may be wrong too.
    """
    if message.source == BARE_SOURCE:
        return message.model_copy(update={"time": received_at}).received(received_at)
    return Unreadable(
        id=message.id,
        type=message.type,
        reason=TIME_IN_FUTURE,
        detail=f"time: {message.time.isoformat()} is more than {CLOCK_SKEW_MAX.seconds // 60} minutes ahead of "
        f"{received_at.isoformat()}, when the message arrived; set the sender's clock and send it again.",
        body=message.to_bytes(),
        content_type=STRUCTURED,
        routing_key=routing_key,
        data=message.data.model_dump(mode="json"),
        traceparent=message.traceparent,
    )


def is_bare(key: str) -> bool:
    """Whether this is the key of a bare body: each of its deliveries is a message of its own."""
    return key.startswith(_BARE_KEYS)


def content_of(key: str) -> str:
    """The content part of a message key: without the delivery for a bare body, else the whole key."""
    return key.partition(".")[0] if is_bare(key) else key


def body_id(body: bytes) -> str:
    """The id of a body that has none that could be read."""
    return derived_id("unreadable", body)


def too_large(body: bytes, routing_key: str, bytes_max: int, *, whole_bytes: int = 0, whole_id: str = "") -> Unreadable:
    """A body beyond the limit, which is not parsed. Only its beginning is stored. The broker keeps the whole, unless a
    shop sent it; then `body` may be the beginning of `whole_bytes`.
    """
    return Unreadable(
        id=whole_id or body_id(body),
        type=routing_key,
        reason=TOO_LARGE,
        detail=f"body: {whole_bytes or len(body)} bytes, and at most {bytes_max} are accepted; split the message.",
        body=body[:EXCERPT_BYTES_MAX],
        routing_key=routing_key,
    )


def _too_many(body: bytes, content_type: str | None, routing_key: str) -> Unreadable:
    return Unreadable(
        id=derived_id("unreadable", body),
        type=routing_key,
        reason=TOO_MANY,
        detail=f"body: {BATCH_EVENTS_MAX} messages at most are accepted in one body; split it.",
        body=body,
        content_type=content_type,
        routing_key=routing_key,
    )


def unhandled_body(
    body: bytes,
    reason: str,
    detail: str,
    *,
    content_type: str | None,
    routing_key: str,
    read: Sequence[Message[Any] | Unreadable] = (),
) -> Unreadable:
    """A body that is not handled because of its delivery, not its content. `read` has the messages in the body.

    The same body may be handled another time, so the key of a repeat includes the reason.
    """
    one = read[0] if len(read) == 1 else None
    return Unreadable(
        id=one.id if one else derived_id("unreadable", body),
        type=one.type if one else routing_key,
        reason=reason,
        detail=detail,
        body=body,
        content_type=content_type,
        routing_key=routing_key,
        concerns=one.data.about() if isinstance(one, Message) else None,
        known_as=derived_id("unreadable", body, reason, detail),
    )


def unhandled_message(message: Message[Any], reason: str, detail: str) -> Unreadable:
    """One message of a batch that is not handled because of the delivery of the batch."""
    return Unreadable(
        id=message.id,
        type=message.type,
        reason=reason,
        detail=detail,
        body=message.to_bytes(),
        content_type=STRUCTURED,
        routing_key=message.type,
        traceparent=message.traceparent,
        concerns=message.data.about(),
        known_as=message.key,
    )


def _unreadable(
    body: bytes, error: ValidationError, content_type: str | None, routing_key: str, *, bare: bool = False
) -> Unreadable:
    problems = _problems(error)
    reason = _REASONS.get(problems[0]["type"], "invalid_value")
    parsed = _parsed(body) if reason != "malformed_json" else None
    envelope = parsed if isinstance(parsed, dict) and not bare else {}
    data = parsed if bare else envelope.get("data")
    message_id = envelope.get("id")
    return Unreadable(
        id=message_id if isinstance(message_id, str) and 0 < len(message_id) <= 128 else derived_id("unreadable", body),
        type=str(routing_key if bare else envelope.get("type", "unknown"))[:GIVEN_MAX],
        reason=reason,
        detail=_sentence(problems),
        body=body,
        content_type=content_type,
        routing_key=routing_key,
        data=data if isinstance(data, dict) else {},
    )


def _parsed(body: bytes) -> Any:
    """Parse JSON that pydantic accepted first: this parser alone accepts lone surrogates, which no store keeps."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def members(body: bytes) -> list[bytes] | None:
    """The members of a JSON array, byte for byte; None if it is no array, or nested too deeply."""
    decoder = json.JSONDecoder()
    members: list[bytes] = []
    try:
        text = body.decode()
        if not isinstance(json.loads(text), list):
            return None
        at = _after_space(text, text.index("[") + 1)
        while text[at] != "]":
            _, end = decoder.raw_decode(text, at)
            members.append(text[at:end].encode())
            at = _after_space(text, end)
            if text[at] == ",":
                at = _after_space(text, at + 1)
    except (ValueError, RecursionError):
        return None
    return members


def _after_space(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def _is_parent(location: tuple[Any, ...], problems: Sequence[Any]) -> bool:
    return any(p["loc"] != location and p["loc"][: len(location)] == location for p in problems)


def _sentence(problems: Sequence[Any]) -> str:
    """The first problems as `field: rule (got value)`. A list that is too short only because an item is invalid is no
    problem of its own.
    """
    problems = [p for p in problems if not (p["type"] == "too_short" and _is_parent(p["loc"], problems))] or problems
    parts = []
    for problem in problems[:_PROBLEMS_MAX]:
        # Union members put their tag into the location; people look for the field.
        where = ".".join(str(step) for step in problem["loc"] if "." not in str(step)).removeprefix("data.")
        rule = problem["msg"].removeprefix("Value error, ")
        got = problem.get("input")
        seen = f" (got {got!r})" if isinstance(got, int | float) or (isinstance(got, str) and len(got) < 40) else ""
        parts.append(f"{where or 'body'}: {rule}{seen}")
    more = len(problems) - _PROBLEMS_MAX
    return ("; ".join(parts) + (f"; and {more} more" if more > 0 else ""))[:DETAIL_MAX]
