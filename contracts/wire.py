"""Reading what arrives: structured and batch CloudEvents, and bare JSON bodies from the simplest shops.

Reading never raises for bad input. What cannot be read becomes `Unreadable`, with a reason code to group by and a
sentence that names the field and the rule, while its neighbours in the same batch are read as usual.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Union

from pydantic import Discriminator, TypeAdapter, ValidationError

from contracts.envelope import BATCH, STRUCTURED, Message, Payload, derived_id, message_of
from contracts.fields import GIVEN_MAX
from contracts.upcast import upcast

BARE_SOURCE = "urn:tributary:bare"
_PROBLEMS_MAX = 3
_BOM = b"\xef\xbb\xbf"
_EXCERPT_BYTES_MAX = 16 * 1024
_REASONS = {
    "json_invalid": "malformed_json",
    "union_tag_invalid": "unknown_type",
    "literal_error": "unknown_type",
    "union_tag_not_found": "missing_field",
    "extra_forbidden": "unknown_field",
    "missing": "missing_field",
}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that could not be read. `data` is its JSON payload where at least that much was JSON.

    `body`, `content_type` and `routing_key` are what a reader needs to read it again; they are as they came, except
    that a member of a batch stands alone.
    """

    id: str
    type: str
    reason: str
    detail: str
    body: bytes
    content_type: str | None = None
    routing_key: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    traceparent: str | None = None

    @property
    def key(self) -> str:
        """What a repeat is recognised by: the bytes, so that a mended message may come again under its old id."""
        return derived_id("unreadable", self.body)

    @property
    def correlation(self) -> str:
        return self.id


def refusing(
    refusal: type[Payload], *ids: str, repeats: tuple[str, ...] = ()
) -> Callable[[Unreadable], Payload | None]:
    """Return the rule that refuses an unreadable message by the event `refusal`, where its `ids` can still be read.

    What it `repeats` is only said again, so anything will do.
    """

    def refuse(item: Unreadable) -> Payload | None:
        told = {name: item.data.get(name, "") for name in ids} | {n: str(item.data.get(n, "")) for n in repeats}
        return refused(refusal, item, told, given="order_id", text=item.data.get("order_id"))

    return refuse


def refused(
    refusal: type[Payload], item: Unreadable, told: Mapping[str, Any], *, given: str, text: object
) -> Payload | None:
    """The event `refusal` with what was `told`; None where that is not enough to answer the sender.

    The id `given` may be text that is no id. The sender is answered then too: the event repeats the text as
    `given_…`, and has an id that is made from it in its place.
    """
    answer = {**told, given: text, "reason": "invalid_message", "detail": item.detail}
    made = {given: f"unreadable-{derived_id(given, text)}", f"given_{given}": str(text)[:GIVEN_MAX]}
    for attempt in (answer, answer | made) if isinstance(text, str) else (answer,):
        try:
            return refusal.model_validate(attempt)
        except ValueError:
            continue
    return None


