"""Corridors: where money may go abroad. One person of finance defines one, another opens it, any of them closes it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi import Body as BodyOf
from pydantic import BaseModel, ConfigDict, Field

from api.access.guard import needs
from api.access.ports import Here
from api.access.second_person import require_others
from api.access.writing import Writing, written
from api.http.bodies import Body, BodyRoute
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from contracts.corridors.v1 import (
    ApproveCorridor,
    CloseCorridor,
    Currencies,
    DefineCorridor,
    FromCountry,
    PerPayment,
    PerYear,
    ToCountry,
)
from contracts.corridors.view import CORRIDORS, Corridor, CorridorState
from contracts.explanation.statement_sentences import amount_text
from contracts.fields import Code, Reference
from contracts.payees.fields import RailName
from contracts.rules.v1 import Digest
from infra.statements.corridors import corridor_with, to_corridor

router = APIRouter(prefix="/api/corridors", tags=["settlements"], route_class=BodyRoute)

Writes = Annotated[Principal, needs("settlements:write")]
Approves = Annotated[Principal, needs("settlements:approve")]
CorridorPart = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$", examples=["us-2026-11"])]

_NEWEST = Sorting("proposed_at", datetime, -1)


class NewCorridor(Body):
    """It never changes; another one of the same rail and countries replaces it."""

    corridor_id: Annotated[Reference, Field(examples=["us-2026-11"])]
    rail: RailName
    from_country: FromCountry
    to_country: ToCountry
    currencies: Currencies
    limit_per_payment: PerPayment = ()
    limit_per_year: PerYear = ()


class CorridorApproval(Body):
    digest: Annotated[Digest, Field(description="The digest of the corridor that you have read.")]


class CorridorClosing(Body):
    reason: Annotated[Code, Field(description="A code of your own.", examples=["policy_changed"])]


class CorridorView(BaseModel):
    model_config = ConfigDict(title="Corridor")

    corridor_id: str = Field(examples=["us-2026-11"])
    rail: str = Field(examples=["paypal"])
    from_country: str = Field(examples=["DE"])
    to_country: str = Field(examples=["US"])
    currencies: list[str] = Field(examples=[["USD"]])
    limit_per_payment: dict[str, str] = Field(
        description="By currency; none for one that is missing.", examples=[{"USD": "10000.00"}]
    )
    limit_per_year: dict[str, str] = Field(
        description="Of one distributor, by currency.", examples=[{"USD": "50000.00"}]
    )
    state: CorridorState = Field(examples=["open"])
    digest: str = Field(
        description="Send it with an approval.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    proposed_by: str = Field(examples=["admin/4f1c0d3a"])
    proposed_at: datetime
    approved_by: str | None = Field(examples=["admin/0a2c0d3a"])
    approved_at: datetime | None
    closed_by: str | None = Field(
        description="Null if another corridor has replaced it while it was open.", examples=[None]
    )
    closed_at: datetime | None
    close_reason: str | None = Field(examples=[None])


@router.get("", summary="List corridors", response_model=Page[CorridorView], responses=documented("invalid_cursor"))
async def list_corridors(
    request: Request,
    ports: Here,
    principal: Writes,
    state: Annotated[CorridorState | None, Query(examples=["open"])] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[CorridorView]:
    """The newest first."""
    where = [{"state": state}] if state is not None else []
    found, after = await page_of(ports.store, CORRIDORS, _NEWEST, listed=where, cursor=cursor, limit=limit)
    return Page(items=[_view(to_corridor(document)) for document in found], next=next_link(request, after))


@router.post(
    "",
    summary="Define a corridor",
    response_model=CorridorView,
    status_code=201,
    responses=written("conflict", "amount_precision", shown=CorridorView, created=True),
)
async def define_corridor(body: Annotated[NewCorridor, BodyOf()], principal: Writes, writing: Writing) -> Response:
    """It is open once another person approved it."""
    command = DefineCorridor(**body.model_dump(), proposed_by=principal.name[:64])
    return await writing.write(command, lambda: _shown(writing.ports, body.corridor_id), location="/api/corridors")


@router.post(
    "/{corridor_id}/approve",
    summary="Open a corridor",
    response_model=CorridorView,
    responses=written(
        *("not_found", "digest_mismatch", "same_person", "not_independent", "changed_meanwhile", "already_decided"),
        shown=CorridorView,
    ),
)
async def approve_corridor(
    corridor_id: CorridorPart, body: CorridorApproval, ports: Here, principal: Approves, writing: Writing
) -> Response:
    """It replaces the one of the same rail and countries. The proposer cannot approve it, nor can an account that the
    proposer made, changed or reset within seven days, or that is younger than the proposal.
    """
    before = await corridor_with(ports.store, corridor_id)
    if before is None:
        raise Problem("not_found")
    others = await require_others(ports, [before.proposed_by], before.proposed_at, principal)
    command = ApproveCorridor(
        corridor_id=corridor_id, digest=body.digest, approved_by=principal.name[:64], independent_of=others
    )
    was = {"digest": before.digest, "state": before.state}
    return await writing.write(command, lambda: _shown(ports, corridor_id), before=was)


@router.post(
    "/{corridor_id}/close",
    summary="Close a corridor",
    response_model=CorridorView,
    responses=written("not_found", shown=CorridorView),
)
async def close_corridor(
    corridor_id: CorridorPart, body: CorridorClosing, ports: Here, principal: Writes, writing: Writing
) -> Response:
    """At once, open or only proposed. What is under way at a rail goes on; what was approved and not sent waits."""
    before = await corridor_with(ports.store, corridor_id)
    if before is None:
        raise Problem("not_found")
    command = CloseCorridor(corridor_id=corridor_id, reason=body.reason, closed_by=principal.name[:64])
    return await writing.write(command, lambda: _shown(ports, corridor_id), before={"state": before.state})


async def _shown(ports: Any, corridor_id: str) -> CorridorView:
    found = await corridor_with(ports.store, corridor_id)
    if found is None:
        raise Problem("not_found")
    return _view(found)


def _view(corridor: Corridor) -> CorridorView:
    return CorridorView(
        corridor_id=corridor.corridor_id,
        rail=corridor.rail,
        from_country=corridor.from_country,
        to_country=corridor.to_country,
        currencies=list(corridor.currencies),
        limit_per_payment=_amounts(corridor.limit_per_payment),
        limit_per_year=_amounts(corridor.limit_per_year),
        state=corridor.state,
        digest=corridor.digest,
        proposed_by=corridor.proposed_by,
        proposed_at=corridor.proposed_at,
        approved_by=corridor.approved_by,
        approved_at=corridor.approved_at,
        closed_by=corridor.closed_by,
        closed_at=corridor.closed_at,
        close_reason=corridor.close_reason,
    )


def _amounts(limits: Mapping[str, int]) -> dict[str, str]:
    return {currency: amount_text(minor, currency) for currency, minor in limits.items()}
