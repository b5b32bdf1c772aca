"""The journal: inbox, outbox and audit trail in one record per batch.

A record holds the ids that a batch handled, the outcome of each, and every emitted message, byte for byte. It is
written in the transaction that saves the state, so a message is handled exactly if its id is in a record. The journal
recognises repeats, and what they emitted the first time is published again from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from contracts.wire.envelope import Event, Message
from infra.ports.store import JOURNALS, Change, Collection, Document, Find, Index, StateTooLarge, Transaction

_EMITTED_BYTES_MAX = 16 * 2**20
"""Of what repeats emitted the first time; beyond it, a batch is handled by halves."""

_RECALLED_MAX = 200
"""How many records are searched for the ids of redelivered bare bodies: unacknowledged ones are among the newest."""


@dataclass(frozen=True, slots=True)
class Handled:
    """A message, by its key, and its outcome: a reason code such as `accepted` or `duplicate`.

    `digest` is that of a command's content; `sets` is the subject whose state it sets, if that is not `about`.
    """

    id: str
    type: str
    about: str
    correlation: str
    outcome: str
    digest: str | None = None
    sets: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal keeps to distinguish a repeat from another message under the same id."""

    type: str
    digest: str | None
    outcome: str | None = None

    def is_other_than(self, message: Message[Any]) -> bool:
        """Whether this is another message than the known one. Digests are compared within a version only: an older
        record may have the same command in an older version, or no digest.
        """
        if isinstance(message.data, Event):
            return False
        if self.type != message.type:
            return _without_version(self.type) != _without_version(message.type)
        return self.digest is not None and self.digest != message.digest


@dataclass(frozen=True, slots=True)
class Unhandled:
    """A message that was not handled this time: retried after a pause, or dead-lettered."""

    id: str
    type: str
    about: str
    correlation: str
    reason: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Emitted:
    """A message that a handled one caused, as published."""

    cause: str
    id: str
    type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Record:
    worker: str
    queue: str
    at: datetime
    handled: tuple[Handled, ...] = ()
    repeats: tuple[str, ...] = ()
    retried: tuple[Unhandled, ...] = ()
    dead: tuple[Unhandled, ...] = ()
    emitted: tuple[Emitted, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.handled or self.repeats or self.retried or self.dead)


@dataclass(slots=True)
class Journal:
    """The journal of one worker, a collection of its own."""

    worker: str
    retention_days: int
    collection: Collection = field(init=False)

    def __post_init__(self) -> None:
        self.collection = Collection(
            f"{JOURNALS}{self.worker}",
            holds="one record per batch: ids handled, their outcomes, what was emitted",
            indexes=(
                Index(
                    (("handled.id", 1),), "a message is handled once; repeats are looked up", unique=True, sparse=True
                ),
                Index((("about", 1), ("_id", 1)), "`tributary trace` of a subject, and the newest records about it"),
                Index((("dead.id", 1),), "whether a message was dead-lettered", sparse=True),
                Index((("at", 1),), "retention", expire_after_s=self.retention_days * 86_400),
            ),
        )

    def mentions(self, keys: Set[str]) -> Find:
        """The query for the records in which some of these messages were handled; `known` reads its result."""
        fields = ("handled.id", "handled.type", "handled.digest", "handled.outcome")
        return Find(self.collection.name, {"handled.id": {"$in": list(keys)}}, fields=fields)

    def known(self, found: Iterable[Document], keys: Set[str]) -> dict[str, Known]:
        """The messages among these keys that were handled before."""
        return {
            handled["id"]: Known(handled["type"], handled.get("digest"), handled.get("outcome"))
            for record in found
            for handled in record["handled"]
            if handled["id"] in keys
        }

    async def emitted_by(self, tx: Transaction, keys: Set[str]) -> list[Emitted]:
        """What these messages emitted when they were handled, in the original order; nothing else of their records is
        read, which may be large. Raises StateTooLarge where it is more than _EMITTED_BYTES_MAX.
        """
        if not keys:
            return []
        found, more = await tx.find_parts(
            self.collection.name,
            {"handled.id": {"$in": list(keys)}},
            array="emitted",
            field="cause",
            values=list(keys),
            limit=len(keys),
            bytes_max=_EMITTED_BYTES_MAX,
        )
        if more:
            raise StateTooLarge(f"{len(keys)} messages emitted more than {_EMITTED_BYTES_MAX} bytes")
        return [Emitted(**item) for record in found for item in record.get("emitted") or ()]

    async def about(self, tx: Transaction, subjects: Set[str]) -> list[Document]:
        """The newest records about these subjects, oldest first, without what they emitted."""
        fields = [f"{kind}.{name}" for kind in ("handled", "retried", "dead") for name in ("id", "type", "about")]
        found = await tx.find(
            self.collection.name,
            {"about": {"$in": list(subjects)}},
            sort=(("_id", -1),),
            limit=_RECALLED_MAX,
            fields=(*fields, "handled.sets", "acknowledged"),
        )
        return found[::-1]

    async def acknowledge(self, tx: Transaction, keys: Set[str]) -> None:
        """Record that the deliveries of these messages are about to be acknowledged."""
        found = await tx.find(
            self.collection.name, {"handled.id": {"$in": list(keys)}}, fields=("handled.id", "acknowledged")
        )
        changes = []
        for record in found:
            here = {handled["id"] for handled in record["handled"]} & keys
            changes.append(Change(record["_id"], {"acknowledged": sorted(here.union(record.get("acknowledged", ())))}))
        await tx.change(self.collection.name, changes)

    async def write(self, tx: Transaction, record: Record) -> None:
        await tx.insert(self.collection.name, [to_document(record)])


def _without_version(message_type: str) -> str:
    return message_type.rpartition(".")[0]


def to_document(record: Record) -> Document:
    document: Document = {"worker": record.worker, "queue": record.queue, "at": record.at}
    # Empty lists are left out: a sparse index has no entry for an absent field.
    if record.handled:
        document["handled"] = [_fields(item) for item in record.handled]
    if record.repeats:
        document["repeats"] = list(record.repeats)
    if record.retried:
        document["retried"] = [_fields(item) for item in record.retried]
    if record.dead:
        document["dead"] = [_fields(item) for item in record.dead]
    if record.emitted:
        document["emitted"] = [_fields(item) for item in record.emitted]
    document["about"] = sorted(_keys(record))
    return document


def _fields(item: Any) -> Document:
    return {name: value for name in item.__slots__ if (value := getattr(item, name)) is not None}


def _keys(record: Record) -> Iterable[str]:
    items: list[Handled | Unhandled] = [*record.handled, *record.retried, *record.dead]
    keys = {key for item in items for key in (item.about, item.correlation)}
    return keys.union(item.sets for item in record.handled if item.sets is not None)
