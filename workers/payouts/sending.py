"""What is due: a first attempt, the same one again, or the question what became of it. All of it waits for ticks.

An attempt that may have reached the rail is sent again by its own key only, which the rail recognises. So a call that
is still on its way cannot pay twice, whatever a look-up says meanwhile.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from contracts.clock.v1 import ClockTicked
from contracts.money import to_amount
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import Conversion, PayoutAttemptDue, PayoutCheckDue, PayoutFailed, PayoutsDue, PayoutStarted
from contracts.payouts.view import Attempt, Payout, Plan
from contracts.times import plus
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message, Payload
from workers.payouts.attempts import (
    DOUBT,
    Step,
    ask_later,
    ask_person,
    is_certainly_not_taken,
    is_recognised,
    key_of,
    reported,
    with_live,
)
from workers.payouts.batches import back_to_waiting
from workers.payouts.corridors import with_sent, without_sent
from workers.payouts.model import State
from workers.payouts.pauses import resume
from workers.payouts.planning import ON_HOLD, RAIL_PAUSED, is_paused, plan_of

HELD = timedelta(hours=1)
"""How long what is not sent because of a hold waits before it is looked at again."""


def send_on_tick(state: State, message: Message[ClockTicked]) -> Decision[State]:
    """Resume rails, and take what is due, some payouts at a time; `payout.due` goes on with the rest at once."""
    return _take_due(state, message.data.at)


def send_due(state: State, message: Message[PayoutsDue]) -> Decision[State]:
    """Take the next payouts that are due, and ask for another turn while more are."""
    return _take_due(state, message.data.due_at)


def _take_due(state: State, at: datetime) -> Decision[State]:
    state, resumed = resume(state, at)
    events: list[Payload] = [*resumed]
    for key in state.due:
        state, more = _take(state, state.payouts[key], at)
        events += more
    if state.more_due:
        events.append(PayoutsDue(due_at=at))
    return Decision(state, tuple(events), "taken" if state.due or events else "nothing_due")


def _take(state: State, payout: Payout, at: datetime) -> Step:
    plan = payout.plan
    if plan is None or payout.due_at is None or payout.due_at > at:
        return state, ()
    if payout.task == "start":
        return _start(state, payout, plan, at)
    if payout.task == "send":
        return _send_again(state, payout, plan, at)
    return _check(state, payout, plan, at)


def _start(state: State, payout: Payout, plan: Plan, at: datetime) -> Step:
    """The first attempt, unless the payee would not be paid like that now. A paused rail is waited for."""
    if reason := _differs(state, payout, plan, at):
        return state.with_payout(back_to_waiting(payout, reason)), ()
    if until := _paused_until(state, plan, at):
        return state.with_payout(replace(payout, reason=RAIL_PAUSED, due_at=until)), ()
    state = state.with_payee(with_sent(state.payee(payout.distributor_id), plan, at))
    state, asked = _attempt(state, payout, plan, at)
    started = PayoutStarted(
        payout_id=payout.payout_id,
        distributor_id=payout.distributor_id,
        payable=to_amount(payout.payable_minor, payout.statement_currency),
        statement_currency=payout.statement_currency,
        left=to_amount(plan.left_minor, payout.statement_currency),
        amount=to_amount(plan.amount_minor, plan.currency),
        currency=plan.currency,
        conversion=_conversion(payout, plan),
        rail=plan.rail,
        started_at=at,
    )
    return state, (started, *asked)


def _send_again(state: State, payout: Payout, plan: Plan, at: datetime) -> Step:
    """Send again; and once that took too long, say that a person is needed."""
    doubt: tuple[Payload, ...] = ()
    if not payout.needs_person and at >= plus(payout.live.began_at, DOUBT):
        state, doubt = ask_person(state, payout, plan, "not_sent", at)
        payout = replace(state.payouts[payout.payout_id], task="send")
    state, events = _again(state, payout, plan, at)
    return state, (*doubt, *events)


def _again(state: State, payout: Payout, plan: Plan, at: datetime) -> Step:
    """The same attempt by the same key; another one only if the old one is known to have failed, or was never taken. A
    hold and a paused rail are waited for. A key that the rail may not recognise any more is never sent again.
    """
    live = payout.live
    if state.payee(payout.distributor_id).hold is not None:
        return state.with_payout(replace(payout, reason=ON_HOLD, due_at=plus(at, HELD))), ()
    if until := _paused_until(state, plan, at):
        return state.with_payout(replace(payout, reason=RAIL_PAUSED, due_at=until)), ()
    if live.ended is None and is_recognised(live, plan, at):
        again = with_live(payout, calls=live.calls + 1, is_answered=False)
        again = ask_later(replace(again, reason=None), plan, at)
        return state.with_payout(again), (_attempt_due(again, plan),)
    if live.ended is None and not is_certainly_not_taken(live):
        return ask_person(state, payout, plan, "key_window_over", at)
    if reason := _differs(state, payout, plan, at):
        return _give_up(state, payout, plan, reason, at)
    return _attempt(state, with_live(payout, ended=live.ended or "not_sent"), plan, at)


def _attempt(state: State, payout: Payout, plan: Plan, at: datetime) -> Step:
    """The next attempt, with a key of its own, by the method that was approved."""
    payee = state.payee(payout.distributor_id)
    assert payee.method is not None, f"{payout.payout_id} has a plan by a method that is gone"
    number = len(payout.attempts) + 1
    attempt = Attempt(number, key_of(payout.payout_id, number), at, payee.method)
    begun = replace(
        payout,
        state="sending",
        reason=None,
        attempts=(*payout.attempts, attempt),
        started_at=payout.started_at or at,
    )
    begun = ask_later(begun, plan, at)
    state = state.with_payee(replace(payee, attempts=payee.attempts + 1))
    return state.with_payout(begun), (_attempt_due(begun, plan),)


def _give_up(state: State, payout: Payout, plan: Plan, reason: str, at: datetime) -> Step:
    """The old attempt has failed, and the payee would not be paid like that now: the money goes back."""
    detail = f"Attempt {payout.live.number} has failed, and another one would not be as approved ({reason})."
    failed = replace(payout, state="failed", reason=reason, detail=detail, task=None, due_at=None, ended_at=at)
    event = PayoutFailed(**reported(payout, plan, at), code=reason, detail=detail)
    return without_sent(state, failed, plan).with_payout(failed), (event,)


def _check(state: State, payout: Payout, plan: Plan, at: datetime) -> Step:
    """Ask the rail, if it can be asked; and once it took too long, say that a person is needed."""
    events: tuple[Payload, ...] = ()
    if not payout.needs_person and payout.state != "awaiting_payee" and at >= plus(payout.live.began_at, DOUBT):
        state, events = ask_person(state, payout, plan, "no_answers", at)
        payout = state.payouts[payout.payout_id]
    if not RAILS[plan.rail].looks_up:
        return state.with_payout(replace(payout, task=None, due_at=None)), events
    payout = with_live(payout, checks=payout.live.checks + 1)
    live = payout.live
    check = PayoutCheckDue(
        payout_id=payout.payout_id,
        attempt=live.number,
        key=live.key,
        distributor_id=payout.distributor_id,
        amount=to_amount(plan.amount_minor, plan.currency),
        currency=plan.currency,
        method=live.method,
        check=live.checks,
        attempted_at=live.began_at,
        reference=live.reference,
    )
    return state.with_payout(ask_later(payout, plan, at)), (check, *events)


def _attempt_due(payout: Payout, plan: Plan) -> PayoutAttemptDue:
    live = payout.live
    return PayoutAttemptDue(
        payout_id=payout.payout_id,
        attempt=live.number,
        key=live.key,
        distributor_id=payout.distributor_id,
        amount=to_amount(plan.amount_minor, plan.currency),
        currency=plan.currency,
        method=live.method,
        remittance=f"Commission {payout.period}"[: RAILS[plan.rail].remittance_max],
    )


def _conversion(payout: Payout, plan: Plan) -> Conversion | None:
    known = plan.conversion
    if known is None:
        return None
    fee = to_amount(known.fee_minor, payout.statement_currency)
    return Conversion(rate=known.rate, source=known.source, as_of=known.as_of, fee=fee)


def _differs(state: State, payout: Payout, plan: Plan, at: datetime) -> str | None:
    """Why the payee would not be paid as planned now."""
    planned = plan_of(state, payout, at, plan)
    if planned == plan:
        return None
    return planned if isinstance(planned, str) else "method_changed"


def _paused_until(state: State, plan: Plan, at: datetime) -> datetime | None:
    rail = state.rail(plan.rail)
    return rail.paused_until if is_paused(rail, at) else None
