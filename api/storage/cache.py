"""Reading through Redis: what is read often comes from there, and an event that changes it says so.

Values come from MongoDB alone, never from an event; an event only says that what was read before it does not hold any
more, so events may come twice, late, in any order, or not at all, in which case the value ends with its time. Of those
who want the same value at the same time in one process, one reads it. Without Redis everyone reads MongoDB.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from infra.ports.cache import Cache, CacheUnavailable, Found

KEPT_S = 60.0
_JITTER = 0.2
"""Values that were read together do not end together."""

_KEPT_PER_COST = 20.0
_KEPT_ANYWAY_MAX_S = 30.0
"""A value is given out for twenty times what it took to read, even if it changes: no value takes more than a twentieth
of a core, however often it changes."""

_READ_WITHIN_S = 20.0
"""Longer than this nobody waits, and no answer may come into the cache."""

Read = Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]
"""Reads the values, which JSON can say, of these keys from MongoDB; whoever does not exist is absent."""


class Cached:
    """One kind of value. Keys are names without the prefix."""

    def __init__(self, cache: Cache, prefix: str, read: Read, *, kept_s: float = KEPT_S) -> None:
        self._cache = cache
        self._prefix = prefix
        self._read = read
        self._kept_s = kept_s
        self._under_way: dict[tuple[str, str], asyncio.Task[Mapping[str, Any]]] = {}

    async def get(self, key: str) -> Any:
        """The value, or None where there is none."""
        return (await self.get_many([key])).get(key)

    async def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """The values of these keys; whoever has none is absent."""
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        try:
            found = dict(zip(wanted, await self._cache.look([self._prefix + key for key in wanted]), strict=True))
        except CacheUnavailable:
            found = {key: Found(None, "") for key in wanted}
        values = {key: json.loads(one.value) for key, one in found.items() if one.value is not None}
        missing = {key: one for key, one in found.items() if one.value is None}
        for task in {self._reading(key, missing) for key in missing}:
            # Whoever goes away does not take the value from the others who wait for it.
            values |= {key: value for key, value in (await asyncio.shield(task)).items() if key in missing}
        return {key: value for key, value in values.items() if value is not None}

    def _reading(self, key: str, missing: Mapping[str, Found]) -> asyncio.Task[Mapping[str, Any]]:
        """The reading of this key that is under way for this version, or a new one of all that nobody reads yet."""
        task = self._under_way.get((key, missing[key].version))
        if task is None:
            new = {name: found for name, found in missing.items() if (name, found.version) not in self._under_way}
            task = asyncio.create_task(self._read_and_keep(new))
            for name, found in new.items():
                self._under_way[name, found.version] = task
            task.add_done_callback(lambda _: self._end(new))
        return task

    def _end(self, new: Mapping[str, Found]) -> None:
        for name, found in new.items():
            del self._under_way[name, found.version]

    async def _read_and_keep(self, new: Mapping[str, Found]) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        async with asyncio.timeout(_READ_WITHIN_S):
            read = await self._read(list(new))
        took_s = loop.time() - begun_s
        values = {name: read.get(name) for name in new}
        kept = {self._prefix + name: (json.dumps(values[name]), found) for name, found in new.items() if found.version}
        if kept:
            at_most_s = self._kept_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  (guards nothing)
            at_least_s = min(took_s * _KEPT_PER_COST, _KEPT_ANYWAY_MAX_S, at_most_s)
            with suppress(CacheUnavailable):
                await self._cache.keep(kept, at_least_s=at_least_s, at_most_s=at_most_s)
        return values

    async def invalidate(self, keys: Sequence[str]) -> None:
        """What these keys stand for has changed. Nothing happens where Redis is away: the value ends with its time."""
        if keys:
            with suppress(CacheUnavailable):
                await self._cache.invalidate([self._prefix + key for key in keys])
