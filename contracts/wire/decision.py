"""The answer of a rule: what the state becomes and what is said about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from contracts.wire.envelope import Payload

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """The state after a message and the messages it causes.

    `outcome` is the reason code kept in the journal, so that a trace can say what came of the message.
    """

    state: S
    publish: tuple[Payload, ...] = ()
    outcome: str = "done"


@dataclass(frozen=True, slots=True)
class NotYet(Generic[S]):
    """The message needs something that has not arrived; it is tried again after a fixed delay.

    `reason` is a reason code. `otherwise` is what holds once patience has ended; without it the message is
    set aside as a dead letter.
    """

    reason: str
    otherwise: Decision[S] | None = field(default=None)