class Reader:
    """Reads the messages of one queue: the given payload types, older versions lifted to the newest."""

    def __init__(self, payloads: Sequence[type[Payload]]) -> None:
        self._payloads = {payload.message_type: payload for payload in payloads}
        envelopes = tuple(message_of(payload) for payload in payloads)
        one: Any = envelopes[0]
        if len(envelopes) > 1:
            one = Annotated[Union[envelopes], Discriminator("type")]  # noqa: UP007  (built at run time)
        self._one: TypeAdapter[Message[Any]] = TypeAdapter(one)
        self._many: TypeAdapter[list[Message[Any]]] = TypeAdapter(list[one])

    def read(
        self, body: bytes, *, content_type: str | None, routing_key: str, received_at: datetime
    ) -> list[Message[Any] | Unreadable]:
        """Return every message in `body`, in order; `received_at` stands in for the time a bare body lacks.

        A byte order mark, which some programs write before UTF-8, is no part of the message.
        """
        body = body.removeprefix(_BOM)
        start = body.lstrip()[:1]
        if content_type == BATCH or (content_type != STRUCTURED and start == b"["):
            return self._read_batch(body, content_type, routing_key)
        if content_type == STRUCTURED or b'"specversion"' in body:
            return [self._read_structured(body, content_type, routing_key)]
        return [self._read_bare(body, content_type, routing_key, received_at)]

    def _read_batch(self, body: bytes, content_type: str | None, routing_key: str) -> list[Message[Any] | Unreadable]:
        try:
            return [upcast(message) for message in self._many.validate_json(body)]
        except ValidationError as error:
            members = _members(body)
            if members is None:
                return [_unreadable(body, error, content_type, routing_key)]
            return [self._read_structured(member, STRUCTURED, routing_key) for member in members]

    def _read_structured(self, body: bytes, content_type: str | None, routing_key: str) -> Message[Any] | Unreadable:
        try:
            return upcast(self._one.validate_json(body))
        except ValidationError as error:
            return _unreadable(body, error, content_type, routing_key)

    def _read_bare(
        self, body: bytes, content_type: str | None, routing_key: str, received_at: datetime
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
        # The id covers the content, so that the same bytes are a repeat, and a changed order is seen as a conflict.
        bare = message_of(payload).model_construct(
            specversion="1.0",
            id=derived_id("bare", routing_key, body),
            source=BARE_SOURCE,
            type=routing_key,
            time=received_at,
            data=data,
        )
        return upcast(bare)


def too_large(body: bytes, routing_key: str, bytes_max: int) -> Unreadable:
    """A body beyond the limit, which is not even parsed. Only its beginning is kept: the whole stays at the broker."""
    return Unreadable(
        id=derived_id("unreadable", body),
        type=routing_key,
        reason="too_large",
        detail=f"body: {len(body)} bytes, and at most {bytes_max} are taken; split the message.",
        body=body[:_EXCERPT_BYTES_MAX],
        routing_key=routing_key,
    )


def _unreadable(
    body: bytes, error: ValidationError, content_type: str | None, routing_key: str, *, bare: bool = False
) -> Unreadable:
    problems = error.errors(include_url=False)
    reason = _REASONS.get(problems[0]["type"], "invalid_value")
    parsed = _parsed(body) if reason != "malformed_json" else None
    envelope = parsed if isinstance(parsed, dict) and not bare else {}
    data = parsed if bare else envelope.get("data")
    message_id = envelope.get("id")
    return Unreadable(
        id=message_id if isinstance(message_id, str) and 0 < len(message_id) <= 128 else derived_id("unreadable", body),
        type=str(routing_key if bare else envelope.get("type", "unknown")),
        reason=reason,
        detail=_sentence(problems),
        body=body,
        content_type=content_type,
        routing_key=routing_key,
        data=data if isinstance(data, dict) else {},
    )


def _parsed(body: bytes) -> Any:
    """JSON that pydantic took too: alone, this parser lets through halves of surrogate pairs, which no store keeps."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _members(body: bytes) -> list[bytes] | None:
    """The members of a JSON array, byte for byte; None where it is none, or is nested beyond reason."""
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
    """The first problems as `field: rule (got value)`; a list that looks short for want of a valid item is not one."""
    problems = [p for p in problems if not (p["type"] == "too_short" and _is_parent(p["loc"], problems))] or problems
    parts = []
    for problem in problems[:_PROBLEMS_MAX]:
        # Union members put their tag into the location; a person looks for the field.
        where = ".".join(str(step) for step in problem["loc"] if "." not in str(step)).removeprefix("data.")
        rule = problem["msg"].removeprefix("Value error, ")
        got = problem.get("input")
        seen = (
            f" (got {got!r})" if isinstance(got, (int, float, bool)) or (isinstance(got, str) and len(got) < 40) else ""
        )
        parts.append(f"{where or 'body'}: {rule}{seen}")
    more = len(problems) - _PROBLEMS_MAX
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")
