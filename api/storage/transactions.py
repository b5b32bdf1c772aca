"""Running a transaction until it is through: whoever loses to another replica reads again, and decides again."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from infra.ports.store import Store, StoreConflict, Transaction
from infra.ports.time import Time

T = TypeVar("T")

_TRIES_MAX = 12
_PAUSE_FIRST_S = 0.005
_PAUSE_MAX_S = 0.25


async def settle(store: Store, time: Time, work: Callable[[Transaction], Awaitable[T]]) -> T:
    """Run `work` in a transaction, again after each conflict, with growing pauses. Raises StoreConflict in the end.

    `work` may run several times and must leave nothing behind but what it writes.
    """
    for attempt in range(_TRIES_MAX):
        try:
            return await store.transact(work)
        except StoreConflict:
            if attempt == _TRIES_MAX - 1:
                raise
            pause_s = min(_PAUSE_FIRST_S * 2**attempt, _PAUSE_MAX_S)
            await time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  (spreads replicas, guards nothing)
    raise AssertionError("unreachable")
