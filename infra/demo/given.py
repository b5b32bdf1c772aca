"""Given servers, which the demo did not start: it writes to them only if they are empty and unused."""

from __future__ import annotations

from infra.adapters import rabbitmq as broker
from infra.adapters.mongo import MongoStore
from infra.adapters.redis import RedisCache
from infra.ports.cache import CacheUnavailable
from infra.runtime import roster
from infra.runtime.topology import topology_of
from infra.settings import Settings

_NAMED_MAX = 3


class NotEmptyError(Exception):
    """The given servers are not empty, or in use; the text states where, and what to do."""


async def require_empty(settings: Settings) -> None:
    """Raises NotEmptyError if there is already a document, a message, a consumer or a cached value.

    Workers of another database may consume the same queues: they would then handle the demo's orders.
    """
    if used := await _collections_in_use(settings):
        raise NotEmptyError(
            f"The database {settings.database!r} is not empty: there are documents in {_some(used)}. The demo writes "
            "thousands of invented orders, and only into an empty database; "
            "name a new one in TRIBUTARY_DATABASE, or omit --on-given-servers."
        )
    if used := await _queues_in_use(settings):
        raise NotEmptyError(
            f"The queues of RABBITMQ_URL are in use: there are messages or consumers at {_some(used)}. "
            "The demo's orders would mix with them; "
            "stop those workers and empty the queues, use another virtual host, or omit --on-given-servers."
        )
    if keys := await _cached_keys(settings):
        raise NotEmptyError(
            f"The Redis database of REDIS_URL is not empty: it has {keys} keys, and the demo's answers would be "
            "cached beside them; name another database in REDIS_URL, or omit --on-given-servers."
        )


async def _collections_in_use(settings: Settings) -> list[str]:
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await store.ping()
        return [name for name in await store.names() if await store.find(name, {}, limit=1)]
    finally:
        store.close()


async def _queues_in_use(settings: Settings) -> list[str]:
    queues = topology_of(roster.load_all(), settings).queues
    depths = await broker.depths(settings.rabbitmq_url, [queue.name for queue in queues])
    return [name for name, depth in depths.items() if depth is not None and (depth.ready or depth.consumers)]


async def _cached_keys(settings: Settings) -> int:
    """0 if Redis is not available: the demo works without it, only slower."""
    cache = RedisCache.connect(settings.redis_url)
    try:
        return await cache.size()
    except CacheUnavailable:
        return 0
    finally:
        await cache.close()


def _some(names: list[str]) -> str:
    named = ", ".join(names[:_NAMED_MAX])
    more = len(names) - _NAMED_MAX
    return f"{named} and {more} more" if more > 0 else named
