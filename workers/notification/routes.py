"""The rules of routes: defined, defined again, removed, and tested."""

from __future__ import annotations

from dataclasses import replace

from contracts.alert_routing.v1 import (
    DefineRoute,
    RemoveRoute,
    RouteDefined,
    RouteRefused,
    RouteRemoved,
    RouteTested,
    TestRoute,
)
from contracts.notifications.v1 import Item, NotificationDue, RouteRecovered
from contracts.notifications.view import Filter, Notification, Revision, Route
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message, Payload, derived_id
from contracts.wire.refusal import Refusing
from workers.notification.deliveries import due_now
from workers.notification.model import State

ROUTES_MAX = 100
"""Active routes: a change of an alert has a notice for each that matches."""

REVISIONS_MAX = 100
"""Filters that are kept of a route, to check its older notices."""

refuse_unreadable_route = Refusing[DefineRoute | RemoveRoute | TestRoute](RouteRefused, "route_id")


def define_route(state: State, message: Message[DefineRoute]) -> Decision[State]:
    """Create the route, or change it. What waits in its groups goes by the new definition."""
    command = message.data
    known = state.routes.get(command.route_id)
    others = {route.route_id for route in state.active} - {command.route_id}
    if len(others) >= ROUTES_MAX:
        detail = f"route_id: there are {ROUTES_MAX} routes already; remove one, or extend one of them."
        return _refuse(state, command, "too_many_routes", detail)
    if command.escalate_to is not None and command.escalate_to not in others:
        detail = f"escalate_to: there is no route {command.escalate_to}; define it first."
        return _refuse(state, command, "unknown_escalation", detail)
    at = message.bounded_time
    route = Route(
        command.route_id,
        "active",
        known.revision + 1 if known else 1,
        Filter(command.kinds, command.shops, command.markets, command.severity_min),
        command.channel,
        command.by,
        at,
        language=command.language,
        group_by=command.group_by,
        group_wait_s=command.group_wait_s,
        group_interval_s=command.group_interval_s,
        repeat_after_s=command.repeat_after_s,
        budget_per_min=command.budget_per_min,
        quiet_hours=command.quiet_hours,
        escalate_to=command.escalate_to,
        escalate_after_s=command.escalate_after_s,
    )
    if known is not None:
        earlier = (*known.earlier, Revision(known.revision, known.filter))[-REVISIONS_MAX:]
        route = replace(
            route,
            earlier=earlier,
            budget_until=known.budget_until,
            is_failing=known.is_failing,
            crossing=known.crossing,
            last_code=known.last_code,
            last_detail=known.last_detail,
            last_failed_at=known.last_failed_at,
        )
    defined = RouteDefined(
        route_id=route.route_id, revision=route.revision, by=command.by, os_user=command.os_user, defined_at=at
    )
    return Decision(state.with_route(route), (defined,), "defined")


def remove_route(state: State, message: Message[RemoveRoute]) -> Decision[State]:
    """End the route. What waits for it is suppressed when it is due; the alert that it fails ends."""
    command = message.data
    route = state.routes.get(command.route_id)
    if route is None or route.state == "removed":
        return _unknown(state, command)
    users = [other.route_id for other in state.active if other.escalate_to == route.route_id]
    if users:
        detail = f"route_id: {', '.join(users)} escalates to {route.route_id}; define that without it first."
        return _refuse(state, command, "route_in_use", detail)
    at = message.bounded_time
    removed = replace(route, state="removed", changed_by=command.by, changed_at=at, is_failing=False)
    events: tuple[Payload, ...] = (
        RouteRemoved(route_id=route.route_id, by=command.by, os_user=command.os_user, removed_at=at),
    )
    if route.is_failing:
        removed = replace(removed, crossing=route.crossing + 1)
        events = (*events, RouteRecovered(route_id=route.route_id, crossing=removed.crossing))
    return Decision(state.with_route(removed), events, "removed")


def test_route(state: State, message: Message[TestRoute]) -> Decision[State]:
    """Send a notification by the route at once, whatever its hours and budget."""
    command = message.data
    route = state.routes.get(command.route_id)
    if route is None or route.state == "removed":
        return _unknown(state, command)
    at = message.bounded_time
    item = Item(
        alert=f"route/{route.route_id}",
        kind="route_test",
        state="open",
        severity="info",
        detail=f"This is a test of the route {route.route_id} by {command.by}; nothing is wrong.",
        facts={"route_id": route.route_id, "by": command.by},
        since=at,
    )
    notification = Notification(
        derived_id("route-test", message.key),
        route.route_id,
        "test",
        "sending",
        thread=f"route/{route.route_id}",
        items=(item,),
        more=0,
        made_at=at,
        attempted_at=at,
    )
    tested = RouteTested(
        route_id=route.route_id,
        notification_id=notification.notification_id,
        by=command.by,
        os_user=command.os_user,
    )
    due: NotificationDue = due_now(route, notification)
    return Decision(state.with_notification(notification), (tested, due), "tested")


def _unknown(state: State, command: RemoveRoute | TestRoute) -> Decision[State]:
    detail = f"route_id: there is no route {command.route_id}; `tributary alerts routes` shows the existing ones."
    return _refuse(state, command, "unknown_route", detail)


def _refuse(state: State, command: DefineRoute | RemoveRoute | TestRoute, reason: str, detail: str) -> Decision[State]:
    return Decision(state, (RouteRefused(route_id=command.route_id, reason=reason, detail=detail),), "refused")
