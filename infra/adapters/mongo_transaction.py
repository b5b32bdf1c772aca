"""One transaction in MongoDB, which talks to the server as seldom as it can."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from bson.codec_options import CodecOptions
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, PyMongoError

from infra.adapters.mongo_errors import translate
from infra.adapters.mongo_reads import MongoReads, lookup
from infra.ports.store import Change, Document, Increment, Query, one_by_one

_UTC: CodecOptions[Document] = CodecOptions(tz_aware=True)
_STATEMENTS: Mapping[Literal["insert", "update"], str] = {"insert": "documents", "update": "updates"}
"""What a command to write calls the list of what is to be written."""

_STATEMENTS_MAX = 10_000
"""In one command. MongoDB takes 100,000 and 48 MB; a batch has some thousands, of which a journal's 16 MB are one."""


class MongoTransaction(MongoReads):
    """Keeps what is to be written until something is read, or all is committed, and then writes it in one go.

    Motor makes each command a trip to another thread and back, which costs more than a small command itself; so here
    one such trip gives several commands to the client that Motor wraps. They are the server's own commands, because
    the driver's helpers for writing in bulk cost as much again. `together`: whether several queries may be asked in
    one command.
    """

    def __init__(self, database: Any, session: Any, *, together: bool) -> None:
        super().__init__(database, session)
        self._together = together
        self._unwritten: list[Document] = []
        """Commands, in the order in which they were asked for."""

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Sequence[str] = (),
    ) -> list[Document]:
        await self._write()
        return await super().find(collection, where, sort=sort, limit=limit, fields=fields)

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        await self._write()
        return await super().ancestors(collection, ids, via=via, depth_max=depth_max)

    async def find_all(self, queries: Sequence[Query]) -> list[list[Document]]:
        """One aggregation that starts from a document made up on the spot and looks up one answer after the other.

        Raises AnswersTooLarge where they do not fit into one document.
        """
        if len(queries) < 2 or not self._together:
            return await one_by_one(self, queries)
        names = [str(number) for number in range(len(queries))]
        pipeline = [{"$documents": [{}]}, *map(lookup, queries, names)]
        *_, answer = await self._at_once({"aggregate": 1, "pipeline": pipeline, "cursor": {}})
        [found] = answer["cursor"]["firstBatch"]
        return [found[name] for name in names]

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        self._will_write("insert", collection, list(documents))

    async def replace(self, collection: str, documents: Sequence[Document]) -> None:
        self._will_write(
            "update",
            collection,
            [{"q": {"_id": document["_id"]}, "u": document, "upsert": True} for document in documents],
        )

    async def change(self, collection: str, changes: Sequence[Change]) -> None:
        self._will_write("update", collection, [{"q": {"_id": c.id}, "u": _operators(c)} for c in changes])

    async def add(self, collection: str, increments: Sequence[Increment]) -> None:
        self._will_write(
            "update",
            collection,
            [{"q": {"_id": i.id}, "u": _increase(i), "upsert": True} for i in increments],
        )

    async def commit(self) -> None:
        await self._at_once(commits=True)

    async def _write(self) -> None:
        if self._unwritten:
            await self._at_once()

    def _will_write(self, kind: Literal["insert", "update"], collection: str, statements: list[Document]) -> None:
        for start in range(0, len(statements), _STATEMENTS_MAX):
            some = statements[start : start + _STATEMENTS_MAX]
            self._unwritten.append({kind: collection, _STATEMENTS[kind]: some, "ordered": False})

    async def _at_once(self, *commands: Document, commits: bool = False) -> list[Document]:
        """Write what is unwritten, then run these commands, all in one trip to another thread."""
        commands = (*self._unwritten, *commands)
        self._unwritten.clear()
        run = _run_in_place if isinstance(self._session, AsyncClientSession) else _run_in_thread
        try:
            return await run(self._database, self._session, commands, commits)
        except PyMongoError as error:
            raise translate(error) from error


async def _run_in_thread(database: Any, session: Any, commands: Sequence[Document], commits: bool) -> list[Document]:
    """Motor: by the client that it wraps."""

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
    """PyMongo's own async client, which needs no other thread."""
    answers = [_checked(await database.command(command, codec_options=_UTC, session=session)) for command in commands]
    if commits:
        await session.commit_transaction()
    return answers


def _checked(answer: Document) -> Document:
    if "writeErrors" in answer:
        raise BulkWriteError(answer)
    return answer


def _increase(increment: Increment) -> Document:
    operators: Document = {"$inc": dict(increment.amounts)}
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
