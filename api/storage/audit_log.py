"""The audit log: every change, with its author, its request, and the state before and after.

Entries are numbered without a gap and never changed. Each has the hash of its predecessor, and a code (HMAC) by a key
that the database does not have: a writer of the database alone can neither rewrite the log nor cut its end
unseen (`tributary audit verify`). Each new head is also a line of the JSON log, which is kept elsewhere; that of the
command line is its standard error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import structlog

from api.storage.audit_key import AuditKey, hash_of, is_same
from api.storage.protocols import Documents
from api.storage.repository import AUDIT, AUDIT_HEAD
from infra.ports.store import Document, Reader, StoreConflict, StoreUnavailable, Transaction
from infra.ports.time import Time
from infra.runtime.conflicts import transact

log = structlog.get_logger()
T = TypeVar("T")

SEALED = "audit.sealed"
"""An operator vouches for all entries up to this one, for example those of the time before there was a key."""

HEAD_REPAIRED = "audit.head-repaired"
"""The stored head did not agree with the last entry, or with what a process knew: it was removed or changed, or entries
were.
"""

HEAD_LINE = "audit_head"
"""The event of the log line that states a new head."""

GENESIS = "0" * 64
_HEAD = "head"
_USERS = "identity.users"
"""By its name, since identity is built on this module."""

_SYSTEM = {"kind": "system", "subject": "audit-log", "client": None}
_BATCH_MAX = 200
_LATE_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `who` is the principal (kind, subject, client), `target` the thing, such as `user/4f…`.

    `before` and `after` are JSON values; they must hold neither secrets nor hashes of secrets.
    """

    who: Mapping[str, Any]
    action: str
    target: str
    correlation: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry's number and hash; 0 for an empty log. `mac` is the stored code over both, if there is a key."""

    number: int = 0
    hash: str = GENESIS
    mac: str | None = field(default=None, compare=False)


