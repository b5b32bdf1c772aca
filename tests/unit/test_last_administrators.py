"""No administrator alone switches off all who could object: two others remain."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.http.problems import Problem
from api.identity.accounts.two_persons import Author
from api.identity.accounts.users import UserChange, Users
from api.identity.model import User
from api.identity.repository import COLLECTIONS as IDENTITY_COLLECTIONS
from api.identity.repository import USERS
from api.storage.audit_log import AuditLog
from api.storage.repository import COLLECTIONS
from contracts.network.view import DISTRIBUTORS
from infra.ports.store import Collection
from tests.workflow.in_memory import InMemoryStore, ManualTime

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OFF = UserChange(active=False)


class _NoGrants:
    async def end_all(self, *_: Any) -> None:
        """No one is logged in."""


class House:
    """Administrators by their names, all long known."""

    def __init__(self) -> None:
        self.store = InMemoryStore((*COLLECTIONS, *IDENTITY_COLLECTIONS, Collection(DISTRIBUTORS, "distributors")))
        store: Any = self.store
        time = ManualTime(NOW)
        self.users = Users(store, None, _NoGrants(), AuditLog(store, time), time)  # type: ignore[arg-type]

    async def add(self, *names: str, **fields: Any) -> None:
        for name in names:
            made: dict[str, Any] = {"roles": ("ROLE_ADMIN",), "created_at": NOW - timedelta(days=90), **fields}
            user = User(id=name, email=f"{name}@a.example", password_hash="x", **made)
            await self.store.transact(lambda tx, user=user: USERS.insert(tx, user))  # type: ignore[misc]

    async def change(self, by: str, whom: str, change: UserChange = OFF) -> User:
        author = await self.users.get(by)
        assert author is not None
        return await self.users.change(whom, change, Author({"kind": "admin"}, "r1", by, author.permissions))


async def test_two_others_remain() -> None:
    house = House()
    await house.add("ann", "bob", "carl", "dora")
    for whom in ("dora", "carl"):
        assert not (await house.change("ann", whom)).active
    for change in (OFF, UserChange(roles=("ROLE_SHOP",)), UserChange(withheld=("users:write",))):
        with pytest.raises(Problem) as refused:
            await house.change("ann", "bob", change)
        assert refused.value.reason == "last_administrator"


@pytest.mark.parametrize("change", [OFF, UserChange(withheld=("users:write",))], ids=["off", "withheld"])
async def test_of_two_administrators_both_stay(change: UserChange) -> None:
    house = House()
    await house.add("ann", "bob")
    # They do not count: one is off, the other manages no users.
    await house.add("eve", active=False)
    await house.add("fred", withheld=("users:write",))
    with pytest.raises(Problem) as refused:
        await house.change("ann", "bob", change)
    assert refused.value.reason == "last_administrator"


async def test_who_manages_no_users_leaves_at_once() -> None:
    house = House()
    await house.add("ann")
    await house.add("fred", withheld=("users:write",))
    assert not (await house.change("ann", "fred")).active


async def test_those_who_leave_at_the_same_time_do_not_count_on_each_other() -> None:
    house = House()
    await house.add("ann", "bob", "carl", "dora")
    changes = [house.change("ann", whom) for whom in ("bob", "carl", "dora")]
    ended = await asyncio.gather(*changes, return_exceptions=True)
    assert [isinstance(each, Problem) for each in ended].count(False) == 2


async def test_those_who_are_counted_are_written_with_the_one_who_leaves() -> None:
    """So that a transaction elsewhere, which counts on one of them or lets one leave, conflicts."""
    house = House()
    await house.add("ann", "bob", "carl")
    await house.change("ann", "carl")
    versions = {}
    for name in ("ann", "bob", "carl"):
        user = await house.users.get(name)
        assert user is not None
        versions[name] = user.version
    assert versions == {"ann": 2, "bob": 2, "carl": 2}
