"""What the answer to an attempt means for its notification and its route, and when it is tried again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from contracts.fields import DETAIL_MAX
from contracts.notifications.v1 import (
    NotificationDelivered,
    NotificationDue,
    NotificationFailed,
    RouteFailing,
    RouteRecovered,
)
from contracts.notifications.view import Notification, Route
from contracts.times import plus
from contracts.wire.answer import PAUSED, RETRY_AFTER_MAX_S
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from workers.notification.model import State

RETRY_DELAYS_S = (5, 60, 600, 3600, 6 * 3600, 24 * 3600)
ATTEMPTS_MAX = len(RETRY_DELAYS_S) + 1

FAILING_ATTEMPTS = 4
_FAILING_AFTER = timedelta(seconds=sum(RETRY_DELAYS_S[: FAILING_ATTEMPTS - 1]))
"""After this number of failed attempts, or their eleven minutes, the other routes report the route."""

_MINUTE = timedelta(minutes=1)


def due_now(route: Route, notification: Notification) -> NotificationDue:
    """The attempt that the notification is at, by the channel that the route has now."""
    return NotificationDue(
        notification_id=notification.notification_id,
        route_id=route.route_id,
        attempt=notification.attempt,
        reason=notification.reason,
        channel=route.channel,
        language=route.language,
        thread=notification.thread,
        items=list(notification.items),
        more=notification.more,
    )


def note_delivered(state: State, message: Message[NotificationDelivered]) -> Decision[State]:
    """End the notification, whichever attempt it was. A route that was failing has recovered."""
    answer = message.data
    notification = state.notifications.get(answer.notification_id)
    if notification is None:
        return Decision(state, outcome="unknown_notification")
    if notification.state == "delivered":
        return Decision(state, outcome="duplicate")
    delivered = replace(
        notification,
        state="delivered",
        code=answer.code,
        detail=answer.detail,
        reference=answer.reference,
        due_at=None,
        ended_at=answer.delivered_at,
    )
    after = state.with_notification(delivered)
    route = state.routes.get(notification.route_id)
    if route is None or not route.is_failing:
        return Decision(after, outcome="delivered")
    recovered = replace(route, is_failing=False, crossing=route.crossing + 1)
    event = RouteRecovered(route_id=route.route_id, crossing=recovered.crossing)
    return Decision(after.with_route(recovered), (event,), "delivered")


def note_failed(state: State, message: Message[NotificationFailed]) -> Decision[State]:
    """Try again after a pause that grows, unless the channel refused it or this was the last attempt.

    An unknown outcome is tried again too: the id stays the same, so that the receiver can recognise a repeat. An
    attempt that was not even made, because its destination is paused, takes no place.
    """
    answer = message.data
    notification = state.notifications.get(answer.notification_id)
    if notification is None:
        return Decision(state, outcome="unknown_notification")
    if notification.state != "sending" or answer.attempt != notification.attempt:
        return Decision(state, outcome="outdated")
    detail = answer.detail[:DETAIL_MAX]
    is_made = answer.code != PAUSED
    is_final = is_made and (answer.outcome == "refused" or notification.attempt >= ATTEMPTS_MAX)
    failed = replace(
        notification,
        state="failed" if is_final else "retrying",
        attempt=notification.attempt if is_made else notification.attempt - 1,
        code=answer.code,
        detail=detail,
        due_at=None if is_final else _retry_at(answer, message.time, is_made=is_made),
        ended_at=answer.failed_at if is_final else None,
    )
    after = state.with_notification(failed)
    outcome = "failed" if is_final else "to_retry"
    route = state.routes.get(notification.route_id)
    if route is None or route.state == "removed":
        return Decision(after, outcome=outcome)
    is_long = failed.attempt >= FAILING_ATTEMPTS or message.time - notification.made_at >= _FAILING_AFTER
    route = replace(route, last_code=answer.code, last_detail=detail, last_failed_at=answer.failed_at)
    if route.is_failing or not (is_final or is_long):
        return Decision(after.with_route(route), outcome=outcome)
    route = replace(route, is_failing=True, crossing=route.crossing + 1)
    event = RouteFailing(route_id=route.route_id, code=answer.code, detail=detail, crossing=route.crossing)
    return Decision(after.with_route(route), (event,), outcome)


def _retry_at(answer: NotificationFailed, at: datetime, *, is_made: bool) -> datetime:
    asked_s = min(answer.retry_after_s or 0, RETRY_AFTER_MAX_S)
    delay_s = RETRY_DELAYS_S[answer.attempt - 1] if is_made else RETRY_DELAYS_S[0]
    return plus(at, timedelta(seconds=max(delay_s, asked_s)))


def budget_left(route: Route, at: datetime) -> int:
    """How many messages the route may send now: at most those of a minute."""
    return min(route.budget_per_min, (plus(at, _MINUTE) - _budget_from(route, at)) // _share(route))


def room_at(route: Route, at: datetime) -> datetime:
    """When the route may send a message again, if it has nothing left at `at`."""
    return _budget_from(route, at) - (_MINUTE - _share(route))


def spend(route: Route, count: int, at: datetime) -> Route:
    return replace(route, budget_until=plus(_budget_from(route, at), _share(route) * count))


def _share(route: Route) -> timedelta:
    """In whole milliseconds, as the store keeps times."""
    return timedelta(milliseconds=60_000 // route.budget_per_min)


def _budget_from(route: Route, at: datetime) -> datetime:
    """From when the budget counts. What lies further ahead than a minute is from before the clock was moved back."""
    until = route.budget_until
    if until is None or until < at or until > plus(at, _MINUTE):
        return at
    return until
