"""Slows password guessing: after a few failures an account, and an address, must wait, longer each time.

An attempt is counted before the password is checked, and uncounted if it was correct, so that a hundred concurrent
attempts count as a hundred. The wait is bounded, and does not hold in a network from which the account has logged in
before: an attacker elsewhere must not be able to lock its owner out. Guesses from there have a counter of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from api.http.requests import network_of
from api.identity.model import Attempts
from api.identity.opaque import hash_of
from api.identity.repository import ATTEMPTS
from infra.ports.store import Store, Transaction
from infra.ports.time import Time
from infra.runtime.conflicts import transact


@dataclass(frozen=True, slots=True)
class Policy:
    """`free` failures have no wait; the next waits `first_s`, each further one twice as long, up to `wait_max_s`."""

    free: int
    first_s: int = 15
    wait_max_s: int = 900
    forgotten_after_s: int = 86_400

    def counted(self, attempts: Attempts, now: datetime) -> Attempts:
        """The attempts with one more failure."""
        failures = attempts.failures + 1 if attempts.expires_at > now else 1
        over = failures - self.free
        wait_s = min(self.first_s * 2 ** min(over, 20), self.wait_max_s) if over >= 0 else 0
        return replace(
            attempts,
            failures=failures,
            locked_until=now + timedelta(seconds=wait_s) if wait_s else None,
            expires_at=now + timedelta(seconds=self.forgotten_after_s),
        )


ACCOUNT = Policy(free=5)
ADDRESS = Policy(free=30)
"""Many people may share an address."""

KNOWN = Policy(free=5, forgotten_after_s=30 * 86_400)
"""An account in a network where it logged in within a month."""


def waits_s(attempts: Sequence[Attempts], now: datetime) -> int:
    """The seconds until all of them may try again."""
    left = ((each.locked_until - now).total_seconds() for each in attempts if each.locked_until)
    return max(0, math.ceil(max(left, default=0.0)))


class Lockout:
    def __init__(self, store: Store, time: Time) -> None:
        self._store = store
        self._time = time

    async def begin(self, account: str, address: str) -> int:
        """Count an attempt; 0 if it is allowed, else the seconds to wait. Unknown accounts are counted as well."""

        async def work(tx: Transaction) -> int:
            now = self._time.now()
            of_account, of_address, known = await self._all(tx, account, address, now)
            if wait_s := waits_s([known or of_account, of_address], now):
                return wait_s
            for attempts, policy in ((of_account, ACCOUNT), (of_address, ADDRESS), (known, KNOWN)):
                if attempts is not None:
                    await ATTEMPTS.replace(tx, policy.counted(attempts, now))
            return 0

        return await transact(self._store, self._time, work)

    async def succeeded(self, account: str, address: str) -> None:
        """Reset the account, but uncount only one attempt of the address: it may have other failures.

        From now on the account is known in this network.
        """

        async def work(tx: Transaction) -> None:
            now = self._time.now()
            of_account, of_address, _ = await self._all(tx, account, address, now)
            await ATTEMPTS.replace(tx, replace(of_account, failures=0, locked_until=None))
            fewer = max(0, of_address.failures - 1)
            await ATTEMPTS.replace(tx, replace(of_address, failures=fewer, locked_until=None))
            expires_at = now + timedelta(seconds=KNOWN.forgotten_after_s)
            await ATTEMPTS.replace(tx, Attempts(_known_key(account, address), 0, expires_at))

        await transact(self._store, self._time, work)

    async def _all(
        self, tx: Transaction, account: str, address: str, now: datetime
    ) -> tuple[Attempts, Attempts, Attempts | None]:
        """Those of the account, of the address, and of the account in a network that it is known in."""
        keys = (f"account:{hash_of(account)}", f"address:{network_of(address)}", _known_key(account, address))
        found = {each.key: each for each in await ATTEMPTS.all(tx, {"_id": {"$in": list(keys)}})}
        of_account, of_address = (found.get(key, Attempts(key, 0, now)) for key in keys[:2])
        known = found.get(keys[2])
        return of_account, of_address, known if known is not None and known.expires_at > now else None


def _known_key(account: str, address: str) -> str:
    return f"known:{hash_of(account)}@{network_of(address)}"
