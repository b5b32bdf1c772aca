"""Reads that end with a number of documents, or with their bytes, in every store."""

from __future__ import annotations

from typing import Any

import pytest

from infra.adapters.mongo import MongoStore
from infra.ports.store import Document, StateTooLarge, Transaction
from tests.connected import test_mongo_store
from tests.connected.test_mongo_store import NOON, THINGS, insert

store, mongodb = test_mongo_store.store, test_mongo_store.mongodb


async def test_some_documents_end_with_a_number_or_with_their_bytes(mongodb: MongoStore) -> None:
    await insert(mongodb, *({"_id": number, "text": "x" * 1_000} for number in range(9)))

    async def some(limit: int, bytes_max: int) -> list[tuple[list[int], bool]]:
        newest = (("_id", -1),)
        read = await mongodb.find_some(THINGS.name, {}, sort=newest, limit=limit, bytes_max=bytes_max)
        stages = [{"$sort": dict(newest)}]
        summed = await mongodb.summarise_some(THINGS.name, stages, limit=limit, bytes_max=bytes_max)
        return [([document["_id"] for document in found], more) for found, more in (read, summed)]

    assert await some(3, 1_000_000) == [([8, 7, 6], True)] * 2
    assert await some(9, 1_000_000) == await some(200, 1_000_000) == [([8, 7, 6, 5, 4, 3, 2, 1, 0], False)] * 2
    assert await some(9, 2_500) == [([8, 7], True)] * 2
    assert await some(9, 10) == [([8], True)] * 2
    found, _ = await mongodb.find_some(THINGS.name, {"_id": 3}, limit=1, fields=("_id",), bytes_max=10)
    assert found == [{"_id": 3}]


async def test_the_documents_of_many_ids_must_not_take_too_much(
    mongodb: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the messages that lead to them are handled by halves; one document is always read."""
    monkeypatch.setattr("infra.adapters.mongo_transaction.STATE_BYTES_MAX", 3_000)
    await insert(mongodb, *({"_id": number, "at": NOON, "text": "x" * 1_000} for number in range(5)))

    async def read(tx: Transaction, *ids: int) -> list[Document]:
        return await tx.find(THINGS.name, {"_id": {"$in": list(ids)}})

    with pytest.raises(StateTooLarge):
        await mongodb.transact(lambda tx: read(tx, 0, 1, 2, 3))
    found = await mongodb.transact(lambda tx: read(tx, 0, 1, 99))
    assert [(document["_id"], document["at"]) for document in found] == [(0, NOON), (1, NOON)]
    assert len(await mongodb.transact(lambda tx: read(tx, 4))) == 1
    with pytest.raises(StateTooLarge):
        await mongodb.transact(lambda tx: tx.find(THINGS.name, {"at": {"$in": [NOON, NOON.replace(year=2025)]}}))


async def test_a_transaction_reads_some_documents_or_parts_of_them_after_its_own_writes(store: Any) -> None:
    async def read(tx: Transaction) -> list[tuple[list[Document], bool]]:
        items = [{"of": "a", "n": 1}, {"of": "b", "n": 2}, {"of": "a", "n": 3}]
        await tx.insert(THINGS.name, [{"_id": number, "text": "x" * 1_000, "items": items} for number in range(3)])
        await tx.insert(THINGS.name, [{"_id": 3}])
        wanted: dict[str, Any] = {"array": "items", "field": "of", "values": ["a"], "limit": 9}
        return [
            await tx.find_some(THINGS.name, {}, sort=(("_id", -1),), limit=9, fields=("text",), bytes_max=1_100),
            await tx.find_parts(THINGS.name, {"_id": {"$in": [2, 3]}}, **wanted, bytes_max=10_000),
            await tx.find_parts(THINGS.name, {"_id": {"$in": [0, 1, 2]}}, **wanted, bytes_max=100),
        ]

    some, parts, cut = await store.transact(read)

    assert some == ([{"_id": 3}, {"_id": 2, "text": "x" * 1_000}], True)
    assert parts == (
        [{"_id": 2, "items": [{"of": "a", "n": 1}, {"of": "a", "n": 3}]}, {"_id": 3, "items": None}],
        False,
    )
    assert (len(cut[0]), cut[1]) == (1, True)


async def test_a_scan_ends_with_items_or_with_the_bytes_that_the_store_looked_through(store: Any) -> None:
    mine, other = {"of": "a", "about": "x", "n": 1}, {"of": "b", "about": "y", "n": 2}
    documents = [{"_id": n, "at": NOON, "text": "x" * 1_000, "items": [mine, other, other]} for n in range(40)]
    await store.transact(lambda tx: tx.insert(THINGS.name, documents))
    scan: dict[str, Any] = {"arrays": ("items", "none"), "by": ("about", "of"), "values": ["x"], "fields": ("at",)}

    async def scanned(items_max: int, bytes_max: int, *, newest_first: bool = True) -> tuple[list[int], bool]:
        found, more_follow = await store.scan_parts(
            THINGS.name, {}, **scan, newest_first=newest_first, items_max=items_max, bytes_max=bytes_max
        )
        for document in found:
            assert (document["at"], document["items"], document.get("none")) == (NOON, [mine], None)
            assert "text" not in document
        return [document["_id"] for document in found], more_follow

    assert await scanned(99, 1_000_000) == ([*range(39, -1, -1)], False)
    assert await scanned(2, 1_000_000) == ([39, 38], True)
    assert await scanned(99, 2_500) == ([39, 38, 37], True)
    assert (await scanned(99, 10, newest_first=False))[1]
