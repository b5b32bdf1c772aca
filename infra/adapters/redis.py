"""Redis: a cache that never decides correctness. A slow answer is no answer, and the caller goes without.

Each question that has to be one act is one Lua script; times are the server's, so that processes agree about them.
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

from infra.adapters.redis_scripts import FORGET, KEEP, LOOK, TAKE
from infra.ports.cache import CacheUnavailable, Found, Taken

log = structlog.get_logger()

T = TypeVar("T")

_ANSWER_WITHIN_S = 0.3
_RETRIES = 1
_LEFT_ALONE_S = 1.0
"""After a failure nobody asks for so long: otherwise each request would wait for the same silence."""

_MICROSECONDS = 1_000_000
_MARKER_MS = 30_000
"""How long it is remembered that somebody reads a value anew; no reading may take longer."""


@dataclass(slots=True)
class _Absence:
    """Whether Redis was away when it was asked last, and until when it is left alone."""

    away: bool = False
    until_s: float = 0.0


class RedisCache:
    """One client for a process. Create it inside the running event loop."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._absence = _Absence()
        self._take = client.register_script(TAKE)
        self._look = client.register_script(LOOK)
        self._keep = client.register_script(KEEP)
        self._forget = client.register_script(FORGET)

    @classmethod
    def connect(cls, url: str) -> Self:
        """Make a client; nothing is sent yet. CacheUnavailable where the URL cannot be understood."""
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
        """CacheUnavailable unless it answers."""
        try:
            await self._client.ping()
        except (RedisError, OSError) as error:
            raise CacheUnavailable(str(error)) from error

    async def version(self) -> str:
        """The server's version. Raises CacheUnavailable."""
        try:
            facts = await self._client.info("server")
        except (RedisError, OSError) as error:
            raise CacheUnavailable(str(error)) from error
        return str(facts["redis_version"])

    async def size(self) -> int:
        """How many keys the database holds, whoever made them. Raises CacheUnavailable."""
        try:
            return int(await self._client.dbsize())
        except (RedisError, OSError) as error:
            raise CacheUnavailable(str(error)) from error

    async def take(self, key: str, *, quota: int, window_s: float) -> Taken:
        """Take one of `quota` that come back evenly over `window_s`; unused ones add up to the quota."""
        gap = window_s * _MICROSECONDS / quota
        taken, left, wait, full = await self._call(lambda: self._take(keys=[key], args=[gap, quota]))
        return Taken(taken == 1, int(left), int(wait) / _MICROSECONDS, int(full) / _MICROSECONDS)

    async def look(self, keys: Sequence[str]) -> list[Found]:
        """What is kept under each key, if it still holds, and which change of it was the last heard of."""
        found = await self._call(lambda: self._look(keys=list(keys), args=[_MARKER_MS]))
        return [Found(value, str(version)) for value, version in found]

    async def keep(self, values: Mapping[str, tuple[str, Found]], *, at_least_s: float, at_most_s: float) -> int:
        """Keep values that were read after `look` found these; return how many were taken.

        None replaces one that was read after a later change. `at_least_s` a value is given out even if a change
        comes, or came while it was read: so what is dear to read is not read for every change.
        """
        arguments: list[Any] = [int(at_most_s * 1000), int(at_least_s * _MICROSECONDS)]
        for value, found in values.values():
            arguments += [found.version, value]
        return int(await self._call(lambda: self._keep(keys=list(values), args=arguments)))

    async def invalidate(self, keys: Sequence[str]) -> None:
        """A change was heard of: whatever was read before does not hold any more."""
        await self._call(lambda: self._forget(keys=list(keys), args=[_MARKER_MS]))

    async def close(self) -> None:
        await self._client.aclose()

    async def _call(self, question: Callable[[], Awaitable[T]]) -> T:
        now_s = asyncio.get_running_loop().time()
        if now_s < self._absence.until_s:
            raise CacheUnavailable("Redis did not answer a moment ago")
        try:
            answer = await question()
        except (RedisError, OSError) as error:
            if not self._absence.away:
                log.warning("cache_away", reason=str(error), consequence="no limits, and reads come from MongoDB")
            self._absence = _Absence(away=True, until_s=asyncio.get_running_loop().time() + _LEFT_ALONE_S)
            raise CacheUnavailable(str(error)) from error
        if self._absence.away:
            log.info("cache_back")
            self._absence = _Absence()
        return answer
