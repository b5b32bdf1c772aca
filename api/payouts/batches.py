"""Batches of payouts: proposed by one person, and sent once others approved exactly what they read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi import Body as BodyOf
from pydantic import Field

from api.access.guard import needs
from api.access.ports import Here, Ports
from api.access.scope import acts_for
from api.access.second_person import require_others
from api.access.writing import Writing, written
from api.http.bodies import Body, BodyRoute
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from api.payouts.view import BATCHES_AT, BatchSummary, BatchView, batch_summary, batch_view, find_batch
from contracts.fields import Code, MarketName, Reference
from contracts.payees.fields import RailName
from contracts.payouts.fields import BATCH_MAX
from contracts.payouts.v1 import ApproveBatch, ProposeBatch, RejectBatch
from contracts.payouts.view import BATCHES, Batch
from contracts.rules.v1 import Digest
from contracts.settlement.v1 import PeriodName, StatementId
from infra.payouts.reading import to_batch

router = APIRouter(prefix="/api/payout-batches", tags=["payouts"], route_class=BodyRoute)

Writes = Annotated[Principal, needs("settlements:write")]
Approves = Annotated[Principal, needs("settlements:approve")]
BatchPart = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$", examples=["batch-2026-10"])]

_NEWEST = Sorting("proposed_at", datetime, -1)


class NewBatch(Body):
    """What is payable: of a period, of named statements, or all of the market; the oldest first."""

    batch_id: Annotated[Reference, Field(examples=["batch-2026-10"])]
    market: MarketName = "default"
    period: PeriodName | None = None
    rail: Annotated[RailName | None, Field(description="Only what is sent this way.", examples=["iso20022"])] = None
    statement_ids: Annotated[
        tuple[StatementId, ...], Field(max_length=BATCH_MAX, description="Only these; all, if empty.")
    ] = ()


class BatchApproval(Body):
    digest: Annotated[Digest, Field(description="The digest of the batch that you have read.")]


class BatchRejection(Body):
    reason: Annotated[Code, Field(description="A code of your own.", examples=["wrong_period"])]


@router.get(
    "", summary="List batches of payouts", response_model=Page[BatchSummary], responses=documented("invalid_cursor")
)
async def list_payout_batches(
    request: Request, ports: Here, principal: Writes, limit: Limit = 50, cursor: Cursor = None
) -> Page[BatchSummary]:
    """The newest first."""
    _require_house(principal)
    found, after = await page_of(ports.store, BATCHES, _NEWEST, cursor=cursor, limit=limit)
    return Page(items=[batch_summary(to_batch(one)) for one in found], next=next_link(request, after))


@router.post(
    "",
    summary="Propose a batch of payouts",
    response_model=BatchView,
    status_code=201,
    responses=written("not_found", "conflict", "nothing_to_pay", shown=BatchView, created=True),
)
async def propose_payout_batch(
    body: Annotated[NewBatch, BodyOf()], ports: Here, principal: Writes, writing: Writing
) -> Response:
    """Plans each payout once, and lists what is left out and why. Nothing is sent before others approved it."""
    _require_house(principal)
    command = ProposeBatch(**body.model_dump(), proposed_by=principal.name[:64])
    return await writing.write(command, lambda: _shown(ports, body.batch_id), location=BATCHES_AT + body.batch_id)


@router.get(
    "/{batch_id}", summary="Show a batch of payouts", response_model=BatchView, responses=documented("not_found")
)
async def show_payout_batch(batch_id: BatchPart, ports: Here, principal: Writes) -> BatchView:
    """Every payout that it sends, its totals, what was left out, and who approved it."""
    _require_house(principal)
    return await _shown(ports, batch_id)


@router.post(
    "/{batch_id}/approve",
    summary="Approve a batch of payouts",
    response_model=BatchView,
    responses=written(
        *("not_found", "digest_mismatch", "stale_digest", "same_person", "not_independent", "changed_meanwhile"),
        *("payee_approves_own", "already_decided"),
        shown=BatchView,
    ),
)
async def approve_payout_batch(
    batch_id: BatchPart, body: Annotated[BatchApproval, BodyOf()], ports: Here, principal: Approves, writing: Writing
) -> Response:
    """Neither the proposer, nor anybody who is paid by it, nor an account that they, or who approved it before, made,
    changed or reset within seven days. With the last approval that it needs it is sent.
    """
    _require_house(principal)
    before = await find_batch(ports.store, batch_id)
    payees = {line.distributor_id for line in before.lines}
    if await acts_for(ports.store, principal, payees, ports.time.now()):
        raise Problem("payee_approves_own")
    people = (before.proposed_by, *(approval.by for approval in before.approved))
    others = await require_others(ports, people, before.proposed_at, principal)
    command = ApproveBatch(
        batch_id=batch_id,
        digest=body.digest,
        approved_by=principal.name[:64],
        approver_distributor_id=principal.distributor_id,
        independent_of=others,
    )
    return await writing.write(command, lambda: _shown(ports, batch_id), before=_was(before))


@router.post(
    "/{batch_id}/reject",
    summary="Reject a batch of payouts",
    response_model=BatchView,
    responses=written("not_found", "already_decided", shown=BatchView),
)
async def reject_payout_batch(
    batch_id: BatchPart, body: Annotated[BatchRejection, BodyOf()], ports: Here, principal: Writes, writing: Writing
) -> Response:
    """Before it is approved, by anybody who proposes payouts. What is in it can be proposed again."""
    _require_house(principal)
    before = await find_batch(ports.store, batch_id)
    command = RejectBatch(batch_id=batch_id, reason=body.reason, rejected_by=principal.name[:64])
    return await writing.write(command, lambda: _shown(ports, batch_id), before=_was(before))


def _require_house(principal: Principal) -> None:
    if principal.kind != "admin":
        raise Problem("not_found")


def _was(batch: Batch) -> dict[str, Any]:
    return {"state": batch.state, "digest": batch.digest, "approved_by": [one.by for one in batch.approved]}


async def _shown(ports: Ports, batch_id: str) -> BatchView:
    return batch_view(await find_batch(ports.store, batch_id))
