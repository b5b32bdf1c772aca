"""MongoDB through Motor. Only the `mongo` files of this folder depend on Motor. They also run on PyMongo's own async
client: `CLIENT` is the one line to change.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from inspect import isawaitable
from time import monotonic
from typing import Any, Literal, Self, TypeVar

from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import IndexModel
from pymongo.errors import ConfigurationError, InvalidURI, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from infra.adapters.mongo_errors import AnswersTooLarge, SumTooLarge, short, to_refused, translate
from infra.adapters.mongo_reads import SOME_PER_ANSWER, MongoReads, resolved, some_of
from infra.adapters.mongo_sums import OPTIONS
from infra.adapters.mongo_transaction import MongoTransaction
from infra.adapters.mongo_watch import PrimaryChanged, PrimaryWatch
from infra.ports.store import Collection, Document, Index, StoreUnavailable, Transaction

T = TypeVar("T")

StatusCommand = Literal["hello", "buildInfo", "replSetGetStatus", "dbStats"]
"""Commands that return the server's own status."""

_INDEX_OPTIONS_CONFLICT = 85
_SERVER_SELECTION_TIMEOUT_MS = 3000
_SEPARATE_S = 60.0
"""What was too large together once is likely to come again soon; in the end it was one sender's."""

_DECIMALS_S = 60.0
"""Long enough for the retries of what the sum was for; fields that became decimals stay so."""

_SOME_AT_ONCE = 4
"""Bounded reads at a time: each may hold one answer of the server, of up to 16 MB."""


CLIENT: Callable[..., Any] = AsyncIOMotorClient
"""Or pymongo.AsyncMongoClient."""


