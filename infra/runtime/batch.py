"""The loop that every queue of every worker runs: collect, decode, commit, publish, acknowledge.

The order is the guarantee. Nothing is published before it is in the journal, and nothing is acknowledged before it is
published; a crash anywhere in between is a redelivery, which the journal recognises and publishes again. While one
batch commits, the next collects at the broker and in the inbox: the batch size follows the load, without timers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import uuid4

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from contracts.wire.envelope import Command, Message
from infra.ports.calls import Calls, RealCalls
from infra.ports.messaging import BrokerUnavailable, Delivery, Inbox, Outgoing, Publisher
from infra.ports.outside import Outside
from infra.ports.store import Store, StoreConflict, StoreUnavailable, Transaction
from infra.ports.time import Time
from infra.runtime import outbox
from infra.runtime.arrivals import Arrived, conflict_keys, resolved_rivals, with_conflicts
from infra.runtime.conflicts import first_failed, transact
from infra.runtime.decoding import Decoder
from infra.runtime.failure_policy import Failure, FailurePolicy
from infra.runtime.fold import Folded, Work, fold
from infra.runtime.journal import Emitted, Journal, Unhandled
from infra.runtime.lanes import Gate
from infra.runtime.quarantine import Quarantine, poison
from infra.runtime.recall import Recalled, recall, returning, subjects_of
from infra.runtime.reply import replies
from infra.runtime.repository import run_queries
from infra.runtime.worker import Handler, Worker
from infra.settings import Settings
from infra.telemetry.metrics import QueueMetrics
from infra.telemetry.readiness import Readiness
from infra.telemetry.shares import Shares

T = TypeVar("T")
log = structlog.get_logger()

_JOURNAL = "journal"
"""The name of the journal's query among those of a repository."""


@dataclass(frozen=True, slots=True)
class Committed:
    """What must be sent after a commit: emitted messages, retries, and what redelivered messages emitted before.

    The events of a message that was not redelivered need no second publish: the message stays unacknowledged until they
    are published, and so is redelivered if its process dies. This also holds for a second copy from the sender.
    """

    folded: Folded
    repeated: list[Emitted] = field(default_factory=list)
    replies: list[Outgoing] = field(default_factory=list)
    returning: list[str] = field(default_factory=list)
    """The keys of bare bodies whose acknowledgement must be recorded."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a loop needs from the outside world; a simulation provides its own."""

    store: Store
    publisher: Publisher
    time: Time
    readiness: Readiness
    readers: Callable[[], frozenset[str]] = frozenset
    """The shops that read events of their orders from the broker."""
    turn: AbstractAsyncContextManager[object] = field(default_factory=asyncio.Lock)
    """Held by the loop of the process that handles a batch. Two loops at a time would share one interpreter, and each
    take as long as both. And if one batch ended the process, both would be suspected."""
    outside: Mapping[str, Outside[Any]] = field(default_factory=dict)
    """Where performers make their calls, by the message that asks for one, without its version."""
    calls: Calls = field(default_factory=RealCalls)
    with_webhooks: Callable[[], frozenset[str]] = frozenset
    """The shops with webhooks, which get the same events there."""
    gate: Gate = field(default_factory=Gate)
    """What `turn` is to loops, for the lanes of the process: they work side by side, and a suspect alone."""


