"""Teams: created, joined and left, led, and shown level by level."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import AwareDatetime

from api.access.guard import needs
from api.access.ports import Here, Ports
from api.access.scope import acts_for, require_own_branch, require_reach
from api.access.writing import Writing, written
from api.http.bodies import VISIBLE, Body, BodyRoute
from api.http.conditions import (
    NOT_MODIFIED,
    IfMatch,
    IfNoneMatch,
    check_match,
    etag_of,
    read_response,
    written_response,
)
from api.http.paging import Cursor, Limit, Page, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from api.network.network_view import BY_NUMBER, find_distributor, require_person
from api.network.teams_view import (
    Hierarchy,
    Member,
    TeamView,
    find_team,
    hierarchy,
    led_by,
    member_view,
    members_page,
    team_of,
    team_view,
    teams_filter,
)
from contracts.fields import DistributorId
from contracts.network.v1 import ChangeLeader, CreateTeam, EffectiveAt, JoinTeam, LeaderId, LeaveTeam, TeamName
from contracts.network.view import TEAMS

router = APIRouter(prefix="/api/teams", tags=["teams"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("teams:read")]
Writes = Annotated[Principal, needs("teams:write")]
TeamPart = Annotated[int, Path(ge=1, le=2**63 - 1, description="The team.", examples=[12]), AS_IN_JSON]
DistributorPart = Annotated[int, Path(ge=1, le=2**63 - 1, description="The distributor.", examples=[40021]), AS_IN_JSON]


class NewTeam(Body):
    name: Annotated[TeamName, VISIBLE]
    leader_id: LeaderId
    created_at: EffectiveAt = None


class NewMember(Body):
    distributor_id: DistributorId
    effective_at: EffectiveAt = None


class NewLeader(Body):
    leader_id: LeaderId
    effective_at: EffectiveAt = None


@router.post(
    "",
    summary="Create a team",
    response_model=TeamView,
    status_code=201,
    responses=written("not_found", "leader_unknown", "own_standing", "conflict", shown=TeamView, created=True),
)
async def create_team(body: NewTeam, ports: Here, principal: Writes, writing: Writing) -> Response:
    """The server assigns the number. The leader need not be a member."""
    await _require_leader(ports, principal, body.leader_id)
    team_id = await writing.number("team", view=TEAMS)
    command = CreateTeam(team_id=team_id, **body.model_dump())
    return await writing.write(command, lambda: _shown(ports, team_id), location=f"/api/teams/{team_id}")


@router.get("", summary="List teams", responses=documented("not_found", "invalid_cursor"))
async def list_teams(
    request: Request,
    ports: Here,
    principal: Reads,
    leader_id: Annotated[
        int | None,
        Query(ge=1, le=2**63 - 1, description="Those that this distributor leads.", examples=[40007]),
        AS_IN_JSON,
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TeamView]:
    """By number. A distributor sees those they lead and their own; with `leader_id` also those of their downline."""
    now = ports.time.now()
    if leader_id is not None:
        await require_reach(ports.store, principal, leader_id)
        ever, current = led_by(leader_id, now)
    else:
        ever, current = await teams_filter(ports.store, principal, now)
    found, after = await page_of(
        ports.store, TEAMS, BY_NUMBER, listed=[ever], checked=[current], cursor=cursor, limit=limit
    )
    return Page(items=[team_view(team_of(document), now) for document in found], next=next_link(request, after))


@router.get(
    "/{team_id}",
    summary="Show a team",
    response_model=TeamView,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def show_team(
    team_id: TeamPart, request: Request, ports: Here, principal: Reads, if_none_match: IfNoneMatch = None
) -> Response:
    """For its leader, the leader's upline, and its members."""
    now = ports.time.now()
    team = await find_team(ports.store, principal, team_id, now)
    return read_response(request, team_view(team, now), len(team.leaders), content_too=True)


@router.get(
    "/{team_id}/members",
    summary="List a team's members",
    responses=documented("not_found", "invalid_cursor"),
)
async def list_members(
    team_id: TeamPart, request: Request, ports: Here, principal: Reads, limit: Limit = 50, cursor: Cursor = None
) -> Page[Member]:
    """By number. For its leader; the leader's upline sees those of their own downline."""
    now = ports.time.now()
    team = await find_team(ports.store, principal, team_id, now, whole=True)
    members, after = await members_page(ports.store, principal, team, now, cursor=cursor, limit=limit)
    return Page(items=[member_view(one, now) for one in members], next=next_link(request, after))


