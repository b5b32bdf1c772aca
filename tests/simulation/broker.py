"""RabbitMQ as the runtime relies on it: at-least-once delivery, in any order, with lost confirms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from pydantic_core import from_json

from contracts.wire.envelope import SHOPS_EXCHANGE
from infra.ports.messaging import (
    ATTEMPTS_HEADER,
    REDELIVERED_HEADER,
    REPLAYS_HEADER,
    SENDER_HEADER,
    BrokerUnavailable,
    Delivery,
    Outgoing,
    Sender,
)
from infra.ports.time import Time
from infra.ports.topology import Topology
from tests.simulation.faults import Faults
from tests.simulation.history import History
from tests.simulation.scheduler import Park, Scheduler, Task, suspend, turn

DELAY_MS_MAX = 20_000
UNDECODABLE = "x-simulated-undecodable"
"""Names the property that the client library cannot decode; only messages from outside have one."""
LOGIN = "x-simulated-login"
"""The shop whose login publishes, as the broker checks it; only messages from outside have one."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in a queue."""

    body: bytes
    content_type: str | None
    routing_key: str
    attempts: int = 0
    replays: int = 0
    returned: int = 0
    redelivered: bool = False
    undecoded: str | None = None
    sender: Sender | None = None


class SimulatedBroker:
    def __init__(self, topology: Topology, scheduler: Scheduler, faults: Faults, history: History) -> None:
        self.scheduler = scheduler
        self.faults = faults
        self.history = history
        self.receipts = count(1)
        self.queues: dict[str, list[Queued]] = {queue.name: [] for queue in topology.queues}
        self.inboxes: defaultdict[str, list[SimulatedInbox]] = defaultdict(list)
        self.published: list[Outgoing] = []
        self.waiting = 0
        """Messages in transit: in a delay queue, or late."""
        self.late: Counter[str] = Counter()
        """The same by target queue."""
        self._ttl_ms = {queue.name: ttl for queue in topology.queues if (ttl := queue.arguments.get("x-message-ttl"))}
        self._bound: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for binding in topology.bindings:
            self._bound[binding.exchange, binding.routing_key].append(binding.queue)

    def route(self, message: Outgoing) -> list[str]:
        if not message.exchange:
            return [message.routing_key] if message.routing_key in self.queues else []
        # The delay exchanges are fanouts, with one queue each.
        return self._bound.get((message.exchange, message.routing_key)) or self._bound.get((message.exchange, ""), [])

    def take(self, message: Outgoing) -> None:
        """Put the message into its queues, with all faults that may happen on the way."""
        queues = self.route(message)
        if not queues and message.mandatory:
            raise BrokerUnavailable(f"{message.routing_key} on {message.exchange} reaches no queue")
        self.published.append(message)
        headers = message.headers
        queued = Queued(
            message.body,
            message.content_type,
            message.routing_key,
            int(headers.get(ATTEMPTS_HEADER, 0)),
            int(headers.get(REPLAYS_HEADER, 0)),
            redelivered=bool(headers.get(REDELIVERED_HEADER)),
            undecoded=str(headers[UNDECODABLE]) if UNDECODABLE in headers else None,
            sender=_sender_of(message),
        )
        for queue in queues:
            for _ in range(2 if self.faults.strikes(self.faults.plan.duplicated) else 1):
                self._send(queue, queued)

    def _send(self, queue: str, queued: Queued) -> None:
        delay_ms = self._ttl_ms.get(queue, 0)
        target = queued.routing_key if delay_ms else queue
        if self.faults.strikes(self.faults.plan.delayed):
            delay_ms += int(self.faults.rng.random() * DELAY_MS_MAX)
        if not delay_ms:
            self.enqueue(target, queued)
            return
        self.waiting += 1
        self.late[target] += 1
        self.scheduler.after(delay_ms, lambda: self._arrive(target, queued))

    def _arrive(self, queue: str, queued: Queued) -> None:
        self.waiting -= 1
        self.late[queue] -= 1
        self.enqueue(queue, queued)

    def enqueue(self, queue: str, queued: Queued, *, first: bool = False) -> None:
        line = self.queues[queue]
        if self.faults.strikes(self.faults.plan.reordered):
            line.insert(int(self.faults.rng.random() * (len(line) + 1)), queued)
        else:
            line.insert(0 if first else len(line), queued)
        for inbox in self.inboxes[queue]:
            inbox.wake()

    def requeue(self, queue: str, queued: Queued) -> None:
        """Requeue an unacknowledged message, marked as redelivered."""
        again = replace(queued, returned=queued.returned + 1, redelivered=True)
        self.enqueue(queue, again, first=True)

    def put(self, queue: str, routing_key: str, body: bytes) -> None:
        """Put a bare body into the queue once, without any faults."""
        self.queues[queue].append(Queued(body, "application/json", routing_key))
        for inbox in self.inboxes[queue]:
            inbox.wake()

    def has(self, queue: str) -> bool:
        """Whether the queue has a message: ready, unacknowledged or delayed."""
        held = any(inbox.unacknowledged for inbox in self.inboxes[queue])
        return held or bool(self.queues[queue]) or self.late[queue] > 0

    async def depths(self) -> dict[str, int]:
        """The ready messages of each queue."""
        return {queue: len(waiting) for queue, waiting in self.queues.items() if queue not in self._ttl_ms}

    def fail(self) -> None:
        """The server goes down, and every connection with it."""
        self.faults.broker_away = True
        for inboxes in self.inboxes.values():
            for inbox in inboxes:
                inbox.disconnect()

    def recover(self) -> None:
        self.faults.broker_away = False
        for inboxes in self.inboxes.values():
            for inbox in inboxes:
                inbox.wake()

    def record(self, what: str, detail: Any) -> None:
        who = self.scheduler.current.name if self.scheduler.current else ""
        self.history.add(self.scheduler.now_ms, who, what, detail)


