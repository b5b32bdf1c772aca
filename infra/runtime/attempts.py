"""Notes about calls to the outside: a row for each message that asks for one, committed before the call.

A row without an answer states that a call may have been made, so a process that takes the message over looks the call
up first. The answer joins the row in the transaction that handles the message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from contracts.wire.answer import Answer
from infra.ports.store import ATTEMPTS, Collection, Document, Find, Index, Transaction
from infra.runtime.repository import Codec, with_ids

CALLING = "calling"

_UNKNOWN = (None, "unknown")
"""The outcomes after which the call may have been made: a row without an answer has none."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """`message` asks for the call, `key` identifies the call outside: attempts of one call share it.

    `by` is the try that noted it or took it over: a run of a process and a number. So a process recognises its own note
    if the store did not answer the commit, and that another has taken its message over.
    """

    message: str
    key: str
    began_at: datetime
    by: str
    answer: Answer | None = None

    def is_taken_from(self, life: str) -> bool:
        """Whether another process than this run may be making the call too."""
        return self.answer is None and self.by.partition("/")[0] != life


Step = Answer | Literal["send", "look_up"]
"""What to do for a message: take the answer that is known, send, or look up first."""


def step_of(message: str, by: str, attempts: Iterable[Attempt]) -> Step:
    """The step of a message, after the other attempts of its call, and its own earlier one.

    An answer is recorded once: a message whose rule raised gets the same one again. A call that was done is never made
    again. If one may have been made, it is looked up first; if all of them ended without effect, it is sent.
    """
    others = [each for each in attempts if each.by != by]
    for each in others:
        if each.answer is not None and (each.message == message or each.answer.outcome == "done"):
            return each.answer
    outcomes = [each.answer.outcome if each.answer else None for each in others]
    return "look_up" if any(outcome in _UNKNOWN for outcome in outcomes) else "send"


class Attempts:
    """The attempts of one worker, a collection of its own."""

    def __init__(self, worker: str, retention_days: int) -> None:
        self.collection = Collection(
            f"{ATTEMPTS}{worker}",
            holds="a row per message that asks for a call to the outside: the key of the call, and its answer",
            indexes=(
                Index((("key", 1),), "the attempts of one call"),
                Index((("state", 1),), "calls without an answer", sparse=True),
                Index((("began_at", 1),), "retention", expire_after_s=retention_days * 86_400),
            ),
        )

    def with_keys(self, keys: Set[str]) -> Find:
        """The query for all attempts of these calls; `read` reads its result."""
        return Find(self.collection.name, {"key": {"$in": sorted(keys)}})

    def read(self, found: Iterable[Document]) -> list[Attempt]:
        return list(map(_attempts.to_entity, found))

    async def begin(self, tx: Transaction, attempt: Attempt) -> None:
        """Note the call that is about to be made. Of two processes that note the same, one gets StoreConflict."""
        await tx.insert(self.collection.name, [_attempts.to_document(attempt)])

    async def take_over(self, tx: Transaction, attempt: Attempt, by: str) -> None:
        """Note that this try continues with the attempt of another, which may still be under way."""
        await self._change(tx, [(attempt, replace(attempt, by=by))])

    async def of(self, tx: Transaction, messages: Iterable[str]) -> list[Attempt]:
        query = with_ids(self.collection.name, messages)
        return [] if query.is_idle else self.read(await query.run(tx))

    async def end(self, tx: Transaction, attempts: Iterable[Attempt], answers: Mapping[str, Answer]) -> None:
        """Record the answers, by message."""
        ended = (each for each in attempts if each.message in answers)
        await self._change(tx, ((each, replace(each, answer=answers[each.message])) for each in ended))

    async def _change(self, tx: Transaction, pairs: Iterable[tuple[Attempt, Attempt]]) -> None:
        changes = (_attempts.to_change(before, after) for before, after in pairs)
        await tx.change(self.collection.name, [change for change in changes if change is not None])


def _state(attempt: Attempt) -> Document:
    """Only a row without an answer has a state, so that the index has few entries."""
    return {"state": None if attempt.answer else CALLING}


_attempts = Codec(Attempt, key="message", derived=_state)
