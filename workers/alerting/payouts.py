"""The rules of alerts about payouts: one in doubt, a conflict, money that came back, and a rail that is paused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.operations.v1 import AlertRaised, AlertResolved
from contracts.operations.view import Alert
from contracts.payouts.v1 import (
    PayoutConflicting,
    PayoutDoubtful,
    PayoutFailed,
    PayoutPaid,
    PayoutReturned,
    PayoutsReleased,
    RailPaused,
    RailResumed,
)
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.alerting.events import raised, resolved
from workers.alerting.model import State, conflict_alert, doubt_alert, rail_alert, returned_alert

Outcome = PayoutPaid | PayoutFailed | PayoutReturned

_DOUBTFUL, _CONFLICTING, _RETURNED, _PAUSED = "payout_doubtful", "payout_conflicting", "payout_returned", "rail_paused"


def note_doubt(state: State, message: Message[PayoutDoubtful]) -> Decision[State]:
    """Open the payout's alert once it needs a person. Its first doubt is stored without one: then an outcome that
    overtakes the last doubt finds it.
    """
    doubt = message.data
    key, crossing = doubt_alert(doubt.payout_id), 2 * doubt.attempt
    known = state.alerts.get(key)
    if known is not None and not doubt.needs_person:
        return Decision(state, outcome="known")
    detail = (
        f"payout {doubt.payout_id}: what became of {doubt.amount} {doubt.currency} is not known ({doubt.code}): "
        f"{doubt.detail} Ask {doubt.rail}; then `tributary payouts resolve {doubt.payout_id}`."
    )
    alert = Alert(key, _DOUBTFUL, _state(doubt.needs_person), detail, message.time, crossing=crossing)
    return _follow(state, [alert], _facts(doubt), _market(doubt.payout_id))


def note_outcome(state: State, message: Message[Outcome]) -> Decision[State]:
    """Close the alert of the payout's doubt. A return opens that of its payee; the next payment closes it."""
    done = message.data
    word, alerts = _word(done), list[Alert]()
    doubt, returned = doubt_alert(done.payout_id), returned_alert(done.distributor_id, done.currency)
    if doubt in state.alerts:
        detail = f"payout {done.payout_id}: what became of it is known: {word}."
        alerts.append(Alert(doubt, _DOUBTFUL, "resolved", detail, message.time, crossing=2 * done.attempt + 1))
    if isinstance(done, PayoutReturned):
        detail = (
            f"distributor {done.distributor_id}: {done.amount} {done.currency} of payout {done.payout_id} came back "
            f"({done.code}): {done.detail} It is available again, and the next statement has it."
        )
        alerts.append(Alert(returned, _RETURNED, "open", detail, message.time, crossing=_ms(message.time)))
    elif isinstance(done, PayoutPaid) and returned in state.alerts:
        detail = f"distributor {done.distributor_id}: payout {done.payout_id} was paid."
        alerts.append(Alert(returned, _RETURNED, "resolved", detail, message.time, crossing=_ms(message.time)))
    return _follow(state, alerts, {**_facts(done), "outcome": word}, _market(done.payout_id))


def note_conflict(state: State, message: Message[PayoutConflicting]) -> Decision[State]:
    """Open the alert of the payee, to whom nothing more is sent."""
    conflict = message.data
    detail = (
        f"payout {conflict.payout_id}: a report of {conflict.rail} cannot be true ({conflict.code}): {conflict.detail} "
        f"Nothing more is sent to distributor {conflict.distributor_id} until `tributary payouts release`."
    )
    key = conflict_alert(conflict.distributor_id)
    alert = Alert(key, _CONFLICTING, "open", detail, message.time, crossing=_ms(message.time))
    return _follow(state, [alert], _facts(conflict), _market(conflict.payout_id))


def note_release(state: State, message: Message[PayoutsReleased]) -> Decision[State]:
    """Close it: a person has looked."""
    released = message.data
    key = conflict_alert(released.distributor_id)
    if key not in state.alerts:
        return Decision(state, outcome="no_alert")
    detail = f"distributor {released.distributor_id}: {released.by} released the payouts."
    alert = Alert(key, _CONFLICTING, "resolved", detail, message.time, crossing=_ms(message.time))
    return _follow(state, [alert], {"distributor_id": released.distributor_id, "by": released.by})


def note_paused(state: State, message: Message[RailPaused]) -> Decision[State]:
    """Open the rail's alert."""
    pause = message.data
    detail = f"rail {pause.rail}: nothing is sent until {pause.until:%Y-%m-%d %H:%M} UTC ({pause.reason})."
    alert = Alert(rail_alert(pause.rail), _PAUSED, "open", detail, message.time, crossing=_ms(pause.paused_at))
    facts = {"rail": pause.rail, "reason": pause.reason, "until": f"{pause.until:%Y-%m-%d %H:%M}"}
    return _follow(state, [alert], facts)


def note_resumed(state: State, message: Message[RailResumed]) -> Decision[State]:
    """Close it. An end that overtakes its beginning is stored."""
    end = message.data
    detail = f"rail {end.rail}: payouts are sent again."
    alert = Alert(rail_alert(end.rail), _PAUSED, "resolved", detail, message.time, crossing=_ms(end.resumed_at))
    return _follow(state, [alert], {"rail": end.rail})


RULES: tuple[tuple[type[Any], Any], ...] = (
    (PayoutDoubtful, note_doubt),
    (PayoutPaid, note_outcome),
    (PayoutFailed, note_outcome),
    (PayoutReturned, note_outcome),
    (PayoutConflicting, note_conflict),
    (PayoutsReleased, note_release),
    (RailPaused, note_paused),
    (RailResumed, note_resumed),
)
"""Which event goes to which rule."""


def _follow(
    state: State, alerts: Sequence[Alert], facts: Mapping[str, Any], market: str | None = None
) -> Decision[State]:
    """Store the alerts, and publish only that they open or close. What is older than what is known changes nothing."""
    events, outcome = list[AlertRaised | AlertResolved](), "no_alert"
    for alert in alerts:
        known = state.alerts.get(alert.alert)
        if known is not None and known.crossing > alert.crossing:
            outcome = "outdated"
            continue
        was_open, is_open = known is not None and known.state == "open", alert.state == "open"
        now = replace(alert, times=(known.times if known else 0) + (is_open and not was_open))
        state = state.with_alert(now)
        outcome = "counted" if was_open else "raised" if is_open else "resolved"
        if is_open and not was_open:
            events.append(raised(now, facts, market=market))
        elif was_open and not is_open:
            outcome = "resolved"
            events.append(resolved(now, facts, market=market))
    return Decision(state, tuple(events), outcome)


def _word(done: Outcome) -> str:
    if isinstance(done, PayoutPaid):
        return "paid"
    return "failed" if isinstance(done, PayoutFailed) else "returned"


def _state(is_open: bool) -> Any:
    return "open" if is_open else "resolved"


def _facts(report: PayoutDoubtful | PayoutConflicting | Outcome) -> dict[str, Any]:
    names = ("payout_id", "distributor_id", "amount", "currency", "rail", "code")
    return {name: getattr(report, name) for name in names if hasattr(report, name)}


def _market(payout_id: str) -> str:
    return payout_id.partition("/")[0]


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
