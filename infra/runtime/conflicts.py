"""Retries a transaction while other processes write the same documents first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_random_exponential

from infra.ports.store import Store, StoreConflict, Transaction
from infra.ports.time import Time

T = TypeVar("T")


async def transact(
    store: Store,
    time: Time,
    work: Callable[[Transaction], Awaitable[T]],
    *,
    tries_max: int = 12,
    on_conflict: Callable[[], None] = lambda: None,
) -> T:
    """Run `work` in a transaction; retry it after each conflict, with growing, jittered pauses.

    `work` may run several times, so writes must be its only side effect. Raises StoreConflict after `tries_max` tries.
    """
    try:
        return await store.transact(work)
    except StoreConflict as error:
        tries = AsyncRetrying(
            retry=retry_if_exception_type(StoreConflict),
            wait=wait_random_exponential(multiplier=0.005, max=0.5),
            stop=lambda state: state.attempt_number >= tries_max,
            sleep=time.sleep,
            before_sleep=lambda _: on_conflict(),
            reraise=True,
        )
        return await tries(first_failed(error, lambda: store.transact(work)))


def first_failed(error: Exception, act: Callable[[], Awaitable[T]]) -> Callable[[], Awaitable[T]]:
    """`act` for a retry loop that starts after the first try failed with `error`: most first tries need no loop."""
    known: Exception | None = error

    async def attempt() -> T:
        nonlocal known
        if known is not None:
            failed, known = known, None
            raise failed
        return await act()

    return attempt
