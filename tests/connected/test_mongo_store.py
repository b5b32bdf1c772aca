"""The store's promises, tested on MongoDB through both clients and on the store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient, MongoClient

from infra.adapters.mongo import MongoStore
from infra.ports.store import (
    Ancestors,
    Change,
    Collection,
    Document,
    Find,
    Increment,
    Index,
    Query,
    Store,
    StoreConflict,
    StoreUnavailable,
    Transaction,
    one_by_one,
)
from tests.connected.running import Site
from tests.workflow.in_memory import InMemoryStore

THINGS = Collection(
    "test.things", "documents of this test", (Index((("tags.id", 1),), "as a journal", unique=True, sparse=True),)
)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


CLIENTS = {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}


def connect(site: Site, client: str) -> MongoStore:
    return MongoStore.connect(site.settings.mongodb_url, site.settings.database, client_class=CLIENTS[client])


@pytest.fixture(params=["memory", *CLIENTS])
async def store(request: pytest.FixtureRequest, site: Site) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield InMemoryStore([THINGS])
        return
    store = connect(site, request.param)
    await store.prepare([THINGS])
    yield store
    store.close()


@pytest.fixture(params=CLIENTS)
async def mongodb(request: pytest.FixtureRequest, site: Site) -> AsyncIterator[MongoStore]:
    """For promises that the store in memory, which runs one transaction at a time, does not make."""
    store = connect(site, request.param)
    await store.prepare([THINGS])
    yield store
    store.close()


async def insert(store: Store, *documents: Document) -> None:
    await store.transact(lambda tx: tx.insert(THINGS.name, documents))


async def find(store: Any, where: Mapping[str, Any], **options: Any) -> list[Document]:
    found: list[Document] = await store.find(THINGS.name, where, **options)
    return found


async def test_a_stored_document_is_found_unchanged(store: Any) -> None:
    document = {"_id": "a", "at": NOON, "big": 2**62, "body": b"\x00\xff", "none": None, "tags": [{"id": "x", "n": 1}]}
    await insert(store, document)
    assert await find(store, {}) == [document]


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ({}, [1, 2, 3, 4]),
        ({"_id": 2}, [2]),
        ({"_id": {"$in": [3, 1, 3, 9]}}, [1, 3]),
        ({"color": "red"}, [1, 3]),
        ({"color": {"$in": ["blue", "green"]}, "size": {"$gt": 1}}, [2]),
        ({"size": {"$gte": 2, "$lt": 4}}, [2, 3]),
        ({"size": {"$lte": 1}}, [1]),
        ({"at": {"$lte": NOON}}, [2]),
        ({"tags.id": "x"}, [1]),
        ({"tags.id": {"$in": ["y", "z"]}}, [1, 3]),
        ({"tags.depth.n": {"$gt": 5}}, [3]),
        ({"words": "b"}, [2]),
        ({"words": {"$gt": []}}, [2]),
        ({"nothing": "there"}, []),
        ({"color": None}, [4]),
        ({"at": None}, [1, 3, 4]),
        ({"color": {"$gt": 5}}, []),
    ],
)
async def test_every_store_finds_the_same(store: Any, where: Mapping[str, Any], ids: Sequence[int]) -> None:
    await insert(
        store,
        {"_id": 1, "color": "red", "size": 1, "tags": [{"id": "x"}, {"id": "y"}], "words": []},
        {"_id": 2, "color": "blue", "size": 2, "at": NOON, "words": ["a", "b"]},
        {"_id": 3, "color": "red", "size": 3, "tags": [{"id": "z", "depth": {"n": 7}}]},
        {"_id": 4, "color": None, "size": 4},
    )
    assert [document["_id"] for document in await find(store, where, sort=(("_id", 1),))] == ids
    streamed = [document["_id"] async for document in store.stream(THINGS.name, where, sort=(("_id", 1),))]
    assert streamed == ids


async def test_sort_limit_and_fields(store: Any) -> None:
    await insert(
        store,
        {"_id": 1, "color": "red", "size": 2, "tags": [{"id": "x", "n": 1}, {"id": "y", "n": 2}]},
        {"_id": 2, "color": "blue", "size": 1},
        {"_id": 3, "color": "red", "size": 1, "tags": [{"id": "z", "n": 3}]},
        {"_id": 4, "size": 0},
    )
    by_color = await find(store, {}, sort=(("color", 1), ("size", -1)))
    assert [document["_id"] for document in by_color] == [4, 2, 1, 3]
    smallest = await find(store, {}, sort=(("size", 1), ("_id", -1)), limit=2, fields=("size",))
    assert smallest == [{"_id": 4, "size": 0}, {"_id": 3, "size": 1}]
    [first, *_] = await find(store, {}, sort=(("_id", 1),), fields=("tags.id", "color"))
    assert first == {"_id": 1, "color": "red", "tags": [{"id": "x"}, {"id": "y"}]}


@pytest.mark.parametrize(
    ("ids", "depth_max", "found"),
    [
        ([], None, []),
        (["unknown"], None, []),
        (["d"], 0, ["d"]),
        (["d"], 1, ["b", "c", "d"]),
        (["d"], None, ["a", "b", "c", "d"]),
        (["d", "b", "e", "d"], 1, ["a", "b", "c", "d", "e", "f"]),
        (["e"], None, ["e", "f"]),
        (["$size"], None, ["$size"]),
    ],
)
async def test_ancestors_are_all_documents_on_the_path(
    store: Any, ids: Sequence[str], depth_max: int | None, found: Sequence[str]
) -> None:
    """Through an array of documents, each once, past a null, past a missing document, and round a cycle."""
    above: dict[str, list[str | None]] = {
        "a": [None],
        "b": ["a"],
        "c": ["a", "missing"],
        "d": ["b", "c"],
        "e": ["f"],
        "f": ["e"],
        "$size": [],
    }
    documents = [
        {"_id": key, "at": NOON, "up": [{"n": number, "to": to} for number, to in enumerate(parents)]}
        for key, parents in above.items()
    ]
    await insert(store, *documents)

    outside = await store.ancestors(THINGS.name, ids, via="up.to", depth_max=depth_max)
    inside = await store.transact(lambda tx: tx.ancestors(THINGS.name, ids, via="up.to", depth_max=depth_max))

    expected = [document for document in documents if document["_id"] in found]
    for answer in (outside, inside):
        assert sorted(answer, key=lambda document: found.index(document["_id"])) == sorted(
            expected, key=lambda document: found.index(str(document["_id"]))
        )


async def test_ancestors_include_documents_of_the_same_transaction(store: Any) -> None:
    async def work(tx: Transaction) -> list[Document]:
        await tx.insert(THINGS.name, [{"_id": 2, "to": 1}])
        return await tx.ancestors(THINGS.name, [2], via="to")

    await insert(store, {"_id": 1})
    found = await store.transact(work)

    assert sorted(document["_id"] for document in found) == [1, 2]


async def test_queries_in_one_trip_find_the_same_as_one_by_one(store: Any) -> None:
    queries: list[Query] = [
        Find(THINGS.name, {"_id": {"$in": [1, 3, 9]}}),
        Find(THINGS.name, {"size": {"$gte": 1}}, sort=(("size", -1),), limit=2),
        Find(THINGS.name, {"_id": 2}, fields=("tags.id",)),
        Find(THINGS.name, {"color": "$size"}),
        Find(THINGS.name, {"color": "unknown"}),
        Ancestors(THINGS.name, [3, 2], via="to"),
        Ancestors(THINGS.name, [3], via="to", depth_max=0),
    ]

    async def work(tx: Transaction) -> tuple[list[list[Document]], list[list[Document]], list[list[Document]]]:
        await tx.insert(THINGS.name, [{"_id": 3, "size": 3, "to": 1, "color": "$size"}])
        return await tx.find_all(queries), await one_by_one(tx, queries), await tx.find_all(queries[:1])

    await insert(store, {"_id": 1, "size": 1, "at": NOON}, {"_id": 2, "size": 2, "tags": [{"id": "x", "n": 1}]})
    together, alone, only_one = await store.transact(work)

    def ids(answers: list[list[Document]]) -> list[list[int]]:
        ordered, others = answers[1], [answer for number, answer in enumerate(answers) if number != 1]
        return [[d["_id"] for d in ordered], *(sorted(d["_id"] for d in answer) for answer in others)]

    assert ids(together) == ids(alone) == [[3, 2], [1, 3], [2], [3], [], [1, 2, 3], [3]]
    assert together[2] == [{"_id": 2, "tags": [{"id": "x"}]}]
    assert only_one == alone[:1]
    assert {"_id": 1, "size": 1, "at": NOON} in together[0]
    assert await store.transact(lambda tx: tx.find_all([])) == []


async def test_a_transaction_that_raises_leaves_nothing(store: Any) -> None:
    await insert(store, {"_id": 1, "size": 1})

    async def work(tx: Transaction) -> None:
        await tx.insert(THINGS.name, [{"_id": 2}])
        await tx.replace(THINGS.name, [{"_id": 1, "size": 9}])
        await tx.add(THINGS.name, [Increment("sum", {"total": 5}, {"of": "sizes"})])
        assert [document["_id"] for document in await tx.find(THINGS.name, {"_id": {"$in": [1, 2]}, "size": 9})] == [1]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.transact(work)
    assert await find(store, {}) == [{"_id": 1, "size": 1}]


async def test_replace_inserts_or_replaces_and_add_starts_at_zero(store: Any) -> None:
    async def work(tx: Transaction) -> None:
        await tx.replace(THINGS.name, [{"_id": "a", "size": 1}, {"_id": "b", "size": 2}])
        await tx.replace(THINGS.name, [{"_id": "a", "color": "red"}])
        for amount in (5, -7):
            await tx.add(THINGS.name, [Increment("sum", {"total": amount}, {"of": "sizes"})])

    await store.transact(work)
    assert await find(store, {}, sort=(("_id", 1),)) == [
        {"_id": "a", "color": "red"},
        {"_id": "b", "size": 2},
        {"_id": "sum", "of": "sizes", "total": -2},
    ]


@pytest.mark.parametrize("document", [{"_id": 1}, {"_id": 2, "tags": [{"id": "x"}]}], ids=["_id", "unique index"])
async def test_a_key_in_use_is_a_conflict(store: Any, document: Document) -> None:
    await insert(store, {"_id": 1, "tags": [{"id": "x"}]})
    with pytest.raises(StoreConflict):
        await insert(store, {"_id": 3}, document)
    assert len(await find(store, {})) == 1


async def test_queries_in_one_trip_use_indexes(site: Site, mongodb: MongoStore) -> None:
    """Measured by the server's own profile."""
    await insert(mongodb, *({"_id": number, "tags": [{"id": number}]} for number in range(500)))
    by_id, by_tag = Find(THINGS.name, {"_id": {"$in": [1, 2]}}), Find(THINGS.name, {"tags.id": {"$in": [3]}})
    with MongoClient[Document](site.settings.mongodb_url) as client:
        database = client[site.settings.database]
        database.command("profile", 2)
        await mongodb.transact(lambda tx: tx.find_all([by_id, by_tag]))
        database.command("profile", 0)
        [profile] = database["system.profile"].find({"command.aggregate": 1})
        database["system.profile"].drop()
        assert 3 <= profile["docsExamined"] <= 5


