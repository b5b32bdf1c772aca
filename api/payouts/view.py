"""Payouts and batches as shown: amounts are decimal strings, and an account is only ever its hint.

Distributors see where their money is, and why not yet; who approved it, and what rails reported, only people of the
house.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.http.ids import ShownId
from api.http.problems import Language, Problem
from api.identity.principal import Principal
from api.settlements.view import AT as STATEMENTS_AT
from api.settlements.view import knows_people, sees
from api.storage.protocols import Documents
from contracts.explanation.payout_sentences import payout_sentences, reason_now
from contracts.explanation.statement_sentences import amount_text
from contracts.payouts.view import (
    Attempt,
    Batch,
    BatchState,
    Payee,
    Payout,
    PayoutState,
    Report,
    batch_totals,
)
from infra.payouts.reading import batch_with, payees_with, payout_with, reports_of

AT = "/api/payouts/"
BATCHES_AT = "/api/payout-batches/"


class PayoutSummary(BaseModel):
    """`amount` is sent, in `currency`; `payable` is that of the statement. They differ where a rail takes whole units,
    or the payment is converted.
    """

    model_config = ConfigDict(title="PayoutSummary")

    payout_id: str = Field(description="The id of its statement.", examples=["default/2026-10/40021/CNY"])
    url: str = Field(description="Its address.", examples=["/api/payouts/default/2026-10/40021/CNY"])
    statement_url: str = Field(examples=["/api/settlements/default/2026-10/40021/CNY"])
    market: str = Field(examples=["default"])
    period: str = Field(examples=["2026-10"])
    distributor_id: ShownId = Field(examples=[40021])
    state: PayoutState = Field(description="Where the money is.", examples=["sent"])
    reason: str | None = Field(description="Why it is not further, as a code.", examples=[None])
    sentences: list[str] = Field(
        description="Where the money is, and why not further, in the language of Accept-Language.",
        examples=[["4200.00 CNY was paid by wechat_pay on 2026-11-03 08:00 UTC."]],
    )
    payable: str = Field(examples=["4200.00"])
    statement_currency: str = Field(examples=["CNY"])
    amount: str | None = Field(description="Null until a batch has it.", examples=["4200.00"])
    currency: str | None = Field(examples=["CNY"])
    rail: str | None = Field(examples=["wechat_pay"])
    hint: str | None = Field(description="What may be seen of the account.", examples=["•••• 3000"])
    batch_id: str | None = Field(examples=["batch-2026-10"])
    started_at: datetime | None
    paid_at: datetime | None
    ended_at: datetime | None


class PayoutAttemptView(BaseModel):
    model_config = ConfigDict(title="PayoutAttempt")

    number: int = Field(examples=[1])
    began_at: datetime
    rail: str = Field(examples=["wechat_pay"])
    hint: str = Field(description="What may be seen of the account.", examples=["•••• 3000"])
    checks: int = Field(description="How often the rail was asked what became of it.", examples=[0])
    key: str | None = Field(
        description="Identifies it at the rail; null for those who may not see it.",
        examples=["0f8fad5bd9cb469fa16570867728950e"],
    )
    reference: str | None = Field(description="The rail's own id of it.", examples=["TX-7714"])
    ended: str | None = Field(description="The code by which it failed.", examples=[None])


class PayoutReportView(BaseModel):
    """What a rail, a file of the bank or two persons reported of an attempt."""

    model_config = ConfigDict(title="PayoutReport")

    report: str = Field(examples=["wechat_pay/7714"])
    attempt: int | None = Field(examples=[1])
    outcome: str = Field(examples=["paid"])
    code: str = Field(examples=["success"])
    detail: str | None = Field(examples=[None])
    source: str = Field(examples=["callback"])
    effect: str = Field(description="What it changed.", examples=["applied"])
    occurred_at: datetime
    received_at: datetime
    amount: str | None = Field(description="What the rail says it sent.", examples=["4200.00"])
    currency: str | None = Field(examples=["CNY"])
    fee: str | None = Field(examples=[None])
    by: list[str] = Field(examples=[[]])


class PayoutApprovalView(BaseModel):
    model_config = ConfigDict(title="PayoutApproval")

    by: str = Field(examples=["admin/0a2c0d3a"])
    at: datetime


class PayoutResolutionView(BaseModel):
    """What a person states became of an attempt. Another person confirms it."""

    model_config = ConfigDict(title="PayoutResolution")

    attempt: int = Field(examples=[1])
    outcome: str = Field(examples=["paid"])
    evidence: str = Field(examples=["Bank statement, line 7714"])
    by: str = Field(examples=["admin/4f1c0d3a"])
    at: datetime


class PayoutView(PayoutSummary):
    """`reports`, `approvals`, `proposed_by` and `resolution` are empty for those who may not see who decides."""

    model_config = ConfigDict(title="Payout")

    left: str | None = Field(
        description="What the rail cannot send, as it takes whole units; it is available again.", examples=["0.00"]
    )
    fee: str | None = Field(description="What the rail took; the payee's amount is not less.", examples=[None])
    attempts: list[PayoutAttemptView]
    reports: list[PayoutReportView]
    proposed_by: str | None = Field(examples=["admin/4f1c0d3a"])
    approvals: list[PayoutApprovalView]
    resolution: PayoutResolutionView | None
    needs_person: bool = Field(description="The rail took too long to say what became of it.", examples=[False])
    conflict: str | None = Field(description="The code of a report that cannot be true.", examples=[None])


class HoldView(BaseModel):
    """Whether payouts of a distributor are on hold."""

    model_config = ConfigDict(title="PayoutHold")

    distributor_id: ShownId = Field(examples=[40021])
    on_hold: bool = Field(examples=[True])
    reason: str | None = Field(examples=["under_review"])
    since: datetime | None
    by: str | None = Field(description="Null if a conflict is the reason.", examples=["admin/4f1c0d3a"])


class BatchLineView(BaseModel):
    model_config = ConfigDict(title="PayoutBatchLine")

    payout_id: str = Field(examples=["default/2026-10/40021/CNY"])
    distributor_id: ShownId = Field(examples=[40021])
    payable: str = Field(examples=["4200.00"])
    statement_currency: str = Field(examples=["CNY"])
    amount: str = Field(examples=["4200.00"])
    currency: str = Field(examples=["CNY"])
    rail: str = Field(examples=["wechat_pay"])
    hint: str = Field(examples=["•••• 3000"])


class BatchTotalView(BaseModel):
    model_config = ConfigDict(title="PayoutBatchTotal")

    rail: str = Field(examples=["wechat_pay"])
    currency: str = Field(examples=["CNY"])
    amount: str = Field(examples=["50400.00"])
    count: int = Field(examples=[12])


class LeftOutView(BaseModel):
    model_config = ConfigDict(title="PayoutLeftOut")

    payout_id: str = Field(examples=["default/2026-10/40022/CNY"])
    reason: str = Field(examples=["no_payout_method"])


class BatchSummary(BaseModel):
    model_config = ConfigDict(title="PayoutBatchSummary")

    batch_id: str = Field(examples=["batch-2026-10"])
    url: str = Field(description="Its address.", examples=["/api/payout-batches/batch-2026-10"])
    market: str = Field(examples=["default"])
    state: BatchState = Field(description="An approval, not where its payouts stand.", examples=["proposed"])
    totals: list[BatchTotalView]
    left_out_count: int = Field(examples=[0])
    approvals: int = Field(description="How many other persons must approve it.", examples=[1])
    approved: list[PayoutApprovalView]
    digest: str = Field(
        description="Send it with an approval.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    proposed_by: str = Field(examples=["admin/4f1c0d3a"])
    proposed_at: datetime
    rejected_by: str | None = Field(examples=[None])
    reason: str | None = Field(description="Why it was rejected.", examples=[None])


class BatchView(BatchSummary):
    model_config = ConfigDict(title="PayoutBatch")

    lines: list[BatchLineView]
    left_out: list[LeftOutView] = Field(description="The first of those that were left out.")
    payouts_url: str = Field(description="Where its payouts stand.", examples=["/api/payouts?batch_id=batch-2026-10"])


async def find_payout(store: Documents, principal: Principal, payout_id: str) -> Payout:
    """The payout, if it is the principal's own, or the principal an administrator. Raises Problem not_found."""
    payout = await payout_with(store, payout_id)
    if payout is None or not sees(principal, payout.distributor_id):
        raise Problem("not_found")
    return payout


