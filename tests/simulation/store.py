"""MongoDB as the runtime relies on it: snapshots, first writer wins, unique keys, and lost answers.

The database is a table of documents for each collection, never changed in place: a commit creates new tables, and a
snapshot keeps the old ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, TypeVar

import bson
from bson.codec_options import CodecOptions

from infra.ports.store import (
    JOURNALS,
    Change,
    Collection,
    Document,
    Increment,
    Query,
    StoreConflict,
    StoreUnavailable,
    Transaction,
    one_by_one,
)
from tests.simulation.faults import Faults
from tests.simulation.history import History
from tests.simulation.scheduler import Scheduler, turn
from tests.workflow.documents import BoundedByFind, changed, climb, increased, matches, rank, values_at

T = TypeVar("T")
Where = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]
Table = dict[Any, Document]
Key = tuple[str, str, Any]
"""What a transaction can lock: collection, path (`_id` or that of a unique index) and value."""

ORPHAN_MS_MAX = 60_000
"""A server ends a transaction whose client is gone after a minute; until then its documents cannot be written."""

SAVES_BREAK_MS = 500_000
"""Later, a message may be at its last try, and one broken write would rightly dead-letter it."""

_UTC: CodecOptions[Document] = CodecOptions(tz_aware=True)


class SaveBroken(Exception):
    """A write failed in a way that neither waiting nor a retry solves."""


class SimulatedStore:
    def __init__(
        self, collections: Iterable[Collection], scheduler: Scheduler, faults: Faults, history: History
    ) -> None:
        self.scheduler = scheduler
        self.faults = faults
        self.history = history
        self.tables: dict[str, Table] = {}
        self.unique: dict[str, str] = {}
        self.held: dict[Key, SimulatedTransaction] = {}
        self.written_by: dict[Key, int] = {}
        """The commit that last wrote it."""
        self.commits = 0
        self.numbers = count(1)
        self.holders: dict[tuple[str, str], dict[Any, list[Any]]] = {}
        """The documents that have a value at an indexed path. Never shrinks, so they are candidates only."""
        for collection in collections:
            self.tables[collection.name] = {}
            for index in collection.indexes:
                path = index.keys[0][0]
                if index.unique:
                    self.unique[collection.name] = path
                if path.endswith(".id"):
                    self.holders[collection.name, path] = {}

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        transaction = SimulatedTransaction(self)
        try:
            result = await work(transaction)
            await turn("commit")
            self._answer(self.faults.plan.commit_lost)
            transaction.strike_conflict()
            self._commit(transaction)
        except GeneratorExit:
            delay_ms = int(self.faults.rng.random() ** 3 * ORPHAN_MS_MAX)
            self.scheduler.after(delay_ms, transaction.release)
            raise
        except BaseException:
            transaction.release()
            raise
        transaction.release()
        if transaction.written:
            self._answer(self.faults.plan.commit_unanswered)
        return result

    def _answer(self, chance: float) -> None:
        if self.faults.store_away or self.faults.strikes(chance):
            self.record("store away", self.scheduler.current.name if self.scheduler.current else "")
            raise StoreUnavailable("simulated: no answer")

    def blocks(self, key: Key, holder: SimulatedTransaction | None, began_after: int) -> bool:
        """Whether another transaction writes this now, or has written it since this one began."""
        return holder is not None or self.written_by.get(key, 0) > began_after

    def record(self, what: str, detail: Any) -> None:
        who = self.scheduler.current.name if self.scheduler.current else ""
        self.history.add(self.scheduler.now_ms, who, what, detail)

    def _commit(self, transaction: SimulatedTransaction) -> None:
        if not transaction.written:
            return
        self.commits += 1
        tables = dict(self.tables)
        for collection, documents in transaction.written.items():
            tables[collection] = {**tables[collection], **documents}
            for (name, path), holders in self.holders.items():
                if name == collection:
                    for key, document in documents.items():
                        for value in values_at(document, path):
                            holders.setdefault(value, []).append(key)
        self.tables = tables
        for key in transaction.owns:
            self.written_by[key] = self.commits
        self._notify(transaction)

    def _notify(self, transaction: SimulatedTransaction) -> None:
        for collection, documents in transaction.written.items():
            if collection.startswith(JOURNALS):
                for document in documents.values():
                    self.record(f"commit {self.commits}", document)
                return
        self.record(f"commit {self.commits}", "; ".join(f"{c} {list(d)}" for c, d in transaction.written.items()))

    async def stream(
        self, collection: str, where: Where, *, sort: Sort = (), fields: Sequence[str] = ()
    ) -> AsyncIterator[Document]:
        for document in self.found(self.tables[collection], collection, where, sort, 0):
            yield document

    async def find(
        self, collection: str, where: Where, *, sort: Sort = (), limit: int = 0, fields: Sequence[str] = ()
    ) -> list[Document]:
        return self.found(self.tables[collection], collection, where, sort, limit)

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        return climb(self.tables[collection], ids, via, depth_max)

    def found(self, table: Table, collection: str, where: Where, sort: Sort, limit: int) -> list[Document]:
        """In order of creation, whatever the order of ids in the query, which may follow their hashes."""
        condition = where.get("_id")
        if where.keys() == {"_id"} and (not isinstance(condition, Mapping) or condition.keys() == {"$in"}):
            if isinstance(condition, Mapping):
                wanted = set(condition["$in"])
                keys = [key for key in table if key in wanted] if len(wanted) > 1 else [k for k in wanted if k in table]
            else:
                keys = [condition] if condition in table else []
            documents = [table[key] for key in keys]
        else:
            documents = [
                document for document in self._candidates(table, collection, where) if matches(document, where)
            ]
        for path, direction in reversed(sort):
            documents.sort(key=lambda document, path=path: rank(document, path), reverse=direction < 0)  # type: ignore[misc]
        # Whole documents, whatever the projection: no caller changes them, and a projection costs time.
        return documents[:limit] if limit else documents

    def _candidates(self, table: Table, collection: str, where: Where) -> Iterable[Document]:
        for path, condition in where.items():
            holders = self.holders.get((collection, path))
            if holders is not None and isinstance(condition, Mapping) and "$in" in condition:
                keys = {key for value in condition["$in"] for key in holders.get(value, ())}
                return [table[key] for key in sorted(keys) if key in table]
        return table.values()


class SimulatedTransaction(BoundedByFind):
    """Reads the snapshot of its first operation, and its own writes. The second writer gets the conflict at once."""

    def __init__(self, store: SimulatedStore) -> None:
        self._store = store
        self._snapshot: dict[str, Table] | None = None
        self._began_after = 0
        self.written: dict[str, Table] = {}
        self.owns: list[Key] = []

    async def _begin(self, operation: str) -> dict[str, Table]:
        await turn(operation)
        store = self._store
        store._answer(store.faults.plan.read_fails)
        if self._snapshot is None:
            self._snapshot, self._began_after = store.tables, store.commits
        return self._snapshot

    async def find_all(self, queries: Sequence[Query]) -> list[list[Document]]:
        return await one_by_one(self, queries)

    async def find(
        self, collection: str, where: Where, *, sort: Sort = (), limit: int = 0, fields: Sequence[str] = ()
    ) -> list[Document]:
        table = (await self._begin("find"))[collection]
        if collection in self.written:
            table = {**table, **self.written[collection]}
        return self._store.found(table, collection, where, sort, limit)

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        table = (await self._begin("ancestors"))[collection]
        if collection in self.written:
            table = {**table, **self.written[collection]}
        return climb(table, ids, via, depth_max)

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        if documents:
            snapshot = await self._begin("insert")
            for document in documents:
                # A server generates missing keys; it only matters that they are unique.
                key = document["_id"] if "_id" in document else next(self._store.numbers)
                if key in self._store.tables[collection] or key in snapshot[collection]:
                    raise StoreConflict(f"simulated: {collection} has a document {key!r} already")
                self._write(collection, {"_id": key, **document})

    async def replace(self, collection: str, documents: Sequence[Document]) -> None:
        if documents:
            await self._begin("replace")
            for document in documents:
                self._write(collection, document)

    async def change(self, collection: str, changes: Sequence[Change]) -> None:
        if changes:
            snapshot = await self._begin("change")
            for change in changes:
                known = self.written.get(collection, {}).get(change.id) or snapshot[collection][change.id]
                self._write(collection, changed(known, change))

    async def add(self, collection: str, increments: Sequence[Increment]) -> None:
        if increments:
            snapshot = await self._begin("add")
            for increment in increments:
                known = self.written.get(collection, {}).get(increment.id) or snapshot[collection].get(increment.id)
                self._write(collection, increased(known, increment))

    def _write(self, collection: str, document: Document) -> None:
        store = self._store
        if store.scheduler.now_ms < SAVES_BREAK_MS and store.faults.strikes(store.faults.plan.save_breaks):
            raise SaveBroken("simulated: this write cannot be done")
        self.strike_conflict()
        kept: Document = bson.decode(bson.encode(document), _UTC)
        self._own((collection, "_id", kept["_id"]))
        if path := store.unique.get(collection):
            former = store.tables[collection].get(kept["_id"], {})
            for value in values_at(kept, path):
                if value not in values_at(former, path):
                    self._own((collection, path, value))
        self.written.setdefault(collection, {})[kept["_id"]] = kept

    def strike_conflict(self) -> None:
        if self._store.faults.strikes(self._store.faults.plan.conflicts):
            raise StoreConflict("simulated: another transaction was faster")

    def _own(self, key: Key) -> None:
        holder = self._store.held.get(key)
        if holder is self:
            return
        if self._store.blocks(key, holder, self._began_after):
            raise StoreConflict(f"simulated: {key[0]} {key[2]!r} was written by another transaction first")
        if key[1] != "_id" and key in self._store.written_by:
            raise StoreConflict(f"simulated: {key[0]} has a document with {key[1]} {key[2]!r} already")
        self._store.held[key] = self
        self.owns.append(key)

    def release(self) -> None:
        """Release the locks, after a commit or an abort."""
        for key in self.owns:
            if self._store.held.get(key) is self:
                del self._store.held[key]
        self.owns.clear()
