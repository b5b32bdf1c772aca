"""What a worker is: a name, a repository, and which message goes to which rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contracts.decision import Decision, NotYet
from contracts.envelope import Command, Message, Payload
from contracts.refusal import Refused
from infra.runtime.audit import Audit
from infra.runtime.repository import Repository

Decide = Callable[[Any, Message[Any]], Decision[Any] | NotYet[Any]]
Refuse = Callable[[Refused], Payload | None]


@dataclass(frozen=True, slots=True)
class Handler:
    """One message type and its rule. `payloads` lists the versions read, newest first.

    `refuse` turns an unreadable message, or one under an id in use, into a refusal where it can still name what it is
    about; without it, or where it answers None, the message becomes a dead letter.
    """

    payloads: tuple[type[Payload], ...]
    decide: Decide
    refuse: Refuse | None = None

    @property
    def noun_and_verb(self) -> str:
        """The message type without its version, which all versions share: `order.place`."""
        return self.payloads[0].message_type.rpartition(".")[0]

    @property
    def reads_command(self) -> bool:
        return issubclass(self.payloads[0], Command)


def on(*payloads: type[Payload], decide: Decide, refuse: Refuse | None = None) -> Handler:
    return Handler(payloads, decide, refuse)


@dataclass(frozen=True, slots=True)
class Worker:
    """`audits` check what the worker owns, each as of one moment. `announces` are events that also go to the log, as
    warnings to a person.

    `keeps_parked` is true of the one worker that sets aside what the broker itself gave up on.
    """

    name: str
    repository: type[Repository[Any]]
    handlers: tuple[Handler, ...]
    audits: tuple[Audit, ...]
    announces: tuple[type[Payload], ...] = ()
    keeps_parked: bool = False

    def queue_of(self, handler: Handler) -> str:
        return f"{self.name}.{handler.noun_and_verb}"

    @property
    def parked_queue(self) -> str:
        """Where the broker leaves what it gave up on, if this worker `keeps_parked`."""
        return f"{self.name}.parked"

    @property
    def queues(self) -> tuple[str, ...]:
        """Every queue that the worker reads."""
        parked = (self.parked_queue,) if self.keeps_parked else ()
        return (*map(self.queue_of, self.handlers), *parked)
