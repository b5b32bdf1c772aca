"""What a report changes: where the payout stands, and which event says so."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from contracts.money import to_amount
from contracts.payouts.faults import FUNDS
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import (
    PayoutAwaitsPayee,
    PayoutConflicting,
    PayoutDoubtful,
    PayoutFailed,
    PayoutPaid,
    PayoutReturned,
    PayoutSent,
)
from contracts.payouts.view import ENDED, RANKS, Payout, Plan, Report, ReportEffect
from contracts.times import plus
from contracts.wire.envelope import Payload
from workers.payouts.attempts import ask_later, ask_person, is_recognised, pause_after, reported, with_live
from workers.payouts.corridors import without_sent
from workers.payouts.holds import held_by_conflict
from workers.payouts.model import State
from workers.payouts.pauses import PAUSE, pause_for_funds


class Applied(NamedTuple):
    state: State
    events: tuple[Payload, ...]
    effect: ReportEffect


class Case(NamedTuple):
    """A report of the newest attempt of a payout. `is_answer` is whether it answers the call that sends."""

    payout: Payout
    plan: Plan
    report: Report
    at: datetime
    is_answer: bool = False

    @property
    def code(self) -> str:
        return self.report.code

    @property
    def detail(self) -> str:
        return self.report.detail or f"{self.plan.rail} reports {self.report.outcome} ({self.report.code})."


def apply(state: State, case: Case, *, is_live: bool) -> Applied:
    """The state after a report. Whatever it says, it is known afterwards that the call was answered."""
    report, payout = case.report, case.payout
    if is_live:
        payout = with_live(
            payout,
            is_answered=payout.live.is_answered or case.is_answer,
            reference=report.reference or payout.live.reference,
        )
    case = case._replace(payout=payout)
    state = state.with_payout(payout)
    if reason := _contradiction(case, is_live=is_live):
        return _conflict(state, case, reason)
    rank = RANKS.get(report.outcome, 0)
    if not is_live or payout.live.ended is not None or payout.state == "returned":
        return _nothing(state)
    if payout.state in ENDED:
        return _returned(state, case) if payout.state == "paid" and _comes_back(case) else _nothing(state)
    if report.outcome == "paid":
        return _paid(state, case)
    if report.outcome == "returned":
        paid = _paid(state, case)
        back = _returned(paid.state, case._replace(payout=paid.state.payouts[payout.payout_id]))
        return back._replace(events=(*paid.events, *back.events))
    if report.outcome == "failed" and case.is_answer and payout.live.may_be_taken:
        return _doubtful(state, case)
    is_not_sent = report.outcome == "not_sent" and case.is_answer and payout.live.rank == 0
    if case.code == FUNDS and (report.outcome == "failed" or is_not_sent):
        return _without_funds(state, case)
    if report.outcome == "failed":
        return _failed(state, case)
    if rank > payout.live.rank:
        return _under_way(state, case, rank)
    return _no_news(state, case) if rank == 0 else _nothing(state)


def _contradiction(case: Case, *, is_live: bool) -> str | None:
    """Why the report cannot be true beside what is known."""
    report, payout, plan = case.report, case.payout, case.plan
    if report.rail != plan.rail:
        return "other_rail"
    if report.outcome not in RANKS:
        return None
    if report.currency not in (None, plan.currency):
        return "currency_differs"
    taken = report.fee_minor or 0 if report.outcome == "returned" else 0
    if report.amount_minor not in (None, plan.amount_minor, plan.amount_minor - taken):
        return "amount_differs"
    if report.outcome == "paid":
        if not is_live:
            return "older_attempt_paid"
        return "paid_after_failed" if payout.state == "failed" or payout.live.ended else None
    is_after_paid = is_live and report.outcome == "failed" and payout.state == "paid"
    return "failed_after_paid" if is_after_paid and not RAILS[plan.rail].fails_after_paid else None


def _comes_back(case: Case) -> bool:
    return case.report.outcome in ("returned", "failed")


def _nothing(state: State) -> Applied:
    return Applied(state, (), "no_change")


def _conflict(state: State, case: Case, reason: str) -> Applied:
    """Store it and let a person look; nothing more is sent to the distributor. The same conflict is reported once."""
    payout, plan = case.payout, case.plan
    after = replace(payout, conflict=reason)
    if payout.state not in ENDED:
        after = replace(after, state="doubtful", needs_person=True, reason=reason, task=None, due_at=None)
        after = replace(after, doubtful_since=payout.doubtful_since or case.at)
    state, held = held_by_conflict(state.with_payout(after), payout.distributor_id, case.at)
    if payout.conflict == reason:
        return Applied(state, held, "conflict")
    event = PayoutConflicting(**reported(payout, plan, case.at), code=reason, detail=case.detail)
    return Applied(state, (event, *held), "conflict")


def _paid(state: State, case: Case) -> Applied:
    fee = case.report.fee_minor if case.report.outcome == "paid" else None
    paid = with_live(_ended(case.payout, "paid", case.at), rank=RANKS["paid"])
    event = PayoutPaid(**reported(paid, case.plan, case.at), fee=_fee(fee, case.plan))
    return Applied(state.with_payout(replace(paid, paid_at=case.at, fee_minor=fee)), (event,), "applied")


def _returned(state: State, case: Case) -> Applied:
    fee = case.report.fee_minor
    back = with_live(_ended(case.payout, "returned", case.at), rank=RANKS["returned"])
    event = PayoutReturned(
        **reported(back, case.plan, case.at),
        code=case.code,
        detail=case.detail,
        fee=_fee(fee, case.plan),
    )
    after = replace(back, reason=case.code, detail=case.detail)
    state = without_sent(state, after, case.plan)
    return Applied(state.with_payout(after), (event,), "applied")


def _failed(state: State, case: Case) -> Applied:
    """Failed for good. That a call was refused does not say so after another one without an answer."""
    failed = with_live(_ended(case.payout, "failed", case.at), rank=RANKS["failed"])
    event = PayoutFailed(**reported(failed, case.plan, case.at), code=case.code, detail=case.detail)
    after = replace(failed, reason=case.code, detail=case.detail)
    state = without_sent(state, after, case.plan)
    return Applied(state.with_payout(after), (event,), "applied")


def _fee(fee_minor: int | None, plan: Plan) -> Decimal | None:
    return None if fee_minor is None else to_amount(fee_minor, plan.currency)


def _ended(payout: Payout, state: Literal["paid", "failed", "returned"], at: datetime) -> Payout:
    return replace(
        payout, state=state, reason=None, detail=None, needs_person=False, task=None, due_at=None, ended_at=at
    )


def _without_funds(state: State, case: Case) -> Applied:
    """Our own account is empty: the rail rests, and the payout is sent later. What was not taken is sent again by the
    same key; where the rail has used the key up, that attempt has failed for good, and another one follows.
    """
    state, paused = pause_for_funds(state, case.plan.rail, case.at)
    payout = case.payout
    payout = with_live(payout, ended=FUNDS if case.report.outcome == "failed" else None)
    later = replace(payout, state="sending", reason=FUNDS, task="send", due_at=plus(case.at, PAUSE))
    return Applied(state.with_payout(later), paused, "applied")


def _under_way(state: State, case: Case, rank: int) -> Applied:
    """The rail has it. Asked further, as its end is not known."""
    known = with_live(case.payout, rank=rank)
    known = replace(known, state="sent" if rank == RANKS["accepted"] else "awaiting_payee", reason=None)
    known = ask_later(known, case.plan, case.at)
    fields = reported(known, case.plan, case.at)
    event = PayoutSent(**fields) if known.state == "sent" else PayoutAwaitsPayee(**fields)
    return Applied(state.with_payout(known), (event,), "applied")


def _no_news(state: State, case: Case) -> Applied:
    """A call without a readable answer, one that was certainly not taken, or a key that the rail does not know."""
    if case.payout.live.rank or not case.payout.live.is_answered:
        return _nothing(state)
    if case.report.outcome == "absent":
        return _absent(state, case)
    if not case.is_answer:
        return _nothing(state)
    if case.report.outcome == "not_sent":
        due_at = plus(case.at, pause_after(case.payout.live.calls - 1))
        later = replace(case.payout, reason=case.code, task="send", due_at=due_at)
        return Applied(state.with_payout(later), (), "applied")
    return _doubtful(state, case)


def _absent(state: State, case: Case) -> Applied:
    """A rail that has never seen the key has not paid it: the same key is sent again. It does not count if the call has
    no answer yet, as it may not have been made then; nor if the rail may have forgotten the key.
    """
    payout = case.payout
    if payout.task != "check":
        return _nothing(state)
    if not is_recognised(payout.live, case.plan, case.at):
        state, events = ask_person(state, payout, case.plan, "key_window_over", case.at)
        return Applied(state, events, "applied")
    again = replace(payout, task="send", due_at=case.at)
    return Applied(state.with_payout(again), (), "applied")


def _doubtful(state: State, case: Case) -> Applied:
    payout = with_live(case.payout, may_be_taken=True)
    if payout.state == "doubtful":
        return Applied(state.with_payout(payout), (), "applied")
    doubtful = replace(payout, state="doubtful", reason=case.code, doubtful_since=case.at)
    event = PayoutDoubtful(**reported(payout, case.plan, case.at), code=case.code, detail=case.detail)
    return Applied(state.with_payout(doubtful), (event,), "applied")
