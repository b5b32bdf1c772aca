"""Reads for longer than the store keeps a snapshot: if one becomes too old, a new one continues where it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, cast

from infra.auditing.audit import Read
from infra.ports.store import Document, SnapshotTooOld

T = TypeVar("T")

OnRead = Callable[[str, int, int], None]
"""A collection, how many documents were read, and about how many it has; 0 if only some of them are read."""

_REPORT_EVERY = 1_000
_TRIES_MAX = 3
_PREFETCHED = 500
"""How many documents are prefetched together, as many as the store returns in one answer."""
_LAST_ANSWER_MAX_S = 5.0
"""How long a reader that ends early waits for the prefetched documents."""


class Snapshots(Protocol):
    """A store that can be read as of one moment."""

    def snapshot(self) -> AbstractAsyncContextManager[Read]: ...

    async def count(self, collection: str) -> int: ...


class LastingRead:
    """Reads as of one moment for as long as the store keeps it, then as of a later one.

    While others write, data read before and after such a change may not be consistent: so an audit checks what it
    finds again. `moments` is the number of snapshots used. Raises SnapshotTooOld if a new snapshot makes no progress.
    """

    def __init__(self, store: Snapshots, on_read: OnRead = lambda *_: None) -> None:
        self._store = store
        self._on_read = on_read
        self._open = AsyncExitStack()
        self._read: Read | None = None
        self.moments = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._read = None
        await self._open.aclose()

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Sequence[str] = (),
    ) -> list[Document]:
        return await self._retried(lambda read: read.find(collection, where, sort=sort, limit=limit, fields=fields))

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        return await self._retried(lambda read: read.ancestors(collection, ids, via=via, depth_max=depth_max))

    async def stream(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        fields: Sequence[str] = (),
    ) -> AsyncIterator[Document]:
        """Documents by one ascending field, or by `_id`: with this order a later snapshot can continue."""
        path = sort[0][0] if sort else "_id"
        order = [(path, 1)] if path == "_id" else [(path, 1), ("_id", 1)]
        assert list(sort) in ([], order[:1], order), "a read in another order cannot be continued"
        count = 0 if where else await self._store.count(collection)
        number, tries = 0, 0
        last: tuple[Any, Any] | None = None
        while True:
            read = await self._current()
            try:
                for rest in _rest(where, path, last):
                    async with aclosing(
                        _generator(read.stream(collection, rest, sort=order, fields=fields))
                    ) as documents:
                        async for document in _prefetched(documents):
                            last, number, tries = (document[path], document["_id"]), number + 1, 0
                            if number % _REPORT_EVERY == 0:
                                self._on_read(collection, number, count)
                            yield document
            except SnapshotTooOld:
                tries += 1
                if tries == _TRIES_MAX:
                    raise
                self._drop(read)
                continue
            self._on_read(collection, number, count)
            return

    async def _retried(self, query: Callable[[Read], Awaitable[T]]) -> T:
        for _ in range(_TRIES_MAX - 1):
            read = await self._current()
            try:
                return await query(read)
            except SnapshotTooOld:
                self._drop(read)
        return await query(await self._current())

    async def _current(self) -> Read:
        if self._read is None:
            self._read = await self._open.enter_async_context(self._store.snapshot())
            self.moments += 1
        return self._read

    def _drop(self, read: Read) -> None:
        """Let the next query start a new snapshot. A stream may still read the rest of the old one."""
        if self._read is read:
            self._read = None


def _generator(documents: AsyncIterator[Document]) -> AsyncGenerator[Document]:
    """The same object with its real type: a generator, which can be closed before its end."""
    return cast("Any", documents)  # type: ignore[no-any-return]


async def _prefetched(documents: AsyncIterator[Document]) -> AsyncIterator[Document]:
    """The same documents; the store and its driver fetch the next ones while these are processed."""
    fetching = asyncio.ensure_future(_next_chunk(documents))
    try:
        while True:
            found, error = await fetching
            if found and error is None:
                fetching = asyncio.ensure_future(_next_chunk(documents))
            for document in found:
                yield document
            if error is not None:
                raise error
            if not found:
                return
    finally:
        # A cursor has one reader at a time, and is closed next.
        await asyncio.wait({fetching}, timeout=_LAST_ANSWER_MAX_S)
        if fetching.done() and not fetching.cancelled():
            fetching.exception()


async def _next_chunk(documents: AsyncIterator[Document]) -> tuple[list[Document], Exception | None]:
    """The next documents, and the error that ended them too early, if any."""
    found: list[Document] = []
    try:
        async for document in documents:
            found.append(document)
            if len(found) == _PREFETCHED:
                break
    except SnapshotTooOld as error:
        return found, error
    return found, None


def _rest(where: Mapping[str, Any], path: str, last: tuple[Any, Any] | None) -> list[Mapping[str, Any]]:
    """The conditions for the documents after the last one, to be read one after the other."""
    if last is None:
        return [where]
    value, key = last
    later = {**where, path: {**_condition(where.get(path)), "$gt": value}}
    if path == "_id":
        return [later]
    return [{**where, path: value, "_id": {**_condition(where.get("_id")), "$gt": key}}, later]


def _condition(known: Any) -> dict[str, Any]:
    """A condition on a field, in a form that can be extended."""
    if known is None:
        return {}
    return dict(known) if isinstance(known, Mapping) else {"$in": [known]}
