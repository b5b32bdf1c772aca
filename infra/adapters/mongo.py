"""MongoDB through Motor. Everything that is Motor's own way stays in this file, so that a successor is one file too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal, Self, TypeVar

from bson.codec_options import CodecOptions
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import IndexModel, InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    InvalidURI,
    OperationFailure,
    PyMongoError,
)
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from infra.runtime.store import (
    Ancestors,
    Collection,
    Document,
    Increment,
    Index,
    Query,
    StoreConflict,
    StoreUnavailable,
    Transaction,
    one_by_one,
)

T = TypeVar("T")

Question = Literal["hello", "buildInfo", "replSetGetStatus", "dbStats"]
"""What the server can be asked about itself."""

_DUPLICATE_KEY = 11000
_INDEX_OPTIONS_CONFLICT = 85
_TOO_LARGE = frozenset({4568, 10334, 17419, 17420})
"""What a document comes to that grows beyond 16 MB: by one answer, by several, or by what is made of them."""
_SERVER_SELECTION_TIMEOUT_MS = 3000
_DOCUMENTS_PER_ANSWER = 10_000
"""The server's own first answer holds 101 documents, and a batch often needs more: one way less."""
_STREAMED_AT_ONCE = 500

_UNAVAILABLE_CODES = frozenset(
    {
        6,  # HostUnreachable
        7,  # HostNotFound
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        189,  # PrimarySteppedDown
        262,  # ExceededTimeLimit
        9001,  # SocketException
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
        14031,  # OutOfDiskSpace
    }
)


class StoreRefused(Exception):
    """The store answers, but not this: the user may not ask it, or it does not apply."""


class AnswersTooLarge(StoreConflict):
    """What was asked together does not fit into one document; from now on it is asked singly, so run it again."""


class MongoReads:
    """Reads in a session: those of a transaction see one moment, as do those of a snapshot; without one, the newest."""

    def __init__(self, database: Any, session: Any = None) -> None:
        self._database = database
        self._session = session

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
            _projection(fields),
            session=self._session,
            limit=limit,
            batch_size=limit or _DOCUMENTS_PER_ANSWER,
        )
        return await _all_of(cursor.sort(list(sort)) if sort else cursor)

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        """One search from all ids together: one for each would look up again, many times, where their ways meet."""
        pipeline: list[dict[str, Any]] = [
            # Any one document, to hang the search on.
            {"$limit": 1},
            {"$project": {"_id": 1}},
            _lookup(Ancestors(collection, ids, via, depth_max), "found"),
            # The server puts these into the search, so that no document ever holds all that was found.
            {"$unwind": "$found"},
            {"$replaceRoot": {"newRoot": "$found"}},
        ]
        return await _all_of(
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
            dict(where), _projection(fields), session=self._session, batch_size=_STREAMED_AT_ONCE
        )
        async for document in cursor.sort(list(sort)) if sort else cursor:
            yield document


class MongoStore(MongoReads):
    """One client for a process. Create it inside the running event loop: Motor binds to the first it sees."""

    def __init__(self, client: Any, database: str) -> None:
        self._client = client
        # Times come back aware: everything in this system is UTC.
        super().__init__(client.get_database(database, codec_options=CodecOptions(tz_aware=True)))
        self._write_concern = WriteConcern("majority", j=True)
        self._sessions: list[Any] = []
        """Those that wait for their next transaction: to start and to end one are two trips to Motor's threads."""
        self._asks_together = True
        """Until answers come up that are too large for it."""

    @classmethod
    def connect(cls, url: str, database: str) -> Self:
        """Make a client; nothing is sent yet. StoreUnavailable where the URL cannot be understood."""
        try:
            client: Any = AsyncIOMotorClient(
                url, serverSelectionTimeoutMS=_SERVER_SELECTION_TIMEOUT_MS, appname="tributary", maxPoolSize=50
            )
        except (InvalidURI, ConfigurationError, ValueError) as error:
            raise StoreUnavailable(f"MONGODB_URL cannot be understood: {error}") from error
        return cls(client, database)

    async def ping(self) -> None:
        """StoreUnavailable unless a primary of a replica set answers: transactions need one."""
        try:
            hello = await self._client.admin.command("hello")
        except PyMongoError as error:
            raise StoreUnavailable(_short(error)) from error
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise StoreUnavailable("MongoDB is not a replica set, and transactions need one; start it with --replSet")

    def close(self) -> None:
        self._client.close()

    async def prepare(self, collections: Iterable[Collection]) -> None:
        """Create collections and indexes that are missing; what exists as declared is left alone."""
        existing = set(await self._database.list_collection_names())
        for collection in collections:
            if collection.name not in existing:
                try:
                    await self._database.create_collection(collection.name)
                except PyMongoError as error:
                    if getattr(error, "code", None) != 48:  # NamespaceExists: another process was faster.
                        raise
            for index in collection.indexes:
                await self._ensure(collection.name, index)

    async def _ensure(self, collection: str, index: Index) -> None:
        try:
            await self._database[collection].create_indexes([_index_model(index)])
        except OperationFailure as error:
            if error.code != _INDEX_OPTIONS_CONFLICT or index.expire_after_s is None:
                raise
            # Only how long documents are kept may change on an index that exists.
            change = {"keyPattern": dict(index.keys), "expireAfterSeconds": index.expire_after_s}
            await self._database.command("collMod", collection, index=change)

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        session = self._sessions.pop() if self._sessions else await self._start_session()
        try:
            async with session.start_transaction(
                read_concern=ReadConcern("snapshot"), write_concern=self._write_concern
            ):
                result = await work(MongoTransaction(self._database, session, together=self._asks_together))
        except BaseException as error:
            await session.end_session()
            if isinstance(error, AnswersTooLarge):
                self._asks_together = False
            if isinstance(error, PyMongoError):
                raise _translate(error) from error
            raise
        self._sessions.append(session)
        return result

    async def _start_session(self) -> Any:
        try:
            return await self._client.start_session(causal_consistency=False)
        except PyMongoError as error:
            raise _translate(error) from error

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[MongoReads]:
        """Every collection as of one moment, while others write. MongoDB keeps a moment for five minutes by default."""
        async with await self._client.start_session(snapshot=True) as session:
            yield MongoReads(self._database, session)

    async def summarise(self, collection: str, stages: Sequence[Mapping[str, Any]]) -> list[Document]:
        """What the stages of an aggregation make of a collection."""
        return await _all_of(self._database[collection].aggregate([dict(stage) for stage in stages]))

    async def count(self, collection: str) -> int:
        """About how many documents there are, from the collection's own figures: cheap, exact when nothing writes."""
        return int(await self._database[collection].estimated_document_count())

    async def drop(self) -> None:
        """Delete the database with all that is in it."""
        await self._client.drop_database(self._database.name)

    async def names(self) -> list[str]:
        """The collections that exist."""
        return sorted(await self._database.list_collection_names())

    async def ask(self, question: Question) -> Document:
        """What any member says about itself, even where there is no primary. Raises StoreRefused, StoreUnavailable."""
        database = self._database if question == "dbStats" else self._client.admin
        try:
            answer: Document = await database.command(
                question, read_preference=ReadPreference.PRIMARY_PREFERRED, codec_options=CodecOptions(tz_aware=True)
            )
        except PyMongoError as error:
            raise _to_refused(error) from error
        return answer

    async def indexes(self, collection: str) -> dict[str, Document]:
        """The indexes of a collection by name; none where it does not exist. Raises StoreRefused, StoreUnavailable."""
        try:
            found: dict[str, Document] = await self._database[collection].index_information()
        except PyMongoError as error:
            raise _to_refused(error) from error
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
            raise _to_refused(error) from error


