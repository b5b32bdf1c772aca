"""The rules of notifications: what a change of an alert, an operator's command, an answer and a tick do."""

from __future__ import annotations

from dataclasses import replace

from contracts.alert_routing.v1 import (
    AcknowledgeAlert,
    AlertAcknowledged,
    AlertAcknowledgeRefused,
)
from contracts.notifications.v1 import SuppressedFor
from contracts.notifications.view import Standing
from contracts.operations.v1 import AlertRaised, AlertResolved
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.notification.changes import (
    change_of,
    close,
    groups_of,
    is_overtaken,
    join,
    notices_of,
    notices_of_raise,
    suppress,
)
from workers.notification.model import State

refuse_unreadable_acknowledgement = Refusing[AcknowledgeAlert](AlertAcknowledgeRefused, "alert")


def note_raised(state: State, message: Message[AlertRaised]) -> Decision[State]:
    """Let the alert wait in the group of each route that matches it. A raise before this one is reported no more."""
    change = change_of(state, message.data, message.id)
    if change.change_id in state.changes:
        return Decision(state, outcome="duplicate")
    standing = state.standings.get(change.alert)
    notices = notices_of(state, message.data, change)
    state = state.with_change(change)
    if is_overtaken(standing, change):
        reason: SuppressedFor = "outdated" if standing is not None and standing.is_open else "resolved_before_sent"
        late = suppress(state, notices, reason, message.time)
        return Decision(late.state, late.events, "outdated")
    before = close(state, notices_of_raise(state, standing), "outdated", message.time)
    opened = Standing(
        change.alert,
        change.kind,
        is_open=True,
        changed_at=change.changed_at,
        severity=change.severity,
        times=change.times,
        change_id=change.change_id,
        routes=tuple(notice.route_id for notice in notices),
    )
    state = join(
        before.state.with_standing(opened),
        [replace(notice, is_open=True) for notice in notices],
        groups_of(state, change),
        message.time,
    )
    return Decision(state, before.events, "raised")


def note_resolved(state: State, message: Message[AlertResolved]) -> Decision[State]:
    """Let the end wait where the start was sent. Where it was not, neither is: both are suppressed."""
    change = change_of(state, message.data, message.id)
    if change.change_id in state.changes:
        return Decision(state, outcome="duplicate")
    standing = state.standings.get(change.alert)
    notices = notices_of(state, message.data, change)
    state = state.with_change(change)
    if is_overtaken(standing, change):
        late = suppress(state, notices, "outdated", message.time)
        return Decision(late.state, late.events, "outdated")
    started = {notice.route_id: notice for notice in notices_of_raise(state, standing)}
    ended = Standing(
        change.alert,
        change.kind,
        is_open=False,
        changed_at=change.changed_at,
        severity=change.severity,
        times=change.times,
    )
    closed = close(state.with_standing(ended), started.values(), "resolved_before_sent", message.time)
    state, events = closed.state, [*closed.events]
    for notice in notices:
        start = started.get(notice.route_id)
        if start is not None and start.sent_at is not None:
            state = join(state, [notice], groups_of(state, change), message.time)
            continue
        was_open = standing is not None and standing.is_open
        is_early = not was_open or (start is not None and start.state == "waiting")
        unsent = suppress(state, [notice], "resolved_before_sent" if is_early else "raise_not_sent", message.time)
        state, events = unsent.state, [*events, *unsent.events]
    return Decision(state, tuple(events), "resolved")


def acknowledge(state: State, message: Message[AcknowledgeAlert]) -> Decision[State] | NotYet[State]:
    """End the repeats and escalations of an open alert until it is raised again."""
    command = message.data
    standing = state.standings.get(command.alert)
    if standing is None:
        detail = f"alert: there is no alert {command.alert}; `tributary alerts list` shows the existing ones."
        return NotYet("unknown_alert", _refuse(state, command, "unknown_alert", detail))
    if not standing.is_open:
        detail = f"alert: {command.alert} is resolved since {standing.changed_at:%Y-%m-%d %H:%M} UTC."
        return _refuse(state, command, "alert_not_open", detail)
    if standing.acknowledged_at is not None:
        return Decision(state, outcome="duplicate")
    at = message.bounded_time
    known = replace(standing, acknowledged_by=command.by, acknowledged_at=at, note=command.note)
    closed = close(state.with_standing(known), notices_of_raise(state, standing), "acknowledged", at)
    event = AlertAcknowledged(
        alert=command.alert, by=command.by, note=command.note, os_user=command.os_user, acknowledged_at=at
    )
    return Decision(closed.state, (event, *closed.events), "acknowledged")


def _refuse(state: State, command: AcknowledgeAlert, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (AlertAcknowledgeRefused(alert=command.alert, reason=reason, detail=detail),), "refused")
