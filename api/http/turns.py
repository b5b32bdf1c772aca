"""What one principal may have at work at a time in a process, so that others do not wait for it.

The rate limit counts requests, whatever they cost, and a minute's may come at once. So a principal has few requests at
work, further ones wait for their turn, and large views are built in a thread, one after the other, while the process
answers others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar
from weakref import WeakValueDictionary

from starlette.types import Scope

from api.http.problems import Problem

T = TypeVar("T")

READING = ("GET", "HEAD")
"""The methods of requests that read; only their answers may be large."""

READS_MAX = 2
WRITES_MAX = 4
"""One whose command the broker has is not at work: to wait for its outcome costs no processor time."""

ALL_WRITES_MAX = 8
"""Of all principals, while their commands are recorded and published. Not while answers are made: a large one waits
for the thread of large views, and would keep others' writes waiting with it.
"""

WAITING_MAX = 50
"""Requests of a principal that wait for their turn: more than a browser sends at a time."""

PARTS_MAX = 100
"""Parts, such as lines of orders, of a view that is built at once: a few milliseconds."""

_TURN = "tributary.turn"
_BUILDER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="large-views")


class Turns:
    """The turns of each principal, as far as there are any."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._by_name: WeakValueDictionary[str, _Turn] = WeakValueDictionary()

    def of(self, who: str) -> _Turn:
        """The principal's turn, to hold while at work."""
        turn = self._by_name.get(who)
        if turn is None:
            turn = self._by_name[who] = _Turn(self._at_once)
        return turn


class RequestTurns(Turns):
    """The turns of requests. That of a read ends when its answer begins, if that is made, or with the last part of a
    streamed one; that of a write when the broker has it; each without an answer, too.
    """

    async def begin(self, scope: Scope, who: str) -> None:
        """Wait for the turn of a request. Raises Problem too_many_requests where too many wait."""
        turn = self.of(who)
        if turn.waiting >= WAITING_MAX:
            detail = f"Wait for the answers to your other requests: {self._at_once} are at work and {WAITING_MAX} wait."
            raise Problem("too_many_requests", detail=detail, headers={"Retry-After": "1"})
        turn.waiting += 1
        try:
            await turn.acquire()
        finally:
            turn.waiting -= 1
        scope[_TURN] = turn

    @staticmethod
    def end(scope: Scope) -> None:
        turn: _Turn | None = scope.pop(_TURN, None)
        if turn is not None:
            turn.release()


class _Turn(asyncio.Semaphore):
    waiting = 0


async def built(parts: int, build: Callable[[], T]) -> T:
    """What `build` returns; a view of many parts is built in a thread."""
    if parts <= PARTS_MAX:
        return build()
    return await asyncio.get_running_loop().run_in_executor(_BUILDER, build)
