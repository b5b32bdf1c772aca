"""Redis: a cache on which correctness never depends. A slow answer counts as none, and the caller continues without it.

Each operation that must be atomic is one Lua script; times are the server's, so that all processes use the same clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from infra.adapters.redis_scripts import INVALIDATE, KEEP, LOOK, TAKE
from infra.ports.cache import CacheUnavailable, Found, Taken

log = structlog.get_logger()

T = TypeVar("T")

_ANSWER_WITHIN_S = 0.3
_RETRIES = 1
_PAUSE_AFTER_FAILURE_S = 1.0
"""No calls are made in this time: otherwise each request would wait for the same timeout."""

_AT_ONCE = 32
"""Calls of a process at a time; others wait for their turn, however long it takes. The client refuses more than 100,
which would count as an absence: a crowd would switch its own limits off.
"""

_MICROSECONDS = 1_000_000
_MARKER_MS = 30_000
"""How long the marker of a running read is kept; no read may take longer."""


@dataclass(slots=True)
class _Absence:
    """Whether the last call found Redis away, and until when no calls are made."""

    away: bool = False
    until_s: float = 0.0


class RedisCache:
    """One client per process. Create it inside the running event loop."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._absence = _Absence()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._take = client.register_script(TAKE)
        self._look = client.register_script(LOOK)
        self._keep = client.register_script(KEEP)
        self._invalidate = client.register_script(INVALIDATE)

    @classmethod
    def connect(cls, url: str) -> Self:
        """Make a client; nothing is sent yet. Raises CacheUnavailable if the URL is invalid."""
        try:
            client = Redis.from_url(
                url,
                socket_timeout=_ANSWER_WITHIN_S,
                socket_connect_timeout=_ANSWER_WITHIN_S,
                retry=Retry(NoBackoff(), _RETRIES),
                decode_responses=True,
            )
        except ValueError as error:
            raise CacheUnavailable(f"REDIS_URL cannot be understood: {error}") from error
        return cls(client)

    async def ping(self) -> None:
        """Raises CacheUnavailable unless Redis answers."""
        try:
            await self._client.ping()
        except (RedisError, OSError) as error:
            raise CacheUnavailable(str(error)) from error

    async def version(self) -> str:
        """The server's version. Raises CacheUnavailable."""
        try:
            info = await self._client.info("server")
        except (RedisError, OSError) as error:
            raise CacheUnavailable(str(error)) from error
        return str(info["redis_version"])

    async def size(self) -> int:
        """The number of all keys in the database. Raises CacheUnavailable."""
        try:
            return int(await self._client.dbsize())
        except (RedisError, OSError) as error:
            raise CacheUnavailable(str(error)) from error

    async def take(self, key: str, *, quota: int, window_s: float) -> Taken:
        """Take one of `quota` permits, which refill evenly over `window_s`; unused ones add up to the quota."""
        gap = window_s * _MICROSECONDS / quota
        taken, left, wait, full = await self._call(lambda: self._take(keys=[key], args=[gap, quota]))
        return Taken(taken == 1, int(left), int(wait) / _MICROSECONDS, int(full) / _MICROSECONDS)

    async def look(self, keys: Sequence[str]) -> list[Found]:
        """The value under each key, if it is still valid, and the version of its last invalidation."""
        found = await self._call(lambda: self._look(keys=list(keys), args=[_MARKER_MS]))
        return [Found(value, str(version)) for value, version in found]

    async def keep(self, values: Mapping[str, tuple[str, Found]], *, at_least_s: float, at_most_s: float) -> int:
        """Store values that were read after `look` found these; return how many were stored.

        None of them replaces a value that was read after a later change. For `at_least_s` a value counts as valid even
        if a change comes, or came while it was read: so an expensive read does not run for every change.
        """
        arguments: list[Any] = [int(at_most_s * 1000), int(at_least_s * _MICROSECONDS)]
        for value, found in values.values():
            arguments += [found.version, value]
        return int(await self._call(lambda: self._keep(keys=list(values), args=arguments)))

    async def invalidate(self, keys: Sequence[str]) -> None:
        """Mark everything read before this change as no longer valid."""
        await self._call(lambda: self._invalidate(keys=list(keys), args=[_MARKER_MS]))

    async def close(self) -> None:
        await self._client.aclose()

    async def _call(self, operation: Callable[[], Awaitable[T]]) -> T:
        async with self._turns:
            return await self._call_now(operation)

    async def _call_now(self, operation: Callable[[], Awaitable[T]]) -> T:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._absence.until_s:
            raise CacheUnavailable("Redis did not answer a moment ago")
        try:
            answer = await operation()
        except (RedisError, OSError) as error:
            if not self._absence.away:
                log.warning("cache_away", reason=str(error), consequence="no limits, and reads come from MongoDB")
            self._absence = _Absence(away=True, until_s=asyncio.get_running_loop().time() + _PAUSE_AFTER_FAILURE_S)
            raise CacheUnavailable(str(error)) from error
        if self._absence.away:
            log.info("cache_back")
            self._absence = _Absence()
        return answer
