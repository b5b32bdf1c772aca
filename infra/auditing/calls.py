"""No call of a performer is left without an answer: its message is redelivered until the answer is committed."""

from __future__ import annotations

from datetime import timedelta

from infra.auditing.audit import Read, Report, together
from infra.ports.store import ATTEMPTS, JOURNALS

OPEN_MAX = timedelta(minutes=30)
"""How long RabbitMQ lets a consumer hold a message. Then it is redelivered, and a call takes seconds."""

_FIELDS = ("key", "began_at")


async def check_calls(read: Read, report: Report, worker: str, invariant: str) -> None:
    report.add(invariant, "calls_under_way", 0)
    where = {"state": "calling", **report.among("attempt", "_id")}
    async for attempts in together(read.stream(f"{ATTEMPTS}{worker}", where, fields=_FIELDS)):
        report.add(invariant, "calls_under_way", len(attempts))
        late = [each for each in attempts if each["began_at"] < report.now - OPEN_MAX]
        dead = await _dead(read, worker, [each["_id"] for each in late])
        for each in late:
            if each["_id"] not in dead:
                detail = f"the call {each['key']} began at {each['began_at']} and has no answer; start {worker}"
                report.breach(invariant, f"attempt/{each['_id']}", detail)


async def _dead(read: Read, worker: str, messages: list[str]) -> set[str]:
    """Those that were dead-lettered: a person decides about them, and a replay looks the call up."""
    if not messages:
        return set()
    found = await read.find(f"{JOURNALS}{worker}", {"dead.id": {"$in": messages}}, fields=("dead.id",))
    return {item["id"] for record in found for item in record["dead"]}
