"""Reads that last longer than a server keeps a snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from motor.motor_asyncio import AsyncIOMotorClient

from infra.adapters.mongo import MongoStore
from infra.operators.lasting_read import LastingRead
from infra.ports.store import SnapshotTooOld
from tests.connected.running import Site
from tests.servers import WAIT_MAX_S

THINGS = "test.lasting"
_HISTORY = "minSnapshotHistoryWindowInSeconds"


@pytest.fixture
async def no_history(site: Site) -> AsyncIterator[None]:
    """The server keeps a snapshot only until something else is written."""
    client: Any = AsyncIOMotorClient(site.settings.mongodb_url)
    kept = await client.admin.command("getParameter", 1, **{_HISTORY: 1})
    await client.admin.command("setParameter", 1, **{_HISTORY: 0})
    yield
    await client.admin.command("setParameter", 1, **{_HISTORY: kept[_HISTORY]})
    client.close()


async def test_a_stream_continues_with_a_later_snapshot_when_the_first_is_gone(site: Site, no_history: None) -> None:
    numbers = list(range(3_000))
    await insert(site.store, *numbers)
    read: list[int] = []
    async with LastingRead(site.store) as lasting:
        async for thing in lasting.stream(THINGS, {}):
            read.append(thing["_id"])
            if len(read) == 10:
                await outlive_the_snapshot(site.store, first=numbers[-1] + 1)
        moments = lasting.moments

    assert moments == 2
    assert read[: len(numbers)] == numbers, "each is read once, in order"
    assert len(read) > len(numbers), "the later snapshot has what was written meanwhile"


async def test_a_query_is_repeated_with_a_later_snapshot(site: Site, no_history: None) -> None:
    await insert(site.store, 1)
    async with LastingRead(site.store) as lasting:
        assert len(await lasting.find(THINGS, {})) == 1
        await outlive_the_snapshot(site.store, first=2)
        assert len(await lasting.find(THINGS, {})) > 1
        assert lasting.moments == 2


async def insert(store: MongoStore, *numbers: int) -> None:
    await store.transact(lambda tx: tx.insert(THINGS, [{"_id": number} for number in numbers]))


async def outlive_the_snapshot(store: MongoStore, first: int) -> None:
    """Write until the server has dropped the snapshot at which this began."""
    async with asyncio.timeout(WAIT_MAX_S), store.snapshot() as old:
        with suppress(SnapshotTooOld):
            while True:
                await old.find(THINGS, {"_id": first})
                await insert(store, first)
                first += 1
                await asyncio.sleep(0.1)
