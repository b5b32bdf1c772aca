"""Exchanges, queues and bindings, as they are declared at the broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.wire.envelope import EVENTS_EXCHANGE


class DeclaredOtherwise(Exception):
    """Queues exist with other arguments; the text says which, and what to do."""


@dataclass(frozen=True, slots=True)
class Exchange:
    name: str
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    arguments: dict[str, Any]
    reason: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What an administrator of the broker adds to the arguments of the queues whose name matches."""

    name: str
    pattern: str
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Binding:
    queue: str
    exchange: str
    routing_key: str


@dataclass(frozen=True, slots=True)
class Login:
    """A login at the broker: regular expressions over the names that it may configure, write to and read from.

    `tags` let it use the management API, and `elsewhere` are other virtual hosts that it may use: ours have neither.
    """

    name: str
    configure: str
    write: str
    read: str
    reason: str
    limits: Mapping[str, int] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    exchanges: tuple[Exchange, ...] = field(default=())
    queues: tuple[Queue, ...] = field(default=())
    bindings: tuple[Binding, ...] = field(default=())

    @property
    def routed(self) -> frozenset[str]:
        """The event types that reach some queue; events without a reader are published too."""
        return frozenset(b.routing_key for b in self.bindings if b.exchange == EVENTS_EXCHANGE)
