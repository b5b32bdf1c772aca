"""Guessing elsewhere does not lock an account's owner out of the network that they log in from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from api.identity.lockout import KNOWN, Lockout
from api.identity.repository import COLLECTIONS
from tests.workflow.in_memory import InMemoryStore, ManualTime

HOME, ELSEWHERE = "192.0.2.1", "198.51.100."


class Account:
    def __init__(self) -> None:
        self.time = ManualTime(datetime(2026, 11, 29, 12, tzinfo=UTC))
        self.lockout = Lockout(InMemoryStore(COLLECTIONS), self.time)

    async def waits(self, address: str) -> int:
        return await self.lockout.begin("ann@example.com", address)

    async def succeeds(self, address: str) -> None:
        assert await self.waits(address) == 0
        await self.lockout.succeeded("ann@example.com", address)


@pytest.fixture
def account() -> Account:
    return Account()


async def test_the_owner_logs_in_during_guesses_from_elsewhere(account: Account) -> None:
    await account.succeeds(HOME)
    waits = [await account.waits(f"{ELSEWHERE}{number}") for number in range(12)]
    assert waits[:5] == [0] * 5
    assert all(wait > 0 for wait in waits[5:])
    await account.succeeds(HOME)


async def test_guesses_from_a_known_network_wait_too_and_count_for_all(account: Account) -> None:
    await account.succeeds(HOME)
    waits = [await account.waits(HOME) for _ in range(7)]
    assert waits[:5] == [0] * 5
    assert all(wait > 0 for wait in waits[5:])
    assert await account.waits(f"{ELSEWHERE}1") > 0


async def test_a_network_becomes_known_by_a_login_only_and_is_forgotten(account: Account) -> None:
    for number in range(6):
        await account.waits(f"{ELSEWHERE}{number}")
    assert await account.waits(HOME) > 0
    account.time.advance_to(account.time.now() + timedelta(days=2))
    await account.succeeds(HOME)
    account.time.advance_to(account.time.now() + timedelta(seconds=KNOWN.forgotten_after_s + 1))
    for number in range(6):
        await account.waits(f"{ELSEWHERE}{number}")
    assert await account.waits(HOME) > 0
