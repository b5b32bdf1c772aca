"""What a rail does not say, two persons state: one with the evidence, another who confirms it."""

from __future__ import annotations

from dataclasses import replace

from contracts.approvals import unchecked_detail
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import ConfirmResolution, PayoutRefused, ResolutionProposed, ResolvePayout
from contracts.payouts.view import Payout, Report, Resolution, report_key
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.payouts.attempts import is_certainly_not_taken
from workers.payouts.model import Result, State
from workers.payouts.reports import stored

RESOLVED = "resolved_by_persons"

refuse_unreadable = Refusing[ResolvePayout | ConfirmResolution](PayoutRefused, "payout_id")


def resolve_payout(state: State, message: Message[ResolvePayout]) -> Result:
    """State what became of the newest attempt. Another statement replaces it until it is confirmed."""
    command = message.data
    payout = state.payouts.get(command.payout_id)
    if payout is None:
        return _refuse(state, command.payout_id, *_unknown(command.payout_id))
    if refusal := _not_in_doubt(payout, command.attempt):
        return _refuse(state, payout.payout_id, *refusal)
    resolution = Resolution(
        command.attempt, command.outcome, command.evidence, command.by, message.received_at, command.os_user
    )
    known = payout.resolution
    if known is not None and replace(known, at=resolution.at) == resolution:
        return Decision(state, outcome="duplicate")
    event = ResolutionProposed(
        payout_id=payout.payout_id,
        attempt=command.attempt,
        outcome=command.outcome,
        evidence=command.evidence,
        by=command.by,
        os_user=command.os_user,
    )
    return Decision(state.with_payout(replace(payout, resolution=resolution)), (event,), "proposed")


def confirm_resolution(state: State, message: Message[ConfirmResolution]) -> Result:
    """Another person, who is not paid by it, confirms what was stated; it counts like a report of the rail."""
    command, now = message.data, message.received_at
    payout = state.payouts.get(command.payout_id)
    if payout is None:
        return _refuse(state, command.payout_id, *_unknown(command.payout_id))
    resolution = payout.resolution
    if resolution is not None and payout.state == resolution.outcome and resolution.attempt == command.attempt:
        return Decision(state, outcome="duplicate")
    if refusal := _not_in_doubt(payout, command.attempt) or _unacceptable(payout, command):
        return _refuse(state, payout.payout_id, *refusal)
    assert resolution is not None, "what is not proposed was refused"
    assert payout.plan is not None, f"{payout.payout_id} is in doubt and has no plan"
    report = Report(
        report=report_key(payout.plan.rail, f"resolution/{message.id}"),
        key=payout.live.key,
        rail=payout.plan.rail,
        outcome=resolution.outcome,
        code=RESOLVED,
        source="person",
        occurred_at=resolution.at,
        received_at=now,
        effect="no_change",
        detail=resolution.evidence,
        by=(resolution.by, command.by),
    )
    return stored(state, payout, report, now)


def _not_in_doubt(payout: Payout, attempt: int) -> tuple[str, str] | None:
    """Why persons cannot state what became of it: only where the rail does not say it."""
    plan = payout.plan
    by_person = plan is not None and RAILS[plan.rail].answers == "person" and payout.state == "sent"
    is_stuck = payout.state == "sending" and is_certainly_not_taken(payout.live)
    if payout.state != "doubtful" and not by_person and not is_stuck:
        return "not_in_doubt", f"payout_id: {payout.payout_id} is {payout.state}; only a payout in doubt is resolved."
    if payout.live.number != attempt:
        return "other_attempt", f"attempt: the attempt of {payout.payout_id} is {payout.live.number}; look at it again."
    return None


def _unacceptable(payout: Payout, command: ConfirmResolution) -> tuple[str, str] | None:
    """Why this person cannot confirm this: reason and sentence."""
    resolution = payout.resolution
    if resolution is None or resolution.attempt != command.attempt:
        return "not_stated", f"payout_id: no one has stated what became of {payout.payout_id}; resolve it first."
    if resolution.outcome != command.outcome:
        detail = f"outcome: {resolution.by} has stated that it is {resolution.outcome}; read the evidence again."
        return "other_outcome", detail
    if resolution.by.casefold() == command.by.casefold():
        return "same_person", f"by: {command.by} has stated it; let another person look at the evidence and confirm."
    if command.by_distributor_id == payout.distributor_id:
        return "payee_approves_own", f"by: {command.by} is paid by {payout.payout_id}; let another person confirm."
    unchecked = unchecked_detail(command.independent_of, [resolution.by], command.by)
    return ("changed_meanwhile", unchecked) if unchecked else None


def _unknown(payout_id: str) -> tuple[str, str]:
    return "unknown_payout", f"payout_id: there is no payout {payout_id}; it has the id of its statement."


def _refuse(state: State, payout_id: str, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (PayoutRefused(payout_id=payout_id, reason=reason, detail=detail),), "refused")
