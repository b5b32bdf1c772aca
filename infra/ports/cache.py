"""A cache as the API sees it; `infra.adapters.redis` is the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class CacheUnavailable(Exception):
    """Redis cannot be reached, or does not answer in time; continue without it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether one was taken, how many are left, the wait for the next one, and for the whole quota."""

    taken: bool
    left: int
    wait_s: float
    full_in_s: float


@dataclass(frozen=True, slots=True)
class Found:
    """A valid value, or None; `version` identifies the last invalidation."""

    value: str | None
    version: str


class Cache(Protocol):
    """Every method raises CacheUnavailable; the caller then continues without a cache."""

    async def ping(self) -> None: ...

    async def take(self, key: str, *, quota: int, window_s: float) -> Taken:
        """Take one of `quota` permits, which refill evenly over `window_s`; unused ones add up to the quota."""
        ...

    async def look(self, keys: Sequence[str]) -> list[Found]:
        """The value under each key, if it is still valid, and the version of its last invalidation."""
        ...

    async def keep(self, values: Mapping[str, tuple[str, Found]], *, at_least_s: float, at_most_s: float) -> int:
        """Store values that were read after `look` found these; return how many were stored.

        None of them replaces a value that was read after a later change. For `at_least_s` a value counts as valid even
        if a change comes, or came while it was read: so an expensive read does not run for every change.
        """
        ...

    async def invalidate(self, keys: Sequence[str]) -> None:
        """Mark everything read before this change as no longer valid."""
        ...
