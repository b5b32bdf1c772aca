"""Redis: a cache that never decides correctness. A slow answer is no answer, and the caller goes without."""

from __future__ import annotations

from typing import Self

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

_ANSWER_WITHIN_S = 0.3
_RETRIES = 1


class CacheUnavailable(Exception):
    """Redis cannot be reached, or does not answer in time; go on without it."""


class RedisCache:
    """One client for a process. Create it inside the running event loop."""

    def __init__(self, client: Redis) -> None:
        self._client = client

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

    async def close(self) -> None:
        await self._client.aclose()
