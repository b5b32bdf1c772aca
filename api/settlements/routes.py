"""Statements: listed, shown in several forms, previewed; periods closed by hand.

A statement's address has the parts of its id: market, period, distributor and currency. Distributors see their own.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access.guard import needs
from api.access.ports import Here
from api.access.writing import Writing, written
from api.http.bodies import Body, BodyRoute
from api.http.conditions import NOT_MODIFIED, IfNoneMatch, read_response
from api.http.ids import ShownId
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, documented, language_of
from api.identity.principal import Principal
from api.settlements.forms import CONTENT, accepted_form, in_form
from api.settlements.view import (
    ComingView,
    LineView,
    StatementSummary,
    StatementView,
    coming_views,
    find_statement,
    knows_people,
    line_view,
    sees,
    statement_view,
    summary_of,
)
from contracts.fields import DistributorId, MarketName
from contracts.settlement.v1 import ClosePeriod, PeriodName
from contracts.settlement.view import LEDGER, PERIODS, STATEMENTS, Outcome, period_key, statement_id
from infra.statements.reading import accounts_of, coming_of, to_posting, to_statement

router = APIRouter(prefix="/api/settlements", tags=["settlements"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("settlements:read")]
Writes = Annotated[Principal, needs("settlements:write")]
MarketPart = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,63}$", examples=["default"])]
PeriodPart = Annotated[str, Path(pattern=r"^[0-9]{4}-[0-9W][0-9A-Za-z.-]{1,24}$", examples=["2026-10"])]
DistributorPart = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[40021]), AS_IN_JSON]
CurrencyPart = Annotated[str, Path(pattern=r"^[A-Z]{3}$", examples=["CNY"])]
STATEMENT = "/{market}/{period}/{distributor_id}/{currency}"

_NEWEST = Sorting("closed_at", datetime, -1)
_HIGHEST_NUMBER = Sorting("number", int, -1)
_BY_ID = Sorting("_id", str)


class PeriodToClose(Body):
    market: MarketName = "default"
    period: PeriodName
    distributor_id: Annotated[
        DistributorId | None, Field(description="Close it for this distributor alone, even if it is not over.")
    ] = None
    final: Annotated[
        bool, Field(strict=True, description="Without a minimum, as for a distributor who leaves; only of one.")
    ] = False


class ClosingView(BaseModel):
    """A period whose accounts are being closed, some hundred at a time."""

    model_config = ConfigDict(title="Closing")

    market: str = Field(examples=["default"])
    period: str = Field(examples=["2026-10"])
    distributor_id: ShownId | None = Field(examples=[None])
    ends_at: datetime
    statements: str = Field(
        description="Where its statements are; all of the distributor's in this market, if one was named: earlier "
        "periods, and parts of this one, are closed too.",
        examples=["/api/settlements?market=default&period=2026-10"],
    )


@router.get(
    "",
    summary="List statements",
    response_model=Page[StatementSummary],
    responses=documented("not_found", "invalid_cursor"),
)
async def list_statements(
    request: Request,
    ports: Here,
    principal: Reads,
    distributor_id: Annotated[int | None, Query(ge=1, le=2**63 - 1, examples=[40021]), AS_IN_JSON] = None,
    market: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_-]{0,63}$", examples=["default"])] = None,
    period: Annotated[str | None, Query(pattern=r"^[0-9]{4}-[0-9W][0-9A-Za-z.-]{1,24}$", examples=["2026-10"])] = None,
    currency: Annotated[str | None, Query(pattern=r"^[A-Z]{3}$", examples=["CNY"])] = None,
    outcome: Annotated[Outcome | None, Query(examples=["payable"])] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[StatementSummary]:
    """Your own; administrators see all. Those of one distributor come newest first, those of a period of one market by
    their id, all others by their number, the highest first.
    """
    whose = distributor_id
    if whose is None and principal.kind == "distributor":
        whose = principal.distributor_id
    if not sees(principal, whose):
        raise Problem("not_found")
    filters = {"market": market, "period": period, "currency": currency, "outcome": outcome}
    given: list[dict[str, Any]] = [{name: value} for name, value in filters.items() if value is not None]
    sorting, listed = _HIGHEST_NUMBER, list[dict[str, Any]]()
    if whose is not None:
        sorting, listed = _NEWEST, [{"distributor_id": whose}]
    elif market is not None and period is not None:
        sorting, listed = _BY_ID, [{"market": market, "period": period}]
    found, after = await page_of(
        ports.store, STATEMENTS, sorting, listed=listed, checked=given, cursor=cursor, limit=limit
    )
    items = [summary_of(to_statement(document)) for document in found]
    return Page(items=items, next=next_link(request, after))


@router.get(
    "/preview",
    summary="Preview the next statements",
    response_model=list[ComingView],
    responses=documented("not_found"),
)
async def preview_statements(
    request: Request,
    response: Response,
    ports: Here,
    principal: Reads,
    distributor_id: Annotated[int, Query(ge=1, le=2**63 - 1, examples=[40021]), AS_IN_JSON],
) -> list[ComingView]:
    """What is not closed yet, by market, currency and period: when it will be, and what would become of it."""
    if not sees(principal, distributor_id):
        raise Problem("not_found")
    language = language_of(request)
    coming = await coming_of(ports.store, await accounts_of(ports.store, distributor_id), ports.time.now())
    response.headers["Content-Language"] = language
    return coming_views(coming, language)


@router.get(
    STATEMENT,
    summary="Show a statement",
    response_model=StatementView,
    responses={
        **documented("not_found", "not_acceptable", "statement_too_long"),
        **NOT_MODIFIED,
        200: {"description": "The statement, as Accept asks: JSON, or a file with all lines.", "content": CONTENT},
    },
)
async def show_statement(
    market: MarketPart,
    period: PeriodPart,
    distributor_id: DistributorPart,
    currency: CurrencyPart,
    request: Request,
    ports: Here,
    principal: Reads,
    accept: Annotated[
        str | None,
        Header(max_length=400, description="application/json, text/csv, text/html or application/pdf."),
    ] = None,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """It never changes. CSV, HTML (to print) and PDF hold every line; the language is that of Accept-Language."""
    statement = await find_statement(ports.store, principal, statement_id(market, period, distributor_id, currency))
    form, language = accepted_form(accept), language_of(request)
    if form is not None:
        shown_by = statement.by if knows_people(principal) else None
        return await in_form(ports.store, replace(statement, by=shown_by), form, language)
    shown = statement_view(statement, principal, language)
    response = read_response(request, shown, vary="Authorization, Accept, Accept-Language")
    response.headers["Content-Language"] = language
    return response


@router.get(
    STATEMENT + "/lines",
    summary="List the lines of a statement",
    response_model=Page[LineView],
    responses=documented("not_found", "invalid_cursor"),
)
async def list_statement_lines(
    market: MarketPart,
    period: PeriodPart,
    distributor_id: DistributorPart,
    currency: CurrencyPart,
    request: Request,
    ports: Here,
    principal: Reads,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LineView]:
    """In the order of their ids. They add up to `lines` of the statement."""
    statement = await find_statement(ports.store, principal, statement_id(market, period, distributor_id, currency))
    where = {"statement": statement.statement_id}
    found, after = await page_of(ports.store, LEDGER, _BY_ID, listed=[where], cursor=cursor, limit=limit)
    # The posting of the close itself is no line.
    items = [line_view(to_posting(document)) for document in found if document["kind"] != "close"]
    return Page(items=items, next=next_link(request, after))


@router.post(
    "/close",
    summary="Close a period",
    response_model=ClosingView,
    responses=written("unknown_period", "period_not_over", "final_of_all", "nothing_to_close", shown=ClosingView),
)
async def close_period(body: PeriodToClose, principal: Writes, writing: Writing) -> Response:
    """A period that is over, before its grace ends; or one distributor's, at any time."""
    command = ClosePeriod(**body.model_dump(), by=principal.name[:64])

    async def show() -> ClosingView:
        whole = period_key(body.market, body.period.partition(".")[0])
        found = await writing.ports.store.find(PERIODS, {"_id": whole}, limit=1)
        if not found:
            raise Problem("unknown_period")
        of_all = body.distributor_id is None
        given = f"period={body.period}" if of_all else f"distributor_id={body.distributor_id}"
        return ClosingView(
            market=body.market,
            period=body.period,
            distributor_id=body.distributor_id,
            ends_at=found[0]["ends_at"],
            statements=f"/api/settlements?market={body.market}&{given}",
        )

    return await writing.write(command, show)
