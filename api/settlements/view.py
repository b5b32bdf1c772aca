"""Statements and what is not closed yet, as shown. Amounts are decimal strings; sentences come from stored numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.http.ids import ShownId
from api.http.problems import Language, Problem
from api.identity.principal import Principal
from api.storage.protocols import Documents
from contracts.explanation.statement_sentences import (
    PRINTED,
    StatementWords,
    amount_text,
    dates_sentence,
    lines_minor,
)
from contracts.settlement.view import Outcome, Posting, Statement
from infra.statements.reading import Coming, statement_with

AT = "/api/settlements/"
_KNOW_PEOPLE = frozenset(("settlements:write", "settlements:approve", "users:read"))
"""Who has one of these sees who proposed, approved and closed."""


class StatementSummary(BaseModel):
    """Opening + lines = gross = payable + withheld + fees + carried."""

    model_config = ConfigDict(title="StatementSummary")

    statement_id: str = Field(examples=["default/2026-10/40021/CNY"])
    url: str = Field(description="Its address.", examples=["/api/settlements/default/2026-10/40021/CNY"])
    number: int = Field(description="Counts the statements of the market, without gaps.", examples=[17])
    market: str = Field(examples=["default"])
    period: str = Field(examples=["2026-10"])
    distributor_id: ShownId = Field(examples=[40021])
    currency: str = Field(examples=["CNY"])
    starts_at: datetime
    ends_at: datetime = Field(description="The first instant that is no longer in the period.")
    zone: str = Field(description="The time zone of the period.", examples=["Asia/Shanghai"])
    closed_at: datetime
    opening: str = Field(description="Carried from the statement before.", examples=["0.00"])
    lines: str = Field(description="The sum of all lines.", examples=["5000.00"])
    gross: str = Field(examples=["5000.00"])
    withheld: str = Field(description="Tax withheld.", examples=["800.00"])
    fees: str = Field(examples=["0.00"])
    payable: str = Field(examples=["4200.00"])
    carried: str = Field(description="The opening of the next statement.", examples=["0.00"])
    outcome: Outcome = Field(description="What becomes of the gross.", examples=["payable"])


class WithholdingView(BaseModel):
    """How tax was calculated: on what the statements of the tax month add up to."""

    model_config = ConfigDict(title="Withholding")

    rule: str = Field(examples=["cn_labour"])
    version: str = Field(examples=["2019"])
    month: str = Field(examples=["2026-11"])
    base: str = Field(description="The gross of this statement.", examples=["5000.00"])
    month_gross: str = Field(description="The gross of earlier statements of the month.", examples=["0.00"])
    month_withheld: str = Field(description="What these withheld.", examples=["0.00"])
    amount: str = Field(examples=["800.00"])


class StatementView(StatementSummary):
    model_config = ConfigDict(title="Statement")

    released: str = Field(examples=["5200.00"])
    reversed: str = Field(examples=["-200.00"])
    rewards: str = Field(examples=["0.00"])
    adjustments: str = Field(examples=["0.00"])
    written_off: str = Field(examples=["0.00"])
    returned: str = Field(
        description="Payouts that came back, with the tax that was withheld of them.", examples=["0.00"]
    )
    late: str = Field(description="The part of the lines that belongs to earlier periods.", examples=["0.00"])
    minimum: str = Field(examples=["100.00"])
    line_count: int = Field(examples=[3])
    terms_version: int = Field(examples=[1])
    final: bool = Field(description="Closed without a minimum.", examples=[False])
    withholding: WithholdingView | None
    closed_by: str | None = Field(
        description="Null for the clock, and for those who may not see who closed it.", examples=[None]
    )
    sentences: list[str] = Field(
        description="Both sums, and what becomes of the gross, in the language of Accept-Language.",
        examples=[["Opening 0.00 + lines 5000.00 = gross 5000.00"]],
    )


class LineView(BaseModel):
    model_config = ConfigDict(title="StatementLine")

    posting_id: str = Field(examples=["shop-367/31198459904/release/40021"])
    kind: str = Field(examples=["release"])
    amount: str = Field(examples=["2.74"])
    effective_at: datetime
    posted_at: datetime
    order: str | None = Field(description="The order, as shop_id/order_id.", examples=["shop-367/31198459904"])
    reference: str = Field(description="The order, refund, reward, adjustment or payout.", examples=["31198459904"])
    late_from: str | None = Field(description="The closed period that it belongs to.", examples=[None])


class ComingView(BaseModel):
    """A period that is not closed: what its statement would be with what is booked so far, and when it is due."""

    model_config = ConfigDict(title="ComingStatement")

    market: str = Field(examples=["default"])
    period: str = Field(examples=["2026-11"])
    currency: str = Field(examples=["CNY"])
    ends_at: datetime
    closes_at: datetime
    opening: str = Field(examples=["-150.00"])
    lines: str = Field(examples=["1000.00"])
    gross: str = Field(examples=["850.00"])
    withheld: str = Field(examples=["10.00"])
    fees: str = Field(examples=["0.00"])
    payable: str = Field(examples=["840.00"])
    carried: str = Field(examples=["0.00"])
    outcome: Outcome = Field(examples=["payable"])
    sentences: list[str] = Field(
        description="When the period ends, and what would become of it, in the language of Accept-Language.",
        examples=[["2026-11 of market default ends 2026-12-01 00:00 and closes 2026-12-01 06:00 Asia/Shanghai."]],
    )


async def find_statement(store: Documents, principal: Principal, key: str) -> Statement:
    """The statement, if it is the principal's own, or the principal an administrator. Raises Problem not_found."""
    statement = await statement_with(store, key)
    if statement is None or not sees(principal, statement.distributor_id):
        raise Problem("not_found")
    return statement


