"""A scenario: messages in phases, and what is stored before the first.

A phase begins when the previous one is journaled. The messages of one phase do not depend on the order in which the
queues are read. So every run of a scenario ends in the same state, whatever happens on the way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from contracts.rules.view import RuleSet, SalesTarget
from contracts.wire.envelope import (
    COMMANDS_EXCHANGE,
    EVENTS_EXCHANGE,
    PAYLOADS,
    SHOP_SOURCE,
    SHOPS_EXCHANGE,
    STRUCTURED,
    Command,
    Payload,
)
from infra.ports.messaging import Outgoing
from infra.ports.store import Document
from infra.runtime.repository import Codec
from tests.builders import NOW, message, rules

MESSAGE_BYTES_MAX = 4096
"""The size limit of a message in these runs."""

LATER = NOW + timedelta(hours=1)

IN_WEST = 2
"""The rules of another market, with a plan and a target of the same names."""


@dataclass(frozen=True, slots=True)
class Frame(Outgoing):
    """A message without the message id that client libraries always set; with properties as bytes, by AMQP name.

    `undecoded` names the properties that cannot be decoded, as the dead letter does.
    """

    properties: Mapping[str, bytes] = field(default_factory=dict)
    undecoded: str | None = None


@dataclass(frozen=True, slots=True)
class ByLogin(Outgoing):
    """A message by the login of a shop; without its user id where `shop` is empty."""

    shop: str = ""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`stored` exists before the first message: views that the worker reads, or its own documents.

    All `outcomes` must occur and `dead` messages must be dead-lettered, or the scenario is out of date. The first phase
    waits in the queues before the worker starts; a message that must follow its predecessor at once belongs there.
    """

    worker: str
    phases: Sequence[Sequence[Outgoing]]
    outcomes: frozenset[str]
    stored: Mapping[str, Sequence[Document]]
    dead: int


def outgoing(payload: Payload, *, again: int = 0, time: datetime = NOW, source: str = "test") -> Outgoing:
    """A message; with `again`, the same payload under another id."""
    original = message(payload)
    sent = message(payload, id=f"{original.id}-{again}" if again else None, time=time, source=source)
    return _outgoing(payload.message_type, sent.to_bytes())


def outgoing_under(used_id: str, payload: Payload) -> Outgoing:
    """A message under an id that other messages may have too."""
    return _outgoing(payload.message_type, message(payload, id=used_id).to_bytes())


def outgoing_bare(payload: Payload) -> Outgoing:
    """A body without an envelope; the same payload again has the same bytes."""
    body = payload.model_dump_json(exclude_none=True).encode()
    return replace(_outgoing(payload.message_type, body), content_type="application/json")


def by_login(shop: str, like: Outgoing | Payload, *, source: str | None = None) -> ByLogin:
    """A shop's own message, unless it names another shop, or `source` another sender."""
    if isinstance(like, Payload):
        body = message(like).model_copy(update={"source": source or f"{SHOP_SOURCE}{shop}"}).to_bytes()
        like = _outgoing(like.message_type, body)
    return ByLogin(SHOPS_EXCHANGE, like.routing_key, like.body, like.content_type, shop=shop)


def frame(like: Outgoing, *, undecoded: str | None = None, **properties: bytes) -> Frame:
    return Frame(
        like.exchange, like.routing_key, like.body, like.content_type, properties=properties, undecoded=undecoded
    )


def garbled(message_type: str, **data: Any) -> Outgoing:
    """A message of the type whose data breaks its contract."""
    envelope = {"specversion": "1.0", "id": "garbled", "source": "test", "type": message_type, "time": NOW.isoformat()}
    return _outgoing(message_type, json.dumps({**envelope, "data": {**data, "nonsense": True}}).encode())


def noise(message_type: str, size: int = 20) -> Outgoing:
    return _outgoing(message_type, b"?" * size)


def rule_sets(*published: RuleSet) -> list[Document]:
    return documents(RuleSet, "rule_version", *published)


def in_west(*targets: SalesTarget) -> RuleSet:
    published = rules(IN_WEST, targets=targets)
    return replace(published, terms=replace(published.terms, market="west"))


def documents(entity: type[Any], key: str, *entities: Any) -> list[Document]:
    codec: Codec[Any] = Codec(entity, key=key)
    return [codec.to_document(each) for each in entities]


def _outgoing(message_type: str, body: bytes) -> Outgoing:
    exchange = COMMANDS_EXCHANGE if issubclass(PAYLOADS[message_type], Command) else EVENTS_EXCHANGE
    return Outgoing(exchange, message_type, body, STRUCTURED)
