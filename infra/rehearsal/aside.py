"""Rehearsing beside a server: in a thread with a loop and a connection of its own, one at a time, for a limited time.

A rehearsal goes through a million orders; in the server's own loop everybody else would wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from infra.adapters.mongo import MongoStore
from infra.runtime.audit import Read
from infra.runtime.settings import Settings

T = TypeVar("T")


class AlreadyRehearsing(Exception):
    """Another rehearsal is under way in this process; try again later."""


class RehearsalTooLong(Exception):
    """It did not end within its time; ask for fewer days."""


class Aside:
    """One for a process."""

    def __init__(self, settings: Settings, *, within_s: float = 60.0) -> None:
        self._settings = settings
        self._within_s = within_s
        self._busy = False

    async def __call__(self, work: Callable[[Read], Awaitable[T]]) -> T:
        """What `work` returns or raises. Raises AlreadyRehearsing, RehearsalTooLong, StoreUnavailable."""
        if self._busy:
            raise AlreadyRehearsing
        self._busy = True
        thread = asyncio.create_task(asyncio.to_thread(self._run, work))
        thread.add_done_callback(self._end)
        # Whoever goes away leaves the thread to its end; only then the next may begin.
        return await asyncio.shield(thread)

    def _end(self, thread: asyncio.Task[T]) -> None:
        self._busy = False
        if not thread.cancelled():
            thread.exception()

    def _run(self, work: Callable[[Read], Awaitable[T]]) -> T:
        async def rehearse() -> T:
            store = MongoStore.connect(self._settings.mongodb_url, self._settings.database)
            try:
                async with asyncio.timeout(self._within_s):
                    return await work(store)
            except TimeoutError:
                raise RehearsalTooLong from None
            finally:
                store.close()

        return asyncio.run(rehearse())