async def test_answers_too_large_for_one_trip_are_read_one_by_one_the_next_time(mongodb: MongoStore) -> None:
    """A document holds 16 MB at most, and the answers of one trip are one document."""
    for number in range(3):
        await insert(mongodb, {"_id": number, "body": bytes(6_000_000)})
    queries = [Find(THINGS.name, {"_id": {"$in": ids}}) for ids in ([0, 1], [1, 2])]

    with pytest.raises(StoreConflict):
        await mongodb.transact(lambda tx: tx.find_all(queries))
    answers = await mongodb.transact(lambda tx: tx.find_all(queries))

    assert [[document["_id"] for document in answer] for answer in answers] == [[0, 1], [1, 2]]


async def test_two_transactions_on_one_document_are_a_conflict_for_one_of_them(mongodb: MongoStore) -> None:
    await insert(mongodb, {"_id": 1, "size": 0})
    both_have_read = asyncio.Barrier(2)

    async def grow(tx: Transaction) -> None:
        [document] = await tx.find(THINGS.name, {"_id": 1})
        await both_have_read.wait()
        await tx.replace(THINGS.name, [{**document, "size": document["size"] + 1}])

    outcomes = await asyncio.gather(mongodb.transact(grow), mongodb.transact(grow), return_exceptions=True)

    assert [type(outcome) for outcome in outcomes if outcome is not None] == [StoreConflict]
    assert await find(mongodb, {}) == [{"_id": 1, "size": 1}]


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_unreachable_server_raises_store_unavailable(client: str) -> None:
    store = MongoStore.connect("mongodb://127.0.0.1:1/?replicaSet=x", "nowhere", client_class=CLIENTS[client])
    try:
        outcomes = await asyncio.gather(insert(store, {"_id": 1}), store.ping(), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [StoreUnavailable, StoreUnavailable]
    finally:
        store.close()


@pytest.mark.parametrize("client", CLIENTS)
async def test_an_invalid_address_is_reported_at_once(client: str) -> None:
    with pytest.raises(StoreUnavailable, match="MONGODB_URL cannot be understood"):
        MongoStore.connect("http://127.0.0.1:27017", "nowhere", client_class=CLIENTS[client])


async def test_declaring_again_changes_nothing(mongodb: MongoStore) -> None:
    await mongodb.prepare([THINGS])
    assert THINGS.name in await mongodb.names()


@pytest.mark.parametrize("client", CLIENTS)
async def test_several_processes_may_declare_at_once(site: Site, client: str) -> None:
    """As the processes of an API do on an empty database."""
    collections = [Collection(f"test.{client}_things_{number}", "documents of this test") for number in range(30)]
    stores = [connect(site, client) for _ in range(4)]
    try:
        await asyncio.gather(*(store.prepare(collections) for store in stores))
        assert {collection.name for collection in collections} <= set(await site.store.names())
    finally:
        for store in stores:
            store.close()


async def test_a_snapshot_does_not_see_later_writes(mongodb: MongoStore) -> None:
    await insert(mongodb, {"_id": 1, "n": 1})
    async with mongodb.snapshot() as read:
        assert [document["n"] for document in await read.find(THINGS.name, {})] == [1]
        await insert(mongodb, {"_id": 2, "n": 2})
        await mongodb.transact(lambda tx: tx.replace(THINGS.name, [{"_id": 1, "n": 5}]))
        assert [document["n"] async for document in read.stream(THINGS.name, {})] == [1]
        assert await read.find(THINGS.name, {"_id": 2}) == []
    assert {document["n"] for document in await find(mongodb, {})} == {2, 5}


async def test_a_change_sets_and_removes_fields_and_keeps_the_rest(store: Any) -> None:
    await insert(store, {"_id": 1, "size": 1, "color": "red", "at": NOON}, {"_id": 2, "size": 5})

    changes = [Change(1, {"size": 9, "tags": [{"id": "x"}]}, ["color"]), Change(2, {}, ["size"])]
    await store.transact(lambda tx: tx.change(THINGS.name, changes))

    assert await find(store, {}, sort=(("_id", 1),)) == [
        {"_id": 1, "size": 9, "at": NOON, "tags": [{"id": "x"}]},
        {"_id": 2},
    ]


async def test_concurrent_changes_of_different_fields_are_a_conflict(mongodb: MongoStore) -> None:
    """Each decided on the whole document that it read."""
    await insert(mongodb, {"_id": 1, "size": 1, "color": "red"})

    async def paint(tx: Transaction) -> None:
        await tx.find(THINGS.name, {"_id": 1})
        await mongodb.transact(lambda other: other.change(THINGS.name, [Change(1, {"size": 2})]))
        await tx.change(THINGS.name, [Change(1, {"color": "blue"})])

    with pytest.raises(StoreConflict):
        await mongodb.transact(paint)
    assert await find(mongodb, {}) == [{"_id": 1, "size": 2, "color": "red"}]
