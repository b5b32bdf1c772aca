"""A page of a team names no member whom its reader may not see, neither in its items nor in its cursor."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from api.network.teams_view import members_page, team_of
from infra.ports.store import Document

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LEADER, UPLINE, BRANCH, OTHER_BRANCH = 2, 1, 100, 200
TEAM = team_of({"_id": 7, "name": "Harbour", "created_at": NOW, "leaders": [{"leader_id": LEADER, "since": NOW}]})


def a_member(number: int, sponsor_id: int | None) -> Document:
    since = {"since": NOW}
    return {
        "_id": number,
        "sponsor_id": sponsor_id,
        "joined_at": NOW,
        "sponsors": [{"sponsor_id": sponsor_id, **since}],
        "standings": [{"tier": "standard", "active": True, **since}],
        "teams": [{"team_id": 7, **since}],
    }


class Store:
    """The members of the team, every third of them below UPLINE."""

    def __init__(self, members: int) -> None:
        self.members = [
            a_member(1_000 + number, UPLINE if number % 3 == 0 else OTHER_BRANCH) for number in range(members)
        ]

    async def summarise_some(
        self, _: str, stages: Sequence[Mapping[str, Any]], *, limit: int, bytes_max: int
    ) -> tuple[list[Document], bool]:
        match = stages[0]["$match"]
        after = next((part["_id"]["$gt"] for part in match.get("$and", [match]) if "_id" in part), 0)
        found = [member for member in self.members if member["_id"] > after]
        return found[:limit], len(found) > limit

    async def summarise(self, *_: Any) -> list[Document]:
        return []

    async def ancestors(self, _: str, ids: Sequence[int], **__: Any) -> list[Document]:
        top = {"_id": UPLINE, "sponsor_id": None}
        return [top, *(member for member in self.members if member["_id"] in ids)]


def a_reader(distributor_id: int) -> Any:
    return SimpleNamespace(kind="distributor", distributor_id=distributor_id)


@pytest.mark.parametrize("limit", [1, 2, 50, 200])
async def test_neither_items_nor_cursors_name_the_hidden(limit: int) -> None:
    store: Any = Store(700)
    principal = a_reader(UPLINE)
    seen: list[int] = []
    cursor = None
    while True:
        page, cursor = await members_page(
            store,
            principal,
            TEAM,
            NOW,
            cursor=cursor,
            limit=limit,
        )
        seen += [member.distributor_id for member in page]
        if cursor is None:
            break
        assert len(page) == limit
        padded = cursor + "=" * (-len(cursor) % 4)
        assert str(seen[-1]) in urlsafe_b64decode(padded).decode()
    assert seen == [member["_id"] for member in store.members if member["sponsor_id"] == UPLINE]


async def test_the_leader_sees_everyone() -> None:
    store: Any = Store(5)
    principal = a_reader(LEADER)
    page, cursor = await members_page(store, principal, TEAM, NOW, cursor=None, limit=50)
    assert ([member.distributor_id for member in page], cursor) == ([1_000, 1_001, 1_002, 1_003, 1_004], None)
