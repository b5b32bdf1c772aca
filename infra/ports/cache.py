"""What a cache answers, as the API sees it; `infra.adapters.redis` is the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class CacheUnavailable(Exception):
    """Redis cannot be reached, or does not answer in time; go on without it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether there was room, how many are left, when the next one comes, and when the whole quota is there again."""

    taken: bool
    left: int
    wait_s: float
    full_in_s: float


@dataclass(frozen=True, slots=True)
class Found:
    """A value that holds, or None; `version` is the last change that was heard of."""

    value: str | None
    version: str


class Cache(Protocol):
    """Every method raises CacheUnavailable; whoever asks goes on without."""

    async def ping(self) -> None: ...

    async def take(self, key: str, *, quota: int, window_s: float) -> Taken:
        """Take one of `quota` that come back evenly over `window_s`; unused ones add up to the quota."""
        ...

    async def look(self, keys: Sequence[str]) -> list[Found]:
        """What is kept under each key, if it still holds, and which change of it was the last heard of."""
        ...

    async def keep(self, values: Mapping[str, tuple[str, Found]], *, at_least_s: float, at_most_s: float) -> int:
        """Keep values that were read after `look` found these; return how many were taken.

        None replaces one that was read after a later change. `at_least_s` a value is given out even if a change
        comes, or came while it was read: so what is dear to read is not read for every change.
        """
        ...

    async def invalidate(self, keys: Sequence[str]) -> None:
        """A change was heard of: whatever was read before does not hold any more."""
        ...
