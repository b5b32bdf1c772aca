"""What a distributor earns: balances, entries with their explanation and release, and rewards for sales."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.access.guard import needs
from api.access.ports import Here
from api.access.scope import require_reach
from api.commissions.commissions_view import (
    CommissionPage,
    RewardView,
    earnings_of,
    parts_of,
    pay_of,
    rewards_of,
)
from api.http.conditions import NOT_MODIFIED, IfNoneMatch, read_response
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import documented, language_of
from api.http.turns import built
from api.identity.principal import Principal
from contracts.commissions.view import COMMISSIONS
from contracts.rewards.view import PROGRESS

router = APIRouter(prefix="/api", tags=["commissions"])

Reads = Annotated[Principal, needs("commissions:read")]
DistributorPart = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[40021]), AS_IN_JSON]

_NEWEST = Sorting("placed_at", datetime, -1)
_LAST_MONTH = Sorting("month", str, -1)


@router.get(
    "/commission/{distributor_id}",
    summary="Show a distributor's commissions",
    response_model=CommissionPage,
    responses={**documented("not_found", "invalid_cursor"), **NOT_MODIFIED},
)
async def show_commission(
    distributor_id: DistributorPart,
    request: Request,
    ports: Here,
    principal: Reads,
    explain: Annotated[
        bool, Query(description="Whether to explain the amounts, in the language of Accept-Language.")
    ] = True,
    limit: Limit = 20,
    cursor: Cursor = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Balances by currency, when what is available will be payable, and what each order pays, newest first.

    Your own, or those of your downline. Of these `payable` is null and `coming` is empty, as they are without
    `settlements:read`.
    """
    await require_reach(ports.store, principal, distributor_id)
    where = {"entries.distributor_id": distributor_id}
    language = language_of(request)
    (balances, coming), (found, after) = await asyncio.gather(
        pay_of(ports.store, principal, distributor_id, ports.time.now(), language),
        page_of(ports.store, COMMISSIONS, _NEWEST, listed=[where], cursor=cursor, limit=limit),
    )
    items = await earnings_of(ports.store, found, distributor_id, language if explain else None)
    page = CommissionPage(
        distributor_id=distributor_id,
        balances=balances,
        coming=coming,
        items=items,
        next=next_link(request, after),
    )
    vary = "Authorization, Accept-Language"
    response = await built(parts_of(found), lambda: read_response(request, page, vary=vary))
    response.headers["Content-Language"] = language
    return response


@router.get(
    "/rewards/{distributor_id}",
    summary="Show a distributor's rewards",
    response_model=Page[RewardView],
    responses=documented("not_found", "invalid_cursor"),
)
async def show_rewards(
    distributor_id: DistributorPart,
    request: Request,
    ports: Here,
    principal: Reads,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RewardView]:
    """Own sales by month, the targets of the rules, and which were reached; the newest month first."""
    await require_reach(ports.store, principal, distributor_id)
    where = {"distributor_id": distributor_id}
    found, after = await page_of(ports.store, PROGRESS, _LAST_MONTH, listed=[where], cursor=cursor, limit=limit)
    return Page(items=await rewards_of(ports.store, found), next=next_link(request, after))
