"""Whom a distributor sees: of a team their own downline, and of rules no administrator."""

from __future__ import annotations

from typing import Any

import pytest

from api.identity.principal import Principal
from api.network.teams_view import visible
from api.rules.view import rules_view
from contracts.network.view import DISTRIBUTORS, TEAMS, Distributor
from infra.ports.store import Collection
from infra.runtime.repository import Codec
from tests.builders import JOINED, a_distributor, a_team, rules
from tests.workflow.in_memory import InMemoryStore

ABOVE, LEADER, BELOW, BESIDE, ELSEWHERE = 1, 2, 3, 4, 9
TEAM = a_team(7, LEADER)
MEMBERS = [
    a_distributor(LEADER, ABOVE, teams=[(JOINED, 7)]),
    a_distributor(BELOW, LEADER, teams=[(JOINED, 7)]),
    a_distributor(BESIDE, ABOVE, teams=[(JOINED, 7)]),
    a_distributor(ELSEWHERE, 8, teams=[(JOINED, 7)]),
]
_codec = Codec(Distributor, key="distributor_id")


def who(kind: Any, distributor_id: int | None, *permissions: str) -> Principal:
    return Principal(kind, f"u{distributor_id}", frozenset(permissions), distributor_id)


@pytest.fixture
async def store() -> InMemoryStore:
    made = InMemoryStore([Collection(DISTRIBUTORS, "distributors"), Collection(TEAMS, "teams")])
    people = [*MEMBERS, a_distributor(ABOVE), a_distributor(8)]
    await made.transact(lambda tx: tx.insert(DISTRIBUTORS, [_codec.to_document(one) for one in people]))
    return made


@pytest.mark.parametrize(
    ("principal", "seen"),
    [
        (who("admin", None), {LEADER, BELOW, BESIDE, ELSEWHERE}),
        (who("admin", ABOVE), {LEADER, BELOW, BESIDE, ELSEWHERE}),
        (who("distributor", LEADER), {LEADER, BELOW, BESIDE, ELSEWHERE}),
        (who("distributor", ABOVE), {LEADER, BELOW, BESIDE}),
        (who("distributor", 8), {ELSEWHERE}),
        (who("distributor", BELOW), {BELOW}),
    ],
    ids=["admin", "admin above", "leader", "above", "other branch", "member"],
)
async def test_a_team_shows_the_leader_all_and_the_upline_their_downline(
    store: InMemoryStore, principal: Principal, seen: set[int]
) -> None:
    reader: Any = store
    shown = await visible(reader, principal, TEAM, MEMBERS, JOINED)
    assert {one.distributor_id for one in shown} == seen


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_people_behind_rules_are_for_those_who_may_know_them(language: Any) -> None:
    names = ("proposed_by", "approved_by", "activated_by", "retired_by")
    for permissions in ((), ("rules:read",), ("rules:read", "orders:write")):
        shown = rules_view(rules(), language, who("distributor", 1, *permissions)).model_dump()
        assert {shown[name] for name in names} == {None}
        assert shown["stage"] == "active"
    for permission in ("users:read", "rules:propose", "rules:approve"):
        shown = rules_view(rules(), language, who("admin", None, "rules:read", permission)).model_dump()
        assert [shown[name] for name in names] == ["ann", "bob", "bob", None]
