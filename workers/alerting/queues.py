"""The rules of alerts about queues: bodies that are parked, and queues that workers do not empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from contracts.operations.v1 import AlertRaised, AlertResolved, QueueMeasured
from contracts.operations.view import Alert
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.alerting.events import raised, resolved
from workers.alerting.model import PARKED_ALERT, Backlog, Measured, State, queue_alert

OLD_AFTER = timedelta(minutes=10)
"""A queue that is neither empty nor shrinking for this long needs a person. Retries wait elsewhere."""

_UNSEEN_MAX = timedelta(minutes=5)
"""Measurements that are further apart say nothing about the time between them."""


def note_queues(state: State, message: Message[QueueMeasured]) -> Decision[State]:
    """Open the alert of a queue that has not been empty, nor shorter than ever since then, for OLD_AFTER; and that of
    parked bodies at once. Each closes when its queue is empty.

    The clock measures once a minute; of two clocks, the first of a minute counts.
    """
    seen = message.data
    known = state.measured
    if known is not None and known.at >= seen.at:
        return Decision(state, outcome="outdated")
    is_recent = known is not None and seen.at - known.at <= _UNSEEN_MAX
    before = {backlog.queue: backlog for backlog in known.backlogs} if known and is_recent else {}
    backlogs = tuple(_backlog(before.get(queue), queue, seen) for queue in sorted(seen.waiting))
    after = replace(state, measured=Measured(seen.at, backlogs))
    events: list[AlertRaised | AlertResolved] = []
    for alert, facts in _alerts(state, seen, backlogs):
        stored = state.alerts.get(alert.alert)
        if (stored is not None and stored.state == "open") == (alert.state == "open"):
            continue
        is_open = alert.state == "open"
        alert = replace(alert, times=(stored.times if stored else 0) + is_open)
        after = after.with_alert(alert)
        events.append((raised if is_open else resolved)(alert, facts))
    return Decision(after, tuple(events), "measured")


def _backlog(known: Backlog | None, queue: str, seen: QueueMeasured) -> Backlog:
    """`since` begins again whenever the queue is shorter than ever since then."""
    ready = seen.waiting[queue]
    return known if known is not None and ready >= known.least else Backlog(queue, ready, seen.at)


def _alerts(state: State, seen: QueueMeasured, backlogs: tuple[Backlog, ...]) -> list[tuple[Alert, Mapping[str, Any]]]:
    """Each alert about queues that is open or should be, as it should be, with its facts."""
    found: list[tuple[Alert, Mapping[str, Any]]] = [_parked(seen)]
    waiting = {queue_alert(backlog.queue): backlog for backlog in backlogs}
    for key in sorted({*waiting, *(key for key, alert in state.alerts.items() if alert.kind == "queue_old")}):
        if (backlog := waiting.get(key)) is None:
            queue = key.partition("/")[2]
            detail = f"queue {queue}: no message waits any more."
            found.append((Alert(key, "queue_old", "resolved", detail, seen.at), {"queue": queue}))
        elif seen.at - backlog.since >= OLD_AFTER:
            found.append(_old(key, backlog, seen.waiting[backlog.queue], seen.at))
    return found


def _parked(seen: QueueMeasured) -> tuple[Alert, Mapping[str, Any]]:
    detail = (
        f"{seen.parked} messages were too large to store, and the broker keeps the newest; see `tributary dead list`."
        if seen.parked
        else "No message is parked at the broker any more."
    )
    alert = Alert(PARKED_ALERT, "messages_parked", "open" if seen.parked else "resolved", detail, seen.at)
    return alert, {"parked": seen.parked}


def _old(key: str, backlog: Backlog, ready: int, at: datetime) -> tuple[Alert, Mapping[str, Any]]:
    minutes = int((at - backlog.since).total_seconds() // 60)
    detail = (
        f"queue {backlog.queue}: {ready} messages wait, and for {minutes} minutes it has not become shorter; look at "
        "the health of its worker, or run more processes of it."
    )
    facts = {"queue": backlog.queue, "ready": ready, "minutes": minutes}
    return Alert(key, "queue_old", "open", detail, at), facts
