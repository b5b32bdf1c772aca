"""The sponsor tree has no cycle at any time, every history is in order, and every referenced id exists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from contracts.network.view import DISTRIBUTORS, SPONSORS_PATH, TEAMS, Membership, Sponsorship
from infra.auditing.audit import Read, Report
from infra.ports.store import Document
from workers.network.model import TREE
from workers.network.repository import TREES, to_distributor, to_team, to_tree

Histories = Mapping[int, tuple[Sponsorship, ...]]

_BEGINNING = datetime.min.replace(tzinfo=UTC)


async def audit(read: Read, report: Report) -> None:
    """Keeps every id with its sponsors and teams in memory: some hundred bytes for each distributor."""
    sponsors: dict[int, tuple[Sponsorship, ...]] = {}
    memberships: dict[int, tuple[Membership, ...]] = {}
    async for document in _distributors(read, report):
        distributor = to_distributor(document)
        sponsors[distributor.distributor_id] = distributor.sponsors
        if distributor.teams:
            memberships[distributor.distributor_id] = distributor.teams
        about = f"distributor/{distributor.distributor_id}"
        histories = (distributor.standings, distributor.sponsors, distributor.teams)
        is_ordered = all(_is_ordered([entry.since for entry in history]) for history in histories)
        report.require(is_ordered, "I4", about, "a history is not in the order of time")
        last = distributor.sponsors[-1].sponsor_id
        report.require(distributor.sponsor_id == last, "I4", about, f"sponsor_id is not the last sponsor, {last}")
    report.figure("I4", "distributors", len(sponsors))
    _audit_tree(sponsors, report)
    await _audit_moves(read, report, sponsors)
    await _audit_teams(read, report, sponsors, memberships)


async def _distributors(read: Read, report: Report) -> AsyncIterator[Document]:
    """All distributors; or the checked ones, leaders of checked teams, and everyone above them."""
    if report.looks_at("network"):
        async for document in read.stream(DISTRIBUTORS, {}):
            yield document
        return
    ids = {int(key) for key in report.ids("distributor") or ()}
    for document in await read.find(TEAMS, report.among("team", "_id", int)):
        ids |= {entry.leader_id for entry in to_team(document).leaders}
    for document in await read.ancestors(DISTRIBUTORS, sorted(ids), via=SPONSORS_PATH):
        yield document


def _audit_tree(sponsors: Histories, report: Report) -> None:
    for distributor_id, history in sponsors.items():
        unknown = [sponsor_id for sponsor_id in _sponsors_of(history) if sponsor_id not in sponsors]
        report.require(not unknown, "I4", f"distributor/{distributor_id}", f"sponsors {unknown} do not exist")
    suspects = _cycle_suspects(sponsors)
    for moment in sorted({_BEGINNING, *(entry.since for key in suspects for entry in sponsors[key])}):
        for distributor_id in sorted(_in_cycle(sponsors, suspects, moment)):
            detail = f"is its own upline at {moment.isoformat()}"
            report.breach("I4", f"distributor/{distributor_id}", detail)


async def _audit_moves(read: Read, report: Report, sponsors: Histories) -> None:
    """A move that did not write the tree's document might have missed a concurrent one."""
    moves = sum(len(history) - 1 for history in sponsors.values())
    counted = [to_tree(document).moves for document in await read.find(TREES, {"_id": TREE})]
    report.add("I4", "moves", moves)
    report.require(sum(counted) == moves, "I4", "network", f"the tree counts {sum(counted)} moves, not {moves}")


async def _audit_teams(
    read: Read, report: Report, distributors: Collection[int], memberships: Mapping[int, Sequence[Membership]]
) -> None:
    teams = set()
    async for document in read.stream(TEAMS, {}):
        team = to_team(document)
        teams.add(team.team_id)
        about = f"team/{team.team_id}"
        is_ordered = _is_ordered([entry.since for entry in team.leaders])
        report.require(is_ordered, "I4", about, "its leaders are not in the order of time")
        unknown = [entry.leader_id for entry in team.leaders if entry.leader_id not in distributors]
        report.require(not unknown, "I4", about, f"leaders {unknown} do not exist")
    report.figure("I4", "teams", len(teams))
    for distributor_id, history in memberships.items():
        missing = [entry.team_id for entry in history if entry.team_id is not None and entry.team_id not in teams]
        report.require(not missing, "I4", f"distributor/{distributor_id}", f"teams {missing} do not exist")


def _is_ordered(moments: Sequence[datetime]) -> bool:
    return all(earlier <= later for earlier, later in pairwise(moments))


def _sponsors_of(history: Sequence[Sponsorship]) -> Iterator[int]:
    return (entry.sponsor_id for entry in history if entry.sponsor_id is not None)


def _cycle_suspects(sponsors: Histories) -> set[int]:
    """The distributors that may be in a cycle, if all sponsorships ever had held at once: usually none.

    A distributor without sponsors is in no cycle; after removing those, their downline is checked the same way.
    """
    above = {key: {s for s in _sponsors_of(history) if s in sponsors} for key, history in sponsors.items()}
    below: dict[int, list[int]] = {}
    for key, found in above.items():
        for sponsor_id in found:
            below.setdefault(sponsor_id, []).append(key)
    free = [key for key, found in above.items() if not found]
    left = {key: len(found) for key, found in above.items()}
    while free:
        key = free.pop()
        del left[key]
        for recruit in below.get(key, ()):
            left[recruit] -= 1
            if not left[recruit]:
                free.append(recruit)
    return set(left)


def _in_cycle(sponsors: Histories, among: Collection[int], moment: datetime) -> set[int]:
    """The distributors of `among` who were their own upline at `moment`."""
    circling: set[int] = set()
    done: set[int] = set()
    for start in among:
        way: dict[int, None] = {}
        key: int | None = start
        while key is not None and key in among and key not in done and key not in way:
            way[key] = None
            key = _sponsor_at(sponsors[key], moment)
        if key in way:
            on_the_way = list(way)
            circling.update(on_the_way[on_the_way.index(key) :])
        done |= way.keys()
    return circling


def _sponsor_at(history: Sequence[Sponsorship], moment: datetime) -> int | None:
    """The last sponsorship that had begun, or the first; independent of the contract's code on purpose."""
    begun = [entry for entry in history if entry.since <= moment]
    return (begun or history[:1])[-1].sponsor_id
