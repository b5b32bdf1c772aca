"""The state of one message: routes and silences, and the books of what each route reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Self

from contracts.notifications.view import Notice, Notification, Route, Severity, Silence, Standing


@dataclass(frozen=True, slots=True)
class Seen:
    """A route that existed when a change was handled, and its revision then."""

    route_id: str
    revision: int


@dataclass(frozen=True, slots=True)
class AlertChange:
    """A change of an alert, with all routes at that time: each whose filter matches it has one notice of it."""

    change_id: str
    alert: str
    kind: str
    state: Literal["open", "resolved"]
    severity: Severity
    changed_at: datetime
    shop_id: str | None = None
    market: str | None = None
    times: int | None = None
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Alerts that a route reports together. What is critical has a group of its own, as quiet hours do not hold it.

    `waiting` counts its waiting notices: every message that adds or takes one writes the group, so that two replicas
    conflict. `flush_at` is when they are due, None exactly while there are none.
    """

    group_id: str
    route_id: str
    thread: str
    is_critical: bool
    waiting: int = 0
    flush_at: datetime | None = None
    repeat_at: datetime | None = None
    escalate_at: datetime | None = None
    flushed_at: datetime | None = None

    @property
    def due_at(self) -> datetime | None:
        """When a tick has something to do for it."""
        return min(filter(None, (self.flush_at, self.repeat_at, self.escalate_at)), default=None)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a tick has read of a due group: ids of notices. `has_opened` are open ones, after those that were never
    sent, and `has_unescalated` others, that it has not read, and leaves as they are.
    """

    waiting: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    has_opened: bool = False
    unescalated: tuple[str, ...] = ()
    has_unescalated: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message. `routes` are the active ones, and the one that the message names.

    `due` are the groups that a tick handles, in the order in which they became due, each with what it has read;
    `retries` the notifications that are to be tried again.
    """

    routes: Mapping[str, Route] = field(default_factory=dict)
    silences: Mapping[str, Silence] = field(default_factory=dict)
    standings: Mapping[str, Standing] = field(default_factory=dict)
    changes: Mapping[str, AlertChange] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    notices: Mapping[str, Notice] = field(default_factory=dict)
    notifications: Mapping[str, Notification] = field(default_factory=dict)
    due: Mapping[str, Reading] = field(default_factory=dict)
    retries: tuple[str, ...] = ()

    @property
    def active(self) -> tuple[Route, ...]:
        """The active routes, by id."""
        return tuple(route for _, route in sorted(self.routes.items()) if route.state == "active")

    def with_route(self, route: Route) -> Self:
        return replace(self, routes={**self.routes, route.route_id: route})

    def with_silence(self, silence: Silence) -> Self:
        return replace(self, silences={**self.silences, silence.silence_id: silence})

    def with_standing(self, standing: Standing) -> Self:
        return replace(self, standings={**self.standings, standing.alert: standing})

    def with_change(self, change: AlertChange) -> Self:
        return replace(self, changes={**self.changes, change.change_id: change})

    def with_groups(self, *groups: Group) -> Self:
        return replace(self, groups={**self.groups, **{group.group_id: group for group in groups}})

    def with_notices(self, notices: Iterable[Notice]) -> Self:
        return replace(self, notices={**self.notices, **{notice.notice_id: notice for notice in notices}})

    def with_notification(self, notification: Notification) -> Self:
        return replace(self, notifications={**self.notifications, notification.notification_id: notification})


def notice_id(change_id: str, route_id: str) -> str:
    return f"{change_id}/{route_id}"


def thread_of(route: Route, kind: str, shop_id: str | None, market: str | None) -> str:
    """What the alerts of a group have in common, as people may read it."""
    values = {"kind": kind, "shop": shop_id, "market": market}
    return "/".join(values[part] or "-" for part in ("kind", "shop", "market") if part in route.group_by) or "all"


def group_of(route: Route, kind: str, shop_id: str | None, market: str | None, severity: str) -> Group:
    """The group of an alert on a route, while nothing waits in it."""
    thread = thread_of(route, kind, shop_id, market)
    is_critical = severity == "critical"
    group_id = f"{route.route_id}/{thread}{'!' if is_critical else ''}"
    return Group(group_id, route.route_id, thread, is_critical)
