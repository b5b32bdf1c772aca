"""Batches: one person proposes what is sent, others approve exactly that. A batch is an approval, never a gate: each
payout goes on by itself.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

from contracts.approvals import unchecked_detail
from contracts.money import to_amount
from contracts.payouts import fields
from contracts.payouts.digests import batch_digest
from contracts.payouts.fields import BATCH_MAX, BatchTotal
from contracts.payouts.v1 import (
    ApproveBatch,
    BatchApproved,
    BatchProposed,
    BatchRefused,
    BatchRejected,
    ProposeBatch,
    RejectBatch,
)
from contracts.payouts.view import Approval, Batch, LeftOut, Line, Payout, Plan, batch_totals
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.payouts.model import Result, State
from workers.payouts.planning import RAIL_PAUSED, is_paused, plan_of

LEFT_OUT_SHOWN_MAX = 100

refuse_unreadable = Refusing[ProposeBatch | ApproveBatch | RejectBatch](BatchRefused, "batch_id")


def propose_batch(state: State, message: Message[ProposeBatch]) -> Result:
    """Plan each payout once, and store what would be sent. Those left out keep the reason, and go to the end of the
    queue: they do not take the places of others in the next proposal.
    """
    command, now = message.data, message.received_at
    known = state.batches.get(command.batch_id)
    if known is not None:
        if _is_same(known, command):
            return Decision(state, outcome="duplicate")
        detail = f"batch_id: {known.batch_id} is another batch; choose another id."
        return _refuse(state, known.batch_id, "conflict", detail)
    lines: list[Line] = []
    left_out = [LeftOut(key, "not_payable") for key in command.statement_ids if key not in state.payouts]
    after: list[Payout] = []
    for key in state.candidates:
        if len(lines) == BATCH_MAX:
            break
        payout = state.payouts[key]
        plan = _planned(state, payout, command, now)
        if isinstance(plan, Plan):
            lines.append(_line(payout, plan))
            after.append(replace(payout, state="proposed", reason=None, batch_id=command.batch_id, plan=plan))
        else:
            left_out.append(LeftOut(key, plan))
            if payout.state == "waiting":
                after.append(replace(payout, reason=plan, queued_at=now))
    if not lines:
        return _refuse(state.with_payouts(after), command.batch_id, "nothing_to_pay", _nothing(left_out))
    batch = Batch(
        batch_id=command.batch_id,
        market=command.market,
        digest=batch_digest(command.market, lines),
        lines=tuple(lines),
        left_out=tuple(left_out[:LEFT_OUT_SHOWN_MAX]),
        left_out_count=len(left_out),
        approvals=max(1, *(state.payouts[line.payout_id].approvals for line in lines)),
        proposed_by=command.proposed_by,
        proposed_at=now,
        period=command.period,
        rail=command.rail,
        statement_ids=command.statement_ids,
        os_user=command.os_user,
    )
    return Decision(state.with_payouts(after).with_batch(batch), (_proposed(batch),), "proposed")


def approve_batch(state: State, message: Message[ApproveBatch]) -> Result:
    """Another person approves the batch by its digest: neither who proposed it, nor one who is paid by it. Every line
    is planned again, and an approval of what would no longer be sent like that is refused. After the last approval the
    payouts are due.
    """
    command, now = message.data, message.received_at
    batch = state.batches.get(command.batch_id)
    if batch is None:
        return _unknown(state, command.batch_id)
    approver = command.approved_by.casefold()
    if approver in (approval.by.casefold() for approval in batch.approved):
        return Decision(state, outcome="duplicate")
    if batch.state != "proposed":
        return _decided(state, batch)
    if refusal := _unacceptable(batch, command) or _stale(state, batch, now):
        return _refuse(state, batch.batch_id, *refusal)
    approved = replace(batch, approved=(*batch.approved, Approval(command.approved_by, now, command.os_user)))
    missing = max(batch.approvals - len(approved.approved), 0)
    event = BatchApproved(
        batch_id=batch.batch_id, approved_by=command.approved_by, missing=missing, os_user=command.os_user
    )
    if missing:
        return Decision(state.with_batch(approved), (event,), "approved")
    state = state.with_batch(replace(approved, state="approved"))
    due = (replace(state.payouts[line.payout_id], state="approved", task="start", due_at=now) for line in batch.lines)
    return Decision(state.with_payouts(due), (event,), "approved")


def reject_batch(state: State, message: Message[RejectBatch]) -> Result:
    """Reject what is not approved yet. Its payouts wait again."""
    command, now = message.data, message.received_at
    batch = state.batches.get(command.batch_id)
    if batch is None:
        return _unknown(state, command.batch_id)
    if batch.state == "rejected":
        return Decision(state, outcome="duplicate")
    if batch.state == "approved":
        return _decided(state, batch)
    rejected = replace(batch, state="rejected", rejected_by=command.rejected_by, rejected_at=now, reason=command.reason)
    event = BatchRejected(
        batch_id=batch.batch_id, reason=command.reason, rejected_by=command.rejected_by, os_user=command.os_user
    )
    waiting = (back_to_waiting(state.payouts[line.payout_id], "batch_rejected") for line in batch.lines)
    return Decision(state.with_payouts(waiting).with_batch(rejected), (event,), "rejected")


def back_to_waiting(payout: Payout, reason: str) -> Payout:
    """The payout before it was proposed, with the reason why it was not sent. Nothing was sent of it."""
    return replace(payout, state="waiting", reason=reason, batch_id=None, plan=None, task=None, due_at=None)


def _planned(state: State, payout: Payout, command: ProposeBatch, now: datetime) -> Plan | str:
    if payout.state != "waiting":
        return "not_waiting"
    if payout.market != command.market or command.period not in (None, payout.period):
        return "other_period"
    plan = plan_of(state, payout, now)
    if isinstance(plan, str):
        return plan
    if command.rail not in (None, plan.rail):
        return "other_rail"
    return RAIL_PAUSED if is_paused(state.rail(plan.rail), now) else plan


def _line(payout: Payout, plan: Plan) -> Line:
    return Line(payout.payout_id, payout.distributor_id, payout.statement_currency, payout.payable_minor, plan)


def _proposed(batch: Batch) -> BatchProposed:
    totals = tuple(
        BatchTotal(rail=rail, currency=currency, amount=to_amount(amount, currency), count=count)
        for (rail, currency), (amount, count) in sorted(batch_totals(batch.lines).items())
    )
    return BatchProposed(
        batch_id=batch.batch_id,
        market=batch.market,
        count=len(batch.lines),
        totals=totals,
        left_out=tuple(fields.LeftOut(statement_id=each.payout_id, reason=each.reason) for each in batch.left_out),
        left_out_count=batch.left_out_count,
        approvals=batch.approvals,
        digest=batch.digest,
        proposed_by=batch.proposed_by,
        os_user=batch.os_user,
    )


def _is_same(batch: Batch, command: ProposeBatch) -> bool:
    given = (command.market, command.period, command.rail, command.statement_ids, command.proposed_by)
    return given == (batch.market, batch.period, batch.rail, batch.statement_ids, batch.proposed_by)


def _unacceptable(batch: Batch, command: ApproveBatch) -> tuple[str, str] | None:
    """Why this person cannot approve this: reason and sentence."""
    if batch.digest != command.digest:
        detail = f"digest: {batch.batch_id} has the digest {batch.digest}, not the given one; read it again."
        return "digest_mismatch", detail
    if batch.proposed_by.casefold() == command.approved_by.casefold():
        detail = f"approved_by: {command.approved_by} has proposed it; let another person read and approve it."
        return "same_person", detail
    if any(line.distributor_id == command.approver_distributor_id for line in batch.lines):
        detail = f"approved_by: {command.approved_by} is paid by {batch.batch_id}; let another person approve it."
        return "payee_approves_own", detail
    before = (batch.proposed_by, *(approval.by for approval in batch.approved))
    unchecked = unchecked_detail(command.independent_of, before, command.approved_by)
    return ("changed_meanwhile", unchecked) if unchecked else None


def _stale(state: State, batch: Batch, now: datetime) -> tuple[str, str] | None:
    """The first line that would not be sent as it was proposed."""
    for line in batch.lines:
        plan = plan_of(state, state.payouts[line.payout_id], now, line.plan)
        if plan != line.plan:
            why = plan if isinstance(plan, str) else "method_changed"
            detail = f"digest: {line.payout_id} would not be sent like that now ({why}); reject {batch.batch_id}."
            return "stale_digest", detail
    return None


def _nothing(left_out: list[LeftOut]) -> str:
    reasons = ", ".join(
        f"{count} {reason}" for reason, count in Counter(each.reason for each in left_out).most_common()
    )
    return f"market: nothing can be sent now{f' ({reasons})' if reasons else ''}; see the waiting payouts."


def _unknown(state: State, batch_id: str) -> NotYet[State]:
    detail = f"batch_id: there is no batch {batch_id}; propose it."
    return NotYet("unknown_batch", _refuse(state, batch_id, "unknown_batch", detail))


def _decided(state: State, batch: Batch) -> Decision[State]:
    detail = f"batch_id: {batch.batch_id} is {batch.state} already; propose what is left in another batch."
    return _refuse(state, batch.batch_id, "already_decided", detail)


def _refuse(state: State, batch_id: str, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (BatchRefused(batch_id=batch_id, reason=reason, detail=detail),), "refused")
