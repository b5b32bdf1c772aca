"""Payouts: listed, shown, and what only people can decide about one: what became of it, and whether more is sent.

A payout has the id of its statement, and so the same parts in its address. Distributors see their own.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi import Body as BodyOf
from pydantic import Field

from api.access.guard import needs
from api.access.ports import Here, Ports
from api.access.scope import acts_for, require_reach
from api.access.second_person import require_others
from api.access.writing import Writing, written
from api.http.bodies import VISIBLE, Body, BodyRoute
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, documented, language_of
from api.identity.principal import Principal
from api.payouts.view import (
    HoldView,
    PayoutSummary,
    PayoutView,
    find_payout,
    hold_view,
    payout_view,
    summaries_of,
)
from api.settlements.routes import STATEMENT, CurrencyPart, DistributorPart, MarketPart, PeriodPart
from api.settlements.view import sees
from contracts.fields import Code
from contracts.payouts.fields import AttemptNumber
from contracts.payouts.v1 import ConfirmResolution, HoldPayouts, ReleasePayouts, ResolvePayout
from contracts.payouts.view import PAYOUTS, Payout, PayoutState
from contracts.settlement.view import statement_id
from infra.payouts.reading import payees_with, to_payout

router = APIRouter(prefix="/api/payouts", tags=["payouts"], route_class=BodyRoute)
holds_router = APIRouter(prefix="/api/distributors", tags=["payouts"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("settlements:read")]
Writes = Annotated[Principal, needs("settlements:write")]
Approves = Annotated[Principal, needs("settlements:approve")]
BatchQuery = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._:-]{1,64}$", examples=["batch-2026-10"])]

_BY_ID = Sorting("_id", str, -1)


class Resolved(Body):
    """`evidence` says where it is written, such as the line of a bank statement."""

    attempt: AttemptNumber
    outcome: Annotated[Literal["paid", "failed"], Field(description="What became of it.", examples=["paid"])]
    evidence: Annotated[str, VISIBLE, Field(min_length=1, max_length=500, examples=["Bank statement, line 7714"])]


class Confirmed(Body):
    """The attempt and the outcome that were stated, as you have checked them."""

    attempt: AttemptNumber
    outcome: Annotated[Literal["paid", "failed"], Field(description="What was stated.", examples=["paid"])]


class Held(Body):
    reason: Annotated[Code, Field(description="A code of your own.", examples=["under_review"])]


@router.get(
    "", summary="List payouts", response_model=Page[PayoutSummary], responses=documented("not_found", "invalid_cursor")
)
async def list_payouts(
    request: Request,
    response: Response,
    ports: Here,
    principal: Reads,
    state: Annotated[PayoutState | None, Query(examples=["doubtful"])] = None,
    distributor_id: Annotated[int | None, Query(ge=1, le=2**63 - 1, examples=[40021]), AS_IN_JSON] = None,
    batch_id: BatchQuery = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[PayoutSummary]:
    """Your own; administrators see all. In the order of their ids, the last first: of one distributor and market, the
    newest period comes first.
    """
    whose = distributor_id
    if whose is None and principal.kind == "distributor":
        whose = principal.distributor_id
    if not sees(principal, whose):
        raise Problem("not_found")
    filters: dict[str, Any] = {"distributor_id": whose, "batch_id": batch_id, "state": state}
    listed = [{name: value} for name, value in filters.items() if value is not None]
    reach = {} if principal.kind == "admin" else {"distributor_id": whose}
    found, after = await page_of(ports.store, PAYOUTS, _BY_ID, reach=reach, listed=listed, cursor=cursor, limit=limit)
    language = language_of(request)
    response.headers["Content-Language"] = language
    items = await summaries_of(ports.store, [to_payout(one) for one in found], language, ports.time.now())
    return Page(items=items, next=next_link(request, after))


@router.get(STATEMENT, summary="Show a payout", response_model=PayoutView, responses=documented("not_found"))
async def show_payout(
    market: MarketPart,
    period: PeriodPart,
    distributor_id: DistributorPart,
    currency: CurrencyPart,
    request: Request,
    response: Response,
    ports: Here,
    principal: Reads,
) -> PayoutView:
    """Where the money is, and why not yet; with its attempts, and for people of the house reports and approvals."""
    payout = await find_payout(ports.store, principal, statement_id(market, period, distributor_id, currency))
    language = language_of(request)
    response.headers["Content-Language"] = language
    return await payout_view(ports.store, payout, principal, language, ports.time.now())


@router.post(
    STATEMENT + "/resolve",
    summary="State what became of a payout",
    response_model=PayoutView,
    responses=written("not_found", "payee_approves_own", "not_in_doubt", "other_attempt", shown=PayoutView),
)
async def resolve_payout(
    market: MarketPart,
    period: PeriodPart,
    distributor_id: DistributorPart,
    currency: CurrencyPart,
    body: Annotated[Resolved, BodyOf()],
    request: Request,
    ports: Here,
    principal: Writes,
    writing: Writing,
) -> Response:
    """Where the rail does not say it. Another person confirms it, and only then it holds."""
    payout = await find_payout(ports.store, principal, statement_id(market, period, distributor_id, currency))
    await _require_not_payee(ports, principal, payout.distributor_id)
    command = ResolvePayout(payout_id=payout.payout_id, **body.model_dump(), by=principal.name[:64])
    return await writing.write(command, lambda: _shown(request, ports, principal, payout), before=_was(payout))


@router.post(
    STATEMENT + "/confirm",
    summary="Confirm what became of a payout",
    response_model=PayoutView,
    responses=written(
        *("not_found", "same_person", "not_independent", "changed_meanwhile", "payee_approves_own", "not_in_doubt"),
        *("other_attempt", "not_stated", "other_outcome"),
        shown=PayoutView,
    ),
)
async def confirm_resolution(
    market: MarketPart,
    period: PeriodPart,
    distributor_id: DistributorPart,
    currency: CurrencyPart,
    body: Annotated[Confirmed, BodyOf()],
    request: Request,
    ports: Here,
    principal: Approves,
    writing: Writing,
) -> Response:
    """Neither who stated it nor the distributor who gets it can confirm it."""
    payout = await find_payout(ports.store, principal, statement_id(market, period, distributor_id, currency))
    await _require_not_payee(ports, principal, payout.distributor_id)
    others: tuple[str, ...] = ()
    if (stated := payout.resolution) is not None:
        others = await require_others(ports, [stated.by], stated.at, principal)
    command = ConfirmResolution(
        payout_id=payout.payout_id,
        **body.model_dump(),
        by=principal.name[:64],
        by_distributor_id=principal.distributor_id,
        independent_of=others,
    )
    return await writing.write(command, lambda: _shown(request, ports, principal, payout), before=_was(payout))


@holds_router.post(
    "/{distributor_id}/payouts/hold",
    summary="Hold the payouts of a distributor",
    response_model=HoldView,
    responses=written("not_found", shown=HoldView),
)
async def hold_payouts(
    distributor_id: DistributorPart, body: Annotated[Held, BodyOf()], ports: Here, principal: Writes, writing: Writing
) -> Response:
    """Nothing more is sent to them. What is under way goes on."""
    await _require_house(ports, principal, distributor_id)
    command = HoldPayouts(distributor_id=distributor_id, reason=body.reason, by=principal.name[:64])
    return await writing.write(command, lambda: _hold(ports, distributor_id))


@holds_router.post(
    "/{distributor_id}/payouts/release",
    summary="Release the payouts of a distributor",
    response_model=HoldView,
    responses=written("not_found", "payee_approves_own", "not_on_hold", shown=HoldView),
)
async def release_payouts(
    distributor_id: DistributorPart, ports: Here, principal: Approves, writing: Writing
) -> Response:
    """Ends their hold, also one that a conflict began."""
    await _require_house(ports, principal, distributor_id)
    await _require_not_payee(ports, principal, distributor_id)
    command = ReleasePayouts(distributor_id=distributor_id, by=principal.name[:64])
    return await writing.write(command, lambda: _hold(ports, distributor_id))


async def _require_house(ports: Ports, principal: Principal, distributor_id: int) -> None:
    """Raise Problem not_found for a distributor who does not exist, and for all who are not of the house."""
    if principal.kind != "admin":
        raise Problem("not_found")
    await require_reach(ports.store, principal, distributor_id)


async def _require_not_payee(ports: Ports, principal: Principal, distributor_id: int) -> None:
    if await acts_for(ports.store, principal, [distributor_id], ports.time.now()):
        raise Problem("payee_approves_own")


def _was(payout: Payout) -> dict[str, Any]:
    return {"state": payout.state, "attempts": len(payout.attempts)}


async def _shown(request: Request, ports: Ports, principal: Principal, payout: Payout) -> PayoutView:
    now = await find_payout(ports.store, principal, payout.payout_id)
    return await payout_view(ports.store, now, principal, language_of(request), ports.time.now())


async def _hold(ports: Ports, distributor_id: int) -> HoldView:
    payees = await payees_with(ports.store, [distributor_id])
    return hold_view(distributor_id, payees.get(distributor_id))
