"""Exchange rates: tables proposed by one person of finance, and approved by another."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi import Body as BodyOf
from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.access.guard import needs
from api.access.ports import Here
from api.access.second_person import require_others
from api.access.writing import Writing, written
from api.http.bodies import Body, BodyRoute
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from contracts.exchange_rates.v1 import (
    ApproveRates,
    AsOf,
    Base,
    ConfirmJump,
    Jump,
    PublishRates,
    Rates,
    RejectRates,
    Source,
    Spread,
    StatedRate,
    check_currencies,
)
from contracts.exchange_rates.view import TABLES, RateTable, TableState
from contracts.fields import Code, Reference
from contracts.money import to_rate
from contracts.rules.v1 import Digest
from contracts.wire.envelope import Timestamp
from infra.statements.rates import table_with, to_table

router = APIRouter(prefix="/api/exchange-rates", tags=["settlements"], route_class=BodyRoute)

Writes = Annotated[Principal, needs("settlements:write")]
Approves = Annotated[Principal, needs("settlements:approve")]
TablePart = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$", examples=["treasury-2026-11-30"])]

_NEWEST = Sorting("as_of", datetime, -1)
_EXAMPLE = {
    "table_id": "treasury-2026-11-30",
    "source": "treasury",
    "base": "EUR",
    "as_of": "2026-11-30T15:00:00Z",
    "rates": [{"currency": "CNY", "rate": "7.8000"}, {"currency": "USD", "rate": "1.0920"}],
    "spread": "0.005",
}


class NewTable(Body):
    """A table never changes. A rate that differs by more than a tenth from the last known one takes `confirm_jump`."""

    table_id: Annotated[Reference, Field(examples=["treasury-2026-11-30"])]
    source: Source
    base: Base
    as_of: AsOf
    rates: Rates
    spread: Spread = Decimal(0)
    confirm_jump: ConfirmJump = False

    @model_validator(mode="after")
    def _has_each_currency_once(self) -> Self:
        check_currencies(self.base, self.rates)
        return self


class TableApproval(Body):
    digest: Annotated[Digest, Field(description="The digest of the table that you have read.")]


class TableRejection(Body):
    reason: Annotated[Code, Field(description="A code of your own.", examples=["wrong_column"])]


class TableView(BaseModel):
    model_config = ConfigDict(title="ExchangeRateTable")

    table_id: str = Field(examples=["treasury-2026-11-30"])
    source: str = Field(examples=["treasury"])
    base: str = Field(examples=["EUR"])
    as_of: datetime
    rates: list[StatedRate] = Field(description="What one unit of the base is worth.")
    spread: str = Field(examples=["0.005"])
    state: TableState = Field(examples=["approved"])
    jumps: list[Jump] = Field(description="Rates that differ by more than a tenth, as the proposer confirmed.")
    confirm_jump: bool
    digest: str = Field(
        description="Send it with an approval.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    proposed_by: str = Field(examples=["admin/4f1c0d3a"])
    proposed_at: datetime
    decided_by: str | None = Field(description="Null until it is approved or rejected.", examples=["admin/0a2c0d3a"])
    decided_at: datetime | None
    reject_reason: str | None = Field(examples=[None])


@router.get(
    "", summary="List tables of exchange rates", response_model=Page[TableView], responses=documented("invalid_cursor")
)
async def list_rates(
    request: Request,
    ports: Here,
    principal: Writes,
    as_of: Annotated[
        Timestamp | None, Query(description="Only tables of this time or before.", examples=["2026-11-30T15:00:00Z"])
    ] = None,
    source: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_]{0,63}$", examples=["treasury"])] = None,
    state: Annotated[TableState | None, Query(examples=["approved"])] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TableView]:
    """The newest rates first: of an `as_of`, a source and the state `approved`, the first table is the one that held
    then.
    """
    found, after = await page_of(
        ports.store,
        TABLES,
        _NEWEST,
        listed=[{"source": source}] if source is not None else [],
        within=[{"as_of": {"$lte": as_of}}] if as_of is not None else [],
        checked=[{"state": state}] if state is not None else [],
        cursor=cursor,
        limit=limit,
    )
    return Page(items=[_view(to_table(document)) for document in found], next=next_link(request, after))


@router.get(
    "/{table_id}",
    summary="Show a table of exchange rates",
    response_model=TableView,
    responses=documented("not_found"),
)
async def show_rates(table_id: TablePart, ports: Here, principal: Writes) -> TableView:
    return await _shown(ports, table_id)


@router.post(
    "",
    summary="Propose a table of exchange rates",
    response_model=TableView,
    status_code=201,
    responses=written(
        *("conflict", "time_in_future", "base_differs", "older_than_known", "implausible"),
        shown=TableView,
        created=True,
    ),
)
async def publish_rates(
    body: Annotated[NewTable, BodyOf(examples=[_EXAMPLE])], principal: Writes, writing: Writing
) -> Response:
    """It counts once another person approved it."""
    command = PublishRates(**body.model_dump(), proposed_by=principal.name[:64])
    location = f"/api/exchange-rates/{body.table_id}"
    return await writing.write(command, lambda: _shown(writing.ports, body.table_id), location=location)


@router.post(
    "/{table_id}/approve",
    summary="Approve a table of exchange rates",
    response_model=TableView,
    responses=written(
        *("not_found", "digest_mismatch", "same_person", "not_independent", "changed_meanwhile", "already_decided"),
        *("base_differs", "older_than_known", "implausible"),
        shown=TableView,
    ),
)
async def approve_rates(
    table_id: TablePart, body: TableApproval, ports: Here, principal: Approves, writing: Writing
) -> Response:
    """The proposer cannot approve it, nor can an account that the proposer made, changed or reset within seven days, or
    that is younger than the proposal.
    """
    before = await table_with(ports.store, table_id)
    if before is None:
        raise Problem("not_found")
    others = await require_others(ports, [before.proposed_by], before.proposed_at, principal)
    command = ApproveRates(
        table_id=table_id, digest=body.digest, approved_by=principal.name[:64], independent_of=others
    )
    was = {"digest": before.digest, "state": before.state}
    return await writing.write(command, lambda: _shown(ports, table_id), before=was)


@router.post(
    "/{table_id}/reject",
    summary="Reject a table of exchange rates",
    response_model=TableView,
    responses=written("not_found", "already_decided", shown=TableView),
)
async def reject_rates(
    table_id: TablePart, body: TableRejection, ports: Here, principal: Writes, writing: Writing
) -> Response:
    """One that is approved stays; correct it by a later one."""
    before = await table_with(ports.store, table_id)
    if before is None:
        raise Problem("not_found")
    command = RejectRates(table_id=table_id, reason=body.reason, rejected_by=principal.name[:64])
    return await writing.write(command, lambda: _shown(ports, table_id), before={"state": before.state})


async def _shown(ports: Any, table_id: str) -> TableView:
    found = await table_with(ports.store, table_id)
    if found is None:
        raise Problem("not_found")
    return _view(found)


def _view(table: RateTable) -> TableView:
    return TableView(
        table_id=table.table_id,
        source=table.source,
        base=table.base,
        as_of=table.as_of,
        rates=[StatedRate(currency=currency, rate=rate) for currency, rate in table.rates.items()],
        spread=f"{to_rate(table.spread_ppm):f}",
        state=table.state,
        jumps=[Jump(**jump._asdict()) for jump in table.jumps],
        confirm_jump=table.confirm_jump,
        digest=table.digest,
        proposed_by=table.proposed_by,
        proposed_at=table.proposed_at,
        decided_by=table.decided_by,
        decided_at=table.decided_at,
        reject_reason=table.reject_reason,
    )
