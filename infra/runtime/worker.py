"""A worker: a name, a repository, and the rule for each message type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from contracts.wire.answer import Answer
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Command, Message, Payload
from contracts.wire.refusal import Refuse
from infra.auditing.audit import Audit
from infra.runtime.repository import Repository

# Without a parameter, `Worker` and `Handler` have any state: the runtime finds workers by name.
S = TypeVar("S", default=Any)
P = TypeVar("P", bound=Payload, default=Any)

Decide = Callable[[S, Message[P]], Decision[S] | NotYet[S]]
Record = Callable[[S, Message[P], Answer], Decision[S] | NotYet[S]]


@dataclass(frozen=True, slots=True)
class Handler(Generic[S]):
    """One message type and its rule, as `on` or `performs` makes it. `payloads` lists the versions read, newest first.

    `refuse` turns an unreadable message, or one under an id in use, into a refusal if it can name the message's
    subject; without it, or if it returns None, the message is dead-lettered. `key` is that of the call which a message
    asks for, and `owner` who has it made; without them, no call is made. A `background` queue rests after each batch
    for twice as long as the batch took, and so leaves the servers to others for two thirds of the time.
    """

    payloads: tuple[type[Payload], ...]
    decide: Callable[..., Decision[S] | NotYet[S]]
    refuse: Refuse[Any] | None = None
    key: Callable[[Any], str] | None = None
    owner: Callable[[Any], str] | None = None
    background: bool = False

    @property
    def noun_and_verb(self) -> str:
        """The message type without its version, which all versions share: `order.place`."""
        return noun_and_verb(self.payloads[0])

    @property
    def performs(self) -> bool:
        """Whether its messages ask for calls to the outside."""
        return self.key is not None

    @property
    def reads_command(self) -> bool:
        return issubclass(self.payloads[0], Command)

    @property
    def from_shops(self) -> bool:
        """Whether shops may send it by their own logins."""
        return self.payloads[0].from_shops


def noun_and_verb(payload: type[Payload]) -> str:
    """Its message type without the version."""
    return payload.message_type.rpartition(".")[0]


def on(
    payload: type[P],
    *,
    older: tuple[type[Payload], ...] = (),
    decide: Decide[S, P],
    refuse: Refuse[P] | None = None,
    background: bool = False,
) -> Handler[S]:
    """Wire a payload to its rules. Messages of `older` versions are read too, and reach the rules as `payload`."""
    return Handler((payload, *older), decide, refuse, background=background)


def performs(
    payload: type[P],
    *,
    older: tuple[type[Payload], ...] = (),
    key: Callable[[P], str],
    owner: Callable[[P], str],
    decide: Record[S, P],
) -> Handler[S]:
    """Wire an event that asks for a call to the outside to the rule that takes the answer.

    `key` identifies the call for ever: attempts of the same call have the same key, as the other side recognises a
    repeat by it. Only a few calls of one `owner` are made at a time, so that its slow receivers hold up no one else.
    """
    return Handler((payload, *older), decide, key=key, owner=owner)


@dataclass(frozen=True, slots=True)
class Worker(Generic[S]):
    """`audits` check what the worker owns, each as of one moment. `announces` are events that are also logged, as
    warnings.
    """

    name: str
    repository: type[Repository[S, Any]]
    handlers: tuple[Handler[S], ...]
    audits: tuple[Audit, ...]
    announces: tuple[type[Payload], ...] = ()

    def queue_of(self, handler: Handler[S]) -> str:
        return f"{self.name}.{handler.noun_and_verb}"

    @property
    def performs(self) -> bool:
        """Whether one of its handlers makes calls to the outside."""
        return any(handler.performs for handler in self.handlers)

    @property
    def queues(self) -> tuple[str, ...]:
        """Every queue that the worker reads."""
        return tuple(map(self.queue_of, self.handlers))
