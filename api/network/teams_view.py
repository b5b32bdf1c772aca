"""Teams, as shown now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.access.scope import NOTHING, reaches
from api.http.ids import ShownId
from api.http.paging import LIMIT_MAX, page_of
from api.http.problems import Problem
from api.identity.principal import Principal
from api.network.network_view import BY_NUMBER, distributor_of, entry_at
from api.storage.protocols import Documents
from contracts.network.view import DISTRIBUTORS, TEAMS, Distributor, Team
from infra.ports.store import Document, Reader
from infra.runtime.repository import Codec

MEMBERS_MAX = 1_000
"""The most members in a hierarchy; the list of members has the others, page by page."""

_HIERARCHY_BYTES_MAX = 8 * 1024 * 1024
_PAGES_LOOKED_AT = 25
"""For one page of those whom the principal may see: of 5,000 members. A larger team's list ends there."""

TeamsFilter = tuple[dict[str, Any], dict[str, Any]]
"""A condition on the whole history, served by an index, and one for now, checked on each document."""

_teams = Codec(Team, key="team_id")


class TeamView(BaseModel):
    model_config = ConfigDict(title="Team")

    team_id: ShownId = Field(examples=[12])
    name: str = Field(examples=["Riverside"])
    leader_id: ShownId = Field(description="The current leader; need not be a member.", examples=[40007])
    created_at: datetime = Field(examples=["2026-01-15T08:30:00Z"])


class Member(BaseModel):
    model_config = ConfigDict(title="TeamMember")

    distributor_id: ShownId = Field(examples=[40021])
    sponsor_id: ShownId | None = Field(examples=[40007])
    tier: str = Field(examples=["standard"])
    active: bool = Field(examples=[True])
    since: datetime = Field(description="Member since.", examples=["2026-03-01T00:00:00Z"])


class TeamLevel(BaseModel):
    level: int = Field(description="Level 1 are those whom the leader sponsors.", examples=[1])
    members: list[Member]


class Hierarchy(BaseModel):
    model_config = ConfigDict(title="TeamHierarchy")

    team: TeamView
    levels: list[TeamLevel] = Field(description="Members below the leader, by their distance.")
    elsewhere: list[Member] = Field(description="Members who are not below the leader, and the leader, if a member.")
    complete: bool = Field(
        description=f"False if the team has, or ever had, more than {MEMBERS_MAX} members.", examples=[True]
    )


def team_of(document: Document) -> Team:
    return _teams.to_entity(document)


def team_view(team: Team, now: datetime) -> TeamView:
    return TeamView(
        team_id=team.team_id,
        name=team.name,
        leader_id=team.leader_at(now),
        created_at=team.leaders[0].since,
    )


async def find_team(reader: Reader, principal: Principal, team_id: int, now: datetime, *, whole: bool = False) -> Team:
    """The team, for administrators, its leader, the leader's upline, and, unless `whole`, its members.

    Raises Problem not_found.
    """
    found = await reader.find(TEAMS, {"_id": team_id}, limit=1)
    if found:
        team = team_of(found[0])
        if await reaches(reader, principal, team.leader_at(now)) or principal.kind == "admin":
            return team
        if not whole and team_id == await own_team(reader, principal, now):
            return team
    raise Problem("not_found")


async def members_page(
    store: Documents, principal: Principal, team: Team, now: datetime, *, cursor: str | None, limit: int
) -> tuple[Sequence[Distributor], str | None]:
    """The visible members of a page, and the cursor of the next one. It names the last of them: the end of a page of
    all members would tell the number of someone hidden.
    """
    ever, current = in_team(team.team_id, now)
    is_whole = _sees_all(principal, team, now)
    seen: list[Distributor] = []
    for _ in range(_PAGES_LOOKED_AT):
        found, cursor = await page_of(
            store,
            DISTRIBUTORS,
            BY_NUMBER,
            listed=[ever],
            checked=[current],
            cursor=cursor,
            limit=limit if is_whole else LIMIT_MAX,
        )
        seen += await visible(store, principal, team, [distributor_of(document) for document in found], now)
        if is_whole:
            return seen, cursor
        if cursor is None or len(seen) > limit:
            break
    page = seen[:limit]
    has_more = len(seen) > limit or (cursor is not None and bool(page))
    return page, BY_NUMBER.cursor({"_id": page[-1].distributor_id}) if has_more else None


