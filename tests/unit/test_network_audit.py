"""The audit of the network reports what the rules never write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contracts.network.view import DISTRIBUTORS, TEAMS, Distributor, Team
from infra.auditing.audit import Report
from infra.ports.store import Document
from tests.builders import JOINED, MIDDLE, NOW, SELLER, TEAM, TOP, a_distributor, a_team
from tests.workflow.in_memory import InMemoryStore
from workers.network.audit import audit
from workers.network.model import TREE
from workers.network.repository import TREES, NetworkRepository, to_distributor_document, to_team_document

A_DAY = timedelta(days=1)
CHAIN = (a_distributor(TOP), a_distributor(MIDDLE, TOP), a_distributor(SELLER, MIDDLE))


def to_document(entity: Distributor | Team) -> Document:
    return to_distributor_document(entity) if isinstance(entity, Distributor) else to_team_document(entity)


async def breaches(*entities: Distributor | Team, moves: int = 0, **changes: Any) -> list[tuple[str, str]]:
    """The breaches of the chain and these entities; `changes` apply to the document of the first entity."""
    store = InMemoryStore(NetworkRepository.collections)
    for number, entity in enumerate((*CHAIN, *entities)):
        table = store.table(DISTRIBUTORS if isinstance(entity, Distributor) else TEAMS)
        table.put({**to_document(entity), **(changes if number == len(CHAIN) else {})})
    if moves:
        store.table(TREES).put({"_id": TREE, "moves": moves})
    report = Report(NOW)
    await audit(store, report)
    return [(breach.about, breach.detail) for breach in report.breaches]


async def test_a_sound_network_has_no_breach() -> None:
    """4 and 5 sponsored one another at different times, which is never a cycle."""
    four = a_distributor(4, None, moves=[(NOW, 5)], teams=[(NOW, TEAM), (NOW + A_DAY, None)])
    five = a_distributor(5, 4, moves=[(NOW, TOP)])

    assert await breaches(four, five, a_team(), moves=2) == []


async def test_a_cycle_of_one_day_is_reported() -> None:
    four = a_distributor(4, None, moves=[(NOW, 5), (NOW + 2 * A_DAY, TOP)])
    five = a_distributor(5, 4, moves=[(NOW + A_DAY, TOP)])
    below = a_distributor(6, 5)
    detail = "is its own upline at 2026-11-02T09:30:00+00:00"

    found = await breaches(four, five, below, moves=3)

    assert found == [("distributor/4", detail), ("distributor/5", detail)]


async def test_a_cycle_from_the_start_is_reported() -> None:
    found = await breaches(a_distributor(4, 5), a_distributor(5, 4))

    assert {about for about, _ in found} == {"distributor/4", "distributor/5"}


async def test_histories_out_of_order_are_reported() -> None:
    backwards = a_distributor(4, None, moves=[(JOINED - A_DAY, TOP)])
    leaders = a_team(TEAM, MIDDLE, (JOINED - A_DAY, TOP))

    assert await breaches(backwards, leaders, moves=1) == [
        ("distributor/4", "a history is not in the order of time"),
        ("team/12", "its leaders are not in the order of time"),
    ]


async def test_unknown_ids_are_reported() -> None:
    lost = a_distributor(4, 98, teams=[(NOW, 97)])

    assert await breaches(lost, a_team(TEAM, 96)) == [
        ("distributor/4", "sponsors [98] do not exist"),
        ("team/12", "leaders [96] do not exist"),
        ("distributor/4", "teams [97] do not exist"),
    ]


async def test_the_index_of_sponsors_must_agree_with_the_history() -> None:
    assert await breaches(a_distributor(4, TOP), sponsor_id=MIDDLE) == [
        ("distributor/4", "sponsor_id is not the last sponsor, 1")
    ]


async def test_a_move_missing_from_the_tree_is_reported() -> None:
    assert await breaches(a_distributor(4, TOP, moves=[(NOW, MIDDLE)])) == [
        ("network", "the tree counts 0 moves, not 1")
    ]
