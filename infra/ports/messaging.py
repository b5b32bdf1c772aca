"""The broker as the runtime sees it: what arrives, what leaves. `infra.adapters.rabbitmq` is the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

ATTEMPTS_HEADER = "x-tributary-attempts"
"""How often the message was tried before. Our own count, as the broker's also rises for unaffected neighbours."""

REPLAYS_HEADER = "x-tributary-replays"
"""How often an operator sent the message again after it was dead-lettered."""

REDELIVERED_HEADER = "x-tributary-redelivered"
"""Marks a copy of a redelivered message: what the original caused may still have to be published."""

REPLY_TO_HEADER = "x-tributary-reply-to"
"""The reply queue, on a copy of ours: the AMQP property of that name stays with the original."""

ROUTING_KEY_HEADER = "x-tributary-routing-key"
"""The original routing key of a message that is sent directly to a queue: a bare body takes its type from it."""

SHOP_LOGIN = "shop."
"""A shop's login at the broker is this and its id. The broker refuses a `user_id` that is not the login's own."""

SENDER_HEADER = "x-tributary-sender"
"""The shop that sent a message, on a copy of ours. Shops cannot write where it is read."""


class BrokerUnavailable(Exception):
    """The broker cannot be reached, or did not confirm; wait, then try again."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The shop whose login sent a message; empty where the message does not name its login. With it, on a copy of
    ours, the type as which and the id under which the shop sent it.
    """

    shop: str
    sent_as: str = ""
    message_id: str = ""

    def to_header(self) -> str:
        return f"{self.shop} {self.sent_as} {self.message_id}"

    @classmethod
    def from_header(cls, header: str) -> Sender:
        shop, _, rest = header.partition(" ")
        sent_as, _, message_id = rest.partition(" ")
        return cls(shop, sent_as, message_id)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One AMQP message as it arrived; it may carry many events."""

    body: bytes
    content_type: str | None
    routing_key: str
    redelivered: bool
    attempts: int
    replays: int
    returned: int
    """How often it was requeued unacknowledged: at a restart, or because handling it kills the process. What this inbox
    gave back because it had no room does not count."""
    received_at: datetime
    """When it reached this process, by our own clock; the sender's AMQP timestamp is ignored."""
    receipt: object
    """What the inbox needs to acknowledge it; opaque to all other code."""
    reply_to: str | None = None
    """The queue where the sender waits for the outcome."""
    undecoded: str | None = None
    """The properties that could not be decoded, by name and bytes: such a message is dead-lettered, never handled."""
    message_id: str | None = None
    """The AMQP property, where the sender gave one."""
    sender: Sender | None = None
    """The shop that sent it by its own login; None for what comes from inside."""
    whole_bytes: int = 0
    """The length of a shop's body that is too large to be read: `body` is only its beginning."""
    whole_id: str = ""
    """Derived from the whole of such a body."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One AMQP message to publish. `mandatory` ones must reach a queue, or the publish is an error.

    Only a message that is replayed as it came may lack a content type. It is no error if the broker does not take a
    `best_effort` message: its queue is one sender's or one shop's, and must not delay anything else.
    """

    exchange: str
    routing_key: str
    body: bytes
    content_type: str | None
    mandatory: bool = True
    headers: Mapping[str, int | str] = field(default_factory=dict)
    best_effort: bool = False


class Inbox(Protocol):
    """The deliveries of one queue, in order."""

    async def first(self) -> Delivery | None:
        """Wait for a delivery; None once the inbox is closed."""
        ...

    def waiting(self) -> Delivery | None:
        """The next delivery, if one has already arrived."""
        ...

    def holds(self, receipt: object) -> bool:
        """Whether the broker still waits for this acknowledgement; if not, it redelivers the message."""
        ...

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge `deliveries`, which were the oldest of those that the broker waits for."""
        ...


class Publisher(Protocol):
    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publish all, persistently, and return when all are confirmed. Raises BrokerUnavailable."""
        ...
