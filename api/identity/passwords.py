"""Passwords: argon2id with the parameters that OWASP recommends, hashed in threads, not in the event loop."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from api.http.problems import Problem
from api.identity.guessing import is_number, worth

T = TypeVar("T")

LENGTH_MIN = 12
LENGTH_MAX = 128

WORTH_MIN = 6.0
"""Half of a password's letters may be what anybody would try first."""

_WAITING_MAX_PER_THREAD = 25
"""A request that would wait longer than about a second is refused as busy."""


class Passwords:
    """Has a thread pool of its own, so that guessing blocks neither the loop nor its default threads."""

    def __init__(self, threads: int) -> None:
        # OWASP Password Storage Cheat Sheet: argon2id, 19 MiB, 2 passes, 1 lane.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords")
        self._waiting_max = threads * _WAITING_MAX_PER_THREAD
        self._waiting = 0
        # For unknown addresses: checking them takes as long as checking known ones.
        self._dummy_hash = self._hasher.hash("no user has this password")

    async def hash(self, password: str) -> str:
        return await self._in_thread(partial(self._hasher.hash, normalized(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` is the hashed one; False, after the same time, where there is no hash."""
        matches = await self._in_thread(partial(self._matches, stored or self._dummy_hash, normalized(password)))
        return matches and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether it was hashed with other parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= self._waiting_max:
            raise Problem("busy", headers={"Retry-After": "2"})
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def normalized(password: str) -> str:
    """The same text, however a keyboard composes its characters (NIST SP 800-63B, section 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


def check_strength(password: str, email: str) -> None:
    """A password must be long, and neither obvious, nor a number, nor common. Raises Problem weak_password.

    One character may be 18 once it is normalised, so the limit holds before and after.
    """
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX or len(plain := normalized(password).casefold()) > LENGTH_MAX:
        raise Problem("weak_password")
    obvious = {email.casefold(), email.casefold().partition("@")[0]}
    remainder = plain
    for word in sorted(obvious, key=len, reverse=True):
        remainder = remainder.replace(word, "")
    if len(remainder) < LENGTH_MIN / 2 or len(set(plain)) < 5:
        raise Problem("weak_password")
    if is_number(plain) or min(map(worth, {plain, remainder})) < WORTH_MIN:
        raise Problem("weak_password", detail="Many people use this password, or a part of it with a few signs added.")


def normalized_email(email: str) -> str:
    return unicodedata.normalize("NFKC", email).strip().casefold()
