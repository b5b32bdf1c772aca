"""The rules of silences: what they hold back, for how long, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from contracts.alert_routing.v1 import CreateSilence, EndSilence, SilenceCreated, SilenceEnded, SilenceRefused
from contracts.notifications.view import Filter, Notice, Silence
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.notification.model import State

SILENCE_MAX = timedelta(days=30)
SILENCES_MAX = 200
"""Silences at one time: each waiting notice is compared with all of them."""

refuse_unreadable_silence = Refusing[CreateSilence | EndSilence](SilenceRefused, "silence_id")


def create_silence(state: State, message: Message[CreateSilence]) -> Decision[State]:
    """Begin now, until a time within 30 days. The same silence again changes nothing."""
    command = message.data
    at = message.bounded_time
    silence = Silence(
        command.silence_id,
        Filter(command.kinds, command.shops, command.markets),
        command.reason,
        command.by,
        at,
        command.until,
        alert=command.alert,
    )
    known = state.silences.get(command.silence_id)
    if known is not None:
        if replace(silence, created_at=known.created_at) == known:
            return Decision(state, outcome="duplicate")
        detail = f"silence_id: {command.silence_id} is another silence; give this one an id of its own."
        return _refuse(state, command, "conflicting_reference", detail)
    if silence.filter == Filter() and command.alert is None:
        detail = "kinds: name kinds, shops, markets or an alert; a silence of everything is not possible."
        return _refuse(state, command, "silence_too_broad", detail)
    if not at < command.until <= at + SILENCE_MAX:
        detail = f"until: give a time within {SILENCE_MAX.days} days from now."
        return _refuse(state, command, "silence_time", detail)
    if sum(other.ends_at > at for other in state.silences.values()) >= SILENCES_MAX:
        detail = f"silence_id: there are {SILENCES_MAX} silences already; end one, or name more in one."
        return _refuse(state, command, "too_many_silences", detail)
    created = SilenceCreated(
        silence_id=silence.silence_id,
        until=silence.ends_at,
        reason=silence.reason,
        by=command.by,
        os_user=command.os_user,
        created_at=at,
    )
    return Decision(state.with_silence(silence), (created,), "created")


def end_silence(state: State, message: Message[EndSilence]) -> Decision[State]:
    """End it before its time. Alerts that are still open are reported within an hour."""
    command = message.data
    at = message.bounded_time
    silence = state.silences.get(command.silence_id)
    if silence is None:
        detail = f"silence_id: there is no silence {command.silence_id}; `tributary alerts silences` shows them."
        return _refuse(state, command, "unknown_silence", detail)
    if silence.ends_at <= at:
        return Decision(state, outcome="duplicate")
    ended = SilenceEnded(silence_id=silence.silence_id, by=command.by, os_user=command.os_user, ended_at=at)
    return Decision(state.with_silence(replace(silence, ends_at=at, ended_by=command.by)), (ended,), "ended")


def silence_of(silences: Iterable[Silence], notice: Notice, at: datetime) -> Silence | None:
    """The silence that holds a notice back for the longest time."""
    item = notice.item
    holding = [
        silence
        for silence in silences
        if silence.created_at <= at < silence.ends_at
        and silence.alert in (None, notice.alert)
        and silence.filter.matches(item.kind, notice.shop_id, notice.market, item.severity)
    ]
    return max(holding, key=lambda silence: (silence.ends_at, silence.silence_id), default=None)


def _refuse(state: State, command: CreateSilence | EndSilence, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (SilenceRefused(silence_id=command.silence_id, reason=reason, detail=detail),), "refused")
