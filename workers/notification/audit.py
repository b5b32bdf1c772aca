"""I10: each change of an alert, on each route that matched it, is sent, suppressed with a reason, or not late."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from contracts.notifications.view import NOTICES, NOTIFICATIONS, ROUTES, Filter, Notice, Notification, Route
from infra.auditing.audit import IN_HAND_MAX, Read, Report, together
from workers.notification.deliveries import RETRY_DELAYS_S
from workers.notification.model import AlertChange
from workers.notification.repository import (
    CHANGES,
    GROUPS,
    to_change,
    to_group,
    to_notice,
    to_notification,
    to_route,
)

CHANGES_TOGETHER = 100
"""Each may have as many notices as there are routes."""

QUIET_MAX = timedelta(days=1)
"""Quiet hours end within a day."""

Filters = Mapping[tuple[str, int], Filter]


async def audit(read: Read, report: Report) -> None:
    routes = {document["_id"]: to_route(document) async for document in read.stream(ROUTES, {})}
    filters = {(key, each.number): each.filter for key, route in routes.items() for each in route.earlier}
    filters |= {(key, route.revision): route.filter for key, route in routes.items()}
    changes = (to_change(found) async for found in read.stream(CHANGES, report.among("change", "_id")))
    async for taken in together(changes, CHANGES_TOGETHER):
        found: defaultdict[str, list[Notice]] = defaultdict(list)
        where = {"change_id": {"$in": [change.change_id for change in taken]}}
        for document in await read.find(NOTICES, where):
            found[document["change_id"]].append(to_notice(document))
        sent = await _sent(read, (notice for notices in found.values() for notice in notices))
        for change in taken:
            _check_routes(report, change, found[change.change_id], filters)
            for notice in found[change.change_id]:
                _check_notice(report, notice, routes[notice.route_id], sent)
    await _check_groups(read, report)


async def _sent(read: Read, notices: Iterable[Notice]) -> dict[str, Notification]:
    ids = sorted({notice.notification_id for notice in notices if notice.notification_id is not None})
    return {found["_id"]: to_notification(found) for found in await read.find(NOTIFICATIONS, {"_id": {"$in": ids}})}


def _check_routes(report: Report, change: AlertChange, notices: Iterable[Notice], filters: Filters) -> None:
    """One notice for each route whose filter matched, and no other. A filter that is no longer kept is not checked."""
    report.add("I10", "changes_of_alerts")
    kept = {seen.route_id: filters[key] for seen in change.seen if (key := (seen.route_id, seen.revision)) in filters}
    unchecked = {seen.route_id for seen in change.seen} - kept.keys()
    due = {
        route_id
        for route_id, each in kept.items()
        if each.matches(change.kind, change.shop_id, change.market, change.severity)
        and change.alert != f"route/{route_id}"
    }
    noticed = {notice.route_id for notice in notices}
    about = f"change/{change.change_id}"
    for route_id in sorted(due - noticed):
        report.breach("I10", about, f"{change.alert}: the route {route_id} matches, and does not report it")
    for route_id in sorted(noticed - due - unchecked):
        report.breach("I10", about, f"{change.alert}: the route {route_id} reports it, and does not match")


def _check_notice(report: Report, notice: Notice, route: Route, sent: Mapping[str, Notification]) -> None:
    about = f"change/{notice.change_id}"
    where = f"{notice.alert} on the route {notice.route_id}"
    if notice.state == "suppressed":
        report.add("I10", "suppressed")
        report.require(notice.reason is not None, "I10", about, f"{where} is suppressed without a reason")
        return
    if notice.state == "waiting":
        report.add("I10", "waiting")
        is_late = report.now - notice.item.since > waiting_max(route)
        report.require(not is_late, "I10", about, f"{where} has been waiting for too long")
        return
    notification = sent.get(notice.notification_id or "")
    if notification is None:
        report.breach("I10", about, f"{where} was sent with a notification that does not exist")
        return
    report.add("I10", notification.state)
    report.require(not _is_stuck(notification, report.now), "I10", about, f"{where} is neither delivered nor failed")
    is_explained = notification.state != "failed" or notification.code is not None
    report.require(is_explained, "I10", about, f"{where} failed without a code")


def waiting_max(route: Route) -> timedelta:
    """Grouping, quiet hours, and what a tick or a clock that was moved back may add."""
    grouping = timedelta(seconds=max(route.group_wait_s, route.group_interval_s))
    return grouping + (QUIET_MAX if route.quiet_hours is not None else timedelta()) + IN_HAND_MAX


def _is_stuck(notification: Notification, now: datetime) -> bool:
    """Whether an answer, or the next attempt, is overdue."""
    pause = timedelta(seconds=max(RETRY_DELAYS_S) if notification.state == "retrying" else 0)
    is_over = notification.state in ("delivered", "failed")
    return not is_over and now - (notification.attempted_at or notification.made_at) > pause + IN_HAND_MAX


async def _check_groups(read: Read, report: Report) -> None:
    """A group counts the notices that wait in it, and is due exactly while there are some."""
    waiting: Counter[str] = Counter()
    of_groups = report.among("group", "waiting_in")
    where = of_groups or {"waiting_in": {"$gt": ""}}
    async for document in read.stream(NOTICES, where, fields=("waiting_in",)):
        waiting[document["waiting_in"]] += 1
    async for document in read.stream(GROUPS, report.among("group", "_id")):
        group = to_group(document)
        about, count = f"group/{group.group_id}", waiting.pop(group.group_id, 0)
        detail = f"counts {group.waiting} waiting notices, there are {count}"
        report.require(group.waiting == count, "I10", about, detail)
        is_due = group.flush_at is not None
        report.require(is_due == (count > 0), "I10", about, f"has {count} waiting notices, and due is {group.flush_at}")
    for group_id, count in sorted(waiting.items()):
        report.breach("I10", f"group/{group_id}", f"{count} notices wait in a group that does not exist")
