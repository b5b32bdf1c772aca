"""A read-through cache in Redis, which events invalidate.

A value from Redis is shown only if it has the shape that was stored; another one is read from MongoDB, and replaced.
Values come only from MongoDB, never from an event. An event only invalidates what was read before it, so events may
come twice, late, in any order, or not at all: then the value expires. Concurrent reads of the same value in one process
share one query. Without Redis every read goes to MongoDB.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from pydantic import TypeAdapter, ValidationError

from infra.ports.cache import Cache, CacheUnavailable, Found

log = structlog.get_logger()

KEPT_S = 60.0
_JITTER = 0.2
"""Values that were read together do not expire together."""

_KEPT_PER_COST = 20.0
_KEPT_ANYWAY_MAX_S = 30.0
"""A value is served for twenty times its read time, even if it changes: so no value takes more than a twentieth of a
core, however often it changes."""

_READ_WITHIN_S = 20.0
"""The time limit of a read; a slower one fails and is not cached."""

Read = Callable[[Sequence[str]], Awaitable[Mapping[str, Any]]]
"""Reads the JSON values of these keys from MongoDB; a key without a value is absent."""


class Cached:
    """One kind of value. Keys are names without the prefix; `shape` is the type of the values."""

    def __init__(self, cache: Cache, prefix: str, read: Read, *, shape: Any = Any, kept_s: float = KEPT_S) -> None:
        self._cache = cache
        self._prefix = prefix
        self._read = read
        self._shape: TypeAdapter[Any] = TypeAdapter(shape | None if shape is not Any else Any)
        self._kept_s = kept_s
        self._running: dict[tuple[str, str], asyncio.Task[Mapping[str, Any]]] = {}

    async def get(self, key: str) -> Any:
        """The value, or None where there is none."""
        return (await self.get_many([key])).get(key)

    async def get_many(self, keys: Sequence[str]) -> dict[str, Any]:
        """The values of these keys; a key without a value is absent."""
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        try:
            found = dict(zip(wanted, await self._cache.look([self._prefix + key for key in wanted]), strict=True))
        except CacheUnavailable:
            found = {key: Found(None, "") for key in wanted}
        values: dict[str, Any] = {}
        missing: dict[str, Found] = {}
        for key, one in found.items():
            try:
                if one.value is not None:
                    values[key] = self._shape.validate_json(one.value, strict=True)
                    continue
            except ValidationError as error:
                log.warning("cached value not usable", key=self._prefix + key, errors=error.error_count())
            missing[key] = one
        for task in {self._reading(key, missing) for key in missing}:
            # A cancelled request must not cancel the read that others wait for.
            values |= {key: value for key, value in (await asyncio.shield(task)).items() if key in missing}
        return {key: value for key, value in values.items() if value is not None}

    def _reading(self, key: str, missing: Mapping[str, Found]) -> asyncio.Task[Mapping[str, Any]]:
        """The running read of this key and version, or a new one of all missing keys without one."""
        task = self._running.get((key, missing[key].version))
        if task is None:
            new = {name: found for name, found in missing.items() if (name, found.version) not in self._running}
            task = asyncio.create_task(self._read_and_keep(new))
            for name, found in new.items():
                self._running[name, found.version] = task
            task.add_done_callback(lambda _: self._end(new))
        return task

    def _end(self, new: Mapping[str, Found]) -> None:
        for name, found in new.items():
            del self._running[name, found.version]

    async def _read_and_keep(self, new: Mapping[str, Found]) -> Mapping[str, Any]:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        async with asyncio.timeout(_READ_WITHIN_S):
            read = await self._read(list(new))
        took_s = loop.time() - started_s
        values = {name: read.get(name) for name in new}
        kept = {self._prefix + name: (json.dumps(values[name]), found) for name, found in new.items() if found.version}
        if kept:
            at_most_s = self._kept_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  (guards nothing)
            at_least_s = min(took_s * _KEPT_PER_COST, _KEPT_ANYWAY_MAX_S, at_most_s)
            with suppress(CacheUnavailable):
                await self._cache.keep(kept, at_least_s=at_least_s, at_most_s=at_most_s)
        return values

    async def invalidate(self, keys: Sequence[str]) -> None:
        """The values of these keys have changed. Without Redis nothing happens: the values expire."""
        if keys:
            with suppress(CacheUnavailable):
                await self._cache.invalidate([self._prefix + key for key in keys])
