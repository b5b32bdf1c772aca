"""The rules of alerts about routes by which notifications do not get through. The other routes report them."""

from __future__ import annotations

from contracts.notifications.v1 import RouteFailing, RouteRecovered
from contracts.operations.view import Alert
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.alerting.events import raised, resolved
from workers.alerting.model import State, route_alert


def raise_failing_route(state: State, message: Message[RouteFailing]) -> Decision[State]:
    """Open or reopen the route's alert."""
    failing = message.data
    key = route_alert(failing.route_id)
    known = state.alerts.get(key)
    if known is not None and known.crossing >= failing.crossing:
        return Decision(state, outcome="outdated")
    detail = f"route {failing.route_id}: notifications are not delivered ({failing.code}): {failing.detail}"
    times = known.times + 1 if known else 1
    alert = Alert(key, "route_failing", "open", detail, message.time, times, crossing=failing.crossing)
    facts = {"route_id": failing.route_id, "code": failing.code, "detail": failing.detail}
    return Decision(state.with_alert(alert), (raised(alert, facts),), "raised")


def resolve_failing_route(state: State, message: Message[RouteRecovered]) -> Decision[State]:
    """Close the route's alert. A recovery that overtakes it is stored, so that the late failure is ignored."""
    recovered = message.data
    key = route_alert(recovered.route_id)
    known = state.alerts.get(key)
    if known is not None and known.crossing >= recovered.crossing:
        return Decision(state, outcome="outdated")
    detail = f"route {recovered.route_id}: notifications are delivered again, or the route was removed."
    times = known.times if known else 0
    alert = Alert(key, "route_failing", "resolved", detail, message.time, times, crossing=recovered.crossing)
    return Decision(state.with_alert(alert), (resolved(alert, {"route_id": recovered.route_id}),), "resolved")
