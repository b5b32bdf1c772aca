"""Audits messages by the journals. I5: every message that a queue received is accounted for, once. I6: everything
emitted was handled by all its readers.

Each journal is read once. Whether the emitted messages were handled is looked up for some thousand at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.orders.v2 import PlaceOrder
from infra.auditing.audit import TOGETHER, Read, Report
from infra.ports.store import JOURNALS, Document
from infra.runtime.worker import Worker

PROVES = {
    "I5": "every message is accounted for: handled, recognised as a repeat, or dead-lettered",
    "I6": "everything emitted was handled by everyone bound to it",
}

_FIELDS = ("queue", "handled.outcome", "repeats", "dead.id", "emitted.id", "emitted.type")


@dataclass(frozen=True, slots=True)
class _Emitted:
    """`place` is the record in which the message was found."""

    id: str
    type: str
    place: tuple[str, Any]


async def audit_messages(read: Read, report: Report, workers: Sequence[Worker]) -> None:
    """Count the outcomes of all messages, and look up each emitted one in the journals of its readers."""
    handlers = [(worker.queue_of(handler), handler) for worker in workers for handler in worker.handlers]
    commands = {queue for queue, handler in handlers if handler.reads_command}
    placing = {queue for queue, handler in handlers if PlaceOrder in handler.payloads}
    deliveries = _Deliveries(read, report, workers)
    counts = Counter(commands_handled=0, commands_repeats=0, commands_dead=0, events_dead=0)
    for worker in workers:
        journal = JOURNALS + worker.name
        async for record in _records(read, report, journal):
            _count(counts, record, commands, placing)
            for item in record.get("emitted", ()):
                await deliveries.expect(_Emitted(item["id"], item["type"], (journal, record["_id"])))
    await deliveries.conclude()
    for name, count in counts.items():
        report.add("I5", name, count)


def _records(read: Read, report: Report, journal: str) -> AsyncIterator[Document]:
    where: dict[str, Any] = {}
    if report.only is not None:
        places = [place for (invariant, _), place in report.only.items() if invariant == "I6"]
        where = {"_id": {"$in": list({record: None for name, record in places if name == journal})}}
    return read.stream(journal, where, fields=_FIELDS)


def _count(counts: Counter[str], record: Document, commands: Container[str], placing: Container[str]) -> None:
    queue = record["queue"]
    source = "commands" if queue in commands else "events"
    handled = record.get("handled", ())
    counts[f"{source}_handled"] += len(handled)
    counts[f"{source}_repeats"] += len(record.get("repeats", ()))
    counts[f"{source}_dead"] += len(record.get("dead", ()))
    if queue in placing:
        for item in handled:
            counts[f"orders_{item['outcome']}"] += 1


class _Deliveries:
    """Emitted messages by the worker that must have handled them, collected for one query."""

    def __init__(self, read: Read, report: Report, workers: Sequence[Worker]) -> None:
        self._read = read
        self._report = report
        self._readers: dict[str, list[str]] = {}
        for worker in workers:
            for handler in worker.handlers:
                for payload in handler.payloads:
                    self._readers.setdefault(payload.message_type, []).append(worker.name)
        self._expected: dict[str, dict[str, _Emitted]] = {worker.name: {} for worker in workers}
        self._emitted = self._delivered = 0

    async def expect(self, emitted: _Emitted) -> None:
        self._emitted += 1
        for reader in self._readers.get(emitted.type, ()):
            expected = self._expected[reader]
            expected[emitted.id] = emitted
            if len(expected) >= TOGETHER:
                await self._look(reader)

    async def conclude(self) -> None:
        for reader in self._expected:
            await self._look(reader)
        self._report.add("I6", "emitted", self._emitted)
        if self._delivered:
            self._report.add("I6", "deliveries", self._delivered)

    async def _look(self, reader: str) -> None:
        expected, self._expected[reader] = self._expected[reader], {}
        if not expected:
            return
        journal = JOURNALS + reader
        found = await self._read.find(journal, {"handled.id": {"$in": list(expected)}}, fields=("handled.id",))
        missing = expected.keys() - {item["id"] for record in found for item in record["handled"]}
        if missing:
            missing -= await self._dead_lettered(journal, missing)
        for message_id in expected if missing else ():
            if message_id in missing:
                emitted = expected[message_id]
                detail = f"{emitted.type} was emitted, {reader} has not handled it"
                self._report.breach("I6", f"message/{message_id}", detail, place=emitted.place)
        self._delivered += len(expected)

    async def _dead_lettered(self, journal: str, ids: Iterable[str]) -> set[str]:
        dead = await self._read.find(journal, {"dead.id": {"$in": list(ids)}}, fields=("dead.id",))
        return {item["id"] for record in dead for item in record["dead"]}