def _sender_of(message: Outgoing) -> Sender | None:
    """The login of a shop counts on the exchange of shops alone, and our own header anywhere else."""
    if message.exchange == SHOPS_EXCHANGE:
        return Sender(str(message.headers[LOGIN]))
    header = message.headers.get(SENDER_HEADER)
    return Sender.from_header(str(header)) if header else None


class SimulatedPublisher:
    """Publishes a batch like the real one: all at once, so that after a failure any part of it may have arrived."""

    def __init__(self, broker: SimulatedBroker) -> None:
        self._broker = broker

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        if not messages:
            return
        await turn("publish")
        faults = self._broker.faults
        if faults.broker_away:
            raise BrokerUnavailable("simulated: the broker is away")
        if faults.strikes(faults.plan.publish_lost):
            for message in messages:
                if faults.rng.random() < 0.5:
                    self._take(message, "published unconfirmed")
            raise BrokerUnavailable("simulated: some messages were not confirmed")
        for message in messages:
            self._take(message, "published")
        if faults.strikes(faults.plan.publish_unanswered):
            raise BrokerUnavailable("simulated: nothing was confirmed, although everything arrived")

    def _take(self, message: Outgoing, what: str) -> None:
        self._broker.record(what, Publication(message))
        self._broker.take(message)


@dataclass(frozen=True, slots=True)
class Publication:
    """A published message as the history shows it."""

    message: Outgoing

    def __str__(self) -> str:
        where = f"{self.message.exchange or '(queue)'} / {self.message.routing_key}"
        events = [f"{event.get('type', '?')} {event.get('id', '?')}" for event in self.events]
        return f"{where}: {', '.join(events)}"

    @property
    def events(self) -> list[dict[str, Any]]:
        try:
            content = from_json(self.message.body)
        except ValueError:
            return [{"type": repr(self.message.body[:60])}]
        return [item for item in (content if isinstance(content, list) else [content]) if isinstance(item, dict)]


class SimulatedInbox:
    """One consumer of a queue, with its deliveries. After a lost connection their receipts are no longer valid."""

    def __init__(self, broker: SimulatedBroker, queue: str, time: Time) -> None:
        self._broker = broker
        self._queue = queue
        self._time = time
        self._delivered: list[Delivery] = []
        self._closed = False
        self.unacknowledged: dict[int, Queued] = {}
        self.parked: Task | None = None
        broker.inboxes[queue].append(self)

    async def first(self) -> Delivery | None:
        await turn("take")
        while not self._closed and not self._delivered and not self._fetch():
            await suspend(Park(self))
        return None if self._closed else self._delivered.pop(0)

    def waiting(self) -> Delivery | None:
        return self._delivered.pop(0) if self._delivered and not self._closed else None

    def wake(self) -> None:
        if self.parked is not None:
            task, self.parked = self.parked, None
            self._broker.scheduler.wake(task)

    def close(self) -> None:
        self._closed = True
        self.wake()

    def _fetch(self) -> bool:
        """Take some of the queue's messages; the rest is for the other replica."""
        line = self._broker.queues[self._queue]
        if not line or self._broker.faults.broker_away:
            return False
        rng = self._broker.faults.rng
        for _ in range(len(line) if rng.random() < 0.5 else 1 + int(rng.random() * len(line))):
            queued = line.pop(0)
            receipt = next(self._broker.receipts)
            self.unacknowledged[receipt] = queued
            self._delivered.append(
                Delivery(
                    body=queued.body,
                    content_type=queued.content_type,
                    routing_key=queued.routing_key,
                    redelivered=queued.redelivered,
                    attempts=queued.attempts,
                    replays=queued.replays,
                    returned=queued.returned,
                    received_at=self._time.now(),
                    receipt=receipt,
                    undecoded=queued.undecoded,
                    sender=queued.sender,
                )
            )
        return True

    def holds(self, receipt: object) -> bool:
        return receipt in self.unacknowledged

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """One acknowledgement covers all earlier ones on its channel, as in the real inbox."""
        await turn("acknowledge")
        if self._broker.faults.broker_away:
            return
        receipts: list[Any] = [delivery.receipt for delivery in deliveries]
        covered = [receipt for receipt in self.unacknowledged if receipt in receipts]
        if covered:
            covered = [receipt for receipt in self.unacknowledged if receipt <= covered[-1]]
        for receipt in covered:
            del self.unacknowledged[receipt]
        self._broker.record("acknowledged", f"{self._queue} {len(covered)} of {len(deliveries)}")

    def disconnect(self) -> int:
        """Requeue the unacknowledged messages; return their number."""
        returned = list(self.unacknowledged.values())
        self.unacknowledged.clear()
        for queued in reversed(returned):
            self._broker.requeue(self._queue, queued)
        return len(returned)

    def leave(self) -> None:
        """The process is gone."""
        self._broker.inboxes[self._queue].remove(self)
        self._delivered.clear()
        self.parked = None
        self.disconnect()