class BatchLoop:
    """Handles the messages of one queue.

    `routed` are the event types that some queue is bound to.
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
    ) -> None:
        self._worker = worker
        self._handler = handler
        self._queue = worker.queue_of(handler)
        self._inbox = inbox
        self._store = ports.store
        self._publisher = ports.publisher
        self._time = ports.time
        self._readiness = ports.readiness
        self._readers = ports.readers
        self._with_webhooks = ports.with_webhooks
        self._turn = ports.turn
        self._settings = settings
        self._routed = routed
        self._decoder = Decoder(handler.payloads, settings.bytes_max_of(commands=handler.reads_command), ports.time)
        self._journal = Journal(worker.name, settings.journal_retention_days)
        self._quarantine = Quarantine(worker.name)
        self._life = uuid4().hex
        self._policy = FailurePolicy(settings.retry_delays_s)
        self._metrics = QueueMetrics(self._queue)
        self._shares = Shares(self._queue)
        self._announced = frozenset(payload.message_type for payload in worker.announces)
        self._log = log.bind(worker=worker.name, queue=self._queue)

    async def run(self) -> None:
        """Handle batches until the inbox closes; the current batch is finished first."""
        delivery: Delivery | None = None
        while delivery := delivery or await self._inbox.first():
            async with self._turn:
                started = self._time.monotonic()
                if self._is_suspect(delivery):
                    await self._handle_alone(delivery)
                    delivery = self._inbox.waiting()
                else:
                    deliveries, works, delivery = self._collect(delivery)
                    await self.handle(deliveries, works)
            if self._handler.background:
                await self._time.sleep(2 * (self._time.monotonic() - started))

    def _collect(self, delivery: Delivery | None) -> tuple[list[Delivery], list[Work], Delivery | None]:
        """Decode waiting deliveries, up to one batch; also return the suspect delivery that ended it, if any."""
        deliveries: list[Delivery] = []
        works: list[Work] = []
        size_bytes = 0
        while delivery is not None and not self._is_suspect(delivery):
            deliveries.append(delivery)
            size_bytes += len(delivery.body)
            works.extend(self._decoder.works_of(delivery))
            if len(works) >= self._settings.batch_events_max or size_bytes >= self._settings.batch_bytes_max:
                return deliveries, works, None
            delivery = self._inbox.waiting()
        return deliveries, works, delivery

    def _is_suspect(self, delivery: Delivery) -> bool:
        return delivery.returned >= self._settings.suspect_after_returns

    async def _handle_alone(self, delivery: Delivery) -> None:
        """Handle a delivery that was requeued many times, and dead-letter a poison message."""
        quarantine = self._quarantine
        tries, unread = await self._noted(
            lambda tx: quarantine.note_try(tx, self._queue, delivery, self._life, self._time.now())
        )
        if unread >= self._settings.suspect_tries_max:
            await self.handle([delivery], self._decoder.unread(delivery, poison(unread)))
            return
        works = self._decoder.works_of(delivery)
        await self._noted(lambda tx: quarantine.note_read(tx, self._queue, delivery, self._life))
        if tries > self._settings.suspect_tries_max and len(works) > 1:
            # One of them is poison: publish each as a delivery of its own.
            alone = [
                outbox.alone(w.item, delivery, self._queue, w.sender) for w in works if isinstance(w.item, Message)
            ]
            await self._when_back("RabbitMQ", lambda: self._publisher.publish(alone))
            works = [work for work in works if not isinstance(work.item, Message)]
        elif tries > self._settings.suspect_tries_max:
            tries_max = len(self._settings.retry_delays_s) + 1
            works = [replace(work, attempt=tries_max, failure=poison(tries - 1)) for work in works]
        await self.handle([delivery], works)

    async def _noted(self, note: Callable[[Transaction], Awaitable[T]]) -> T:
        async def attempt() -> T:
            try:
                return await self._transact(note)
            except StoreConflict as error:
                # The transaction of a dead process lasts for up to a minute, and locks the note.
                raise StoreUnavailable(str(error)) from error

        return await self._when_back("MongoDB", attempt)

    async def handle(self, deliveries: list[Delivery], works: list[Work]) -> None:
        """Commit, publish, acknowledge. Bodies too large for the store are parked at the broker; those of shops are not
        kept: the letter has their beginning and their length.
        """
        started = self._time.monotonic()
        self._measure_start(deliveries, works)
        parts = await self._commit_batch(works)
        commit_s = self._time.monotonic() - started
        for part in parts:
            await self._when_back("RabbitMQ", lambda part=part: self._publish(part))  # type: ignore[misc]
        whole = [delivery for delivery in deliveries if not delivery.whole_bytes]
        if parked := [outbox.parked(delivery) for delivery in whole if self._decoder.is_too_large(delivery)]:
            await self._when_back("RabbitMQ", lambda: self._publisher.publish(parked))
        await self._note_acknowledged({key for part in parts for key in part.returning})
        await self._inbox.acknowledge(deliveries)
        self._report(parts, works, commit_s)

    async def _note_acknowledged(self, keys: set[str]) -> None:
        """Record the acknowledgement before it is sent. If the process dies in between, the whole batch is decided
        again, and its last command wins. If it were recorded afterwards, a redelivered new body could be taken for one
        of the batch, and be lost.

        Best effort: if the record fails, that can still happen.
        """
        if not keys:
            return
        try:
            await self._transact(lambda tx: self._journal.acknowledge(tx, keys))
        except Exception as error:
            self._log.warning("acknowledgement_not_noted", error=repr(error))

    async def _commit_batch(self, works: list[Work]) -> list[Committed]:
        """Commit a batch; on an error that a retry does not solve, halve it until the faulty message is alone."""
        patient_until = self._time.monotonic() + self._settings.conflict_wait_max_s

        async def attempt() -> Committed:
            nonlocal works
            try:
                return await self._transact(lambda tx: self._commit(tx, works))
            except StoreUnavailable:
                # The commit may have succeeded without an answer; then its events are still to be published.
                works = [replace(work, redelivered=True) for work in works]
                raise
            except StoreConflict as error:
                if len(works) > 1 or self._time.monotonic() > patient_until:
                    raise
                # A single message most likely waits for the transaction of a dead process; see `_note_try`.
                raise StoreUnavailable(str(error)) from error

        try:
            return [await self._when_back("MongoDB", attempt)]
        except Exception as error:
            if len(works) > 1:
                self._log.warning("batch_halved", size=len(works), error=repr(error))
                middle = len(works) // 2
                return await self._commit_batch(works[:middle]) + await self._commit_batch(works[middle:])
            [work] = works
            if work.failure is not None:
                raise
            return await self._commit_batch([replace(work, failure=Failure.from_exception(error))])

    async def _transact(self, body: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run a transaction; retry with jitter while other replicas write the same documents first."""
        return await transact(
            self._store,
            self._time,
            body,
            tries_max=self._settings.conflict_tries_max,
            on_conflict=self._metrics.conflicts.inc,
        )

    async def _commit(self, tx: Transaction, works: list[Work]) -> Committed:
        """Find the repeats, load, fold, save, and write the journal: the body of one transaction.

        The data for repeats is read with the rest: repeats are few, and another round trip costs more.
        """
        # A bare body from a lost connection is redelivered, perhaps to another replica, and has no id by which that
        # replica could recognise it: only one of the two may be handled.
        works = [work for work in works if work.receipt is None or self._inbox.holds(work.receipt)]
        recalled = Recalled(works)
        if subjects := subjects_of(works):
            recalled = recall(works, await self._journal.about(tx, subjects), subjects)
            works = recalled.works
        keys = {work.item.key for work in (*works, *recalled.first)}
        messages = [work.item for work in works if isinstance(work.item, Message)]
        repository = self._worker.repository
        found = await run_queries(tx, {_JOURNAL: self._journal.mentions(keys), **repository.queries(messages)})
        state = await repository.load(tx, messages, found)
        known = self._journal.known(found[_JOURNAL], keys)
        works, rivals = with_conflicts(works, known)
        if conflicts := conflict_keys(works, rivals):
            known |= self._journal.known(await self._journal.mentions(conflicts).run(tx), conflicts)
        folded = Folded(self._worker.name, self._queue, self._time.now(), announced=self._announced)
        arrived = Arrived(known)
        fold(self._handler, state, arrived.fresh_of(works), policy=self._policy, folded=folded)
        if rivals:
            rivals = resolved_rivals(rivals, folded)
            fold(self._handler, state, arrived.fresh_of(rivals), policy=self._policy, folded=folded)
            works = [*works, *rivals]
        await state.save(tx)
        record = folded.record(arrived.repeats)
        if not record.is_empty:
            await self._journal.write(tx, record)
        repeated = await self._journal.emitted_by(tx, (arrived.returned & known.keys()) | recalled.republish)
        answers = await replies(tx, self._journal, [*works, *recalled.first], folded, known, self._policy)
        return Committed(folded, repeated, answers, [*recalled.returning, *returning(folded.handled)])

    async def _publish(self, committed: Committed) -> None:
        emitted = [*committed.repeated, *committed.folded.emitted]
        events = outbox.events(emitted, self._settings, routed=self._routed)
        if shops := self._readers():
            events += outbox.events_for_shops(emitted, self._settings, shops)
        if shops := self._with_webhooks():
            events += outbox.events_for_webhooks(emitted, self._settings, shops, routed=self._routed)
        retries = outbox.retries(committed.folded.retries, self._queue, self._settings)
        await self._publisher.publish([*events, *retries, *outbox.joined(committed.replies, self._settings)])

    async def _when_back(self, server: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do `act`; while its server is away, retry with growing, jittered pauses, and report not ready."""

        def report_not_ready(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            self._readiness.lacks(self._queue, str(error), server=server)

        try:
            result = await act()
        except (StoreUnavailable, BrokerUnavailable) as error:
            tries = AsyncRetrying(
                retry=retry_if_exception_type((StoreUnavailable, BrokerUnavailable)),
                wait=wait_random_exponential(multiplier=0.2, max=10),
                sleep=self._time.sleep,
                before_sleep=report_not_ready,
            )
            result = await tries(first_failed(error, act))
        self._readiness.has(self._queue)
        return result

    def _measure_start(self, deliveries: Sequence[Delivery], works: Sequence[Work]) -> None:
        first = works[0].item if works else None
        oldest = None
        if isinstance(first, Message):
            # The age of a command counts from its arrival: a shop's clock may be wrong.
            oldest = first.received_at if isinstance(first.data, Command) else first.time
        self._metrics.batch_started(oldest, sum(delivery.redelivered for delivery in deliveries))

    def _report(self, committed: Sequence[Committed], works: Sequence[Work], commit_s: float) -> None:
        self._metrics.batch_done(len(works), commit_s)
        self._shares.count([work.sender.shop for work in works if work.sender], self._time.monotonic())
        for folded in (part.folded for part in committed):
            self._metrics.outcome(
                handled=len(folded.handled),
                emitted=len(folded.emitted),
                retried=len(folded.retried),
                dead=len(folded.dead),
            )
            for unhandled in folded.retried:
                self._log.info("retried", **_fields(unhandled))
            for unhandled in folded.dead:
                self._log.error("dead_lettered", **_fields(unhandled))
            for message in folded.emissions:
                self._log.warning(message.type, correlation_id=message.correlationid, **message.data.model_dump())


def _fields(unhandled: Unhandled) -> dict[str, object]:
    """The log fields of a message that was not handled: ids and subject only, never its content."""
    return {
        "id": unhandled.id,
        "type": unhandled.type,
        "about": unhandled.about,
        "correlation_id": unhandled.correlation,
        "reason": unhandled.reason,
        "attempt": unhandled.attempt,
    }
