"""The connections of an API process, opened from the settings and closed together.

MongoDB must answer before a process serves; RabbitMQ and Redis may come later: reads go on without them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from infra.adapters.jwks import KeysUnavailable, fetch_json
from infra.adapters.mongo import MongoStore
from infra.adapters.redis import CacheUnavailable, RedisCache
from infra.runtime.command_client import CommandClient
from infra.runtime.messaging import BrokerUnavailable
from infra.runtime.settings import Settings
from infra.runtime.store import Collection, StoreUnavailable

__all__ = ["CacheUnavailable", "Connections", "KeysUnavailable", "open_connections"]

log = structlog.get_logger()

_TRY_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Connections:
    store: MongoStore
    commands: CommandClient
    cache: RedisCache
    fetch_json: Callable[[str], Awaitable[dict[str, Any]]] = fetch_json


@asynccontextmanager
async def open_connections(settings: Settings, collections: Sequence[Collection]) -> AsyncIterator[Connections]:
    """Open them all inside the running loop, and see to `collections`. Raises StoreUnavailable without MongoDB."""
    async with AsyncExitStack() as stack:
        store = MongoStore.connect(settings.mongodb_url, settings.database)
        stack.callback(store.close)
        await _reach(store, within_s=settings.startup_wait_s)
        await store.prepare(collections)
        cache = RedisCache.connect(settings.redis_url)
        stack.push_async_callback(cache.close)
        commands = CommandClient(settings.rabbitmq_url)
        starting = asyncio.create_task(_start(commands))
        stack.push_async_callback(_stop, commands, starting)
        # Most of the time RabbitMQ is there: then the first request finds it connected.
        await asyncio.wait([starting], timeout=2.0)
        yield Connections(store, commands, cache)


async def _reach(store: MongoStore, *, within_s: float) -> None:
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        try:
            await store.ping()
        except StoreUnavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_TRY_AGAIN_S)
        else:
            return


async def _start(commands: CommandClient) -> None:
    """Connect as soon as RabbitMQ answers; from then on the connection restores itself."""
    said = False
    while True:
        try:
            await commands.start()
        except BrokerUnavailable as error:
            if not said:
                log.warning("broker away, writes are refused until it answers", reason=str(error))
                said = True
            with suppress(Exception):
                await commands.stop()
            await asyncio.sleep(_TRY_AGAIN_S)
        else:
            return


async def _stop(commands: CommandClient, starting: asyncio.Task[None]) -> None:
    starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
    await commands.stop()