def sees(principal: Principal, distributor_id: int | None) -> bool:
    """Whether the principal may see what this distributor is paid: only their own, not their downline's. None is
    everybody.
    """
    if principal.kind == "admin":
        return True
    return principal.kind == "distributor" and distributor_id is not None and principal.distributor_id == distributor_id


def knows_people(principal: Principal) -> bool:
    return bool(_KNOW_PEOPLE & principal.permissions)


def summary_of(statement: Statement) -> StatementSummary:
    return StatementSummary(**_summary(statement))


def statement_view(statement: Statement, principal: Principal, language: Language) -> StatementView:
    """Raises StatementMismatch if the figures do not add up."""
    words = StatementWords(statement, language)
    withheld, currency = statement.withheld, statement.currency
    return StatementView(
        **_summary(statement),
        **{
            name: amount_text(getattr(statement, f"{name}_minor"), currency)
            for name in (
                "released",
                "reversed",
                "rewards",
                "adjustments",
                "written_off",
                "returned",
                "late",
                "minimum",
            )
        },
        line_count=statement.posting_count,
        terms_version=statement.terms_version,
        final=statement.is_final,
        withholding=WithholdingView(
            rule=withheld.rule,
            version=withheld.version,
            month=withheld.month,
            base=amount_text(withheld.base_minor, currency),
            month_gross=amount_text(withheld.month_gross_minor, currency),
            month_withheld=amount_text(withheld.month_withheld_minor, currency),
            amount=amount_text(withheld.amount_minor, currency),
        )
        if withheld
        else None,
        closed_by=statement.by if knows_people(principal) else None,
        sentences=[*words.sums(), *words.sentences()],
    )


def line_view(posting: Posting) -> LineView:
    return LineView(
        posting_id=posting.posting_id,
        kind=posting.kind,
        amount=amount_text(posting.amount_minor, posting.currency),
        effective_at=posting.effective_at,
        posted_at=posting.posted_at,
        order=posting.order,
        reference=posting.reference,
        late_from=posting.late_from,
    )


def coming_views(coming: Sequence[Coming], language: Language) -> list[ComingView]:
    return [_coming(one, language) for one in coming]


def _coming(coming: Coming, language: Language) -> ComingView:
    statement, period = coming.statement, coming.period
    words = StatementWords(statement, language)
    return ComingView(
        market=statement.market,
        period=statement.period,
        currency=statement.currency,
        ends_at=period.ends_at,
        closes_at=period.closes_at,
        outcome=statement.outcome,
        sentences=[dates_sentence(statement.market, period, language), *words.sentences_so_far()],
        **_amounts(statement),
    )


def _summary(statement: Statement) -> dict[str, Any]:
    plain = ("statement_id", "number", "market", "period", "distributor_id", "currency", "zone", "outcome")
    times = ("starts_at", "ends_at", "closed_at")
    return {
        **{name: getattr(statement, name) for name in (*plain, *times)},
        "url": AT + statement.statement_id,
        **_amounts(statement),
    }


def _amounts(statement: Statement) -> dict[str, Any]:
    """The amounts of a summary, with the sum of the lines."""
    names = set(PRINTED) & StatementSummary.model_fields.keys()
    amounts = {name: amount_text(getattr(statement, f"{name}_minor"), statement.currency) for name in sorted(names)}
    return {**amounts, "lines": amount_text(lines_minor(statement), statement.currency)}
