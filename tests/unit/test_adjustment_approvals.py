"""Where an adjustment takes two approvals, they are of two persons, and neither of them is the proposer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from api.http.problems import Problem
from api.identity.accounts.users import Users
from api.identity.model import Touch, User
from api.identity.principal import Principal
from api.identity.repository import COLLECTIONS as IDENTITY_COLLECTIONS
from api.identity.repository import USERS
from api.settlements.adjustments import AdjustmentApproval, approve_adjustment
from contracts.settlement.view import ADJUSTMENTS, Adjustment
from infra.ports.store import Collection, Transaction
from infra.runtime.repository import Codec
from tests.workflow.in_memory import InMemoryStore, ManualTime

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=90)
DIGEST = "a" * 64
_adjustments = Codec(Adjustment, key="adjustment_id")


def an_adjustment(*approved_by: str) -> Adjustment:
    return Adjustment(
        "a-1", "adjustment", "default", 7, "CNY", 100, "goodwill", "Late.", DIGEST, "admin/ann", NOW, approved_by
    )


async def approve(who: str, *users: User, before: tuple[str, ...]) -> list[Any]:
    """The commands that are sent when `who` approves after those before."""
    store = InMemoryStore((*IDENTITY_COLLECTIONS, Collection(ADJUSTMENTS, "adjustments")))
    store.table(ADJUSTMENTS).put(_adjustments.to_document(an_adjustment(*before)))

    async def insert(tx: Transaction) -> None:
        for user in users:
            await USERS.insert(tx, user)

    await store.transact(insert)
    time = ManualTime(NOW)
    people = Users(store, None, None, None, time)  # type: ignore[arg-type]
    sent: list[Any] = []

    async def write(command: Any, *_: Any, **__: Any) -> None:
        sent.append(command)

    ports: Any = SimpleNamespace(store=store, time=time, identity=SimpleNamespace(users=people))
    writing: Any = SimpleNamespace(write=write)
    principal = Principal("admin", who, frozenset({"settlements:approve"}))
    await approve_adjustment("a-1", AdjustmentApproval(digest=DIGEST), ports, principal, writing)
    return sent


def a_user(name: str, *touched_by: str) -> User:
    touched = tuple(Touch(by, NOW - timedelta(days=1)) for by in touched_by)
    return User(name, f"{name}@a.example", "x", (), LONG_AGO, touched=touched)


async def test_another_person_approves_second() -> None:
    people = [a_user("ann"), a_user("bob"), a_user("cai")]
    [sent] = await approve("cai", *people, before=("admin/bob",))
    assert sent.approved_by == "admin/cai"


@pytest.mark.parametrize(
    "people",
    [
        [a_user("ann"), a_user("bob"), a_user("cai", "bob")],
        [a_user("ann"), a_user("bob", "dan"), a_user("cai", "dan")],
        [a_user("ann"), a_user("bob"), a_user("cai", "ann")],
    ],
    ids=["made by the approver before", "made by one third person", "made by the proposer"],
)
async def test_an_account_of_a_person_before_is_no_second_approver(people: list[User]) -> None:
    with pytest.raises(Problem) as refused:
        await approve("cai", *people, before=("admin/bob",))
    assert refused.value.reason == "not_independent"


async def test_who_approved_before_is_left_to_the_worker() -> None:
    """It recognises the repeat."""
    assert len(await approve("bob", a_user("ann"), a_user("bob"), before=("admin/bob",))) == 1
