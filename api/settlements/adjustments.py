"""Adjustments and write-offs: proposed by one person, booked when others approved them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi import Body as BodyOf
from pydantic import BaseModel, ConfigDict, Field

from api.access.guard import needs
from api.access.ports import Here
from api.access.scope import acts_for, require_reach
from api.access.second_person import require_others
from api.access.writing import Writing, written
from api.http.bodies import VISIBLE, Body, BodyRoute
from api.http.ids import ShownId
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from contracts.explanation.statement_sentences import amount_text
from contracts.fields import Code, Currency, DistributorId, MarketName, Reference, SignedAmount
from contracts.rules.v1 import Digest
from contracts.settlement.v1 import ApproveAdjustment, ProposeAdjustment
from contracts.settlement.view import ADJUSTMENTS, Adjustment
from infra.statements.known import unknown_in
from infra.statements.reading import adjustment_with, to_adjustment

router = APIRouter(prefix="/api/adjustments", tags=["settlements"], route_class=BodyRoute)

Writes = Annotated[Principal, needs("settlements:write")]
Approves = Annotated[Principal, needs("settlements:approve")]
AdjustmentPart = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$", examples=["adjustment-2026-11-0042"])]

_BY_ID = Sorting("_id", str)


class NewAdjustment(Body):
    """`write_off` forgives a debt, and has a positive amount."""

    adjustment_id: Annotated[Reference, Field(examples=["adjustment-2026-11-0042"])]
    kind: Annotated[Literal["adjustment", "write_off"], Field(examples=["adjustment"])] = "adjustment"
    market: MarketName = "default"
    distributor_id: DistributorId
    currency: Currency
    amount: Annotated[SignedAmount, Field(description="Positive if the distributor gets more.", examples=["12.50"])]
    reason: Annotated[Code, Field(description="A code of your own.", examples=["goodwill"])]
    note: Annotated[
        str, VISIBLE, Field(min_length=1, max_length=500, description="Why, for people.", examples=["Late order."])
    ]


class AdjustmentApproval(Body):
    digest: Annotated[Digest, Field(description="The digest of the adjustment that you have read.")]


class AdjustmentView(BaseModel):
    model_config = ConfigDict(title="SettlementAdjustment")

    adjustment_id: str = Field(examples=["adjustment-2026-11-0042"])
    kind: Literal["adjustment", "write_off"] = Field(examples=["adjustment"])
    market: str = Field(examples=["default"])
    distributor_id: ShownId = Field(examples=[40021])
    currency: str = Field(examples=["CNY"])
    amount: str = Field(examples=["12.50"])
    reason: str = Field(examples=["goodwill"])
    note: str = Field(examples=["Late order."])
    digest: str = Field(
        description="Send it with an approval.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    proposed_by: str = Field(examples=["admin/4f1c0d3a"])
    proposed_at: datetime
    approved_by: list[str] = Field(examples=[["admin/0a2c0d3a"]])
    booked_at: datetime | None = Field(description="Null until enough persons approved it.")
    statement_id: str | None = Field(
        description="The statement on which it is, or will be.", examples=["default/2026-11/40021/CNY"]
    )


@router.get("", summary="List adjustments", response_model=Page[AdjustmentView], responses=documented("invalid_cursor"))
async def list_adjustments(
    request: Request,
    ports: Here,
    principal: Writes,
    distributor_id: Annotated[int | None, Query(ge=1, le=2**63 - 1, examples=[40021]), AS_IN_JSON] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AdjustmentView]:
    """Adjustments and write-offs, booked or not, in the order of their ids."""
    reach = {} if principal.kind == "admin" else {"distributor_id": principal.distributor_id}
    listed = [{"distributor_id": distributor_id}] if distributor_id is not None else []
    found, after = await page_of(
        ports.store, ADJUSTMENTS, _BY_ID, reach=reach, listed=listed, cursor=cursor, limit=limit
    )
    return Page(items=[_view(to_adjustment(document)) for document in found], next=next_link(request, after))


@router.post(
    "",
    summary="Propose an adjustment",
    response_model=AdjustmentView,
    status_code=201,
    responses=written(
        *("not_found", "market_unknown", "conflict", "amount_precision", "nothing_to_adjust"),
        shown=AdjustmentView,
        created=True,
    ),
)
async def propose_adjustment(
    body: Annotated[NewAdjustment, BodyOf()], ports: Here, principal: Writes, writing: Writing
) -> Response:
    """Changes what a distributor can have, once as many others approved it as the market's terms ask for."""
    await require_reach(ports.store, principal, body.distributor_id)
    if unknown := await unknown_in(ports.store, body.market, body.distributor_id):
        raise Problem(unknown.reason, detail=unknown.detail)
    command = ProposeAdjustment(**body.model_dump(), proposed_by=principal.name[:64])
    return await writing.write(command, lambda: _shown(ports, body.adjustment_id), location="/api/adjustments")


@router.post(
    "/{adjustment_id}/approve",
    summary="Approve an adjustment",
    response_model=AdjustmentView,
    responses=written(
        *("not_found", "digest_mismatch", "same_person", "not_independent", "changed_meanwhile", "payee_approves_own"),
        *("write_off_not_allowed", "write_off_too_early", "more_than_owed"),
        shown=AdjustmentView,
    ),
)
async def approve_adjustment(
    adjustment_id: AdjustmentPart, body: AdjustmentApproval, ports: Here, principal: Approves, writing: Writing
) -> Response:
    """Neither the proposer nor the distributor who gets it can approve it, nor an account that they, or who approved it
    before, made, changed or reset within seven days.
    """
    before = await adjustment_with(ports.store, adjustment_id)
    if before is None:
        raise Problem("not_found")
    if await acts_for(ports.store, principal, [before.distributor_id], ports.time.now()):
        raise Problem("payee_approves_own")
    people = (before.proposed_by, *before.approved_by)
    others = await require_others(ports, people, before.proposed_at, principal)
    command = ApproveAdjustment(
        adjustment_id=adjustment_id,
        digest=body.digest,
        approved_by=principal.name[:64],
        approver_distributor_id=principal.distributor_id,
        independent_of=others,
    )
    was = {"digest": before.digest, "approved_by": list(before.approved_by)}
    return await writing.write(command, lambda: _shown(ports, adjustment_id), before=was)


async def _shown(ports: Any, adjustment_id: str) -> AdjustmentView:
    found = await adjustment_with(ports.store, adjustment_id)
    if found is None:
        raise Problem("not_found")
    return _view(found)


def _view(adjustment: Adjustment) -> AdjustmentView:
    return AdjustmentView(
        adjustment_id=adjustment.adjustment_id,
        kind=adjustment.kind,
        market=adjustment.market,
        distributor_id=adjustment.distributor_id,
        currency=adjustment.currency,
        amount=amount_text(adjustment.amount_minor, adjustment.currency),
        reason=adjustment.reason,
        note=adjustment.note,
        digest=adjustment.digest,
        proposed_by=adjustment.proposed_by,
        proposed_at=adjustment.proposed_at,
        approved_by=list(adjustment.approved_by),
        booked_at=adjustment.booked_at,
        statement_id=adjustment.statement,
    )
