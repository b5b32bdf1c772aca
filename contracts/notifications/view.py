"""The published view of routes, silences and notifications: collections of the worker `notification`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.notifications.channel import Channel
from contracts.notifications.quiet_hours import QuietHours
from contracts.notifications.v1 import Item, SuppressedFor

ROUTES = "notification.routes"
SILENCES = "notification.silences"
STANDINGS = "notification.standings"
NOTICES = "notification.notices"
NOTIFICATIONS = "notification.notifications"

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which alerts: all of those for which each part is empty or names them."""

    kinds: tuple[str, ...] = ()
    shops: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    severity_min: Severity = "info"

    def matches(self, kind: str, shop_id: str | None, market: str | None, severity: str) -> bool:
        return (
            _names(self.kinds, kind)
            and _names(self.shops, shop_id)
            and _names(self.markets, market)
            and severity in SEVERITIES[SEVERITIES.index(self.severity_min) :]
        )


def _names(listed: Sequence[str], value: str | None) -> bool:
    return not listed or value in listed


@dataclass(frozen=True, slots=True)
class Revision:
    number: int
    filter: Filter


@dataclass(frozen=True, slots=True)
class Route:
    """A route as it is now, and the filters of its earlier revisions. `last_…` is its newest failure.

    `is_failing` since a notification failed for good, or several times, until one is delivered. `crossing` counts
    these changes. `budget_until` is when the messages that were sent are within the budget again.
    """

    route_id: str
    state: Literal["active", "removed"]
    revision: int
    filter: Filter
    channel: Channel
    changed_by: str
    changed_at: datetime
    language: Literal["en", "zh"] = "en"
    group_by: tuple[str, ...] = ("kind", "shop")
    group_wait_s: int = 30
    group_interval_s: int = 300
    repeat_after_s: int = 14_400
    budget_per_min: int = 18
    quiet_hours: QuietHours | None = None
    escalate_to: str | None = None
    escalate_after_s: int = 1800
    earlier: tuple[Revision, ...] = ()
    budget_until: datetime | None = None
    is_failing: bool = False
    crossing: int = 0
    last_code: str | None = None
    last_detail: str | None = None
    last_failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """`ends_at` is its time, or when it was ended before."""

    silence_id: str
    filter: Filter
    reason: str
    created_by: str
    created_at: datetime
    ends_at: datetime
    alert: str | None = None
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest known change of an alert: the `times`-th raise, or its end. `change_id` is the newest raise, and
    `routes` those which matched it.
    """

    alert: str
    kind: str
    is_open: bool
    changed_at: datetime
    severity: Severity
    times: int | None = None
    change_id: str | None = None
    routes: tuple[str, ...] = ()
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    note: str | None = None


NoticeState = Literal["waiting", "sent", "suppressed"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One change of an alert and one route: it waits in its group, was sent with a notification, or is suppressed.

    `is_open`: it is to be repeated and escalated, since its alert is open and not acknowledged.
    """

    notice_id: str
    change_id: str
    route_id: str
    group_id: str
    alert: str
    item: Item
    state: NoticeState = "waiting"
    shop_id: str | None = None
    market: str | None = None
    reason: SuppressedFor | None = None
    silence_id: str | None = None
    notification_id: str | None = None
    sent_at: datetime | None = None
    ended_at: datetime | None = None
    is_open: bool = False
    escalates: bool = False


@dataclass(frozen=True, slots=True)
class Notification:
    """One message of a route, and how its delivery stands. `due_at` is when it is tried again."""

    notification_id: str
    route_id: str
    reason: Literal["raised", "repeated", "escalated", "resolved", "test"]
    state: Literal["sending", "retrying", "delivered", "failed"]
    thread: str
    items: tuple[Item, ...]
    more: int
    made_at: datetime
    attempt: int = 1
    attempted_at: datetime | None = None
    due_at: datetime | None = None
    code: str | None = None
    detail: str | None = None
    reference: str | None = None
    ended_at: datetime | None = None