class AuditLog:
    def __init__(self, store: Documents, time: Time, key: AuditKey | None = None) -> None:
        self._store = store
        self._time = time
        self._key = key
        self._known = Head()
        self._pending: list[tuple[Entry, asyncio.Future[None]]] = []
        self._late: list[Entry] = []
        self._writing = asyncio.Lock()

    async def lacks_key(self) -> bool:
        """Whether the log has a key and this process has not: its entries would count as forged."""
        head = await head_of(self._store)
        return self._key is None and head is not None and head.mac is not None

    async def append(self, entry: Entry) -> None:
        """Return when the entry is committed. Entries that arrive during a write form the next batch."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((entry, written))
        async with self._writing:
            while not written.done():
                await self._write_pending()
        await written

    async def append_done(self, entry: Entry, *, repeated: bool) -> None:
        """Append a change that has been made already: a failure of the log is logged and tried again, never raised.

        Of a message that may have been sent before, `repeated`, an entry may exist already; then none is added.
        """
        try:
            if not repeated or not await written(self._store, [_message_of(entry)]):
                await self.append(entry)
        except (StoreConflict, StoreUnavailable) as error:
            log.error("audit entry is late", action=entry.action, target=entry.target, reason=str(error))
            if len(self._late) < _LATE_MAX:
                self._late.append(entry)

    async def append_late(self) -> None:
        """Write the entries that could not be written with their change. Raises StoreConflict and StoreUnavailable."""
        while self._late:
            if not await written(self._store, [_message_of(self._late[0])]):
                await self.append(self._late[0])
            self._late.pop(0)

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run a transaction that appends with `append_in`, and state the new head when it is committed.

        All appends of a process queue here, first come first served: each needs the number after the last, so that
        at the same time they would conflict until the longest wait gives up. `work` must not append otherwise.
        """
        async with self._writing:
            known = self._known
            result = await transact(self._store, self._time, work)
        await self.state_head(known)
        return result

    async def append_in(self, tx: Transaction, *entries: Entry) -> Head:
        """Append in the transaction of the change itself, run by `transact`: both happen, or neither."""
        head, repaired = await self._end_of(tx, entries)
        if not (repaired or entries):
            return head
        at = self._time.now()
        documents = []
        for entry in (*repaired, *entries):
            document = document_of(entry, head, at, self._key)
            head = Head(document["_id"], document["hash"])
            documents.append(document)
        await tx.insert(AUDIT.name, documents)
        await tx.replace(AUDIT_HEAD.name, [_head_document(head, self._key)])
        return head

    async def state_head(self, known: Head | None = None) -> None:
        """Write the head to the JSON log, if it is new; so the log kept elsewhere shows what was cut off here, and an
        entry says so at once.
        """
        known = known or self._known
        try:
            head = await self._store.transact(head_of)
            if not self._state(head or Head(), known):
                self._state(await transact(self._store, self._time, self.append_in), known)
        except (StoreConflict, StoreUnavailable):
            # The change is committed; the next head states it too.
            return

    def _state(self, head: Head, known: Head) -> bool:
        """Whether `head` may follow `known`, which was known before it was read: an older one since then is no
        mistake. What this process knows never goes back, so that the next entry is not written as if nothing was.
        """
        if head.number < known.number or (head.number == known.number and head.hash != known.hash):
            log.error("the audit log was cut off", known=known.number, found=head.number, hash=head.hash)
            return False
        if head.number > self._known.number:
            log.info(HEAD_LINE, number=head.number, hash=head.hash)
            self._known = head
        return True

    async def _end_of(self, tx: Transaction, entries: Sequence[Entry]) -> tuple[Head, tuple[Entry, ...]]:
        """Where to continue. A head that does not fit the last entry, or what this process knows, is repaired, and an
        entry says so for ever.
        """
        head = await head_of(tx)
        # Numbers alone: whatever else another hand wrote there is for `verify` to find.
        numbered = {"_id": {"$gte": 0}}
        last = await tx.find(AUDIT.name, numbered, sort=(("_id", -1),), limit=1, fields=("hash", "mac"))
        end = Head(last[0]["_id"], last[0]["hash"]) if last else Head()
        stored = head or Head()
        agrees = stored == end and self._is_ours(head, last[0].get("mac") if last else None)
        if agrees and await self._follows(tx, end) and (last or not await _is_in_use(tx)):
            return end, ()
        # Numbers are not used twice, so that entries that are gone leave a gap.
        known = self._known
        end = max(known, stored, end, key=lambda each: each.number)
        found = {"head": stored.number, "entry": last[0]["_id"] if last else 0, "known": known.number}
        log.error("the audit log is not as it was left", **found)
        correlation = entries[0].correlation if entries else "audit"
        return end, (Entry(_SYSTEM, HEAD_REPAIRED, "audit", correlation, after=found),)

    async def _follows(self, tx: Transaction, end: Head) -> bool:
        """Whether what this process knows is still in the log: a log that another hand put back to an earlier state has
        valid codes. Raises StoreConflict for a transaction that began before the last entry: it is to begin again.
        """
        known = self._known
        if end == known or known.number == 0:
            return True
        if end.number > known.number:
            there = await tx.find(AUDIT.name, {"_id": known.number}, fields=("hash",))
            return bool(there) and there[0]["hash"] == known.hash
        now = await head_of(self._store)
        if now is not None and now != end and now.number >= known.number:
            raise StoreConflict("the audit log has grown since the transaction began")
        return False

    def _is_ours(self, head: Head | None, mac: object) -> bool:
        """Whether the head has its code by our key, before the next one is made: otherwise a new code would cover what
        another hand cut off. A log from before there was a key has no code in its last entry either.
        """
        if self._key is None or head is None:
            return True
        if head.mac is None and mac is None:
            return True
        return is_same(head.mac, self._key.of_head(head.number, head.hash))

    async def _write_pending(self) -> None:
        batch, self._pending = self._pending[:_BATCH_MAX], self._pending[_BATCH_MAX:]
        entries, known = [entry for entry, _ in batch], self._known
        try:
            head = await transact(self._store, self._time, lambda tx: self.append_in(tx, *entries))
        except BaseException as error:
            for _, written in batch:
                if not written.done():
                    written.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
        else:
            self._state(head, known)
            for _, written in batch:
                if not written.done():
                    written.set_result(None)


async def head_of(reader: Reader) -> Head | None:
    """The stored head; None if there is none."""
    found = await reader.find(AUDIT_HEAD.name, {"_id": _HEAD})
    return Head(found[0]["number"], found[0]["hash"], found[0].get("mac")) if found else None


async def _is_in_use(reader: Reader) -> bool:
    """Whether there must have been a log: each user has an entry, and the first one's is in its own transaction."""
    return len(await reader.find(_USERS, {}, limit=2, fields=("_id",))) > 1


async def written(reader: Reader, messages: Sequence[str]) -> set[str]:
    """Which of these messages have an entry."""
    found = await reader.find(AUDIT.name, {"after.message": {"$in": list(messages)}}, fields=("after.message",))
    return {document["after"]["message"] for document in found}


def _message_of(entry: Entry) -> str:
    return str((entry.after or {}).get("message"))


def _head_document(head: Head, key: AuditKey | None) -> Document:
    document: Document = {"_id": _HEAD, "number": head.number, "hash": head.hash}
    return document if key is None else {**document, "mac": key.of_head(head.number, head.hash)}


def document_of(entry: Entry, head: Head, at: datetime, key: AuditKey | None = None) -> Document:
    """The entry as stored after the one that `head` names."""
    document: Document = {
        "_id": head.number + 1,
        "at": at,
        "who": _plain(entry.who),
        "action": entry.action,
        "target": entry.target,
        "correlation": entry.correlation,
        "before": _plain(entry.before),
        "after": _plain(entry.after),
        "previous": head.hash,
    }
    document["hash"] = hash_of(document)
    return document if key is None else {**document, "mac": key.of_entry(document["hash"])}


def _plain(value: Mapping[str, Any] | None) -> Any:
    """The value as JSON, so that it has the same hash when it is read back from the store."""
    return json.loads(json.dumps(value, default=str))
