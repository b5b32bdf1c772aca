"""Pauses of rails: nothing is sent by one that does not answer, or whose account is empty. Checks go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from contracts.payouts.faults import FUNDS
from contracts.payouts.v1 import RailPaused, RailResumed
from contracts.payouts.view import RailState
from contracts.times import plus
from workers.payouts.model import State
from workers.payouts.planning import is_paused

UNKNOWN_MAX = 5
"""After so many answers in a row that nobody can read, a rail is paused."""

PAUSE = timedelta(minutes=30)


def note_answer(state: State, rail: str, *, is_unknown: bool, at: datetime) -> tuple[State, tuple[RailPaused, ...]]:
    """Count what a call to a rail came to. The count is written only if it changes, as calls of a rail are many."""
    known = state.rail(rail)
    if is_paused(known, at) or not (is_unknown or known.unknown_in_row):
        return state, ()
    if not is_unknown:
        return state.with_rail(replace(known, unknown_in_row=0)), ()
    if known.unknown_in_row + 1 < UNKNOWN_MAX:
        return state.with_rail(replace(known, unknown_in_row=known.unknown_in_row + 1)), ()
    return _pause(state, known, "no_answers", at)


def pause_for_funds(state: State, rail: str, at: datetime) -> tuple[State, tuple[RailPaused, ...]]:
    """Our account at the rail has too little money for what is sent now."""
    known = state.rail(rail)
    return (state, ()) if is_paused(known, at) else _pause(state, known, FUNDS, at)


def resume(state: State, at: datetime) -> tuple[State, tuple[RailResumed, ...]]:
    """The rails whose pause is over."""
    over = [
        rail for _, rail in sorted(state.rails.items()) if rail.paused_until is not None and rail.paused_until <= at
    ]
    for rail in over:
        state = state.with_rail(RailState(rail.rail))
    return state, tuple(RailResumed(rail=rail.rail, resumed_at=at) for rail in over)


def _pause(state: State, rail: RailState, reason: str, at: datetime) -> tuple[State, tuple[RailPaused, ...]]:
    until = plus(at, PAUSE)
    paused = RailState(rail.rail, paused_at=at, paused_until=until, reason=reason)
    return state.with_rail(paused), (RailPaused(rail=rail.rail, reason=reason, paused_at=at, until=until),)
