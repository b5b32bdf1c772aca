"""A store whose snapshots expire, and which counts what is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from infra.ports.store import Document, SnapshotTooOld
from tests.workflow.in_memory import InMemoryStore

Where = Mapping[str, Any]


class Snapshot:
    """Reads the store and counts; after `reads_max` documents it is too old."""

    def __init__(self, store: ExpiringStore) -> None:
        self._store = store
        self._left = store.reads_max

    async def stream(
        self, collection: str, where: Where, *, sort: Sequence[tuple[str, int]] = (), fields: Sequence[str] = ()
    ) -> AsyncIterator[Document]:
        self._store.queries[collection] += 1
        async for document in self._store.store.stream(collection, where, sort=sort, fields=fields):
            self._read(collection, 1)
            yield document

    async def find(self, collection: str, where: Where, **options: Any) -> list[Document]:
        self._store.queries[collection] += 1
        found = await self._store.store.find(collection, where, **options)
        self._read(collection, len(found))
        return found

    async def ancestors(self, collection: str, ids: Sequence[Any], **options: Any) -> list[Document]:
        found = await self._store.store.ancestors(collection, ids, **options)
        self._read(collection, len(found))
        return found

    def _read(self, collection: str, documents: int) -> None:
        if self._left <= 0:
            raise SnapshotTooOld("simulated: the snapshot is gone")
        self._left -= documents
        self._store.documents[collection] += documents


class ExpiringStore:
    """A store whose snapshots expire."""

    def __init__(self, store: InMemoryStore, reads_max: int = 1_000_000) -> None:
        self.store = store
        self.reads_max = reads_max
        self.snapshots = 0
        self.queries: Counter[str] = Counter()
        self.documents: Counter[str] = Counter()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        self.snapshots += 1
        yield Snapshot(self)

    async def count(self, collection: str) -> int:
        return len(self.store.table(collection).documents)
