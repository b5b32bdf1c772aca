"""Messages refused before any rule runs: unreadable ones, and those whose id was used by another one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from contracts.fields import GIVEN_MAX
from contracts.wire.envelope import Message, P, P_co, Refusal, derived_id

TIME_IN_FUTURE = "time_in_future"
NOT_YOUR_SHOP = "not_your_shop"

REFUSED = "refused"
"""The outcome of a message that was answered with a refusal event."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message that could not be read. `data` is its JSON payload, if it has one.

    `body`, `content_type` and `routing_key` are what a reader needs to read it again; they are as received, except
    that a member of a batch stands alone. `concerns` is its subject, if that could be read; `known_as` identifies
    repeats, if that takes more than the bytes.
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
    concerns: str | None = None
    known_as: str | None = None

    @property
    def key(self) -> str:
        """Identifies repeats: by routing key and bytes, so that a corrected message may reuse its id.

        The id is included because only an excerpt of a large body is kept, and the id is derived from all of it.
        """
        return self.known_as or derived_id("unreadable", self.routing_key, self.id, self.body)

    @property
    def correlation(self) -> str:
        """Never the id alone: its sender chose it, and it may be the name of an order."""
        return f"message/{self.id}"

    @property
    def refusal_reason(self) -> str:
        """The reason code of the refusal event: one code for all breaches of the contract."""
        return self.reason if self.reason == TIME_IN_FUTURE else "invalid_message"


@dataclass(frozen=True, slots=True)
class Conflict(Generic[P_co]):
    """A readable command whose id its source has already used for another one, of type `used_for`."""

    message: Message[P_co]
    used_for: str

    @property
    def id(self) -> str:
        return self.message.id

    @property
    def type(self) -> str:
        return self.message.type

    @property
    def refusal_reason(self) -> str:
        return "conflict"

    @property
    def detail(self) -> str:
        other = "other content" if self.used_for == self.type else f"a message of type {self.used_for}"
        return (
            f"id: {self.source} has sent {other} under the id {self.id}, and it was answered; give each message "
            "an id of its own, and send this one again under a new id."
        )

    @property
    def source(self) -> str:
        return self.message.source

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.message.data.model_dump(mode="json", exclude_none=True)
        return data

    @property
    def key(self) -> str:
        """Identifies repeats of the conflicting message; the id alone identifies the first one."""
        return f"{self.message.key}#{self.message.digest}"

    @property
    def correlation(self) -> str:
        return self.message.correlation

    @property
    def traceparent(self) -> str | None:
        return self.message.traceparent


@dataclass(frozen=True, slots=True)
class NotYours:
    """A message of a shop's login that names another shop, or another sender. It is answered to that login alone."""

    id: str
    type: str
    shop: str
    detail: str

    @property
    def key(self) -> str:
        """Never the key that the message claims, which is the other shop's."""
        return derived_id(NOT_YOUR_SHOP, self.shop, self.type, self.id)

    @property
    def correlation(self) -> str:
        return self.key

    @property
    def traceparent(self) -> None:
        return None


Refused = Unreadable | Conflict[P]
"""Refused before any rule runs: `refusal_reason` and `detail` state why, `data` has the payload."""


Refuse = Callable[[Refused[P]], Refusal | None]
"""Returns the event that answers a refused message, or None if its subject is unknown."""


class Refusing(Generic[P]):
    """The rule that answers refused messages of `P` with the event `refusal`, if their `ids` can still be read.

    The fields in `repeats` are echoed unchecked, cut to a length. The id `given` may be invalid, null or empty; a
    message has it under one of the names in `sent_as`, by default its own. The sender is answered then too: the event
    repeats it as `given_…`, in JSON if it is not text, and has an id that is derived from it. Without that id there is
    no answer.
    """

    def __init__(
        self,
        refusal: type[Refusal],
        *ids: str,
        repeats: tuple[str, ...] = (),
        given: str | None = None,
        sent_as: tuple[str, ...] = (),
    ) -> None:
        self._refusal = refusal
        self._ids = ids
        self._repeats = repeats
        self._given = given
        self._sent_as = sent_as or ((given,) if given else ())

    def __call__(self, item: Refused[P]) -> Refusal | None:
        data = item.data
        known = {name: data.get(name, "") for name in self._ids} | {
            name: str(data.get(name, ""))[:GIVEN_MAX] for name in self._repeats
        }
        answer = {**known, "reason": item.refusal_reason, "detail": item.detail}
        for ids in self._given_ids(data):
            try:
                return self._refusal.model_validate({**answer, **ids})
            except ValueError:
                continue
        return None

    def _given_ids(self, data: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the answer states of the id `given`: first as it was sent, then as an invalid one."""
        if self._given is None:
            return [{}]
        sent = [data[name] for name in self._sent_as if name in data]
        if not sent:
            return []
        value = next(filter(None, sent), sent[0])
        words = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        derived = f"unreadable-{derived_id(self._given, words)}"
        return [{self._given: value}, {self._given: derived, f"given_{self._given}": words[:GIVEN_MAX]}]
