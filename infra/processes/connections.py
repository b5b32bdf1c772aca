"""The connections of an API process, opened from the settings and closed together.

MongoDB must answer before a process serves; RabbitMQ and Redis may come later: reads work without them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from infra.adapters.jwks import fetch_json
from infra.adapters.link import MONGODB, RABBITMQ, Link, primary_watch
from infra.adapters.mongo import MongoStore
from infra.adapters.redis import RedisCache
from infra.adapters.vault import KeyVault
from infra.gateway.command_client import CommandClient
from infra.ports.messaging import BrokerUnavailable
from infra.ports.rails import Callbacks
from infra.ports.store import Collection, StoreUnavailable
from infra.ports.time import RealTime
from infra.processes.outside import callbacks_of
from infra.settings import Settings
from infra.telemetry import metrics
from infra.telemetry.readiness import Readiness
from infra.vault.master import MasterKeys

_START = "start"
_TRY_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Connections:
    store: MongoStore
    commands: CommandClient
    cache: RedisCache
    callbacks: Callbacks
    vault: KeyVault
    fetch_json: Callable[[str], Awaitable[dict[str, Any]]] = fetch_json


@asynccontextmanager
async def open_connections(settings: Settings, collections: Sequence[Collection]) -> AsyncIterator[Connections]:
    """Open them all inside the running loop, and create `collections`. Raises StoreUnavailable without MongoDB, and
    ValueError if a setting of a rail is missing.
    """
    callbacks = callbacks_of(settings)
    async with AsyncExitStack() as stack:
        readiness = Readiness()
        metrics.of_process(is_ready=lambda: not readiness.is_away(MONGODB), restarts=settings.restarts)
        stack.callback(asyncio.create_task(readiness.keep_reminding()).cancel)
        store = MongoStore.connect(settings.mongodb_url, settings.database, on_primary=primary_watch(readiness))
        stack.callback(store.close)
        await _reach(store, within_s=settings.startup_wait_s)
        readiness.has(_START, server=MONGODB)
        await store.prepare(collections)
        cache = RedisCache.connect(settings.redis_url)
        stack.push_async_callback(cache.close)
        commands = CommandClient(settings.rabbitmq_url, link=Link(readiness, "sends commands"))
        starting = asyncio.create_task(_start(commands, readiness))
        stack.push_async_callback(_stop, commands, starting)
        # Usually RabbitMQ answers at once: then it is connected before the first request.
        await asyncio.wait([starting], timeout=2.0)
        vault = KeyVault(store, MasterKeys(settings.master_key_file), RealTime())
        yield Connections(store, commands, cache, callbacks, vault)


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


async def _start(commands: CommandClient, readiness: Readiness) -> None:
    """Connect as soon as RabbitMQ answers; after that the connection restores itself. Until then writes are refused."""
    while True:
        try:
            await commands.start()
        except BrokerUnavailable as error:
            readiness.lacks(_START, str(error), server=RABBITMQ)
            with suppress(Exception):
                await commands.stop()
            await asyncio.sleep(_TRY_AGAIN_S)
        else:
            readiness.has(_START, server=RABBITMQ)
            return


async def _stop(commands: CommandClient, starting: asyncio.Task[None]) -> None:
    starting.cancel()
    with suppress(asyncio.CancelledError):
        await starting
    await commands.stop()