async def visible(
    reader: Reader, principal: Principal, team: Team, members: Sequence[Distributor], now: datetime
) -> Sequence[Distributor]:
    """Those of the members whom the principal may see: all for administrators and the team's leader; for the leader's
    upline, as everywhere, those of their own downline.
    """
    own = principal.distributor_id
    if own is None or _sees_all(principal, team, now):
        return members
    sponsors = await _sponsors_above(reader, members)
    return [one for one in members if one.distributor_id == own or _distance(one.distributor_id, own, sponsors)]


def _sees_all(principal: Principal, team: Team, now: datetime) -> bool:
    own = principal.distributor_id
    return principal.kind == "admin" or own is None or team.leader_at(now) == own


async def own_team(reader: Reader, principal: Principal, now: datetime) -> int | None:
    """The current team of the principal."""
    if principal.kind != "distributor":
        return None
    found = await reader.find(DISTRIBUTORS, {"_id": principal.distributor_id}, limit=1)
    return distributor_of(found[0]).team_at(now) if found else None


async def teams_filter(reader: Reader, principal: Principal, now: datetime) -> TeamsFilter:
    """The conditions for a list of teams: a distributor sees those they lead, and their own."""
    if principal.kind == "admin":
        return {}, {}
    if principal.kind != "distributor" or principal.distributor_id is None:
        return NOTHING, {}
    own = {"_id": await own_team(reader, principal, now)}
    ever, current = led_by(principal.distributor_id, now)
    return {"$or": [ever, own]}, {"$or": [current, own]}


def led_by(leader_id: int, now: datetime) -> TeamsFilter:
    current = {"$expr": {"$eq": [entry_at("leaders", "leader_id", now), {"$literal": leader_id}]}}
    return {"leaders.leader_id": leader_id}, current


def in_team(team_id: int, now: datetime) -> TeamsFilter:
    """The conditions for the members of a team."""
    begun = {"$last": {"$filter": {"input": {"$ifNull": ["$teams", []]}, "cond": {"$lte": ["$$this.since", now]}}}}
    current = {"$let": {"vars": {"entry": begun}, "in": "$$entry.team_id"}}
    return {"teams.team_id": team_id}, {"$expr": {"$eq": [current, {"$literal": team_id}]}}


def member_view(one: Distributor, now: datetime) -> Member:
    standing = one.standing_at(now)
    since = max((entry.since for entry in one.teams if entry.since <= now), default=now)
    return Member(
        distributor_id=one.distributor_id,
        sponsor_id=one.sponsor_id,
        tier=standing.tier,
        active=standing.active,
        since=since,
    )


async def hierarchy(store: Documents, principal: Principal, team: Team, now: datetime) -> Hierarchy:
    """The visible members by their distance below the leader in the current sponsor tree."""
    ever, current = in_team(team.team_id, now)
    documents, others = await page_of(
        store,
        DISTRIBUTORS,
        BY_NUMBER,
        listed=[ever],
        checked=[current],
        cursor=None,
        limit=MEMBERS_MAX,
        bytes_max=_HIERARCHY_BYTES_MAX,
    )
    members = await visible(store, principal, team, [distributor_of(document) for document in documents], now)
    sponsors = await _sponsors_above(store, members)
    leader_id = team.leader_at(now)
    by_level: dict[int, list[Member]] = {}
    elsewhere: list[Member] = []
    for member in members:
        level = _distance(member.distributor_id, leader_id, sponsors)
        (by_level.setdefault(level, []) if level else elsewhere).append(member_view(member, now))
    levels = [TeamLevel(level=level, members=found) for level, found in sorted(by_level.items())]
    return Hierarchy(team=team_view(team, now), levels=levels, elsewhere=elsewhere, complete=others is None)


async def _sponsors_above(reader: Reader, members: Iterable[Distributor]) -> dict[int, int | None]:
    wanted: Sequence[int] = [member.distributor_id for member in members]
    if not wanted:
        return {}
    found = await reader.ancestors(DISTRIBUTORS, wanted, via="sponsor_id")
    return {document["_id"]: document.get("sponsor_id") for document in found}


def _distance(distributor_id: int, leader_id: int, sponsors: Mapping[int, int | None]) -> int:
    """The steps up to the leader; 0 for the leader, or for a member who is not below the leader."""
    current: int | None = distributor_id
    for steps in range(len(sponsors)):
        if current == leader_id:
            return steps
        current = sponsors.get(current) if current is not None else None
    return 0
