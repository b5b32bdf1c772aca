"""An invite is as good as the login that made it, and its maker can end it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.http.problems import Problem
from api.identity.accounts.registration import OPEN_INVITES_MAX, Invites
from api.identity.model import Invite, User
from api.identity.principal import Principal
from api.identity.repository import COLLECTIONS as IDENTITY_COLLECTIONS
from api.identity.repository import INVITES, USERS
from api.identity.tokens.standings import next_second
from api.storage.audit_log import AuditLog
from api.storage.repository import AUDIT, COLLECTIONS
from tests.workflow.in_memory import InMemoryStore, ManualTime

NOW = datetime(2026, 11, 29, 12, 0, 0, 500_000, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LIN = User("lin", "lin@example.com", "hash", ("ROLE_DISTRIBUTOR",), NOW, distributor_id=7)


def token(issued_at: datetime = NOW, *, user_id: str = LIN.id, distributor_id: int | None = 7) -> Principal:
    return Principal(
        "distributor", user_id, LIN.permissions, distributor_id=distributor_id, issued_at=issued_at.timestamp()
    )


class House:
    def __init__(self) -> None:
        store: Any = InMemoryStore((*COLLECTIONS, *IDENTITY_COLLECTIONS))
        self.store, self.time = store, ManualTime(NOW)
        self.invites = Invites(store, AuditLog(store, self.time), self.time)

    async def save(self, user: User) -> None:
        await self.store.transact(lambda tx: USERS.replace(tx, user))

    async def invite(self, principal: Principal) -> Invite:
        _, made = await self.invites.create(principal, "r1", uses_max=9, days=365)
        return made

    async def is_good(self, invite: Invite) -> bool:
        kept = await INVITES.get(self.store, invite.hash)
        assert kept is not None
        return kept.is_good(await USERS.get(self.store, kept.created_by), self.time.now())


async def test_it_ends_with_the_login_of_its_maker() -> None:
    house = House()
    await house.save(LIN)
    invite = await house.invite(token())
    assert await house.is_good(invite)

    for ended in (replace(LIN, active=False), replace(LIN, not_before=next_second(NOW))):
        await house.save(ended)
        assert not await house.is_good(invite)
    # The token of a login in the same second as the end is not before it.
    await house.save(ended)
    assert await house.is_good(await house.invite(token(next_second(NOW))))
    # Nor does one by a former token that was on its way become a new one.
    assert not await house.is_good(await house.invite(token()))


async def test_it_ends_with_its_time_and_its_uses() -> None:
    house = House()
    await house.save(LIN)
    invite = await house.invite(token())
    assert not replace(invite, uses=9).is_good(LIN, NOW)
    assert not invite.is_good(None, NOW)
    house.time.advance_to(NOW + timedelta(days=365))
    assert not await house.is_good(invite)


async def test_its_maker_ends_all_of_them_and_makes_new_ones() -> None:
    house = House()
    await house.save(LIN)
    invites = [await house.invite(token()) for _ in range(2)]
    house.time.advance_to(NOW + SECOND)
    await house.invites.end_all(token(), "r2")
    assert [await house.is_good(invite) for invite in invites] == [False, False]
    house.time.advance_to(NOW + 2 * SECOND)
    assert await house.is_good(await house.invite(token()))
    entries = await house.store.find(AUDIT.name, {"action": "invites.ended"})
    assert [(entry["who"]["subject"], entry["target"]) for entry in entries] == [("lin", "distributor/7")]
    # Another login of the same distributor is not its maker.
    await house.save(replace(LIN, id="second", email="two@example.com"))
    theirs = await house.invite(token(user_id="second"))
    await house.invites.end_all(token(), "r3")
    assert await house.is_good(theirs)


async def test_who_is_no_distributor_has_none() -> None:
    with pytest.raises(Problem, match="not_a_distributor"):
        await House().invites.end_all(token(distributor_id=None), "r1")


async def test_a_distributor_has_a_number_of_open_invites() -> None:
    house = House()
    await house.save(LIN)
    invites = [await house.invite(token()) for _ in range(OPEN_INVITES_MAX)]
    with pytest.raises(Problem, match="too_many_invites"):
        await house.invite(token())
    assert len(await house.store.find(INVITES.name, {})) == OPEN_INVITES_MAX

    # One that is used up makes room for another, and so does the end of all.
    await house.store.transact(lambda tx: INVITES.replace(tx, replace(invites[0], uses=9)))
    assert await house.invite(token())
    with pytest.raises(Problem, match="too_many_invites"):
        await house.invite(token())
    house.time.advance_to(NOW + SECOND)
    await house.invites.end_all(token(), "r2")
    house.time.advance_to(NOW + 2 * SECOND)
    assert await house.is_good(await house.invite(token()))
