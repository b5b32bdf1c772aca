"""The document store as the runtime and the repositories see it. `infra.adapters.mongo` is the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

Document = dict[str, Any]

JOURNALS = "journal."
"""The prefix of a journal's collection name; the worker's name follows."""

ATTEMPTS = "attempts."
"""The prefix of the collection that notes a worker's calls to the outside; the worker's name follows."""
T = TypeVar("T")


class StoreConflict(Exception):
    """Another replica wrote the same documents first; the transaction may be retried."""


class StoreUnavailable(Exception):
    """The store cannot be reached, or the result of a commit is unknown; wait, then retry."""


class StateTooLarge(Exception):
    """The documents of these ids take too much memory together; read fewer of them."""


class SnapshotTooOld(Exception):
    """The store no longer keeps the moment that the snapshot reads; a new snapshot reads a newer moment."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index and its purpose. `keys` are (field, 1 or -1)."""

    keys: tuple[tuple[str, int], ...]
    reason: str
    unique: bool = False
    sparse: bool = False
    expire_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection, what it holds, and its indexes beside `_id`."""

    name: str
    holds: str
    indexes: tuple[Index, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Increment:
    """Add `amounts` to the fields of document `id`, which is created from `fixed` if it does not exist.

    A dot in a field's name leads into an embedded document, which is created if it does not exist.
    """

    id: str
    amounts: Mapping[str, int]
    fixed: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """Set these `fields` in document `id`, and remove the fields that are `gone`.

    Other fields stay, and indexes on them are not touched: to replace a whole document, MongoDB looks up every index in
    its catalogue, which costs about as much as the rest of the write.
    """

    id: Any
    fields: Mapping[str, Any]
    gone: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Find:
    """A query for `Reader.find`, as a value."""

    collection: str
    where: Mapping[str, Any]
    sort: Sequence[tuple[str, int]] = ()
    limit: int = 0
    fields: Sequence[str] = ()

    @property
    def is_idle(self) -> bool:
        """Whether it cannot find anything: it looks for one of no values."""
        return any(condition == {"$in": []} for condition in self.where.values())

    async def run(self, reader: Reader) -> list[Document]:
        return await reader.find(self.collection, self.where, sort=self.sort, limit=self.limit, fields=self.fields)


@dataclass(frozen=True, slots=True)
class Ancestors:
    """A query for `Reader.ancestors`, as a value."""

    collection: str
    ids: Sequence[Any]
    via: str
    depth_max: int | None = None

    @property
    def is_idle(self) -> bool:
        return not self.ids

    async def run(self, reader: Reader) -> list[Document]:
        return await reader.ancestors(self.collection, self.ids, via=self.via, depth_max=self.depth_max)


Query = Find | Ancestors


class Reader(Protocol):
    """Reads documents. `where` supports equality, `$in`, `$gt`, `$gte`, `$lt`, `$lte`. An absent field equals None."""

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Sequence[str] = (),
    ) -> list[Document]: ...

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        """The documents with these ids and all documents that they lead to, each once, unordered, in one query.

        A document leads to those whose `_id` is at its path `via`, which may pass through an array. `depth_max` limits
        the number of such steps, 0 for none; without it there is no limit.
        """
        ...


class Parts(Protocol):
    async def find_parts(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        array: str,
        field: str,
        values: Sequence[Any],
        limit: int,
        bytes_max: int,
    ) -> tuple[list[Document], bool]:
        """The `_id` of each document, and the items of its array whose field has one of these values; of the first
        `limit` documents, as far as the items take `bytes_max`, but of one at least. The second value is whether more
        documents follow.
        """
        ...


class Scans(Protocol):
    async def scan_parts(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        arrays: Sequence[str],
        by: Sequence[str],
        values: Sequence[Any],
        newest_first: bool,
        fields: Sequence[str],
        items_max: int,
        bytes_max: int,
    ) -> tuple[list[Document], bool]:
        """These fields of each document, and the items of its arrays that have one of the values in a field of `by`.

        It ends with `items_max` such items, or when the documents that the store has looked through take `bytes_max`;
        but not before the first of them. The second value is whether more documents follow.
        """
        ...


class Bounded(Protocol):
    """Reads no more than `bytes_max` of stored documents, but at least one; the second value is whether more follow."""

    async def find_some(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int,
        fields: Sequence[str] = (),
        bytes_max: int,
    ) -> tuple[list[Document], bool]: ...


class Summaries(Protocol):
    """Bounded in the same way."""

    async def summarise_some(
        self, collection: str, stages: Sequence[Mapping[str, Any]], *, limit: int, bytes_max: int
    ) -> tuple[list[Document], bool]:
        """Of the result of an aggregation; an index must serve the first stage."""
        ...


class Streams(Protocol):
    def stream(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        fields: Sequence[str] = (),
    ) -> AsyncIterator[Document]:
        """Read any number of documents in bounded memory, outside a transaction."""
        ...


class Transaction(Reader, Parts, Bounded, Protocol):
    """One transaction with snapshot isolation: all of it happens, or none."""

    async def find_all(self, queries: Sequence[Query]) -> list[list[Document]]:
        """The results of several independent queries, in one round trip if the store can."""
        ...

    async def insert(self, collection: str, documents: Sequence[Document]) -> None: ...

    async def replace(self, collection: str, documents: Sequence[Document]) -> None:
        """Replace the documents with the same `_id`, or insert these."""
        ...

    async def change(self, collection: str, changes: Sequence[Change]) -> None:
        """Change some fields of documents that this transaction has read."""
        ...

    async def add(self, collection: str, increments: Sequence[Increment]) -> None: ...


async def one_by_one(reader: Reader, queries: Sequence[Query]) -> list[list[Document]]:
    """`Transaction.find_all` for a store that runs one query per round trip."""
    return [await query.run(reader) for query in queries]


class Store(Streams, Protocol):
    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in one majority-committed transaction. Raises StoreConflict or StoreUnavailable."""
        ...
