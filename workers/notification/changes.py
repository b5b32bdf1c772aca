"""What a change of an alert means for each route: it waits in its group, or is suppressed with a reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from contracts.fields import DETAIL_MAX
from contracts.notifications.v1 import Item, NotificationSuppressed, SuppressedFor
from contracts.notifications.view import Notice, Route, Severity, Standing
from contracts.operations.v1 import AlertRaised, AlertResolved
from contracts.times import plus
from workers.notification.model import AlertChange, Group, Seen, State, group_of, notice_id

DEFAULT_SEVERITY: Severity = "warning"


@dataclass(frozen=True, slots=True)
class Result:
    """A state, and what was suppressed on the way to it."""

    state: State
    events: tuple[NotificationSuppressed, ...] = ()


def change_of(state: State, data: AlertRaised | AlertResolved, change_id: str) -> AlertChange:
    """The change that an event states. An end without a severity has that of its start, whose group it joins."""
    standing = state.standings.get(data.alert)
    known = standing.severity if standing is not None else DEFAULT_SEVERITY
    is_open = isinstance(data, AlertRaised)
    return AlertChange(
        change_id,
        data.alert,
        data.kind,
        "open" if is_open else "resolved",
        data.severity or (DEFAULT_SEVERITY if is_open else known),
        data.raised_at if isinstance(data, AlertRaised) else data.resolved_at,
        data.shop_id,
        data.market,
        data.times,
        tuple(Seen(route.route_id, route.revision) for route in state.active),
    )


def groups_of(state: State, change: AlertChange) -> list[Group]:
    """The group of the change on each route that matches it, by route."""
    return [
        group_of(route, change.kind, change.shop_id, change.market, change.severity)
        for route in matching(state.active, change)
    ]


def matching(routes: Iterable[Route], change: AlertChange) -> list[Route]:
    """The routes that report the change. A route never reports that it fails itself."""
    return [
        route
        for route in routes
        if change.alert != f"route/{route.route_id}"
        and route.filter.matches(change.kind, change.shop_id, change.market, change.severity)
    ]


def is_overtaken(standing: Standing | None, change: AlertChange) -> bool:
    """Whether a later change of the alert came first. The numbers of alerts decide; without them, their times."""
    if standing is None:
        return False
    if change.times is None or standing.times is None:
        return change.changed_at < standing.changed_at
    return (change.times, change.state == "resolved") <= (standing.times, not standing.is_open)


def notices_of(state: State, data: AlertRaised | AlertResolved, change: AlertChange) -> list[Notice]:
    """A waiting notice for each route that matches."""
    item = Item(
        alert=data.alert,
        kind=data.kind,
        state=change.state,
        severity=change.severity,
        detail=data.detail[:DETAIL_MAX],
        facts=data.facts,
        since=change.changed_at,
    )
    return [
        Notice(
            notice_id(change.change_id, group.route_id),
            change.change_id,
            group.route_id,
            group.group_id,
            change.alert,
            item,
            shop_id=change.shop_id,
            market=change.market,
        )
        for group in groups_of(state, change)
    ]


def join(state: State, notices: Iterable[Notice], groups: Iterable[Group], at: datetime) -> State:
    """Add waiting notices to their groups. The first begins the wait; after a message, the interval holds too."""
    fresh = {group.group_id: group for group in groups}
    for notice in notices:
        route = state.routes[notice.route_id]
        group = state.groups.get(notice.group_id) or fresh[notice.group_id]
        joined = replace(group, waiting=group.waiting + 1, flush_at=group.flush_at or _first_due(route, group, at))
        state = state.with_groups(joined).with_notices([notice])
    return state


def _first_due(route: Route, group: Group, at: datetime) -> datetime:
    due = plus(at, timedelta(seconds=route.group_wait_s))
    if group.flushed_at is None:
        return due
    interval = timedelta(seconds=route.group_interval_s)
    # A clock that was moved back must not make it wait for longer than the interval.
    return max(due, min(plus(group.flushed_at, interval), plus(at, interval)))


def suppress(
    state: State,
    notices: Iterable[Notice],
    reason: SuppressedFor,
    at: datetime,
    *,
    silence_id: str | None = None,
) -> Result:
    """End notices that were not sent. Those that were waiting leave their groups."""
    events = []
    for notice in notices:
        ended = replace(
            notice,
            state="suppressed",
            reason=reason,
            silence_id=silence_id,
            ended_at=at,
            is_open=notice.is_open and reason == "silenced",
        )
        if notice.notice_id in state.notices:
            state = leave(state, notice.group_id)
        state = state.with_notices([ended])
        events.append(
            NotificationSuppressed(
                alert=notice.alert,
                change_id=notice.change_id,
                route_id=notice.route_id,
                reason=reason,
                silence_id=silence_id,
            )
        )
    return Result(state, tuple(events))


def leave(state: State, group_id: str, count: int = 1) -> State:
    """Take waiting notices out of their group; with the last, nothing is due any more."""
    group = state.groups[group_id]
    waiting = group.waiting - count
    return state.with_groups(replace(group, waiting=waiting, flush_at=group.flush_at if waiting else None))


def notices_of_raise(state: State, standing: Standing | None) -> list[Notice]:
    """The notices of the newest raise of an alert, one for each route that matched it."""
    if standing is None or standing.change_id is None:
        return []
    ids = [notice_id(standing.change_id, route_id) for route_id in standing.routes]
    return [state.notices[key] for key in ids if key in state.notices]


def close(state: State, notices: Iterable[Notice], reason: SuppressedFor, at: datetime) -> Result:
    """End the repeats and escalations of a raise; where it still waits, it is not sent."""
    notices = list(notices)
    sent = [replace(notice, is_open=False) for notice in notices if notice.state != "waiting" and notice.is_open]
    waiting = [notice for notice in notices if notice.state == "waiting"]
    return suppress(state.with_notices(sent), waiting, reason, at)
