"""Changes that came as messages, from a shop's program, another system or the command line, brought into the audit log.

The worker's journal names each command it handled, with its sender's source, in the transaction of the change itself.
This reader copies those that no entry has yet: so a change is never without its entry for longer than one round,
whatever way it came and whichever process crashed. Orders are not copied: `tributary trace` shows them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from api.storage.audit_log import AuditLog, Entry, written
from api.storage.protocols import Documents
from api.storage.repository import AUDIT_HEAD
from contracts.wire.catalogue import is_refusal
from contracts.wire.envelope import Command
from infra.auditing.audit import together
from infra.ports.store import JOURNALS, Document, StoreConflict, StoreUnavailable, Transaction
from infra.ports.time import Time
from infra.runtime import roster

log = structlog.get_logger()

EVERY_S = 10.0
"""How often a process of the API looks for changes."""

API_SOURCE = "api/"
_OURS_AFTER_S = 60.0
"""The API writes the entry of its own command itself, right after its outcome; only what it left out is copied."""

_OVERLAP = timedelta(minutes=3)
"""A record is dated when its batch begins, and is there when its transaction ends: at most a minute later."""

_AT_ONCE = 100
_EVENT_CHARS_MAX = 4000
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_UNCHANGED = ("duplicate", "unchanged", "conflict")
_FIELDS = ("at", "handled", "emitted.cause", "emitted.type", "emitted.body")


@dataclass(frozen=True, slots=True)
class _Source:
    """A worker's queues of commands that are no orders."""

    worker: str
    queues: tuple[str, ...]


def _sources() -> list[_Source]:
    found = []
    for worker in roster.load_all():
        queues = tuple(
            worker.queue_of(handler)
            for handler in worker.handlers
            if issubclass(handler.payloads[0], Command) and not handler.noun_and_verb.startswith("order.")
        )
        if queues:
            found.append(_Source(worker.name, queues))
    return found


class MessageChanges:
    def __init__(self, store: Documents, audit: AuditLog, time: Time) -> None:
        self._store = store
        self._audit = audit
        self._time = time
        self._sources = _sources()
        self._since: dict[str, datetime] = {}

    async def keep_copying(self) -> None:
        """Copy every few seconds until cancelled; an outage of the store is waited out."""
        while True:
            try:
                await self._audit.append_late()
                await self.copy()
                await self._audit.state_head()
            except (StoreConflict, StoreUnavailable) as error:
                log.warning("changes are not in the audit log yet", reason=str(error))
            except Exception:
                log.exception("changes are not in the audit log yet")
            await asyncio.sleep(EVERY_S)

    async def copy(self) -> int:
        """Copy what has no entry yet; how many entries were added. Raises StoreConflict and StoreUnavailable."""
        return sum([await self._copy_from(source) for source in self._sources])

    async def _copy_from(self, source: _Source) -> int:
        began, mark, copied = self._time.now(), f"journal/{source.worker}", 0
        since = self._since.get(source.worker)
        if since is None:
            # Only at the start: a writer of the database could set the stored mark ahead.
            found = await self._store.find(AUDIT_HEAD.name, {"_id": mark})
            since = min(found[0]["at"], began - _OVERLAP) if found else _BEGINNING
        async for entries in together(self._entries(source, since), _AT_ONCE):
            copied += await self._append(entries)
        self._since[source.worker] = began - _OVERLAP
        if copied or since == _BEGINNING:
            await self._store.transact(lambda tx: tx.replace(AUDIT_HEAD.name, [{"_id": mark, "at": began - _OVERLAP}]))
        return copied

    async def _append(self, entries: Sequence[Entry]) -> int:
        keys = [str((entry.after or {})["message"]) for entry in entries]
        missing = set(keys) - await written(self._store, keys)
        if not missing:
            return 0

        async def work(tx: Transaction) -> int:
            # Read again: another process may have written them; if it does so now, one of us conflicts.
            there = await written(tx, sorted(missing))
            new = {key: entry for key, entry in zip(keys, entries, strict=True) if key in missing - there}
            if new:
                await self._audit.append_in(tx, *new.values())
            return len(new)

        return await self._audit.transact(work)

    async def _entries(self, source: _Source, since: datetime) -> AsyncIterator[Entry]:
        where = {"at": {"$gte": since}, "queue": {"$in": list(source.queues)}}
        ours_until = self._time.now() - timedelta(seconds=_OURS_AFTER_S)
        async for record in self._store.stream(JOURNALS + source.worker, where, sort=(("at", 1),), fields=_FIELDS):
            emitted: dict[str, list[Document]] = {}
            for event in record.get("emitted", ()):
                emitted.setdefault(event["cause"], []).append(event)
            for handled in record.get("handled", ()):
                events = emitted.get(handled["id"], [])
                is_late = record["at"] <= ours_until or not handled["id"].startswith(API_SOURCE)
                if is_late and _is_change(handled, events):
                    yield _entry(source.worker, record["at"], handled, events)


def _is_change(handled: Document, events: Sequence[Document]) -> bool:
    outcome = handled["outcome"]
    unchanged = outcome in _UNCHANGED or outcome.startswith("already_")
    return not unchanged and not any(is_refusal(event["type"]) for event in events)


def _entry(worker: str, at: datetime, handled: Document, events: Sequence[Document]) -> Entry:
    key = handled["id"]
    after: dict[str, Any] = {"message": key, "outcome": handled["outcome"], "worker": worker, "handled_at": at}
    if events and len(body := events[0]["body"]) <= _EVENT_CHARS_MAX:
        after["event"] = json.loads(body)["data"]
    # What the sender claims, and the login that the broker vouches for where there is one.
    who = {"kind": "message", "subject": key.rpartition("/")[0], "client": handled.get("user_id")}
    return Entry(who, handled["type"], handled["about"], handled["correlation"], after=after)
