"""Commission rules: read, proposed, approved by another person, activated, retired; explained and backtested."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi import Body as BodyOf
from pydantic import Field, model_validator

from api.access.guard import needs
from api.access.ports import Here
from api.access.rehearsals import TOO_LONG, rehearse
from api.access.second_person import require_others
from api.access.writing import Writer, Writing, written
from api.http.bodies import Body, BodyRoute
from api.http.conditions import NOT_MODIFIED, IfNoneMatch, read_response
from api.http.days import Day
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, documented, language_of
from api.identity.principal import Principal
from api.rules.backtests_view import Backtest
from api.rules.view import (
    DraftView,
    RulesSummary,
    RulesView,
    draft_view,
    find_rules,
    market_named,
    rules_view,
    summary_of,
)
from contracts.fields import Rate
from contracts.money import MoneyError, to_rate_ppm
from contracts.rules.document import EXAMPLE, RuleDocument
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.v1 import ActivateRules, ApproveRules, Digest, NewVersion, ProposeRules, RetireRules
from contracts.rules.view import RULES, RuleSet, Stage
from contracts.wire.envelope import Command, Timestamp

router = APIRouter(prefix="/api/rules", tags=["rules"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("rules:read")]
Proposes = Annotated[Principal, needs("rules:propose")]
Approves = Annotated[Principal, needs("rules:approve")]
Version = Annotated[int, Path(ge=1, le=2**31, examples=[1]), AS_IN_JSON]

_NEWEST = Sorting("_id", int, -1, id_kind=int)
DAYS_MAX = 366
"""A longer period is for the command line, which shows the progress."""

DISTRIBUTORS_MAX = 200
"""Per currency: those with the largest gains and losses."""


class NewRules(Body):
    rule_version: Annotated[
        NewVersion | None, Field(description="Absent: the next number. A draft's: replaces it.")
    ] = None
    rules: Annotated[RuleDocument, Field(examples=[EXAMPLE])]


class Approval(Body):
    digest: Annotated[Digest, Field(description="The digest of the terms that you have read.")]


class FromWhen(Body):
    effective_from: Annotated[
        Timestamp | None, Field(description="Absent: now.", examples=["2026-12-01T00:00:00+08:00"])
    ] = None


class DraftRules(RuleDocument):
    """A rule document with at most 1,000 kinds of lines: every login may have one explained, while others wait."""

    part: ClassVar[int] = 20


class Draft(Body):
    rules: Annotated[DraftRules, Field(examples=[EXAMPLE])]


class Trial(Body):
    """A draft, or stored rules by their number. The days are in UTC, and the last one is included."""

    rules: Annotated[RuleDocument | None, Field(examples=[EXAMPLE])] = None
    rule_version: NewVersion | None = None
    first_day: Annotated[Day, Field(examples=["2026-10-01"])]
    last_day: Annotated[Day, Field(examples=["2026-10-31"])]
    margin_floor: Annotated[Rate, Field(description="Count lines that keep less of their net.")] = Decimal("0.5")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if (self.rules is None) == (self.rule_version is None):
            raise ValueError("give either rules or rule_version")
        if not 0 <= (self.last_day - self.first_day).days < DAYS_MAX:
            raise ValueError(f"the last day must not be before the first, and at most {DAYS_MAX} days are replayed")
        if self.last_day.year > 9000 or self.first_day.year < 1970:
            raise ValueError("there were no orders in these years")
        return self


@router.get(
    "",
    summary="List rule sets",
    response_model=Page[RulesSummary],
    responses=documented("invalid_cursor"),
)
async def list_rules(
    request: Request,
    ports: Here,
    principal: Reads,
    stage: Annotated[Stage | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[RulesSummary]:
    """The highest number first. Distributors see the rule sets that are or were in force."""
    shown = stage if "rules:propose" in principal.permissions or "rules:approve" in principal.permissions else "active"
    if stage not in (None, shown):
        return Page(items=[], next=None)
    where = [{"stage": shown}] if shown else []
    found, after = await page_of(ports.store, RULES, _NEWEST, checked=where, cursor=cursor, limit=limit)
    return Page(items=[summary_of(document, principal) for document in found], next=next_link(request, after))


@router.get(
    "/{version}",
    summary="Show a rule set",
    response_model=RulesView,
    responses={**documented("not_found"), **NOT_MODIFIED},
)
async def show_rules(
    version: Version, request: Request, ports: Here, principal: Reads, if_none_match: IfNoneMatch = None
) -> Response:
    """Its terms in figures, and in sentences in the language of Accept-Language."""
    rules = await _rules(ports, principal, version)
    shown = rules_view(rules, language_of(request), principal)
    response = read_response(request, shown, vary="Authorization, Accept-Language")
    response.headers["Content-Language"] = language_of(request)
    return response


@router.post(
    "",
    summary="Propose a rule set",
    response_model=RulesView,
    status_code=201,
    responses=written("conflict", "amount_precision", shown=RulesView, created=True),
)
async def propose_rules(
    body: Annotated[NewRules, BodyOf(examples=[{"rules": EXAMPLE}])], principal: Proposes, writing: Writing
) -> Response:
    """It may be replaced until it is active. Another person must approve it."""
    version = body.rule_version or await writing.number("rules", view=RULES)
    command = ProposeRules(rule_version=version, proposed_by=_person(principal), rules=body.rules)
    before = await find_rules(writing.ports.store, version)
    return await _write(writing, version, command, before, location=f"/api/rules/{version}")


@router.post(
    "/{version}/approve",
    summary="Approve a rule set",
    response_model=RulesView,
    responses=written(
        *("not_found", "digest_mismatch", "same_person", "not_independent", "changed_meanwhile", "proposal_expired"),
        shown=RulesView,
    ),
)
async def approve_rules(
    version: Version, body: Approval, ports: Here, principal: Approves, writing: Writing
) -> Response:
    """Confirms that you have read and approve the terms of this digest. The proposer cannot approve, nor can an account
    that the proposer made, changed or reset within seven days, or that is younger than the proposal.
    """
    before = await _rules(ports, principal, version)
    others = await require_others(ports, [before.proposed_by], before.proposed_at, principal)
    command = ApproveRules(
        rule_version=version,
        approved_by=_person(principal),
        digest=body.digest,
        independent_of=others,
    )
    return await _write(writing, version, command, before)


@router.post(
    "/{version}/activate",
    summary="Activate a rule set",
    response_model=RulesView,
    responses=written(
        *("not_found", "not_approved", "proposal_expired", "market_unknown", "market_limit", "retroactive"),
        "conflict",
        shown=RulesView,
    ),
)
async def activate_rules(
    version: Version, body: FromWhen, ports: Here, principal: Approves, writing: Writing
) -> Response:
    """Orders placed from `effective_from` on follow it. It must respect the limits of its market, and have been
    proposed within 30 days.
    """
    before = await _rules(ports, principal, version)
    if before.stage == "proposed":
        raise Problem("not_approved")
    if await market_named(ports.store, before.terms.market) is None:
        raise Problem("market_unknown")
    command = ActivateRules(rule_version=version, activated_by=_person(principal), effective_from=body.effective_from)
    return await _write(writing, version, command, before)


@router.post(
    "/{version}/retire",
    summary="Retire a rule set",
    response_model=RulesView,
    responses=written(
        *("not_found", "not_active", "already_retired", "retroactive", "ends_before_it_begins"),
        "earlier_rules_return",
        shown=RulesView,
    ),
)
async def retire_rules(
    version: Version, body: FromWhen, ports: Here, principal: Approves, writing: Writing
) -> Response:
    """No earlier rule set applies again by this: where it would, two persons put other rules in force instead. A set
    that has not begun is withdrawn by giving the time when it begins; the one that applies now goes on.
    """
    before = await _rules(ports, principal, version)
    if before.stage != "active":
        raise Problem("not_active")
    command = RetireRules(rule_version=version, retired_by=_person(principal), effective_from=body.effective_from)
    return await _write(writing, version, command, before)


@router.post(
    "/explain",
    summary="Explain a draft",
    responses=documented("amount_precision"),
)
async def explain_rules(
    body: Draft,
    request: Request,
    response: Response,
    ports: Here,
    principal: Reads,
) -> DraftView:
    """Its terms in sentences, in the language of Accept-Language, and where it exceeds its market's limits. The command
    line explains drafts of more than 32 KB, or with more than 1,000 kinds of lines that are paid differently.
    """
    terms = _terms(body.rules)
    language = language_of(request)
    response.headers["Content-Language"] = language
    return draft_view(terms, digest_of(terms), await market_named(ports.store, terms.market), language)


@router.post(
    "/backtest",
    summary="Backtest rules on past orders",
    responses=documented("amount_precision", "not_proposed", TOO_LONG, "busy"),
)
async def backtest_rules(
    body: Annotated[Trial, BodyOf(examples=[{"rules": EXAMPLE, "first_day": "2026-10-01", "last_day": "2026-10-31"}])],
    ports: Here,
    principal: Proposes,
) -> Backtest:
    """What they would have paid for the paid orders of a period, and who would gain or lose. Changes nothing."""
    if body.rules is not None:
        _terms(body.rules)
    backtest = {
        "rules": body.rules.model_dump(mode="json", exclude_none=True) if body.rules else None,
        "rule_version": body.rule_version,
        "from": body.first_day.isoformat(),
        "to": body.last_day.isoformat(),
        "margin_floor_ppm": to_rate_ppm(body.margin_floor),
        "distributors_max": DISTRIBUTORS_MAX,
    }
    return Backtest.model_validate(await rehearse(ports.rehearsals, {"backtest": backtest}, refused="not_proposed"))


async def _rules(ports: Any, principal: Principal, version: int) -> RuleSet:
    """Raises Problem not_found, also for a draft that the principal may not see."""
    rules = await find_rules(ports.store, version)
    sees_drafts = principal.permissions & {"rules:propose", "rules:approve"}
    if rules is None or (rules.stage != "active" and not sees_drafts):
        raise Problem("not_found")
    return rules


def _terms(document: RuleDocument) -> Any:
    try:
        return terms_of(document)
    except MoneyError as error:
        raise Problem("amount_precision", detail=f"rules.{error}.") from error


def _person(principal: Principal) -> str:
    return principal.name[:64]


async def _write(
    writing: Writer, version: int, command: Command, before: RuleSet | None, *, location: str | None = None
) -> Response:
    async def show() -> RulesView:
        rules = await find_rules(writing.ports.store, version)
        if rules is None:
            raise Problem("not_found")
        return rules_view(rules, language_of(writing.request), writing.principal)

    was = {"stage": before.stage, "digest": before.digest} if before is not None else None
    return await writing.write(command, show, location=location, before=was)