class MongoTransaction(MongoReads):
    """`together`: whether several queries may be asked in one command."""

    def __init__(self, database: Any, session: Any, *, together: bool) -> None:
        super().__init__(database, session)
        self._together = together

    async def find_all(self, queries: Sequence[Query]) -> list[list[Document]]:
        """One aggregation that starts from a document made up on the spot and looks up one answer after the other.

        Raises AnswersTooLarge where they do not fit into one document.
        """
        if len(queries) < 2 or not self._together:
            return await one_by_one(self, queries)
        names = [str(number) for number in range(len(queries))]
        pipeline = [{"$documents": [{}]}, *map(_lookup, queries, names)]
        [answers] = await _all_of(self._database.aggregate(pipeline, session=self._session))
        return [answers[name] for name in names]

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        await self._write(collection, [InsertOne(document) for document in documents])

    async def replace(self, collection: str, documents: Sequence[Document]) -> None:
        await self._write(
            collection, [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents]
        )

    async def add(self, collection: str, increments: Sequence[Increment]) -> None:
        await self._write(
            collection,
            [
                UpdateOne({"_id": i.id}, {"$inc": dict(i.amounts), "$setOnInsert": dict(i.fixed)}, upsert=True)
                for i in increments
            ],
        )

    async def _write(self, collection: str, operations: list[Any]) -> None:
        if operations:
            await self._database[collection].bulk_write(operations, ordered=False, session=self._session)


async def _all_of(cursor: Any) -> list[Document]:
    try:
        documents: list[Document] = await cursor.to_list(None)
    except PyMongoError as error:
        raise _translate(error) from error
    return documents


def _lookup(query: Query, name: str) -> dict[str, Any]:
    """The stage that adds a query's answer to a document, under a name."""
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
        stages.append({"$project": _projection(query.fields)})
    return {"$lookup": {"from": query.collection, "pipeline": stages, "as": name}}


def _projection(fields: Sequence[str]) -> dict[str, int] | None:
    return dict.fromkeys(fields, 1) if fields else None


def _index_model(index: Index) -> IndexModel:
    options: dict[str, Any] = {"unique": index.unique, "sparse": index.sparse}
    if index.expire_after_s is not None:
        options["expireAfterSeconds"] = index.expire_after_s
    return IndexModel(list(index.keys), **options)


def _translate(error: PyMongoError) -> Exception:
    """Sort the driver's errors into those worth running again at once, those worth waiting for, and the rest."""
    codes = {getattr(error, "code", None)}
    if isinstance(error, BulkWriteError):
        codes |= {item.get("code") for item in (error.details or {}).get("writeErrors", ())}
    if isinstance(error, DuplicateKeyError) or _DUPLICATE_KEY in codes:
        # Two replicas made the same document: the loser reads the winner's on its next run.
        return StoreConflict(_short(error))
    if codes & _TOO_LARGE:
        return AnswersTooLarge(_short(error))
    if isinstance(error, ConnectionFailure) or codes & _UNAVAILABLE_CODES:
        return StoreUnavailable(_short(error))
    if error.has_error_label("UnknownTransactionCommitResult"):
        return StoreUnavailable(_short(error))
    if isinstance(error, OperationFailure) and error.has_error_label("TransientTransactionError"):
        return StoreConflict(_short(error))
    return error


def _to_refused(error: PyMongoError) -> Exception:
    translated = _translate(error)
    return StoreRefused(_short(error)) if translated is error else translated


def _short(error: Exception) -> str:
    return str(error).split(", Timeout:")[0][:300]
