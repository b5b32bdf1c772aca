"""Calls to the outside, made side by side, each with a deadline; a simulation provides its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Calls(Protocol):
    async def make(self, calls: Sequence[Coroutine[Any, Any, T]], *, deadline_s: float) -> list[T | Exception]:
        """The result of each call, or what it raised: TimeoutError for one that was cancelled at the deadline."""
        ...


class SideBySide:
    async def make(self, calls: Sequence[Coroutine[Any, Any, T]], *, deadline_s: float) -> list[T | Exception]:
        async def bounded(call: Coroutine[Any, Any, T]) -> T:
            async with asyncio.timeout(deadline_s):
                return await call

        results: list[T | Exception] = []
        for result in await asyncio.gather(*map(bounded, calls), return_exceptions=True):
            if isinstance(result, BaseException) and not isinstance(result, Exception):
                raise result
            results.append(result)
        return results
