"""The verification of the audit log: what was changed, removed, added, cut off, or written by another hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.storage.audit_key import AuditKey, hash_of, is_same
from api.storage.audit_log import HEAD_REPAIRED, SEALED, Head
from api.storage.repository import AUDIT
from infra.ports.store import Document, Streams

_BREACHES_MAX = 100


@dataclass(frozen=True, slots=True)
class Verified:
    """The last entry's number and hash, and a sentence for each breach."""

    head: Head
    breaches: Sequence[str]


@dataclass(slots=True)
class _Unsealed:
    """What a later seal covers: entries without a valid code, and repairs of the head."""

    first: int = 0
    last: int = 0
    repairs: list[int] = field(default_factory=list)

    def take(self, document: Document, key: AuditKey | None) -> None:
        number, action = document["_id"], document.get("action")
        if action == HEAD_REPAIRED:
            self.repairs.append(number)
        if key is None:
            return
        if not is_same(document.get("mac"), key.of_entry(str(document.get("hash")))):
            self.first, self.last = self.first or number, number
        elif action == SEALED:
            self.first, self.last, self.repairs = 0, 0, []

    def breaches(self) -> list[str]:
        found = [
            f"before entry {number} the head of the log was removed or changed: entries may be gone"
            for number in self.repairs[:_BREACHES_MAX]
        ]
        if self.first:
            found.append(
                f"entries {self.first} to {self.last} have no code by this secret: they are from before it was set, or "
                "another hand wrote them; if they are right, `tributary audit seal` vouches for them"
            )
        return found


async def verify(
    store: Streams, stored: Head | None, expected: Sequence[Head] = (), key: AuditKey | None = None
) -> Verified:
    """Walk the whole log. `stored` is its head as stored before; `expected` are heads that were recorded elsewhere and
    must still be in it. Without a key only what one forgot to hash again is found.
    """
    breaches: list[str] = []
    head, missing, unsealed = Head(), {each for each in expected if each != Head()}, _Unsealed()
    async for document in store.stream(AUDIT.name, {}, sort=(("_id", 1),)):
        if not _is_entry(document):
            breaches.append(f"{document.get('_id')!r:.64} is no entry: another hand wrote it")
            continue
        breaches += _breaches_of(document, head)
        head = Head(document["_id"], str(document.get("hash")))
        missing.discard(head)
        unsealed.take(document, key)
        if len(breaches) >= _BREACHES_MAX:
            break
    breaches += _breaches_of_head(head, stored, key)
    breaches += unsealed.breaches()
    breaches += [
        f"entry {each.number} with hash {each.hash} is not in the log"
        for each in sorted(missing, key=lambda each: each.number)[:_BREACHES_MAX]
    ]
    return Verified(head, breaches)


def _is_entry(document: Document) -> bool:
    number, at = document.get("_id"), document.get("at")
    return isinstance(number, int) and not isinstance(number, bool) and isinstance(at, datetime)


def _breaches_of(document: Document, before: Head) -> list[str]:
    number, found = document["_id"], []
    if number != before.number + 1:
        found.append(f"entries {before.number + 1} to {number - 1} are missing")
    elif document.get("previous") != before.hash:
        found.append(f"entry {number} does not follow entry {before.number}: one of them was changed")
    if hash_of(document) != document.get("hash"):
        found.append(f"entry {number} is not what was written")
    return found


def _breaches_of_head(last: Head, stored: Head | None, key: AuditKey | None) -> list[str]:
    """Entries may have been written since the head was read; fewer entries than its number are a breach."""
    if stored is None:
        return ["the head of the log is missing: entries may be gone from its end"] if last.number else []
    found = []
    if last.number < stored.number or (last.number == stored.number and last.hash != stored.hash):
        found.append(f"the log ends with entry {last.number}, but its head is entry {stored.number}")
    if key is not None and not is_same(stored.mac, key.of_head(stored.number, stored.hash)):
        found.append("the head of the log has no code by this secret: entries may be gone from its end")
    return found