@router.get("/{team_id}/hierarchy", summary="Show a team level by level", responses=documented("not_found"))
async def show_hierarchy(team_id: TeamPart, ports: Here, principal: Reads) -> Hierarchy:
    """The members by their distance below the leader. The leader's upline sees those of their own downline."""
    now = ports.time.now()
    team = await find_team(ports.store, principal, team_id, now, whole=True)
    return await hierarchy(ports.store, principal, team, now)


@router.post(
    "/{team_id}/members",
    summary="Add a member to a team",
    response_model=Member,
    responses=written("not_found", "distributor_unknown", "own_standing", "out_of_order", shown=Member),
)
async def add_member(team_id: TeamPart, body: NewMember, ports: Here, principal: Writes, writing: Writing) -> Response:
    """From `effective_at` on; a member of another team leaves that team."""
    team = await find_team(ports.store, principal, team_id, ports.time.now(), whole=True)
    await require_person(ports.store, principal, body.distributor_id, "distributor_unknown")
    now = ports.time.now()
    for leader_id in await acts_for(ports.store, principal, {entry.leader_id for entry in team.leaders}, now):
        await require_own_branch(ports.store, principal, leader_id, body.distributor_id, body.effective_at, now)
    return await writing.write(
        JoinTeam(team_id=team_id, **body.model_dump()), lambda: _member(ports, body.distributor_id)
    )


@router.delete(
    "/{team_id}/members/{distributor_id}",
    summary="Remove a member from a team",
    response_model=Member,
    responses=written("not_found", "not_a_member", "out_of_order", shown=Member),
)
async def remove_member(
    team_id: TeamPart,
    distributor_id: DistributorPart,
    ports: Here,
    principal: Writes,
    writing: Writing,
    effective_at: Annotated[
        AwareDatetime | None,
        Query(description="When the member leaves; now if absent.", examples=["2026-12-01T00:00:00Z"]),
    ] = None,
) -> Response:
    """Earlier orders still count for the team."""
    await find_team(ports.store, principal, team_id, ports.time.now(), whole=True)
    one = await find_distributor(ports.store, distributor_id)
    if not any(entry.team_id == team_id for entry in one.teams):
        # The worker would wait for a join that may never come.
        raise Problem("not_a_member" if principal.kind == "admin" else "not_found")
    if one.teams[-1].team_id != team_id:
        raise Problem("not_a_member")
    command = LeaveTeam(team_id=team_id, distributor_id=distributor_id, effective_at=effective_at)
    return await writing.write(command, lambda: _member(ports, distributor_id))


@router.put(
    "/{team_id}/leader",
    summary="Change a team's leader",
    response_model=TeamView,
    responses=written(
        *("not_found", "precondition_failed", "leader_unknown", "own_standing", "out_of_order"), shown=TeamView
    ),
)
async def change_leader(
    team_id: TeamPart, body: NewLeader, ports: Here, principal: Writes, writing: Writing, if_match: IfMatch = None
) -> Response:
    """From `effective_at` on; earlier orders still pay the leader of their time."""
    now = ports.time.now()
    team = await find_team(ports.store, principal, team_id, now, whole=True)
    check_match(if_match, etag_of(len(team.leaders)))
    await _require_leader(ports, principal, body.leader_id)
    before: dict[str, Any] = team_view(team, now).model_dump(mode="json")
    command = ChangeLeader(team_id=team_id, **body.model_dump())
    return await writing.write(command, lambda: _shown(ports, team_id), before=before)


async def _require_leader(ports: Ports, principal: Principal, leader_id: int) -> None:
    """The leader must be within reach, and never the author: leaders earn from their team."""
    await require_person(ports.store, principal, leader_id, "leader_unknown")
    if await acts_for(ports.store, principal, [leader_id], ports.time.now()):
        raise Problem("own_standing")


async def _shown(ports: Ports, team_id: int) -> Response:
    [document] = await ports.store.find(TEAMS, {"_id": team_id})
    team = team_of(document)
    return written_response(team_view(team, ports.time.now()), len(team.leaders))


async def _member(ports: Ports, distributor_id: int) -> Member:
    return member_view(await find_distributor(ports.store, distributor_id), ports.time.now())