async def find_batch(store: Documents, batch_id: str) -> Batch:
    """Raises Problem not_found."""
    batch = await batch_with(store, batch_id)
    if batch is None:
        raise Problem("not_found")
    return batch


async def summaries_of(
    store: Documents, payouts: Sequence[Payout], language: Language, now: datetime
) -> list[PayoutSummary]:
    payees = await payees_with(store, [payout.distributor_id for payout in payouts])
    return [PayoutSummary(**_summary(payout, payees.get(payout.distributor_id), language, now)) for payout in payouts]


async def payout_view(
    store: Documents, payout: Payout, principal: Principal, language: Language, now: datetime
) -> PayoutView:
    payees = await payees_with(store, [payout.distributor_id])
    knows, plan, resolution = knows_people(principal), payout.plan, payout.resolution
    batch = await batch_with(store, payout.batch_id) if knows and payout.batch_id else None
    reports = await reports_of(store, payout.payout_id) if knows else []
    return PayoutView(
        **_summary(payout, payees.get(payout.distributor_id), language, now),
        left=amount_text(plan.left_minor, payout.statement_currency) if plan else None,
        fee=_amount(payout.fee_minor, plan.currency if plan else None),
        attempts=[_attempt(attempt, knows=knows) for attempt in payout.attempts],
        reports=[_report(report) for report in reports],
        proposed_by=batch.proposed_by if batch else None,
        approvals=_approvals(batch) if batch else [],
        resolution=PayoutResolutionView(
            attempt=resolution.attempt,
            outcome=resolution.outcome,
            evidence=resolution.evidence,
            by=resolution.by,
            at=resolution.at,
        )
        if resolution and knows
        else None,
        needs_person=payout.needs_person,
        conflict=payout.conflict if knows else None,
    )


