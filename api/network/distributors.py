"""Distributors: registered, ranked, moved, and shown with their downline."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from api.access.guard import needs
from api.access.ports import Here, Ports
from api.access.rehearsals import TOO_LONG, rehearse
from api.access.scope import acts_for, require_own_branch, require_reach
from api.access.writing import Writing, written
from api.http.bodies import Body, BodyRoute
from api.http.conditions import (
    NOT_MODIFIED,
    IfMatch,
    IfNoneMatch,
    check_match,
    etag_of,
    read_response,
    written_response,
)
from api.http.days import Day
from api.http.paging import Cursor, Limit, Page, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, Reason, documented
from api.identity.principal import Principal
from api.network.moves_view import MovePreview, preview_of
from api.network.network_view import (
    BY_NUMBER,
    DEPTH_MAX,
    NODES_MAX,
    DistributorView,
    Tree,
    Upline,
    distributor_of,
    distributor_view,
    downline,
    ever_had,
    find_distributor,
    has_now,
    require_person,
    upline,
    version_of,
)
from contracts.fields import Id64
from contracts.network.v1 import ChangeDistributor, EffectiveAt, MoveDistributor, RegisterDistributor, Tier
from contracts.network.view import DISTRIBUTORS
from contracts.wire.envelope import Timestamp

router = APIRouter(prefix="/api/distributors", tags=["distributors"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("distributors:read")]
Writes = Annotated[Principal, needs("distributors:write")]
DistributorPart = Annotated[int, Path(ge=1, le=2**63 - 1, description="The distributor.", examples=[40021]), AS_IN_JSON]

_TREE_NODES = 200
_DAYS_MAX = 92

REASONS = {
    "top_of_network": Reason(
        403,
        "Only an administrator may put a distributor at the top of the network; name a sponsor.",
        "只有管理员可以将分销商置于网络顶层，请指明推荐人。",
    ),
    "own_standing": Reason(
        403,
        "You cannot change your own tier, activity or sponsor, make yourself a leader, or add others to your own "
        "branch or team; ask another administrator.",
        "不能更改自己的等级、状态或推荐人，不能任命自己为负责人，也不能将他人加入自己的下线或团队，请联系其他管理员。",
    ),
    "nothing_to_change": Reason(422, "Name the change: tier or active.", "请指明要修改的内容：等级或状态。"),
    "move_impossible": Reason(409, "The move would be refused.", "该调整将被拒绝。"),
}


class NewDistributor(Body):
    sponsor_id: Annotated[
        Id64 | None, Field(description="The sponsor; absent at the top of the network.", examples=[40007])
    ] = None
    tier: Tier = "standard"
    joined_at: EffectiveAt = None


class ChangedDistributor(Body):
    """An absent field keeps its value. At least one of tier and active is required."""

    tier: Annotated[Tier | None, Field(examples=["gold"])] = None
    active: Annotated[
        bool | None, Field(strict=True, description="Whether the distributor earns.", examples=[True])
    ] = None
    effective_at: EffectiveAt = None


class Move(Body):
    sponsor_id: Annotated[Id64 | None, Field(description="The new sponsor; null for the top.", examples=[40007])]
    effective_at: EffectiveAt = None


class Rehearsal(Body):
    sponsor_id: Annotated[Id64 | None, Field(description="The new sponsor; null for the top.", examples=[40007])]
    days: Annotated[int, Field(strict=True, ge=1, le=_DAYS_MAX, description="How many days of orders to replay.")] = 30
    until: Annotated[
        Day | None,
        Field(description="The last of these days, in UTC; today if absent.", examples=["2026-11-22"]),
    ] = None


@router.post(
    "",
    summary="Register a distributor",
    response_model=DistributorView,
    status_code=201,
    responses=written("sponsor_unknown", "top_of_network", "conflict", shown=DistributorView, created=True),
)
async def register_distributor(body: NewDistributor, ports: Here, principal: Writes, writing: Writing) -> Response:
    """Under a sponsor, or at the top of the network. The server assigns the number."""
    await _require_sponsor(ports, principal, body.sponsor_id)
    distributor_id = await writing.number("distributor", view=DISTRIBUTORS)
    command = RegisterDistributor(
        distributor_id=distributor_id, sponsor_id=body.sponsor_id, tier=body.tier, joined_at=body.joined_at
    )
    return await writing.write(
        command, lambda: _shown(ports, distributor_id), location=f"/api/distributors/{distributor_id}"
    )


@router.get("", summary="List distributors", responses=documented("not_found", "invalid_cursor"))
async def list_distributors(
    request: Request,
    ports: Here,
    principal: Reads,
    sponsor_id: Annotated[
        int | None,
        Query(ge=1, le=2**63 - 1, description="Those whom this distributor sponsors.", examples=[40007]),
        AS_IN_JSON,
    ] = None,
    tier: Annotated[Tier | None, Query(description="Those with this tier now.")] = None,
    active: Annotated[bool | None, Query(description="Those who earn now, or those who do not.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DistributorView]:
    """By number. A distributor sees those whom they sponsor, or whom one of their downline sponsors."""
    now = ports.time.now()
    if sponsor_id is None and principal.kind != "admin":
        sponsor_id = principal.distributor_id
    reach: dict[str, Any] = {}
    if sponsor_id is not None:
        await require_reach(ports.store, principal, sponsor_id)
        reach = {"sponsor_id": sponsor_id}
    elif principal.kind != "admin":
        raise Problem("not_found")
    wanted = {name: value for name, value in {"tier": tier, "active": active}.items() if value is not None}
    found, after = await page_of(
        ports.store,
        DISTRIBUTORS,
        BY_NUMBER,
        reach=reach,
        listed=[ever_had(name, value) for name, value in wanted.items()],
        checked=[has_now(name, value, now) for name, value in wanted.items()],
        cursor=cursor,
        limit=limit,
    )
    items = [distributor_view(distributor_of(document), now) for document in found]
    return Page(items=items, next=next_link(request, after))


@router.get(
    "/{distributor_id}",
    summary="Show a distributor",
    response_model=DistributorView,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def show_distributor(
    distributor_id: DistributorPart, request: Request, ports: Here, principal: Reads, if_none_match: IfNoneMatch = None
) -> Response:
    await require_reach(ports.store, principal, distributor_id)
    one = await find_distributor(ports.store, distributor_id)
    shown = distributor_view(one, ports.time.now())
    return read_response(request, shown, version_of(one), content_too=True)


@router.patch(
    "/{distributor_id}",
    summary="Change a distributor's tier or activity",
    response_model=DistributorView,
    responses=written(
        *("not_found", "own_standing", "precondition_failed", "nothing_to_change", "out_of_order"),
        shown=DistributorView,
    ),
)
async def change_distributor(
    distributor_id: DistributorPart,
    body: ChangedDistributor,
    ports: Here,
    principal: Writes,
    writing: Writing,
    if_match: IfMatch = None,
) -> Response:
    """From `effective_at` on. Earlier orders are not affected: each is evaluated as of its own time."""
    before = await _before(ports, principal, distributor_id, if_match)
    if body.tier is None and body.active is None:
        raise Problem("nothing_to_change")
    command = ChangeDistributor(distributor_id=distributor_id, **body.model_dump())
    return await writing.write(command, lambda: _shown(ports, distributor_id), before=before)


@router.post(
    "/{distributor_id}/move",
    summary="Move a distributor, with their downline, under another sponsor",
    response_model=DistributorView,
    responses=written(
        *("not_found", "own_standing", "precondition_failed", "sponsor_unknown", "top_of_network"),
        *("own_sponsor", "cycle", "out_of_order"),
        shown=DistributorView,
    ),
)
async def move_distributor(
    distributor_id: DistributorPart,
    body: Move,
    ports: Here,
    principal: Writes,
    writing: Writing,
    if_match: IfMatch = None,
) -> Response:
    """Accepted orders keep their upline."""
    before = await _before(ports, principal, distributor_id, if_match)
    await _require_sponsor(ports, principal, body.sponsor_id)
    if body.sponsor_id is not None:
        since, now = body.effective_at, ports.time.now()
        await require_own_branch(ports.store, principal, body.sponsor_id, distributor_id, since, now)
    command = MoveDistributor(distributor_id=distributor_id, **body.model_dump())
    return await writing.write(command, lambda: _shown(ports, distributor_id), before=before)


@router.post(
    "/{distributor_id}/move-preview",
    summary="Rehearse a move: who would gain, and who would lose",
    responses=documented("not_found", "sponsor_unknown", "move_impossible", TOO_LONG, "busy"),
)
async def preview_distributor_move(
    distributor_id: DistributorPart, body: Rehearsal, ports: Here, principal: Writes
) -> MovePreview:
    """Replays the paid orders of the last days as if they had been placed after the move. Changes nothing.

    For administrators: it shows the earnings of everybody in both chains.
    """
    if principal.kind != "admin":
        raise Problem("not_found")
    await require_reach(ports.store, principal, distributor_id)
    if body.sponsor_id is not None:
        await require_person(ports.store, principal, body.sponsor_id, "sponsor_unknown")
    last_day = body.until or ports.time.now().date()
    if not date.min + timedelta(days=_DAYS_MAX) < last_day < date.max - timedelta(days=1):
        last_day = ports.time.now().date()
    before = last_day + timedelta(days=1)
    move = {
        "distributor_id": distributor_id,
        "sponsor_id": body.sponsor_id,
        "from": (before - timedelta(days=body.days)).isoformat(),
        "before": before.isoformat(),
    }
    return preview_of(await rehearse(ports.rehearsals, {"move": move}, refused="move_impossible"))


@router.get(
    "/{distributor_id}/downline",
    summary="Show the tree below a distributor",
    responses=documented("not_found"),
)
async def show_downline(
    distributor_id: DistributorPart,
    ports: Here,
    principal: Reads,
    depth: Annotated[int, Query(ge=1, le=DEPTH_MAX, description="How many levels.", examples=[3]), AS_IN_JSON] = 3,
    nodes: Annotated[
        int, Query(ge=1, le=NODES_MAX, description="How many distributors at most.", examples=[200]), AS_IN_JSON
    ] = _TREE_NODES,
) -> Tree:
    """Level by level; where it ends, `children_next` is the address of the rest."""
    await require_reach(ports.store, principal, distributor_id)
    root = await find_distributor(ports.store, distributor_id)
    return await downline(ports.store, root, ports.time.now(), depth=depth, nodes_max=nodes)


@router.get(
    "/{distributor_id}/upline",
    summary="Show the upline of a distributor",
    responses=documented("not_found"),
)
async def show_upline(
    distributor_id: DistributorPart,
    ports: Here,
    principal: Reads,
    as_of: Annotated[
        Timestamp | None, Query(description="The date; now if absent.", examples=["2026-11-01T00:00:00Z"])
    ] = None,
) -> Upline:
    """As of a date, with the tiers of that time: the chain that an order placed then pays."""
    await require_reach(ports.store, principal, distributor_id)
    return await upline(ports.store, principal, distributor_id, as_of or ports.time.now())


async def _shown(ports: Ports, distributor_id: int) -> Response:
    one = await find_distributor(ports.store, distributor_id)
    return written_response(distributor_view(one, ports.time.now()), version_of(one))


async def _before(ports: Ports, principal: Principal, distributor_id: int, if_match: str | None) -> dict[str, Any]:
    """The state before the change, for the audit log.

    Raises Problem not_found, precondition_failed, and own_standing: no one decides what they earn themselves.
    """
    await require_reach(ports.store, principal, distributor_id)
    if await acts_for(ports.store, principal, [distributor_id], ports.time.now()):
        raise Problem("own_standing")
    one = await find_distributor(ports.store, distributor_id)
    check_match(if_match, etag_of(version_of(one)))
    return distributor_view(one, ports.time.now()).model_dump(mode="json")


async def _require_sponsor(ports: Ports, principal: Principal, sponsor_id: int | None) -> None:
    """The sponsor must exist and, except for an administrator, be within reach."""
    if sponsor_id is not None:
        await require_person(ports.store, principal, sponsor_id, "sponsor_unknown")
    elif principal.kind != "admin":
        raise Problem("top_of_network")
