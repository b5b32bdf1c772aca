"""The whole system in one process: every worker's real loops over servers in memory, run step by step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from contracts.commissions.earnings import EARNINGS, months_of
from contracts.webhooks.view import WEBHOOKS
from contracts.wire.envelope import BATCH, STRUCTURED, Command, Message, Payload
from contracts.wire.envelope import COMMANDS_EXCHANGE as COMMANDS
from contracts.wire.envelope import EVENTS_EXCHANGE as EVENTS
from infra.auditing.audit import Report
from infra.demo.population import Population
from infra.demo.traffic import BARE, Publication
from infra.operators.verification import verify
from infra.ports.messaging import Outgoing, Publisher
from infra.ports.store import ATTEMPTS, JOURNALS, Document
from infra.processes import clock
from infra.runtime import roster
from infra.runtime.batch import BatchLoop, Ports
from infra.runtime.collections import collections_of
from infra.runtime.performer import loops_of
from infra.runtime.topology import topology_of
from infra.runtime.worker import Worker
from infra.settings import Settings
from infra.telemetry.readiness import Readiness
from tests import builders
from tests.receiver import ATTEMPT_DUE, CHECK_DUE, NOTIFICATION_DUE, WEBHOOK_DUE, RailReceiver, Receiver, ShopReceiver
from tests.workflow.in_memory import InMemoryBroker, InMemoryStore, ManualTime

ROUNDS_MAX = 1_000
"""A system that still moves after this many rounds is in an endless loop."""

CLOCK_INTERVAL_S = 10


class System:
    """Every worker, or those given. Nothing runs until `run_until_idle` is awaited."""

    def __init__(
        self,
        workers: Sequence[Worker] | None = None,
        *,
        settings: Settings | None = None,
        start: datetime = builders.NOW,
    ) -> None:
        self.settings = settings or Settings()
        self.workers = list(workers or roster.load_all())
        self.time = ManualTime(start)
        topology = topology_of(self.workers, self.settings)
        self.store = InMemoryStore(
            collection for worker in self.workers for collection in collections_of(worker, self.settings)
        )
        self.outside = Receiver(self.time)
        self.shop_receiver = ShopReceiver(self.time)
        self.rail = RailReceiver(self.time)
        self.broker = InMemoryBroker(topology, self.time)
        self.readiness = Readiness()
        self.loops = self.loops_with(self.broker)

    def loops_with(self, publisher: Publisher) -> list[BatchLoop]:
        """The loop of every queue, in the order of the roster, with this publisher."""
        ports = Ports(
            self.store,
            publisher,
            self.time,
            self.readiness,
            outside={
                NOTIFICATION_DUE: self.outside,
                WEBHOOK_DUE: self.shop_receiver,
                ATTEMPT_DUE: self.rail,
                CHECK_DUE: self.rail,
            },
            with_webhooks=self._with_webhooks,
        )
        routed = topology_of(self.workers, self.settings).routed
        return [
            loop
            for worker in self.workers
            for handler in worker.handlers
            for loop in loops_of(
                worker,
                handler,
                partial(self.broker.inbox, worker.queue_of(handler)),
                ports,
                self.settings,
                routed=routed,
            )
        ]

    def _with_webhooks(self) -> frozenset[str]:
        found = self.store.table(WEBHOOKS).find({"state": "enabled"}) if self._has_webhooks else ()
        return frozenset(webhook["shop_id"] for webhook in found)

    @property
    def _has_webhooks(self) -> bool:
        return any(worker.name == "shop_webhooks" for worker in self.workers)

    async def publish(self, *payloads: Payload) -> None:
        """Send each payload in an envelope of its own, with the system's present time."""
        for payload in payloads:
            await self.send(builders.message(payload, time=self.time.now()))

    async def send(self, message: Message[Any]) -> None:
        exchange = COMMANDS if isinstance(message.data, Command) else EVENTS
        await self.broker.publish([Outgoing(exchange, message.type, message.to_bytes(), STRUCTURED)])

    async def send_together(self, messages: Sequence[Message[Any]]) -> None:
        """Send commands of one type in one AMQP message."""
        body = b"[" + b",".join(message.to_bytes() for message in messages) + b"]"
        await self.broker.publish([Outgoing(COMMANDS, messages[0].type, body, BATCH)])

    async def send_bytes(self, routing_key: str, body: bytes, content_type: str = BARE) -> None:
        await self.broker.publish([Outgoing(COMMANDS, routing_key, body, content_type)])

    async def trade(
        self,
        population: Population,
        publications: Sequence[Publication],
        *,
        copies: int = 1,
        after_phase: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Send a demo's set-up and traffic, phase by phase as the demo does; every message arrives `copies` times."""
        for wave in population.waves():
            for command in wave:
                await self.publish(*[command] * copies)
            await self.run_until_idle()
        for phase in sorted({publication.phase for publication in publications}):
            for publication in publications:
                for _ in range(copies if publication.phase == phase else 0):
                    await self.send_bytes(publication.routing_key, publication.body, publication.content_type or BARE)
            await self.run_until_idle()
            after_phase(phase)
        await self.run_until_idle(with_retries=True)

    async def tick(self, at: datetime) -> None:
        """Let time pass until `at`, and publish the clock's tick."""
        self.time.advance_to(at)
        await self.broker.publish([clock.tick(int(at.timestamp()) // CLOCK_INTERVAL_S, CLOCK_INTERVAL_S)])

    async def run_until_idle(self, *, with_retries: bool = False) -> None:
        """Run every loop until no message is left; `with_retries` also lets the pauses of retries pass."""
        for _ in range(ROUNDS_MAX):
            self.broker.return_due()
            if not self._has_work():
                due_at = self.broker.next_due_at
                if due_at is None or not with_retries:
                    return
                self.time.advance_to(due_at)
            for loop in self.loops:
                await loop.run()
        raise AssertionError(f"still moving after {ROUNDS_MAX} rounds")

    async def pass_time(self, **duration: float) -> None:
        self.time.advance_to(self.time.now() + timedelta(**duration))
        await self.run_until_idle()

    async def verify(self) -> Report:
        return await verify(self.store, self.workers, self.time)

    async def assert_sound(self) -> Report:
        """Every invariant holds, every delivery is acknowledged, and every loop is ready."""
        report = await self.verify()
        assert report.breaches == [], report.breaches
        assert self.broker.unacknowledged == {}
        assert self.readiness.reasons == {}
        return report

    def documents(self, collection: str) -> list[Document]:
        return self.store.table(collection).find({})

    def document(self, collection: str, key: Any) -> Document:
        [found] = self.store.table(collection).find({"_id": key})
        return found

    def business_state(self) -> dict[str, dict[Any, Any]]:
        """Every document that a rule decided on, by collection and key: no journals, no notes of the runtime.

        A month is the sum of its stripes, as the stripe of an order depends on the rest of its batch.
        """
        state: dict[str, dict[Any, Any]] = {
            name: {document["_id"]: document for document in self.documents(name)}
            for name in self.store.names()
            if not name.startswith((JOURNALS, ATTEMPTS, "suspects."))
        }
        return {**state, EARNINGS: months_of(self.documents(EARNINGS))}

    def events(self, *types: str) -> list[dict[str, Any]]:
        """The events of these types that were published, in order; those published again appear again."""
        return [
            event
            for outgoing in self.broker.published
            if outgoing.exchange == EVENTS
            for event in _events_in(outgoing.body)
            if event["type"] in types
        ]

    def _has_work(self) -> bool:
        parked = len(self.broker.parked)
        return sum(map(len, self.broker.queues.values())) > parked


def _events_in(body: bytes) -> Iterable[dict[str, Any]]:
    content = json.loads(body)
    return content if isinstance(content, list) else [content]
