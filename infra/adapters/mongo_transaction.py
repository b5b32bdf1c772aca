"""One transaction in MongoDB, with as few round trips as possible."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from bson.codec_options import CodecOptions
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, PyMongoError

from infra.adapters.mongo_errors import translate
from infra.adapters.mongo_reads import MongoReads, lookup, projection, some_of
from infra.adapters.mongo_sums import as_decimal
from infra.ports.store import Change, Document, Increment, Query, StateTooLarge, one_by_one

_UTC: CodecOptions[Document] = CodecOptions(tz_aware=True)
"""Of the answers to commands. Combined queries read no sums, so they do without the slower `OPTIONS`."""

_STATEMENTS: Mapping[Literal["insert", "update"], str] = {"insert": "documents", "update": "updates"}
"""The field of a write command that holds the list of writes."""

STATE_BYTES_MAX = 32 * 1024 * 1024
"""What the ids of a batch may lead to in one collection, or its messages are handled by halves: decoded, documents take
several times their bytes. One message leads to less: 500 products, with lots for years.
"""

_STATEMENTS_MAX = 10_000
"""Per command. MongoDB accepts 100,000 statements and 48 MB; a batch has some thousands, one of them a journal record
of up to 16 MB."""


class MongoTransaction(MongoReads):
    """Collects writes until the next read or the commit, and then sends them together.

    Motor runs each command in another thread, and that switch costs more than a small command itself; so here one
    switch passes several commands to the client that Motor wraps. They are raw server commands, because the driver's
    bulk write helpers would double the cost. `together`: whether several queries may be sent in one command;
    `decimals`: whether amounts are added as decimals, which hold sums beyond 64 bits.
    """

    def __init__(self, database: Any, session: Any, *, together: bool, decimals: bool) -> None:
        super().__init__(database, session)
        self._together = together
        self._decimals = decimals
        self._unwritten: list[Document] = []
        """Commands, in the order of the calls."""

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Sequence[str] = (),
    ) -> list[Document]:
        """Raises StateTooLarge where many ids lead to more than STATE_BYTES_MAX."""
        await self._write()
        ids = next((len(each["$in"]) for each in where.values() if isinstance(each, dict) and "$in" in each), 0)
        if limit or ids < 2:
            return await super().find(collection, where, sort=sort, limit=limit, fields=fields)
        cursor = self._database[collection].find_raw_batches(
            dict(where), projection(fields), session=self._session, batch_size=ids
        )
        cursor = cursor.sort(list(sort)) if sort else cursor
        found, more = await some_of(cursor, self._options, None, STATE_BYTES_MAX)
        if more:
            raise StateTooLarge(f"{collection}: what {ids} ids lead to has more than {STATE_BYTES_MAX} bytes")
        return found

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
        await self._write()
        return await super().find_parts(
            collection, where, array=array, field=field, values=values, limit=limit, bytes_max=bytes_max
        )

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
        await self._write()
        return await super().find_some(collection, where, sort=sort, limit=limit, fields=fields, bytes_max=bytes_max)

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        await self._write()
        return await super().ancestors(collection, ids, via=via, depth_max=depth_max)

    async def find_all(self, queries: Sequence[Query]) -> list[list[Document]]:
        """One aggregation that starts from an empty document and adds the result of each query to it.

        Raises AnswersTooLarge if the results do not fit into one document.
        """
        if len(queries) < 2 or not self._together:
            return await one_by_one(self, queries)
        names = [str(number) for number in range(len(queries))]
        pipeline = [{"$documents": [{}]}, *map(lookup, queries, names)]
        *_, answer = await self._send({"aggregate": 1, "pipeline": pipeline, "cursor": {}})
        [found] = answer["cursor"]["firstBatch"]
        return [found[name] for name in names]

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        self._add_writes("insert", collection, list(documents))

    async def replace(self, collection: str, documents: Sequence[Document]) -> None:
        self._add_writes(
            "update",
            collection,
            [{"q": {"_id": document["_id"]}, "u": document, "upsert": True} for document in documents],
        )

    async def change(self, collection: str, changes: Sequence[Change]) -> None:
        self._add_writes("update", collection, [{"q": {"_id": c.id}, "u": _operators(c)} for c in changes])

    async def add(self, collection: str, increments: Sequence[Increment]) -> None:
        self._add_writes(
            "update",
            collection,
            [{"q": {"_id": i.id}, "u": _increase(i, decimals=self._decimals), "upsert": True} for i in increments],
        )

    async def commit(self) -> None:
        await self._send(commits=True)

    async def _write(self) -> None:
        if self._unwritten:
            await self._send()

    def _add_writes(self, kind: Literal["insert", "update"], collection: str, statements: list[Document]) -> None:
        for start in range(0, len(statements), _STATEMENTS_MAX):
            some = statements[start : start + _STATEMENTS_MAX]
            self._unwritten.append({kind: collection, _STATEMENTS[kind]: some, "ordered": False})

    async def _send(self, *commands: Document, commits: bool = False) -> list[Document]:
        """Send the collected writes, then these commands, all in one switch to another thread."""
        commands = (*self._unwritten, *commands)
        self._unwritten.clear()
        run = _run_in_place if isinstance(self._session, AsyncClientSession) else _run_in_thread
        try:
            return await run(self._database, self._session, commands, commits)
        except PyMongoError as error:
            raise translate(error) from error


async def _run_in_thread(database: Any, session: Any, commands: Sequence[Document], commits: bool) -> list[Document]:
    """For Motor: through the client that it wraps."""

    def run() -> list[Document]:
        inner = session.delegate
        answers = [
            _checked(database.delegate.command(command, codec_options=_UTC, session=inner)) for command in commands
        ]
        if commits:
            inner.commit_transaction()
        return answers

    return await asyncio.to_thread(run)


async def _run_in_place(database: Any, session: Any, commands: Sequence[Document], commits: bool) -> list[Document]:
    """For PyMongo's own async client, which needs no other thread."""
    answers = [_checked(await database.command(command, codec_options=_UTC, session=session)) for command in commands]
    if commits:
        await session.commit_transaction()
    return answers


def _checked(answer: Document) -> Document:
    if "writeErrors" in answer:
        raise BulkWriteError(answer)
    return answer


def _increase(increment: Increment, *, decimals: bool) -> Document:
    amounts: Mapping[str, Any] = increment.amounts
    if decimals:
        amounts = {name: as_decimal(amount) for name, amount in amounts.items()}
    operators: Document = {"$inc": dict(amounts)}
    if increment.fixed:
        operators["$setOnInsert"] = dict(increment.fixed)
    return operators


def _operators(change: Change) -> Document:
    operators: Document = {}
    if change.fields:
        operators["$set"] = dict(change.fields)
    if change.gone:
        operators["$unset"] = dict.fromkeys(change.gone, "")
    return operators
