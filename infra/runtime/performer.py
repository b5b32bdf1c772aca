"""The loop of a handler that makes calls to the outside: the batch loop, with the calls before the commit.

A. Note the calls that are about to be made, in a transaction of its own. B. Call. C. Commit as ever: the rule gets the
answer, and the note gets it too. D. Publish. E. Acknowledge.

A crash after A is a redelivery that finds the note: the call is looked up before it is sent again, with the same key.
Of two processes with the same message, which happens when one has lost its connection, one writes the note and the
other finds it, and takes it over; a process that stood still after its note looks up as well. If a call and a look-up
cross, the same key arrives twice, which the destination recognises; one that cannot does not let `look_up` answer
None. The first of the two to commit has its answer counted; what was taken over is never called certainly not done.

Nothing here sleeps or tries again: the pause before another attempt is the business of who asked, by ticks.

A queue has several such loops in a process, its lanes, each with a consumer of its own and one message at a time: when
any call ends, its lane takes the next message, and no call waits for a slower one. Lanes are to each other as processes
are. A few lanes at most work for one owner; what is above returns to the queue after a pause.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from contracts.wire.answer import PAUSED, WITHHELD, Answer, Outcome
from contracts.wire.envelope import Message
from infra.ports.messaging import Delivery, Inbox
from infra.ports.store import Transaction
from infra.runtime import outbox
from infra.runtime.attempts import Attempt, Attempts, Step, step_of
from infra.runtime.batch import BatchLoop, Committed, Ports
from infra.runtime.failure_policy import delay_name
from infra.runtime.fold import Work
from infra.runtime.lanes import SharedByLanes
from infra.runtime.repository import run_queries
from infra.runtime.worker import Handler, Worker
from infra.settings import Settings

_JOURNAL, _ATTEMPTS = "journal", "attempts"


@dataclass(frozen=True, slots=True)
class _Call:
    message: Message[Any]
    key: str
    destination: str
    looks_up: bool


class Performer(BatchLoop):
    """One lane: handles the messages of a queue by calls, one at a time.

    It takes no turns with the other loops of its process, which would stand still while it waits for an answer.
    """

    def __init__(
        self,
        worker: Worker,
        handler: Handler,
        inbox: Inbox,
        ports: Ports,
        settings: Settings,
        *,
        routed: frozenset[str],
        shared: SharedByLanes,
    ) -> None:
        ports = replace(ports, turn=nullcontext())
        settings = settings.model_copy(update={"batch_events_max": 1})
        super().__init__(worker, handler, inbox, ports, settings, routed=routed)
        self._outside = ports.outside[handler.noun_and_verb]
        self._calls = ports.calls
        self._attempts = Attempts(worker.name, settings.journal_retention_days)
        self._shared = shared
        self._lane, self._life = self._life, shared.life
        self._is_alone = False
        self._tries = count()

    async def _handle_alone(self, delivery: Delivery) -> None:
        async with self._shared.alone():
            self._is_alone = True
            try:
                await super()._handle_alone(delivery)
            finally:
                self._is_alone = False

    async def handle(self, deliveries: list[Delivery], works: list[Work]) -> None:
        async with nullcontext() if self._is_alone else self._shared.beside_others():
            await self._handle(deliveries, works)

    async def _handle(self, deliveries: list[Delivery], works: list[Work]) -> None:
        """Make the call of one message, if its owner has a lane left. Messages that came together go on as deliveries
        of their own: each may be for another owner.
        """
        asking = [work for work in works if _asks(work)]
        if len(asking) > 1:
            await self._send_on(deliveries, works, asking)
            return
        owner = self._owner_of(asking[0].item) if asking else ""
        if asking and not self._shared.enter(owner):
            await self._send_on(deliveries, works, asking, delay_s=self._settings.retry_delays_s[0])
            return
        try:
            await super().handle(deliveries, works)
        finally:
            if asking:
                self._shared.leave(owner)

    async def _send_on(
        self, deliveries: list[Delivery], works: list[Work], asking: Sequence[Work], *, delay_s: int | None = None
    ) -> None:
        """Publish these messages to the queue again, each by itself, at once or after a pause. Their delivery is
        acknowledged afterwards: if the process dies in between, they are there twice, and recognised by their ids.
        """
        alone = [
            outbox.alone(work.item, deliveries[-1], self._queue, work.sender)
            for work in asking
            if isinstance(work.item, Message)
        ]
        if delay_s is not None:
            alone = [replace(each, exchange=delay_name(delay_s)) for each in alone]
        await self._when_back("RabbitMQ", lambda: self._publisher.publish(alone))
        if others := [work for work in works if not _asks(work)]:
            await super().handle(deliveries, others)
        else:
            await self._inbox.acknowledge(deliveries)

    async def _commit_batch(self, works: list[Work]) -> list[Committed]:
        return await super()._commit_batch(await self._answered(works))

    def _owner_of(self, item: Any) -> str:
        return self._handler.owner(item.data) if self._handler.owner else ""

    def _key_of(self, item: Any) -> str:
        return self._handler.key(item.data) if self._handler.key else ""

    async def _answered(self, works: list[Work]) -> list[Work]:
        """These works with the answer of the one call that they ask for; those in the journal need none."""
        message = next((work.item for work in works if isinstance(work.item, Message) and _asks(work)), None)
        if message is None:
            return works
        by = f"{self._lane}/{next(self._tries)}"
        began = self._time.monotonic()
        looked_up = False

        async def note(tx: Transaction) -> Step | None:
            # After a commit without an answer, the next look may find a note that was taken over as its own.
            nonlocal looked_up
            step = await self._note(tx, message, by)
            looked_up |= step == "look_up"
            return step

        step = await self._noted(note)
        if step is None:
            return works
        # Meanwhile the broker may have given the message to another process, which has found the note.
        is_late = self._time.monotonic() - began > self._settings.call_deadline_s
        answer = await self._perform(message, "look_up" if step == "send" and (looked_up or is_late) else step)
        return [replace(work, answer=answer) if _asks(work) else work for work in works]

    async def _note(self, tx: Transaction, message: Message[Any], by: str) -> Step | None:
        """Note the call of a message and return its step; None if the journal knows the message."""
        key = self._key_of(message)
        found = await run_queries(
            tx, {_JOURNAL: self._journal.mentions({message.key}), _ATTEMPTS: self._attempts.with_keys({key})}
        )
        if self._journal.known(found[_JOURNAL], {message.key}):
            return None
        noted = self._attempts.read(found[_ATTEMPTS])
        own = next((each for each in noted if each.message == message.key), None)
        if own is None:
            await self._attempts.begin(tx, Attempt(message.key, key, self._time.now(), by))
        elif own.answer is None:
            await self._attempts.take_over(tx, own, by)
        return step_of(message.key, by, noted)

    async def _perform(self, message: Message[Any], step: Step) -> Answer:
        """Make the call, unless its answer is known or its destination is paused."""
        if isinstance(step, Answer):
            return step
        call = self._ready(message, looks_up=step == "look_up")
        if isinstance(call, Answer):
            return call
        result = await self._calls.make(self._call(call), deadline_s=self._settings.call_deadline_s)
        answer = result if isinstance(result, Answer) else self._unknown(call, result)
        if answer.code != WITHHELD:
            self._shared.breaker.record(call.destination, answer.outcome)
        self._log.info("called", **_fields(call), outcome=answer.outcome, code=answer.code)
        return answer

    def _ready(self, message: Message[Any], *, looks_up: bool) -> _Call | Answer:
        """The call, or its answer if it is not to be made: `unavailable`, or `unknown` after an earlier call."""
        outcome: Outcome = "unknown" if looks_up else "unavailable"
        try:
            destination = self._outside.destination(message.data)
        except Exception as error:
            self._log.error("adapter_raised", id=message.id, **_place(error))
            return self._answer(outcome, "adapter_error", "The adapter cannot name the destination; see the log.")
        pause_s = math.ceil(self._shared.breaker.pause_s(destination))
        if pause_s:
            detail = f"{destination} failed several calls in a row; the next one is made in {pause_s} s."
            return replace(self._answer(outcome, PAUSED, detail), retry_after_s=pause_s)
        return _Call(message, self._key_of(message), destination, looks_up)

    async def _call(self, call: _Call) -> Answer:
        if not call.looks_up:
            return await self._outside.send(call.message.data, call.key)
        answer = await self._outside.look_up(call.message.data, call.key)
        if answer is not None:
            return answer
        answer = await self._outside.send(call.message.data, call.key)
        # The earlier call may have arrived: a destination that only recognises repeats cannot tell.
        return replace(answer, outcome="unknown") if answer.outcome == "unavailable" else answer

    def _unknown(self, call: _Call, error: Exception) -> Answer:
        """The answer of a call that has none."""
        if isinstance(error, TimeoutError):
            detail = f"{call.destination} did not answer within {self._settings.call_deadline_s:g} s."
            return self._answer("unknown", "deadline", detail)
        self._log.error("adapter_raised", **_fields(call), **_place(error))
        detail = f"The adapter of {call.destination} raised {type(error).__name__}; see the log."
        return self._answer("unknown", "adapter_error", detail)

    def _answer(self, outcome: Outcome, code: str, detail: str) -> Answer:
        return Answer(outcome, code, detail, self._time.now())

    async def _commit(self, tx: Transaction, works: list[Work]) -> Committed:
        """An answer is recorded with what became of its message, even if its rule raised."""
        noted = await self._attempts.of(tx, (work.item.key for work in works if work.answer is not None))
        taken = {each.message for each in noted if each.is_taken_from(self._lane)}
        works = [_doubted(work) if work.item.key in taken else work for work in works]
        committed = await super()._commit(tx, works)
        folded = committed.folded
        ended = {item.id for items in (folded.handled, folded.retried, folded.dead) for item in items}
        answers = {work.item.key: work.answer for work in works if work.answer is not None and work.item.key in ended}
        await self._attempts.end(tx, noted, answers)
        return committed


def loops_of(
    worker: Worker,
    handler: Handler,
    subscribe: Callable[[], Inbox],
    ports: Ports,
    settings: Settings,
    *,
    routed: frozenset[str],
) -> Sequence[BatchLoop]:
    """The loop for the queue of this handler, or its lanes; each subscribes to the queue."""
    if not handler.performs:
        return [BatchLoop(worker, handler, subscribe(), ports, settings, routed=routed)]
    shared = SharedByLanes(ports.time, settings, ports.gate)
    return [
        Performer(worker, handler, subscribe(), ports, settings, routed=routed, shared=shared)
        for _ in range(settings.calls_in_flight_max)
    ]


def _asks(work: Work) -> bool:
    return isinstance(work.item, Message) and work.failure is None and work.answer is None


def _doubted(work: Work) -> Work:
    """This process did not reach the destination, but the one that took the message over may have."""
    if work.answer is None or work.answer.outcome != "unavailable":
        return work
    detail = "Another process took the message over during the call, and may have reached the destination."
    return replace(work, answer=replace(work.answer, outcome="unknown", code="taken_over", detail=detail))


def _fields(call: _Call) -> dict[str, object]:
    """The log fields of a call: ids and the destination's name, never its content or address."""
    return {
        "id": call.message.id,
        "correlation_id": call.message.correlation,
        "key": call.key,
        "destination": call.destination,
        "looked_up": call.looks_up,
    }


def _place(error: Exception) -> dict[str, object]:
    """Where an exception was raised. Its text is not logged: it may contain an address with its secret."""
    frames = traceback.format_tb(error.__traceback__)
    return {"error": type(error).__name__, "where": frames[-1].strip() if frames else ""}