class MongoStore(MongoReads):
    """One client per process. Create it inside the running event loop: Motor binds to the first loop it sees."""

    def __init__(self, client: Any, database: str) -> None:
        self._client = client
        super().__init__(client.get_database(database, codec_options=OPTIONS))
        self._write_concern = WriteConcern("majority", j=True)
        self._watch: PrimaryWatch | None = None
        self._some = asyncio.Semaphore(_SOME_AT_ONCE)
        self._sessions: list[Any] = []
        """Idle sessions for the next transactions: to start and end a session are two trips to Motor's threads."""
        self._combines_after = 0.0
        """Later, each time that the combined results were too large."""
        self._adds_decimals_until = 0.0
        """Later, each time that a sum was too large."""

    @classmethod
    def connect(
        cls,
        url: str,
        database: str,
        *,
        on_primary: PrimaryChanged | None = None,
        client_class: Callable[..., Any] = CLIENT,
    ) -> Self:
        """Make a client; nothing is sent yet. Raises StoreUnavailable if the URL is invalid.

        `on_primary` is called when the primary is lost, and when there is one again, even while the client is idle.
        """
        watch = PrimaryWatch(on_primary) if on_primary else None
        try:
            client = client_class(
                url,
                serverSelectionTimeoutMS=_SERVER_SELECTION_TIMEOUT_MS,
                appname="tributary",
                maxPoolSize=50,
                event_listeners=[watch] if watch else [],
            )
        except (InvalidURI, ConfigurationError, ValueError) as error:
            raise StoreUnavailable(f"MONGODB_URL cannot be understood: {error}") from error
        store = cls(client, database)
        store._watch = watch
        return store

    async def ping(self) -> None:
        """Raises StoreUnavailable unless a primary of a replica set answers: transactions need one."""
        try:
            hello = await self._client.admin.command("hello")
        except PyMongoError as error:
            raise StoreUnavailable(short(error)) from error
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise StoreUnavailable("MongoDB is not a replica set, and transactions need one; start it with --replSet")

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
        closing = self._client.close()
        if isawaitable(closing):
            self._closing = asyncio.ensure_future(closing)

    async def prepare(self, collections: Iterable[Collection]) -> None:
        """Create collections and indexes that are missing; what exists as declared is left alone.

        After an error nothing runs on.
        """
        existing = set(await self._database.list_collection_names())
        try:
            async with asyncio.TaskGroup() as group:
                for collection in collections:
                    group.create_task(self._prepare(collection, existing))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _prepare(self, collection: Collection, existing: set[str]) -> None:
        if collection.name not in existing:
            try:
                # The driver's own check for existence would raise an error without a code.
                await self._database.create_collection(collection.name, check_exists=False)
            except PyMongoError as error:
                if getattr(error, "code", None) != 48:  # NamespaceExists: another process was faster.
                    raise
        if not collection.indexes:
            return
        try:
            await self._database[collection.name].create_indexes([_index_model(index) for index in collection.indexes])
        except OperationFailure as error:
            if error.code != _INDEX_OPTIONS_CONFLICT:
                raise
            for index in collection.indexes:
                await self._ensure(collection.name, index)

    async def _ensure(self, collection: str, index: Index) -> None:
        try:
            await self._database[collection].create_indexes([_index_model(index)])
        except OperationFailure as error:
            if error.code != _INDEX_OPTIONS_CONFLICT or index.expire_after_s is None:
                raise
            # The retention is all that may change on an existing index.
            change = {"keyPattern": dict(index.keys), "expireAfterSeconds": index.expire_after_s}
            await self._database.command("collMod", collection, index=change)

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        session = self._sessions.pop() if self._sessions else await self._start_session()
        try:
            await resolved(session.start_transaction(ReadConcern("snapshot"), self._write_concern))
            now = monotonic()
            transaction = MongoTransaction(
                self._database,
                session,
                together=now >= self._combines_after,
                decimals=now < self._adds_decimals_until,
            )
            result = await work(transaction)
            await transaction.commit()
        except BaseException as error:
            await session.end_session()
            if isinstance(error, AnswersTooLarge):
                self._combines_after = monotonic() + _SEPARATE_S
            if isinstance(error, SumTooLarge):
                self._adds_decimals_until = monotonic() + _DECIMALS_S
            if isinstance(error, PyMongoError):
                raise translate(error) from error
            raise
        self._sessions.append(session)
        return result

    async def _start_session(self) -> Any:
        try:
            return await resolved(self._client.start_session(causal_consistency=False))
        except PyMongoError as error:
            raise translate(error) from error

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[MongoReads]:
        """Every collection as of one moment, while others write. MongoDB keeps a moment for five minutes by default;
        later reads raise SnapshotTooOld.
        """
        try:
            session = await resolved(self._client.start_session(snapshot=True))
        except PyMongoError as error:
            raise translate(error) from error
        async with session:
            yield MongoReads(self._database, session)

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
        async with self._some:
            return await super().find_some(
                collection, where, sort=sort, limit=limit, fields=fields, bytes_max=bytes_max
            )

    async def scan_parts(self, collection: str, where: Mapping[str, Any], **scan: Any) -> tuple[list[Document], bool]:
        async with self._some:
            return await super().scan_parts(collection, where, **scan)

    async def find_parts(self, collection: str, where: Mapping[str, Any], **parts: Any) -> tuple[list[Document], bool]:
        async with self._some:
            return await super().find_parts(collection, where, **parts)

    async def summarise_some(
        self, collection: str, stages: Sequence[Mapping[str, Any]], *, limit: int, bytes_max: int
    ) -> tuple[list[Document], bool]:
        async with self._some:
            cursor = self._database[collection].aggregate_raw_batches(
                [*map(dict, stages), {"$limit": limit + 1}], batchSize=min(limit + 1, SOME_PER_ANSWER)
            )
            return await some_of(cursor, self._options, limit, bytes_max)

    async def count(self, collection: str) -> int:
        """The approximate number of documents, from the collection's metadata: cheap; exact while nothing writes."""
        return int(await self._database[collection].estimated_document_count())

    async def drop(self) -> None:
        """Delete the whole database."""
        await self._client.drop_database(self._database.name)

    async def names(self) -> list[str]:
        """The collections that exist."""
        return sorted(await self._database.list_collection_names())

    async def run(self, command: StatusCommand) -> Document:
        """The status of any member, even if there is no primary. Raises StoreRefused, StoreUnavailable."""
        database = self._database if command == "dbStats" else self._client.admin
        try:
            answer: Document = await database.command(
                command, read_preference=ReadPreference.PRIMARY_PREFERRED, codec_options=CodecOptions(tz_aware=True)
            )
        except PyMongoError as error:
            raise to_refused(error) from error
        return answer

    async def indexes(self, collection: str) -> dict[str, Document]:
        """The indexes of a collection by name; empty if it does not exist. Raises StoreRefused, StoreUnavailable."""
        try:
            found: dict[str, Document] = await self._database[collection].index_information()
        except PyMongoError as error:
            raise to_refused(error) from error
        return found

    async def confirm_majority(self, collection: str, *, within_ms: int) -> None:
        """Have a majority confirm all that is written so far, by an update that matches nothing.

        Raises StoreRefused, StoreUnavailable.
        """
        concern = WriteConcern("majority", j=True, wtimeout=within_ms)
        try:
            await self._database.get_collection(collection, write_concern=concern).update_one(
                {"_id": "no document has this id"}, {"$set": {"_": 0}}
            )
        except PyMongoError as error:
            raise to_refused(error) from error


def _index_model(index: Index) -> IndexModel:
    options: dict[str, Any] = {"unique": index.unique, "sparse": index.sparse}
    if index.expire_after_s is not None:
        options["expireAfterSeconds"] = index.expire_after_s
    return IndexModel(list(index.keys), **options)
