"""Sums of many orders may exceed 64 bits: the store adds them exactly, and reads them as whole numbers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from contracts.commissions.view import BALANCES, LEDGER, Leg, Posting
from infra.adapters.mongo import MongoStore
from infra.adapters.mongo_errors import SumTooLarge
from infra.cli.actions.ledger_sums import compare
from infra.ports.store import Collection, Increment, StoreConflict, Transaction
from infra.runtime.repository import Codec
from tests.connected.running import Site
from tests.connected.test_mongo_store import CLIENTS, NOON, connect

HUGE = 2**62
COLLECTION = "test.sums"
SUMS = Collection(COLLECTION, "sums of this test", ())


async def transact(store: MongoStore, work: Callable[[Transaction], Awaitable[None]]) -> int:
    """The number of conflicts before the transaction held; the runtime repeats a batch in the same way."""
    for conflicts in range(3):
        try:
            await store.transact(work)
        except StoreConflict:
            continue
        return conflicts
    pytest.fail("the transaction was never committed")


def adding(key: str, amount: int) -> Callable[[Transaction], Awaitable[None]]:
    async def work(tx: Transaction) -> None:
        await tx.add(COLLECTION, [Increment(key, {"net_minor": amount, "paid.02.levels": 1}, {"currency": "CNY"})])

    return work


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_sum_beyond_64_bits_is_exact(site: Site, client: str) -> None:
    store = connect(site, client)
    await store.prepare([SUMS])
    try:
        assert await transact(store, adding(client, HUGE)) == 0
        assert await transact(store, adding(client, HUGE)) == 1
        for _ in range(3):
            assert await transact(store, adding(client, HUGE)) == 0
        assert await transact(store, adding(client, -7)) == 0
    finally:
        store.close()
    # A process that never met such a sum reads it, and adds to it.
    store = connect(site, client)
    try:
        assert await transact(store, adding(client, 1)) == 0
        expected = {"_id": client, "net_minor": 5 * HUGE - 6, "paid": {"02": {"levels": 7}}, "currency": "CNY"}
        assert await store.find(COLLECTION, {"_id": client}) == [expected]
        assert [document async for document in store.stream(COLLECTION, {"_id": client})] == [expected]
        found, _ = await store.find_some(COLLECTION, {"_id": client}, limit=1, bytes_max=1_000)
        assert found == [expected]
        read = await store.transact(lambda tx: tx.find(COLLECTION, {"_id": {"$in": [client, "another"]}}))
        assert read == [expected]
    finally:
        store.close()


async def test_an_error_names_the_sum(site: Site) -> None:
    store = connect(site, "motor")
    await store.prepare([SUMS])
    try:
        await store.transact(adding("error", HUGE))
        with pytest.raises(SumTooLarge, match="inc"):
            await store.transact(adding("error", HUGE))
    finally:
        store.close()


async def test_an_account_beyond_64_bits_is_rebuilt_from_the_ledger(site: Site) -> None:
    postings = [
        Posting(f"p-{number}", f"s/{number}", "CNY", NOON, "accrual", (Leg("pool", -HUGE), Leg("held", HUGE, 3)))
        for number in range(5)
    ]
    to_document = Codec(Posting, key="posting_id").to_document
    store = connect(site, "motor")
    try:
        await store.transact(lambda tx: tx.insert(LEDGER, [to_document(posting) for posting in postings]))

        found = await compare(store, snapshot=False, repair=True)

        assert ((3, "CNY", "held"), 0, 5 * HUGE) in found.differing
        assert (await store.find(BALANCES, {"_id": "3/CNY/0"}))[0]["held_minor"] == 5 * HUGE
        assert (await compare(store, snapshot=False, repair=False)).differing == []
    finally:
        store.close()
