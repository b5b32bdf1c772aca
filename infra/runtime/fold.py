"""Folds one batch: runs each message's rule in turn and sorts the results. Does no I/O and reads no clock.

The rules are pure. `fold` itself changes two of its arguments: it puts changes into `state` and results into `folded`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar

from contracts.wire.answer import Answer
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Emission, Message, P, Payload, Refusal, derived_id, emit, in_words_of
from contracts.wire.refusal import NOT_YOUR_SHOP, REFUSED, Conflict, NotYours, Refused, Unreadable
from infra.ports.messaging import Sender
from infra.runtime.failure_policy import Failure, FailurePolicy, dead_letter
from infra.runtime.journal import Emitted, Handled, Record, Unhandled
from infra.runtime.repository import Repository
from infra.runtime.worker import Handler

S = TypeVar("S")

EMITTED_BYTES_MAX = 8 * 2**20
"""Of the messages of one batch: half of the largest document, since one journal record keeps them all."""


class EmitsTooMuch(Exception):
    """The batch is to be committed in parts."""


@dataclass(frozen=True, slots=True)
class Work:
    """One message of a batch. `attempt` counts tries including this one; with a `failure`, no rule runs.

    `recalled_by` is how to look up the id under which a redelivered bare body was handled, if it was; `receipt` is that
    of a bare body's delivery. `answer` is that of the call which a performer made for it.
    """

    item: Message[Any] | Refused[Any] | NotYours
    attempt: int = 1
    replays: int = 0
    redelivered: bool = False
    failure: Failure | None = None
    reply_to: str | None = None
    recalled_by: Literal["content", "message_id"] | None = None
    receipt: object = None
    sender: Sender | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    message: Message[Any]
    attempt: int
    replays: int
    delay_s: int
    reply_to: str | None = None
    sender: Sender | None = None


@dataclass(slots=True)
class Folded:
    """The result of one batch, ready for the journal and the broker.

    `emissions` are those of the announced types, for the log; others are kept as bytes alone, which take a tenth.
    """

    worker: str
    queue: str
    at: datetime
    handled: list[Handled] = field(default_factory=list)
    retried: list[Unhandled] = field(default_factory=list)
    dead: list[Unhandled] = field(default_factory=list)
    emitted: list[Emitted] = field(default_factory=list)
    retries: list[Retry] = field(default_factory=list)
    emitted_bytes: int = 0
    announced: frozenset[str] = frozenset()
    emissions: list[Emission[Payload]] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
    """Why a message was not handled, by its key."""

    def record(self, repeats: Sequence[str]) -> Record:
        return Record(
            self.worker,
            self.queue,
            self.at,
            tuple(self.handled),
            tuple(repeats),
            tuple(self.retried),
            tuple(self.dead),
            tuple(self.emitted),
        )

    def emit(
        self, cause: Message[Any] | Refused[Any], payload: Payload, index: object, *, began: datetime | None = None
    ) -> None:
        if isinstance(cause, Message) and isinstance(payload, Refusal):
            payload = in_words_of(cause.sent_as, payload)
        message = emit(payload, cause=cause, source=self.worker, index=index, at=self.at, began=began)
        if message.type in self.announced:
            self.emissions.append(message)
        body = message.to_bytes()
        self.emitted_bytes += len(body)
        self.emitted.append(Emitted(cause.key, message.id, message.type, body))


def fold(
    handler: Handler[S], state: Repository[S, Any], works: Sequence[Work], *, policy: FailurePolicy, folded: Folded
) -> Folded:
    """Run the rule for every message in turn; `state` collects the changes, `folded` the results.

    A rule that raises affects its own message only: the state it read is immutable, and its changes are not kept.
    Raises EmitsTooMuch, if there is more than one message.
    """
    for work in works:
        if folded.emitted_bytes > EMITTED_BYTES_MAX and len(works) > 1:
            raise EmitsTooMuch(f"more than {EMITTED_BYTES_MAX >> 20} MB, of {len(works)} messages")
        if isinstance(work.item, NotYours):
            item, about = work.item, f"shop/{work.item.shop}"
            folded.handled.append(Handled(item.key, item.type, about, item.correlation, NOT_YOUR_SHOP))
            continue
        if isinstance(work.item, Unreadable | Conflict):
            _refuse(handler, work, work.item, folded)
            continue
        if work.failure is not None:
            _retry_or_dead_letter(work, work.item, work.failure, policy, folded)
            continue
        try:
            answer = _decide(handler, state.state_for(work.item), work.item, work.answer)
        except Exception as error:
            _retry_or_dead_letter(work, work.item, Failure.from_exception(error), policy, folded)
            continue
        if isinstance(answer, Decision):
            _accept(work.item, state, answer, folded)
        elif policy.delay_after(work.attempt) is None and answer.otherwise is not None:
            _accept(work.item, state, answer.otherwise, folded)
        else:
            waited = Failure(answer.reason, _missing(answer, work.item))
            _retry_or_dead_letter(work, work.item, waited, policy, folded)
    return folded


def _decide(handler: Handler[S], state: S, message: Message[Any], answer: Answer | None) -> Decision[S] | NotYet[S]:
    if not handler.performs:
        return handler.decide(state, message)
    assert answer is not None, "a performer makes its calls before the fold"
    return handler.decide(state, message, answer)


def _accept(message: Message[P], state: Repository[S, P], decision: Decision[S], folded: Folded) -> None:
    state.keep(decision.state)
    about, sets = message.data.about(), message.data.sets()
    folded.handled.append(
        Handled(
            message.key,
            message.type,
            about,
            message.correlation,
            decision.outcome,
            message.digest,
            sets if sets != about else None,
        )
    )
    for index, payload in enumerate(decision.publish):
        folded.emit(message, payload, index, began=message.time)


def _refuse(handler: Handler, work: Work, item: Refused[Any], folded: Folded) -> None:
    """Refuse a message by an event if it names its subject, otherwise dead-letter it; never retry it."""
    try:
        refusal = handler.refuse(item) if handler.refuse else None
    except Exception as error:
        _dead_letter(work, item, Failure.from_exception(error), folded)
        return
    if refusal is not None:
        folded.handled.append(Handled(item.key, item.type, refusal.about(), item.correlation, REFUSED))
        folded.emit(item, refusal, 0)
        return
    reason = item.reason if isinstance(item, Unreadable) else item.refusal_reason
    _dead_letter(work, item, Failure(reason, item.detail), folded)


def _retry_or_dead_letter(
    work: Work, message: Message[Any], failure: Failure, policy: FailurePolicy, folded: Folded
) -> None:
    folded.failures[message.key] = failure
    delay_s = policy.delay_after(work.attempt)
    if delay_s is None:
        _dead_letter(work, message, failure, folded)
        return
    folded.retried.append(
        Unhandled(message.key, message.type, message.data.about(), message.correlation, failure.reason, work.attempt)
    )
    folded.retries.append(Retry(message, work.attempt, work.replays, delay_s, work.reply_to, work.sender))


def _dead_letter(work: Work, item: Message[Any] | Refused[Any], failure: Failure, folded: Folded) -> None:
    folded.failures[item.key] = failure
    letter = dead_letter(
        item,
        failure,
        worker=folded.worker,
        queue=folded.queue,
        attempts=work.attempt,
        replays=work.replays,
        sender=work.sender,
    )
    folded.dead.append(Unhandled(item.key, item.type, letter.about(), item.correlation, failure.reason, work.attempt))
    # The id is derived from the queue and the number of replays, so that each death is a dead letter of its own, and
    # from the content, as another command may have the same id. It does not begin with a time: people look up a letter
    # by the beginning of its id.
    content = (item.digest,) if isinstance(item, Message) and item.digest else ()
    folded.emit(item, letter, derived_id(folded.queue, work.replays, *content))


def _missing(answer: NotYet[Any], message: Message[Any]) -> str:
    """What a message waits for: the sentence of the refusal that it becomes in the end, where there is one."""
    for event in answer.otherwise.publish if answer.otherwise else ():
        if isinstance(event, Refusal):
            return in_words_of(message.sent_as, event).detail
    return f"{answer.reason.replace('_', ' ').capitalize()}."
