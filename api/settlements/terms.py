"""Terms of settlement: listed, proposed, and approved by another person."""

from __future__ import annotations

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
from api.http.ids import ShownObject
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from api.settlements.view import knows_people
from contracts.explanation.statement_sentences import amount_text
from contracts.money import MoneyError
from contracts.rules.v1 import Digest, NewVersion
from contracts.settlement.document import TermsDocument
from contracts.settlement.terms import terms_of
from contracts.settlement.v1 import EXAMPLE_TERMS, ApproveTerms, ProposeTerms
from contracts.settlement.view import TERMS, Terms, TermsVersion
from contracts.wire.envelope import Timestamp
from infra.statements.reading import terms_with, to_terms

router = APIRouter(prefix="/api/settlement-terms", tags=["settlements"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("settlements:read")]
Writes = Annotated[Principal, needs("settlements:write")]
Approves = Annotated[Principal, needs("settlements:approve")]
VersionPart = Annotated[int, Path(ge=1, le=2**31, examples=[1]), AS_IN_JSON]

_HIGHEST = Sorting("_id", int, -1, id_kind=int)


class NewTerms(Body):
    terms_version: Annotated[
        NewVersion | None, Field(description="Absent: the next number. A draft's: replaces it.")
    ] = None
    terms: Annotated[TermsDocument, Field(examples=[EXAMPLE_TERMS])]
    effective_from: Annotated[
        Timestamp | None,
        Field(
            description="They hold from the end of the period that contains it. Absent: when they are approved.",
            examples=["2026-12-01T00:00:00+08:00"],
        ),
    ] = None


class TermsApproval(Body):
    digest: Annotated[Digest, Field(description="The digest of the terms that you have read.")]


class TermsView(BaseModel):
    """Terms never change once they are approved, and hold from `since` until later ones begin."""

    model_config = ConfigDict(title="SettlementTerms")

    terms_version: int = Field(examples=[1])
    market: str = Field(examples=["default"])
    digest: str = Field(
        description="Send it with an approval.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    terms: ShownObject = Field(
        description="As they were proposed; amounts are decimal strings, by currency.",
        examples=[{"zone": "Asia/Shanghai", "period": "month", "minimum": {"CNY": "100.00"}}],
    )
    proposed_at: datetime
    approved_at: datetime | None
    since: datetime | None = Field(description="Where a period ends; null until they are approved.")
    proposed_by: str | None = Field(
        description="Null, as all names here, for those who neither propose nor approve.", examples=["admin/4f1c0d3a"]
    )
    approved_by: str | None = Field(examples=["admin/0a2c0d3a"])


@router.get("", summary="List terms", response_model=Page[TermsView], responses=documented("invalid_cursor"))
async def list_terms(
    request: Request,
    ports: Here,
    principal: Reads,
    market: Annotated[str | None, Query(pattern=r"^[a-z][a-z0-9_-]{0,63}$", examples=["default"])] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[TermsView]:
    """The highest number first. Distributors see those that were approved."""
    where = [{"market": market}] if market else []
    if not knows_people(principal):
        where.append({"since": {"$exists": True}})  # type: ignore[dict-item]
    found, after = await page_of(ports.store, TERMS, _HIGHEST, checked=where, cursor=cursor, limit=limit)
    items = [terms_view(to_terms(document), principal) for document in found]
    return Page(items=items, next=next_link(request, after))


@router.post(
    "",
    summary="Propose terms",
    response_model=TermsView,
    status_code=201,
    responses=written("conflict", "amount_precision", shown=TermsView, created=True),
)
async def propose_terms(
    body: Annotated[NewTerms, BodyOf(examples=[{"terms": EXAMPLE_TERMS}])], principal: Writes, writing: Writing
) -> Response:
    """They may be replaced until another person approves them."""
    try:
        terms_of(body.terms)
    except MoneyError as error:
        raise Problem("amount_precision", detail=f"{error}.") from error
    version = body.terms_version or await writing.number("settlement-terms", view=TERMS)
    command = ProposeTerms(
        terms_version=version,
        proposed_by=principal.name[:64],
        terms=body.terms,
        effective_from=body.effective_from,
    )
    return await writing.write(
        command, lambda: _shown(writing.ports, version, principal), location="/api/settlement-terms"
    )


@router.post(
    "/{terms_version}/approve",
    summary="Approve terms",
    response_model=TermsView,
    responses=written(
        *("not_found", "digest_mismatch", "same_person", "not_independent", "changed_meanwhile", "proposal_expired"),
        shown=TermsView,
    ),
)
async def approve_terms(
    terms_version: VersionPart, body: TermsApproval, ports: Here, principal: Approves, writing: Writing
) -> Response:
    """Confirms that you have read and approve the terms of this digest. The proposer cannot, nor can an account that
    the proposer made, changed or reset within seven days, or that is younger than the proposal.
    """
    before = await terms_with(ports.store, terms_version)
    if before is None:
        raise Problem("not_found")
    others = await require_others(ports, [before.proposed_by], before.proposed_at, principal)
    command = ApproveTerms(
        terms_version=terms_version, approved_by=principal.name[:64], digest=body.digest, independent_of=others
    )
    was = {"digest": before.digest, "since": before.since}
    return await writing.write(command, lambda: _shown(ports, terms_version, principal), before=was)


def terms_view(version: TermsVersion, principal: Principal) -> TermsView:
    knows = knows_people(principal)
    return TermsView(
        terms_version=version.terms_version,
        market=version.market,
        digest=version.digest,
        terms=_plain(version.terms),
        proposed_at=version.proposed_at,
        approved_at=version.approved_at,
        since=version.since,
        proposed_by=version.proposed_by if knows else None,
        approved_by=version.approved_by if knows else None,
    )


def _plain(terms: Terms) -> dict[str, Any]:
    return {
        "zone": terms.zone,
        "period": terms.period,
        "anchor": terms.anchor,
        "grace_hours": terms.grace_hours,
        "minimum": {currency: amount_text(minor, currency) for currency, minor in terms.minimum.items()},
        "tax_rule": terms.tax_rule,
        "fee_bearer": terms.fee_bearer,
        "fees": {currency: amount_text(minor, currency) for currency, minor in terms.fees.items()},
        "approvals": terms.approvals,
        "write_off_after_days": terms.write_off_after_days,
        "effective_from": terms.effective_from.isoformat() if terms.effective_from else None,
    }


async def _shown(ports: Any, version: int, principal: Principal) -> TermsView:
    found = await terms_with(ports.store, version)
    if found is None:
        raise Problem("not_found")
    return terms_view(found, principal)
