"""One transaction in MongoDB, which talks to the server as seldom as it can."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import InsertOne, ReplaceOne, UpdateOne

from infra.adapters.mongo_reads import MongoReads, all_of, lookup
from infra.runtime.store import Document, Increment, Query, one_by_one


class MongoTransaction(MongoReads):
    """Keeps what is to be written until something is read, or all is committed, and then writes it in one go.

    Motor makes each command a trip to another thread and back, which costs more than a small command itself; so here
    one such trip gives several commands to the client that Motor wraps. `together`: whether several queries may be
    asked in one command.
    """

    def __init__(self, database: Any, session: Any, *, together: bool) -> None:
        super().__init__(database, session)
        self._together = together
        self._unwritten: list[tuple[str, list[Any]]] = []

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
        await self._write()
        names = [str(number) for number in range(len(queries))]
        pipeline = [{"$documents": [{}]}, *map(lookup, queries, names)]
        [answers] = await all_of(self._database.aggregate(pipeline, session=self._session))
        return [answers[name] for name in names]

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        self._will_write(collection, [InsertOne(document) for document in documents])

    async def replace(self, collection: str, documents: Sequence[Document]) -> None:
        self._will_write(
            collection, [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents]
        )

    async def add(self, collection: str, increments: Sequence[Increment]) -> None:
        self._will_write(
            collection,
            [
                UpdateOne({"_id": i.id}, {"$inc": dict(i.amounts), "$setOnInsert": dict(i.fixed)}, upsert=True)
                for i in increments
            ],
        )

    async def commit(self) -> None:
        await asyncio.to_thread(self._write_now, then_commit=True)

    async def _write(self) -> None:
        if self._unwritten:
            await asyncio.to_thread(self._write_now, then_commit=False)

    def _will_write(self, collection: str, operations: list[Any]) -> None:
        if operations:
            self._unwritten.append((collection, operations))

    def _write_now(self, *, then_commit: bool) -> None:
        database, session = self._database.delegate, self._session.delegate
        for collection, operations in self._unwritten:
            database[collection].bulk_write(operations, ordered=False, session=session)
        self._unwritten.clear()
        if then_commit:
            session.commit_transaction()
