"""Calls to the outside, each with a deadline; a simulation provides its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Calls(Protocol):
    async def make(self, call: Coroutine[Any, Any, T], *, deadline_s: float) -> T | Exception:
        """The result of the call, or what it raised: TimeoutError if it was cancelled at the deadline."""
        ...


class RealCalls:
    async def make(self, call: Coroutine[Any, Any, T], *, deadline_s: float) -> T | Exception:
        try:
            async with asyncio.timeout(deadline_s):
                return await call
        except Exception as error:
            return error
