"""Preparing collections: after an error nothing runs on, as the store is closed then."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pymongo.errors import AutoReconnect

from infra.adapters.mongo import MongoStore
from infra.adapters.mongo_sums import OPTIONS
from infra.ports.store import Collection


class Database:
    """Loses its connection when it creates `first`; another collection takes a while."""

    codec_options = OPTIONS

    def __init__(self) -> None:
        self.created: list[str] = []

    def get_database(self, name: str, **options: Any) -> Database:
        return self

    async def list_collection_names(self) -> Sequence[str]:
        return ()

    async def create_collection(self, name: str, *, check_exists: bool) -> None:
        if name == "first":
            raise AutoReconnect("connection closed")
        await asyncio.sleep(0.01)
        self.created.append(name)


async def test_the_first_error_is_raised_and_nothing_runs_on() -> None:
    database = Database()
    with pytest.raises(AutoReconnect, match="connection closed"):
        await MongoStore(database, "shop").prepare([Collection("first", "fails"), Collection("second", "is slow")])
    await asyncio.sleep(0.05)

    assert database.created == []
