"""The result of a rule: the new state and the messages it causes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from contracts.wire.envelope import Payload

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Decision(Generic[S]):
    """The state after a message and the messages it causes.

    `outcome` is the reason code in the journal, which traces show.
    """

    state: S
    publish: tuple[Payload, ...] = ()
    outcome: str = "done"


@dataclass(frozen=True, slots=True)
class NotYet(Generic[S]):
    """The message needs something that has not arrived; it is retried after a fixed delay.

    `reason` is a reason code. `otherwise` is the decision after the last retry; without it the message is
    dead-lettered.
    """

    reason: str
    otherwise: Decision[S] | None = field(default=None)