def batch_summary(batch: Batch) -> BatchSummary:
    return BatchSummary(**_batch(batch))


def batch_view(batch: Batch) -> BatchView:
    return BatchView(
        **_batch(batch),
        lines=[
            BatchLineView(
                payout_id=line.payout_id,
                distributor_id=line.distributor_id,
                payable=amount_text(line.payable_minor, line.statement_currency),
                statement_currency=line.statement_currency,
                amount=amount_text(line.plan.amount_minor, line.plan.currency),
                currency=line.plan.currency,
                rail=line.plan.rail,
                hint=line.plan.hint,
            )
            for line in batch.lines
        ],
        left_out=[LeftOutView(payout_id=one.payout_id, reason=one.reason) for one in batch.left_out],
        payouts_url=f"{AT.rstrip('/')}?batch_id={batch.batch_id}",
    )


def hold_view(distributor_id: int, payee: Payee | None) -> HoldView:
    hold = payee.hold if payee else None
    return HoldView(
        distributor_id=distributor_id,
        on_hold=hold is not None,
        reason=hold.reason if hold else None,
        since=hold.since if hold else None,
        by=hold.by if hold else None,
    )


def _summary(payout: Payout, payee: Payee | None, language: Language, now: datetime) -> dict[str, Any]:
    plan = payout.plan
    plain = ("payout_id", "market", "period", "distributor_id", "state", "statement_currency", "batch_id")
    return {
        **{name: getattr(payout, name) for name in (*plain, "started_at", "paid_at", "ended_at")},
        "url": AT + payout.payout_id,
        "statement_url": STATEMENTS_AT + payout.payout_id,
        "reason": reason_now(payout, payee, now),
        "sentences": payout_sentences(payout, payee, language, now),
        "payable": amount_text(payout.payable_minor, payout.statement_currency),
        "amount": amount_text(plan.amount_minor, plan.currency) if plan else None,
        "currency": plan.currency if plan else None,
        "rail": plan.rail if plan else None,
        "hint": plan.hint if plan else None,
    }


def _attempt(attempt: Attempt, *, knows: bool) -> PayoutAttemptView:
    return PayoutAttemptView(
        number=attempt.number,
        began_at=attempt.began_at,
        rail=attempt.method.rail,
        hint=attempt.method.hint,
        checks=attempt.checks,
        key=attempt.key if knows else None,
        reference=attempt.reference,
        ended=attempt.ended,
    )


def _report(report: Report) -> PayoutReportView:
    plain = ("report", "attempt", "outcome", "code", "detail", "source", "effect", "occurred_at", "received_at")
    return PayoutReportView(
        **{name: getattr(report, name) for name in (*plain, "currency")},
        amount=_amount(report.amount_minor, report.currency),
        fee=_amount(report.fee_minor, report.currency),
        by=list(report.by),
    )


def _amount(minor: int | None, currency: str | None) -> str | None:
    return amount_text(minor, currency) if minor is not None and currency is not None else None


def _batch(batch: Batch) -> dict[str, Any]:
    plain = ("batch_id", "market", "state", "left_out_count", "approvals", "digest", "proposed_by", "proposed_at")
    return {
        **{name: getattr(batch, name) for name in (*plain, "rejected_by", "reason")},
        "url": BATCHES_AT + batch.batch_id,
        "totals": [
            BatchTotalView(rail=rail, currency=currency, amount=amount_text(minor, currency), count=count)
            for (rail, currency), (minor, count) in sorted(batch_totals(batch.lines).items())
        ],
        "approved": _approvals(batch),
    }


def _approvals(batch: Batch) -> list[PayoutApprovalView]:
    return [PayoutApprovalView(by=approval.by, at=approval.at) for approval in batch.approved]
