"""The audit log: every change through the API, with its author, its request, and the state before and after.

Entries are numbered without a gap and never changed. Each has the hash of its predecessor, so an altered, removed or
inserted entry is detected (`tributary audit verify`). A truncated end is detected by the head, and by any head that was
recorded elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from api.storage.repository import AUDIT, AUDIT_HEAD
from infra.ports.store import Document, Reader, Store, Streams, Transaction
from infra.ports.time import Time
from infra.runtime.conflicts import transact

_HEAD = "head"
_GENESIS = "0" * 64
_BATCH_MAX = 200
_BREACHES_MAX = 100


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
    """The last entry's number and hash; 0 for an empty log."""

    number: int = 0
    hash: str = _GENESIS


class AuditLog:
    def __init__(self, store: Store, time: Time) -> None:
        self._store = store
        self._time = time
        self._pending: list[tuple[Entry, asyncio.Future[None]]] = []
        self._writing = asyncio.Lock()

    async def append(self, entry: Entry) -> None:
        """Return when the entry is committed. Entries that arrive during a write form the next batch."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((entry, written))
        async with self._writing:
            while not written.done():
                await self._write_pending()
        await written

    async def append_in(self, tx: Transaction, *entries: Entry) -> None:
        """Append in the transaction of the change itself: both happen, or neither."""
        head = await head_of(tx)
        at = self._time.now()
        documents = []
        for entry in entries:
            document = _document(entry, head, at)
            head = Head(document["_id"], document["hash"])
            documents.append(document)
        await tx.insert(AUDIT.name, documents)
        await tx.replace(AUDIT_HEAD.name, [{"_id": _HEAD, "number": head.number, "hash": head.hash}])

    async def _write_pending(self) -> None:
        batch, self._pending = self._pending[:_BATCH_MAX], self._pending[_BATCH_MAX:]
        try:
            await transact(self._store, self._time, lambda tx: self.append_in(tx, *(entry for entry, _ in batch)))
        except BaseException as error:
            for _, written in batch:
                if not written.done():
                    written.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
        else:
            for _, written in batch:
                if not written.done():
                    written.set_result(None)


async def head_of(reader: Reader) -> Head:
    found = await reader.find(AUDIT_HEAD.name, {"_id": _HEAD})
    return Head(found[0]["number"], found[0]["hash"]) if found else Head()


def _document(entry: Entry, head: Head, at: datetime) -> Document:
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
    return {**document, "hash": hash_of(document)}


def _plain(value: Mapping[str, Any] | None) -> Any:
    """The value as JSON, so that it has the same hash when it is read back from the store."""
    return json.loads(json.dumps(value, default=str))


def hash_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of everything but the hash itself."""
    content = {name: value for name, value in document.items() if name != "hash"}
    content["at"] = content["at"].astimezone(UTC).isoformat(timespec="milliseconds")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Verified:
    """The last entry's number and hash, and a sentence for each breach."""

    head: Head
    breaches: Sequence[str]


async def verify(store: Streams, stored_head: Head, expected: Head | None = None) -> Verified:
    """Walk the whole log. `expected` is a head that was recorded earlier and must still be in it."""
    breaches: list[str] = []
    head = Head()
    seen_expected = expected is None or expected == head
    async for document in _entries(store):
        number = document["_id"]
        if number != head.number + 1:
            breaches.append(f"entries {head.number + 1} to {number - 1} are missing")
        elif document.get("previous") != head.hash:
            breaches.append(f"entry {number} does not follow entry {head.number}: one of them was changed")
        if hash_of(document) != document.get("hash"):
            breaches.append(f"entry {number} is not what was written")
        head = Head(number, str(document.get("hash")))
        seen_expected = seen_expected or head == expected
        if len(breaches) >= _BREACHES_MAX:
            break
    # Entries may have been written since the head was read; fewer entries than its number are a breach.
    if head.number < stored_head.number or (head.number == stored_head.number and head.hash != stored_head.hash):
        breaches.append(f"the log ends with entry {head.number}, but its head is entry {stored_head.number}")
    if not seen_expected and expected is not None:
        breaches.append(f"entry {expected.number} with hash {expected.hash} is not in the log")
    return Verified(head, breaches)


def _entries(store: Streams) -> AsyncIterator[Document]:
    return store.stream(AUDIT.name, {}, sort=(("_id", 1),))
