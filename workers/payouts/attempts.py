"""Attempts to send a payout: their keys, when to ask about them, and what events say of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from contracts.money import to_amount
from contracts.payouts.rails import RAILS
from contracts.payouts.v1 import PayoutDoubtful
from contracts.payouts.view import Attempt, Payout, Plan
from contracts.times import plus
from contracts.wire.envelope import Payload, derived_id
from workers.payouts.model import State

PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 720, 1440))
"""Before each check, or each repeat of a call that was not taken; the last one for ever."""

DOUBT = timedelta(days=5)
"""After so long without an end, a person is asked."""

KEY_MARGIN = timedelta(hours=12)
"""How long before its end the time in which a rail recognises a key is taken for over: a call may wait in a queue."""

Step = tuple[State, tuple[Payload, ...]]


def key_of(payout_id: str, number: int) -> str:
    """The key of an attempt: 32 characters, as the shortest of all rails takes."""
    return derived_id("payout", payout_id, number).replace("-", "")


def is_recognised(attempt: Attempt, plan: Plan, at: datetime) -> bool:
    """Whether the rail certainly still knows the key, if it has seen it: then it pays it once, and `absent` is true."""
    rail = RAILS[plan.rail]
    return rail.looks_up and (rail.key_kept is None or at < plus(attempt.began_at, rail.key_kept) - KEY_MARGIN)


def is_certainly_not_taken(attempt: Attempt) -> bool:
    """Whether each call of it was answered, and none had an answer that leaves a doubt."""
    return attempt.is_answered and not attempt.may_be_taken and attempt.rank == 0


def pause_after(count: int) -> timedelta:
    return PAUSES[min(count, len(PAUSES) - 1)]


def with_live(payout: Payout, **changes: Any) -> Payout:
    """The payout with its newest attempt changed."""
    return replace(payout, attempts=(*payout.attempts[:-1], replace(payout.live, **changes)))


def ask_later(payout: Payout, plan: Plan, at: datetime) -> Payout:
    """The payout with the time at which the rail is asked next. One that cannot be asked is waited for until there is
    doubt; where a person answers, there is nothing to wait for once it is accepted.
    """
    rail, live = RAILS[plan.rail], payout.live
    if rail.looks_up:
        return replace(payout, task="check", due_at=plus(at, pause_after(live.checks)))
    if payout.needs_person or (rail.answers == "person" and live.rank):
        return replace(payout, task=None, due_at=None)
    return replace(payout, task="ask_person", due_at=plus(live.began_at, DOUBT))


def ask_person(state: State, payout: Payout, plan: Plan, code: str, at: datetime) -> Step:
    """Nothing that may be done without a person would tell what became of it. Said once; the rail is asked further."""
    asked = replace(
        payout, state="doubtful", reason=code, needs_person=True, doubtful_since=payout.doubtful_since or at
    )
    asked = ask_later(asked, plan, at)
    if payout.needs_person:
        return state.with_payout(asked), ()
    event = PayoutDoubtful(
        **reported(payout, plan, at),
        code=code,
        detail=f"Look at the account of {plan.rail}, then resolve {payout.payout_id}.",
        needs_person=True,
    )
    return state.with_payout(asked), (event,)


def reported(payout: Payout, plan: Plan, at: datetime) -> dict[str, Any]:
    """The fields that every event about a payout at a rail has."""
    return {
        "payout_id": payout.payout_id,
        "attempt": payout.live.number,
        "distributor_id": payout.distributor_id,
        "amount": to_amount(plan.amount_minor, plan.currency),
        "currency": plan.currency,
        "rail": plan.rail,
        "at": at,
        "reference": payout.live.reference,
    }
