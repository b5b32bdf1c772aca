"""`verify`: every invariant of the system over its stored state. Workers audit what they own; this adds the messages.

I5: every message a queue took is accounted for, once. I6: everything that was emitted was handled by all it was for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from infra.runtime.audit import Read, Report
from infra.runtime.journal import PREFIX
from infra.runtime.time import Time
from infra.runtime.worker import Worker

_LOOKS_MAX = 3
_LOOK_AGAIN_AFTER_S = 4.0


class Snapshots(Protocol):
    """A store that can be read as of one moment."""

    def snapshot(self) -> AbstractAsyncContextManager[Read]: ...


INVARIANTS: Mapping[str, str] = {
    "I1": "stock: books, reservations and alerts agree, and nothing is oversold",
    "I2": "each paid order has exactly the commissions its snapshot and rule version give",
    "I3": "no pool is exceeded; postings balance; ledger, entries and balances agree",
    "I4": "every order is in a legal state and none is stuck; the sponsor tree is sound",
    "I5": "every message is accounted for: handled, recognised as a repeat, or dead-lettered",
    "I6": "everything emitted was handled by everyone bound to it",
    "I7": "rewards are what the orders give",
    "I8": "rules in force are what a second person approved, within their market's limits",
}


async def verify(read: Read, workers: Sequence[Worker], time: Time) -> Report:
    """Check all invariants, in bounded memory. A breach is in the report, never an exception."""
    report = Report(time.now(), {invariant: {} for invariant in INVARIANTS})
    for worker in workers:
        await worker.audit(read, report)
    await audit_accounts(read, report, workers)
    await audit_deliveries(read, report, workers)
    return report


async def verify_live(store: Snapshots, workers: Sequence[Worker], time: Time) -> Report:
    """Check all invariants of a system at work, as of one moment.

    A message on its way from one worker to the next is no breach, so what is found is looked for again a little later,
    and only what lasts is reported.
    """
    async with store.snapshot() as read:
        report = await verify(read, workers, time)
    for _ in range(_LOOKS_MAX - 1):
        if not report.breach_count:
            break
        await time.sleep(_LOOK_AGAIN_AFTER_S)
        async with store.snapshot() as read:
            report = (await verify(read, workers, time)).still(report)
    return report


async def audit_accounts(read: Read, report: Report, workers: Sequence[Worker]) -> None:
    """Count what came of every message, and hold it against what it should have left behind."""
    commands = {worker.queue_of(handler) for worker in workers for handler in worker.handlers if handler.reads_command}
    for worker in workers:
        fields = ("queue", "handled.outcome", "repeats", "dead.died_in")
        async for record in read.stream(PREFIX + worker.name, {}, fields=fields):
            source = "commands" if record["queue"] in commands else "events"
            handled = record.get("handled", ())
            report.add("I5", f"{source}_handled", len(handled))
            report.add("I5", f"{source}_repeats", len(record.get("repeats", ())))
            died_in = [item.get("died_in") or record["queue"] for item in record.get("dead", ())]
            commands_dead = sum(queue in commands for queue in died_in)
            report.add("I5", "commands_dead", commands_dead)
            report.add("I5", "events_dead", len(died_in) - commands_dead)
            if record["queue"] == "order_intake.order.place":
                for item in handled:
                    report.add("I5", f"orders_{item['outcome']}")


async def audit_deliveries(read: Read, report: Report, workers: Sequence[Worker]) -> None:
    """For every emitted message: each worker that reads its type has it in its journal."""
    readers: dict[str, list[str]] = {}
    for worker in workers:
        for handler in worker.handlers:
            for payload in handler.payloads:
                readers.setdefault(payload.message_type, []).append(worker.name)
    keepers = [PREFIX + worker.name for worker in workers if worker.keeps_parked]
    report.figure("I6", "emitted", 0)
    for worker in workers:
        async for record in read.stream(
            PREFIX + worker.name, {"emitted": {"$gt": []}}, fields=("emitted.id", "emitted.type")
        ):
            by_reader: dict[str, dict[str, str]] = {}
            for emitted in record["emitted"]:
                report.add("I6", "emitted")
                for reader in readers.get(emitted["type"], ()):
                    by_reader.setdefault(reader, {})[emitted["id"]] = emitted["type"]
            for reader, expected in by_reader.items():
                await _audit_reader(read, report, reader, expected, keepers)


async def _audit_reader(
    read: Read, report: Report, reader: str, expected: dict[str, str], keepers: Sequence[str]
) -> None:
    ids = list(expected)
    journal = PREFIX + reader
    seen = {
        handled["id"]
        for record in await read.find(journal, {"handled.id": {"$in": ids}}, fields=("handled.id",))
        for handled in record["handled"]
    }
    missing = [message_id for message_id in ids if message_id not in seen]
    if missing:
        dead = await read.find(journal, {"dead.id": {"$in": missing}}, fields=("dead.id",))
        seen = {item["id"] for record in dead for item in record["dead"]}
    for keeper in keepers if missing else ():
        # What the broker gave up on is in the journal of the worker that sets it aside.
        dead = await read.find(keeper, {"dead.id": {"$in": missing}}, fields=("dead.id", "dead.died_in"))
        parked = (item for record in dead for item in record["dead"] if item.get("died_in"))
        seen |= {item["id"] for item in parked if item["died_in"].partition(".")[0] == reader}
    for message_id in missing:
        if message_id not in seen:
            report.breach(
                "I6", f"message/{message_id}", f"{expected[message_id]} was emitted, {reader} has not handled it"
            )
    report.add("I6", "deliveries", len(ids))
