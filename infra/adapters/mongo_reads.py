"""Reads documents from MongoDB, with or without a session."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from inspect import isawaitable
from typing import Any

from bson import decode
from bson.codec_options import CodecOptions
from pymongo.errors import PyMongoError

from infra.adapters.mongo_errors import translate
from infra.ports.store import Ancestors, Document, Query

_DOCUMENTS_PER_ANSWER = 10_000
"""By default the server's first answer holds 101 documents, and a batch often needs more: this saves a round trip."""
_STREAMED_AT_ONCE = 500
_SCANNED_AT_ONCE = 10
"""Documents that the server looks through before we decide whether it goes on."""
_SIZE = "_size_bytes"
SOME_PER_ANSWER = 51
"""A page of the usual length is one answer of the server, which ends at 16 MB."""


class MongoReads:
    """Reads of a transaction or a snapshot see one moment; reads without a session see the newest data."""

    def __init__(self, database: Any, session: Any = None) -> None:
        self._database = database
        self._session = session
        self._options: CodecOptions[Document] = database.codec_options

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Sequence[str] = (),
    ) -> list[Document]:
        cursor = self._database[collection].find(
            dict(where),
            projection(fields),
            session=self._session,
            limit=limit,
            batch_size=limit or _DOCUMENTS_PER_ANSWER,
        )
        return await all_of(cursor.sort(list(sort)) if sort else cursor)

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
        parts = {array: _items_of(array, (field,), values)}
        cursor = self._database[collection].find_raw_batches(dict(where), parts, session=self._session)
        return await some_of(cursor, self._options, limit, bytes_max)

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
        shown = {**dict.fromkeys(fields, 1), _SIZE: {"$bsonSize": "$$ROOT"}}
        shown |= {array: _items_of(array, by, values) for array in arrays}
        cursor = self._database[collection].find_raw_batches(
            dict(where), shown, session=self._session, batch_size=_SCANNED_AT_ONCE
        )
        found: list[Document] = []
        items, scanned_bytes = 0, 0
        async for _, document in _documents(cursor.sort("_id", -1) if newest_first else cursor, self._options):
            if found and (items >= items_max or scanned_bytes >= bytes_max):
                return found, True
            scanned_bytes += document.pop(_SIZE)
            items += sum(len(document.get(array) or ()) for array in arrays)
            found.append(document)
        return found, False

    async def find_some(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int,
        fields: Sequence[str] = (),
        bytes_max: int,
    ) -> tuple[list[Document], bool]:
        cursor = self._database[collection].find_raw_batches(
            dict(where),
            projection(fields),
            session=self._session,
            limit=limit + 1,
            batch_size=min(limit + 1, SOME_PER_ANSWER),
        )
        return await some_of(cursor.sort(list(sort)) if sort else cursor, self._options, limit, bytes_max)

    async def summarise(self, collection: str, stages: Sequence[Mapping[str, Any]]) -> list[Document]:
        """The result of an aggregation over a collection."""
        return await all_of(
            self._database[collection].aggregate([dict(stage) for stage in stages], session=self._session)
        )

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        """One search from all ids together: separate searches would repeat the lookups that they share."""
        pipeline: list[dict[str, Any]] = [
            # Any one document, as the input of the search.
            {"$limit": 1},
            {"$project": {"_id": 1}},
            lookup(Ancestors(collection, ids, via, depth_max), "found"),
            # The server merges these stages into the search, so that no document ever holds all results.
            {"$unwind": "$found"},
            {"$replaceRoot": {"newRoot": "$found"}},
        ]
        return await all_of(
            self._database[collection].aggregate(pipeline, session=self._session, batchSize=_DOCUMENTS_PER_ANSWER)
        )

    async def stream(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        fields: Sequence[str] = (),
    ) -> AsyncIterator[Document]:
        cursor = self._database[collection].find(
            dict(where), projection(fields), session=self._session, batch_size=_STREAMED_AT_ONCE
        )
        try:
            async for document in cursor.sort(list(sort)) if sort else cursor:
                yield document
        except PyMongoError as error:
            raise translate(error) from error


def _items_of(array: str, by: Sequence[str], values: Sequence[Any]) -> Document:
    """The items of an array that have one of these values in a field. The server compares with a set of the values."""
    wanted = {"$literal": list(values)}
    either = [{"$setIsSubset": [[f"$$this.{field}"], wanted]} for field in by]
    return {"$filter": {"input": f"${array}", "cond": {"$or": either}}}


async def some_of(
    cursor: Any, options: CodecOptions[Document], limit: int | None, bytes_max: int
) -> tuple[list[Document], bool]:
    """The first documents of a cursor of raw batches; see `Bounded`. Further answers of the server are not read."""
    found: list[Document] = []
    read_bytes = 0
    async for size_bytes, document in _documents(cursor, options):
        read_bytes += size_bytes
        if len(found) == limit or (found and read_bytes > bytes_max):
            return found, True
        found.append(document)
    return found, False


async def _documents(cursor: Any, options: CodecOptions[Document]) -> AsyncGenerator[tuple[int, Document], None]:
    """The documents of a cursor of raw batches, with their sizes. They are decoded one by one: a batch of the driver's
    own cursor takes many times its bytes.
    """
    cursor = await resolved(cursor)
    try:
        async for batch in cursor:
            start = 0
            while start < len(batch):
                # A document begins with its length.
                size_bytes = int.from_bytes(batch[start : start + 4], "little")
                yield size_bytes, decode(memoryview(batch)[start : start + size_bytes], options)
                start += size_bytes
    except PyMongoError as error:
        raise translate(error) from error
    finally:
        await resolved(cursor.close())


async def resolved(given: Any) -> Any:
    """A value that Motor returns directly, and PyMongo's own async client as an awaitable."""
    return await given if isawaitable(given) else given


async def all_of(cursor: Any) -> list[Document]:
    try:
        documents: list[Document] = await (await resolved(cursor)).to_list(None)
    except PyMongoError as error:
        raise translate(error) from error
    return documents


def lookup(query: Query, name: str) -> dict[str, Any]:
    """The stage that adds a query's result to a document, under a name."""
    if isinstance(query, Ancestors):
        search: dict[str, Any] = {
            "from": query.collection,
            "startWith": {"$literal": list(query.ids)},
            "connectFromField": query.via,
            "connectToField": "_id",
            "as": name,
        }
        if query.depth_max is not None:
            search["maxDepth"] = query.depth_max
        return {"$graphLookup": search}
    stages: list[dict[str, Any]] = [{"$match": dict(query.where)}]
    if query.sort:
        stages.append({"$sort": dict(query.sort)})
    if query.limit:
        stages.append({"$limit": query.limit})
    if query.fields:
        stages.append({"$project": projection(query.fields)})
    return {"$lookup": {"from": query.collection, "pipeline": stages, "as": name}}


def projection(fields: Sequence[str]) -> dict[str, int] | None:
    return dict.fromkeys(fields, 1) if fields else None
