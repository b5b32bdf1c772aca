"""Routes, and changes of alerts as the rules of notifications have handled them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from contracts.notifications.v1 import NotificationSuppressed
from contracts.notifications.view import Filter, Notice, Route
from contracts.wire.decision import Decision
from contracts.wire.envelope import Payload
from tests.builders import NOW, message
from tests.notices import BY_MAIL, raised
from workers.notification.decide import acknowledge, note_raised, note_resolved
from workers.notification.model import State

GROUP = "warehouse/stock_low/-"
ALERT = "stock/501"


def a_stored_route(route_id: str = "warehouse", **fields: Any) -> Route:
    given: dict[str, Any] = {"filter": Filter(), "channel": BY_MAIL, "changed_by": "li.na", "changed_at": NOW, **fields}
    return Route(route_id, "active", 1, **given)


def state_with(*routes: Route, **fields: Any) -> State:
    return State(routes={route.route_id: route for route in routes or (a_stored_route(),)}, **fields)


def fold(state: State, *payloads: Payload, at: datetime = NOW) -> Decision[State]:
    """Apply changes of alerts and acknowledgements in turn, and return the last decision."""
    rules: dict[str, Any] = {
        "alert.raised.v1": note_raised,
        "alert.resolved.v1": note_resolved,
        "alert.acknowledge.v1": acknowledge,
    }
    decision = Decision(state)
    for payload in payloads:
        decision = rules[payload.message_type](decision.state, message(payload, time=at))
        assert isinstance(decision, Decision)
    return decision


def the_notices(state: State) -> list[tuple[str, str | None]]:
    return [(notice.state, notice.reason) for notice in state.notices.values()]


def as_sent(state: State, at: datetime = NOW) -> State:
    """What is waiting, as if a tick had sent it."""
    notices = [
        replace(notice, state="sent", notification_id="n-1", sent_at=at, ended_at=at)
        for notice in state.notices.values()
        if notice.state == "waiting"
    ]
    groups = [replace(group, waiting=0, flush_at=None, flushed_at=at) for group in state.groups.values()]
    return state.with_notices(notices).with_groups(*groups)


def reasons(decision: Decision[State]) -> list[str]:
    return [event.reason for event in decision.publish if isinstance(event, NotificationSuppressed)]


def a_notice(**fields: Any) -> Notice:
    """The waiting notice of a raise."""
    [notice] = fold(state_with(), raised()).state.notices.values()
    return replace(notice, **fields)
