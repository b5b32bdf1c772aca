"""Holds: nothing more is sent to a distributor until a person releases it. What is at a rail goes on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from contracts.payouts.v1 import HoldPayouts, HoldRefused, PayoutsHeld, PayoutsReleased, ReleasePayouts
from contracts.payouts.view import Hold
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.payouts.model import Result, State

CONFLICT = "conflict"

refuse_unreadable = Refusing[HoldPayouts | ReleasePayouts](HoldRefused, "distributor_id")


def hold_payouts(state: State, message: Message[HoldPayouts]) -> Result:
    """Send nothing more to the distributor; the first hold stands."""
    command = message.data
    payee = state.payee(command.distributor_id)
    if payee.hold is not None:
        return Decision(state, outcome="duplicate")
    hold = Hold(command.reason, message.received_at, payee.attempts, command.by)
    event = PayoutsHeld(
        distributor_id=command.distributor_id, reason=command.reason, by=command.by, os_user=command.os_user
    )
    return Decision(state.with_payee(replace(payee, hold=hold)), (event,), "held")


def release_payouts(state: State, message: Message[ReleasePayouts]) -> Result:
    """End the hold: what waits may be proposed again."""
    command = message.data
    payee = state.payee(command.distributor_id)
    if payee.hold is None:
        detail = f"distributor_id: nothing is on hold for distributor {command.distributor_id}; there is no need."
        refusal = HoldRefused(distributor_id=command.distributor_id, reason="not_on_hold", detail=detail)
        return Decision(state, (refusal,), "refused")
    event = PayoutsReleased(distributor_id=command.distributor_id, by=command.by, os_user=command.os_user)
    return Decision(state.with_payee(replace(payee, hold=None)), (event,), "released")


def held_by_conflict(state: State, distributor_id: int, at: datetime) -> tuple[State, tuple[PayoutsHeld, ...]]:
    """The state in which nothing more is sent to a distributor, as reports contradict each other."""
    payee = state.payee(distributor_id)
    if payee.hold is not None:
        return state, ()
    held = replace(payee, hold=Hold(CONFLICT, at, payee.attempts))
    return state.with_payee(held), (PayoutsHeld(distributor_id=distributor_id, reason=CONFLICT),)
