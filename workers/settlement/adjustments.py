"""Adjustments and write-offs: proposed by one person, booked when others approved them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from contracts.approvals import unchecked_detail
from contracts.money import MoneyError, to_amount, to_minor
from contracts.settlement.digests import adjustment_digest
from contracts.settlement.v1 import (
    Adjusted,
    AdjustmentApproved,
    AdjustmentProposed,
    AdjustmentRefused,
    ApproveAdjustment,
    ProposeAdjustment,
)
from contracts.settlement.view import Account, Adjustment, Figures, account_key, statement_id
from contracts.times import plus
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.settlement.booking import book
from workers.settlement.model import Movement, Result, State
from workers.settlement.periods import terms_at

refuse_unreadable = Refusing[ProposeAdjustment | ApproveAdjustment](AdjustmentRefused, "adjustment_id")


def propose_adjustment(state: State, message: Message[ProposeAdjustment]) -> Result:
    """Store the proposal. The same id with another content is refused."""
    command = message.data
    try:
        amount = to_minor(command.amount, command.currency)
    except MoneyError as error:
        return _refuse(state, command.adjustment_id, "amount_precision", f"amount: {error}.")
    if amount == 0 or (command.kind == "write_off" and amount < 0):
        detail = "amount: give what the distributor gets more or less; a write-off takes a positive amount."
        return _refuse(state, command.adjustment_id, "nothing_to_adjust", detail)
    digest = adjustment_digest(
        command.kind, command.market, command.distributor_id, command.currency, amount, command.reason, command.note
    )
    known = state.adjustments.get(command.adjustment_id)
    if known is not None:
        if known.digest == digest:
            return Decision(state, outcome="duplicate")
        detail = f"adjustment_id: {known.adjustment_id} is another adjustment; choose another id."
        return _refuse(state, known.adjustment_id, "conflict", detail)
    adjustment = Adjustment(
        adjustment_id=command.adjustment_id,
        kind=command.kind,
        market=command.market,
        distributor_id=command.distributor_id,
        currency=command.currency,
        amount_minor=amount,
        reason=command.reason,
        note=command.note,
        digest=digest,
        proposed_by=command.proposed_by,
        proposed_at=message.received_at,
        proposed_os_user=command.os_user,
    )
    event = AdjustmentProposed(
        adjustment_id=adjustment.adjustment_id,
        kind=adjustment.kind,
        market=adjustment.market,
        distributor_id=adjustment.distributor_id,
        currency=adjustment.currency,
        amount=to_amount(amount, adjustment.currency),
        digest=digest,
        proposed_by=adjustment.proposed_by,
        os_user=command.os_user,
    )
    return Decision(state.with_adjustment(adjustment), (event,), "proposed")


def approve_adjustment(state: State, message: Message[ApproveAdjustment]) -> Result:
    """Another person approves it: neither who proposed it, nor the distributor who gets it. With as many approvals as
    the market's terms ask for, it is booked, on available amounts only.
    """
    command, now = message.data, message.received_at
    known = state.adjustments.get(command.adjustment_id)
    if known is None:
        detail = f"adjustment_id: there is no adjustment {command.adjustment_id}; propose it."
        return NotYet("not_proposed", _refuse(state, command.adjustment_id, "not_proposed", detail))
    if refusal := _unacceptable(known, command):
        return _refuse(state, known.adjustment_id, *refusal)
    approver = command.approved_by.casefold()
    if known.statement is not None or approver in map(str.casefold, known.approved_by):
        return Decision(state, outcome="duplicate")
    before = (known.proposed_by, *known.approved_by)
    if unchecked := unchecked_detail(command.independent_of, before, command.approved_by):
        return _refuse(state, known.adjustment_id, "changed_meanwhile", unchecked)
    _, terms = terms_at(state, known.market, now)
    if known.kind == "write_off" and (refusal := _no_write_off(state, known, terms.write_off_after_days, now)):
        return _refuse(state, known.adjustment_id, *refusal)
    approved = replace(
        known,
        approved_by=(*known.approved_by, command.approved_by),
        approved_os_users=(*known.approved_os_users, command.os_user or ""),
    )
    missing = terms.approvals - len(approved.approved_by)
    if missing <= 0:
        return _booked(state, approved, command, now)
    event = AdjustmentApproved(
        adjustment_id=known.adjustment_id, approved_by=command.approved_by, missing=missing, os_user=command.os_user
    )
    return Decision(state.with_adjustment(approved), (event,), "approved")


def _booked(state: State, adjustment: Adjustment, command: ApproveAdjustment, now: datetime) -> Result:
    movement = Movement(
        posting_id=f"adjustment/{adjustment.adjustment_id}",
        kind=adjustment.kind,
        market=adjustment.market,
        distributor_id=adjustment.distributor_id,
        currency=adjustment.currency,
        amount_minor=adjustment.amount_minor,
        effective_at=now,
        reference=adjustment.adjustment_id,
    )
    state, posting, opened = book(state, movement, now)
    if adjustment.kind == "write_off":
        state = state.with_change(adjustment.market)
    after = replace(adjustment, booked_at=now, statement=posting.statement)
    event = Adjusted(
        adjustment_id=adjustment.adjustment_id,
        kind=adjustment.kind,
        market=adjustment.market,
        distributor_id=adjustment.distributor_id,
        currency=adjustment.currency,
        amount=to_amount(adjustment.amount_minor, adjustment.currency),
        statement_id=posting.statement,
        approved_by=command.approved_by,
        os_user=command.os_user,
    )
    return Decision(state.with_adjustment(after), (event, *opened), "booked")


def _unacceptable(known: Adjustment, command: ApproveAdjustment) -> tuple[str, str] | None:
    """Why this person cannot approve this: reason and sentence."""
    if known.digest != command.digest:
        detail = f"digest: {known.adjustment_id} has the digest {known.digest}, not the given one; read it again."
        return "digest_mismatch", detail
    if known.proposed_by.casefold() == command.approved_by.casefold():
        detail = f"approved_by: {command.approved_by} has proposed it; let another person read and approve it."
        return "same_person", detail
    if command.approver_distributor_id == known.distributor_id:
        detail = f"approved_by: {command.approved_by} is the distributor who gets it; let another person approve it."
        return "payee_approves_own", detail
    return None


def _no_write_off(state: State, known: Adjustment, after_days: int | None, now: datetime) -> tuple[str, str] | None:
    """Why this debt cannot be written off now: reason and sentence."""
    if after_days is None:
        detail = f"kind: the terms of market {known.market} allow no write-off; set write_off_after_days in them."
        return "write_off_not_allowed", detail
    account = state.accounts.get(account_key(known.market, known.distributor_id, known.currency))
    owed = max(-_available_minor(state, account), 0) if account else 0
    if known.amount_minor > owed:
        detail = f"amount: the debt is {to_amount(owed, known.currency)} {known.currency}; write off no more than that."
        return "more_than_owed", detail
    since = account.negative_since if account else None
    if since is None or plus(since, timedelta(days=after_days)) > now:
        began = f"is negative since {since.isoformat()}" if since else "was not negative on a statement"
        detail = f"kind: the balance {began}; a debt may be written off {after_days} days after its first statement."
        return "write_off_too_early", detail
    return None


def _available_minor(state: State, account: Account) -> int:
    """What the account carries, and what was booked since its last statement."""
    slices = (
        statement_id(account.market, period.period, account.distributor_id, account.currency) for period in account.open
    )
    return account.carried_minor + sum(state.figures.get(slice_, Figures()).total_minor for slice_ in slices)


def _refuse(state: State, adjustment_id: str, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (AdjustmentRefused(adjustment_id=adjustment_id, reason=reason, detail=detail),), "refused")
