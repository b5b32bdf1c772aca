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
class QueueState:
    """A queue as the broker has it, and what a policy of its administrator adds to its arguments."""

    has_leader: bool = True
    """Without one, it takes and gives nothing, although the broker counts it as empty."""
    policy: Mapping[str, Any] = field(default_factory=dict)


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
