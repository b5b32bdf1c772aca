"""What a tick sends: the groups that are due, each as one message, within quiet hours, silences and budgets.

A tick marks only what it has read. What does not fit its bounds stays due, for the next message. What does not fit the
budget of its route is put off until the budget has room, and leaves its place in the tick to other routes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from contracts.clock.v1 import ClockTicked
from contracts.notifications.quiet_hours import quiet_until
from contracts.notifications.v1 import ITEMS_MAX, NotificationDue, NotificationSuppressed
from contracts.notifications.view import SEVERITIES, Notice, Notification, Route
from contracts.times import plus
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message, Payload, derived_id
from workers.notification.changes import leave, suppress
from workers.notification.deliveries import budget_left, due_now, room_at, spend
from workers.notification.model import Group, Reading, State
from workers.notification.silences import silence_of

RECHECK = timedelta(hours=1)
"""How long after a silence was ended early its open alerts are reported, at most."""

Reason = Literal["raised", "escalated", "repeated", "resolved"]
_REASONS: tuple[Reason, ...] = ("raised", "escalated", "repeated", "resolved")
"""The reason of a message that has several: the first of these."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Notices of a group, and the route by which they go. Silences hold others of it until `recheck_at`."""

    route_id: str
    group_id: str
    reason: Reason
    notices: tuple[Notice, ...]
    recheck_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    state: State
    events: tuple[NotificationSuppressed, ...] = ()
    digests: tuple[Digest, ...] = ()


def send_due(state: State, message: Message[ClockTicked]) -> Decision[State]:
    """Send what is due, then try again what failed. The longest due comes first."""
    at = message.data.at
    events: list[Payload] = []
    digests: list[Digest] = []
    for group_id, reading in state.due.items():
        prepared = _prepare(state, state.groups[group_id], reading, at)
        state = prepared.state
        events += prepared.events
        digests += prepared.digests
    for route_id in dict.fromkeys(digest.route_id for digest in digests):
        state, sent = _send(state, [digest for digest in digests if digest.route_id == route_id], at, message.key)
        events += sent
    state, retried = _retry(state, at)
    events += retried
    is_sent = any(isinstance(event, NotificationDue) for event in events)
    return Decision(state, tuple(events), "sent" if is_sent else "suppressed" if events else "nothing_due")


def _active(state: State, route_id: str | None) -> Route | None:
    route = state.routes.get(route_id or "")
    return route if route is not None and route.state == "active" else None


def _is_due(moment: datetime | None, at: datetime) -> bool:
    return moment is not None and moment <= at


def _prepare(state: State, group: Group, reading: Reading, at: datetime) -> Prepared:
    """Suppress what is not to be sent, and collect what is. Quiet hours put everything off until they end."""
    route = _active(state, group.route_id)
    waiting = [notice for key in reading.waiting if (notice := state.notices[key]).state == "waiting"]
    if route is None:
        ended = suppress(state, waiting, "route_removed", at)
        group = replace(ended.state.groups[group.group_id], repeat_at=None, escalate_at=None)
        return Prepared(ended.state.with_groups(group), ended.events)
    quiet = None if group.is_critical else quiet_until(route.quiet_hours, at)
    if quiet is not None:
        return Prepared(state.with_groups(_put_off(group, quiet)))
    flushed = _flush(state, route, waiting, at) if _is_due(group.flush_at, at) else Prepared(state)
    repeated = _repeat(flushed.state, route, group.group_id, reading, at)
    escalated = _escalate(repeated.state, route, group.group_id, reading, at)
    return Prepared(escalated.state, flushed.events, (*flushed.digests, *repeated.digests, *escalated.digests))


def _put_off(group: Group, until: datetime) -> Group:
    def later(moment: datetime | None) -> datetime | None:
        return None if moment is None else max(moment, until)

    return replace(
        group,
        flush_at=later(group.flush_at),
        repeat_at=later(group.repeat_at),
        escalate_at=later(group.escalate_at),
    )


def _flush(state: State, route: Route, waiting: Sequence[Notice], at: datetime) -> Prepared:
    """The waiting notices that the route still takes and that no silence holds.

    An alert that is still open when its silence ends is then reported.
    """
    foreign = [notice for notice in waiting if not _takes(route, notice)]
    result = suppress(state, foreign, "route_changed", at)
    state, events, ready = result.state, list(result.events), []
    for notice in waiting:
        if notice in foreign:
            continue
        silence = silence_of(state.silences.values(), notice, at)
        if silence is None:
            ready.append(notice)
            continue
        result = suppress(state, [notice], "silenced", at, silence_id=silence.silence_id)
        state, events = result.state, [*events, *result.events]
        if notice.is_open:
            group = state.groups[notice.group_id]
            repeat_at = _first(group.repeat_at, min(silence.ends_at, plus(at, RECHECK)))
            state = state.with_groups(replace(group, repeat_at=repeat_at))
    if not ready:
        return Prepared(state, tuple(events))
    reason: Reason = "raised" if any(notice.item.state == "open" for notice in ready) else "resolved"
    return Prepared(state, tuple(events), (Digest(route.route_id, ready[0].group_id, reason, tuple(ready)),))


def _takes(route: Route, notice: Notice) -> bool:
    item = notice.item
    return route.filter.matches(item.kind, notice.shop_id, notice.market, item.severity)


def _repeat(state: State, route: Route, group_id: str, reading: Reading, at: datetime) -> Prepared:
    """The open alerts of a group again; also those that a silence has held back until now."""
    group = state.groups[group_id]
    if not _is_due(group.repeat_at, at):
        return Prepared(state)
    found = [notice for key in reading.opened if (notice := state.notices[key]).is_open and notice.state != "waiting"]
    found = [notice for notice in found if route.repeat_after_s or notice.sent_at is None]
    free, recheck_at = _unsilenced(state, found, at)
    if not free:
        return Prepared(state.with_groups(replace(group, repeat_at=recheck_at)))
    reason: Reason = "repeated" if all(notice.sent_at for notice in free) else "raised"
    return Prepared(state, (), (Digest(route.route_id, group_id, reason, free, recheck_at),))


def _escalate(state: State, route: Route, group_id: str, reading: Reading, at: datetime) -> Prepared:
    """The open alerts that were sent long enough ago, by the other route, after its quiet hours; by their own, if that
    was removed.
    """
    group = state.groups[group_id]
    if not _is_due(group.escalate_at, at):
        return Prepared(state)
    pending = _pending(state, reading)
    if route.escalate_to is None or not pending:
        return Prepared(state.with_groups(replace(group, escalate_at=None)))
    after = timedelta(seconds=route.escalate_after_s)
    ready = [notice for notice in pending if notice.sent_at is not None and plus(notice.sent_at, after) <= at]
    free, recheck_at = _unsilenced(state, ready, at)
    if not free:
        return Prepared(state.with_groups(replace(group, escalate_at=_first(recheck_at, *_later(pending, after, at)))))
    target = _active(state, route.escalate_to) or route
    quiet = None if group.is_critical else quiet_until(target.quiet_hours, at)
    if quiet is not None:
        return Prepared(state.with_groups(replace(group, escalate_at=quiet)))
    return Prepared(state, (), (Digest(target.route_id, group_id, "escalated", free, recheck_at),))


def _pending(state: State, reading: Reading) -> list[Notice]:
    """The open notices that a tick has read and that are not escalated."""
    found = (state.notices[key] for key in reading.unescalated)
    return [notice for notice in found if notice.is_open and notice.escalates]


def _later(notices: Sequence[Notice], after: timedelta, at: datetime) -> list[datetime]:
    """When notices are to be escalated, without those that are due."""
    moments = [plus(notice.sent_at, after) for notice in notices if notice.sent_at is not None]
    return [moment for moment in moments if moment > at]


def _unsilenced(state: State, notices: Sequence[Notice], at: datetime) -> tuple[tuple[Notice, ...], datetime | None]:
    """Those that no silence holds, and when the others are to be looked at again."""
    silences = [(notice, silence_of(state.silences.values(), notice, at)) for notice in notices]
    ends = [silence.ends_at for _, silence in silences if silence is not None]
    free = tuple(notice for notice, silence in silences if silence is None)
    return free, min(*ends, plus(at, RECHECK)) if ends else None


def _first(*moments: datetime | None) -> datetime | None:
    return min(filter(None, moments), default=None)


def _send(state: State, digests: Sequence[Digest], at: datetime, tick: str) -> tuple[State, list[NotificationDue]]:
    """Each digest as a message of its own, or all as one if the route's budget is too small for that.

    With nothing left of the budget they are put off until there is some.
    """
    route = state.routes[digests[0].route_id]
    left = budget_left(route, at)
    if not left:
        later = room_at(route, at)
        return state.with_groups(*(_put_off(state.groups[each.group_id], later) for each in digests)), []
    batches = [[digest] for digest in digests] if len(digests) <= left else [list(digests)]
    state = state.with_route(spend(route, len(batches), at))
    sent = []
    for number, batch in enumerate(batches):
        thread = state.groups[batch[0].group_id].thread if len(batch) == 1 else route.route_id
        # A group may have two digests of the same reason: of what waits, and of what a silence has held back.
        notification_id = derived_id("notification", tick, route.route_id, number)
        notification = _notification(notification_id, route, batch, thread, at)
        state = state.with_notification(notification)
        for digest in batch:
            state = _mark(state, digest, notification.notification_id, at)
        sent.append(due_now(route, notification))
    return state, sent


def _notification(
    notification_id: str, route: Route, batch: Sequence[Digest], thread: str, at: datetime
) -> Notification:
    notices = {notice.notice_id: notice for digest in batch for notice in digest.notices}
    by_urgency = sorted(
        notices.values(),
        key=lambda notice: (-SEVERITIES.index(notice.item.severity), notice.item.since, notice.notice_id),
    )
    items = tuple(notice.item for notice in by_urgency[:ITEMS_MAX])
    reason = min((digest.reason for digest in batch), key=_REASONS.index)
    return Notification(
        notification_id,
        route.route_id,
        reason,
        "sending",
        thread=thread,
        items=items,
        more=len(notices) - len(items),
        made_at=at,
        attempted_at=at,
    )


def _mark(state: State, digest: Digest, notification_id: str, at: datetime) -> State:
    """Note what was sent, and when the group is due again."""
    source = state.routes[state.groups[digest.group_id].route_id]
    waiting = sum(state.notices[notice.notice_id].state == "waiting" for notice in digest.notices)
    marked = []
    for notice in (state.notices[notice.notice_id] for notice in digest.notices):
        is_new = notice.state != "sent"
        marked.append(
            replace(
                notice,
                state="sent",
                reason=None,
                silence_id=None,
                notification_id=notification_id if is_new else notice.notification_id,
                sent_at=at if is_new else notice.sent_at,
                ended_at=at if is_new else notice.ended_at,
                escalates=notice.is_open and source.escalate_to is not None if is_new else notice.escalates,
            )
        )
    if digest.reason == "escalated":
        marked = [replace(notice, escalates=False) for notice in marked]
    state = leave(state.with_notices(marked), digest.group_id, waiting)
    return state.with_groups(_next(state, source, digest, at, is_flush=waiting > 0))


def _next(state: State, source: Route, digest: Digest, at: datetime, *, is_flush: bool) -> Group:
    group = state.groups[digest.group_id]
    group = replace(group, flushed_at=at if is_flush else group.flushed_at)
    again = plus(at, timedelta(seconds=source.repeat_after_s)) if source.repeat_after_s else None
    escalate_at = plus(at, timedelta(seconds=source.escalate_after_s)) if source.escalate_to is not None else None
    if digest.reason == "escalated":
        reading = state.due[digest.group_id]
        after = timedelta(seconds=source.escalate_after_s)
        later = _later(_pending(state, reading), after, at)
        return replace(group, escalate_at=_first(digest.recheck_at, *later, at if reading.has_unescalated else None))
    if not any(state.notices[notice.notice_id].is_open for notice in digest.notices):
        return group
    if is_flush:
        return replace(
            group,
            repeat_at=_first(group.repeat_at, again),
            escalate_at=_first(group.escalate_at, escalate_at),
        )
    newly = any(notice.sent_at is None for notice in digest.notices)
    # Those that were never sent are read first: if all were, others of them may not have been read.
    has_rest = all(notice.sent_at is None for notice in digest.notices) and state.due[digest.group_id].has_opened
    rest_at = at if has_rest else None
    return replace(
        group,
        repeat_at=_first(rest_at, again, digest.recheck_at),
        escalate_at=_first(group.escalate_at, escalate_at if newly else None),
    )


def _retry(state: State, at: datetime) -> tuple[State, list[NotificationDue]]:
    """Try again what is due, by the route's channel as it is now, as far as the budget reaches; put off the rest."""
    sent = []
    for notification in (state.notifications[key] for key in state.retries):
        if notification.state != "retrying" or not _is_due(notification.due_at, at):
            continue
        route = _active(state, notification.route_id)
        if route is None:
            ended = replace(notification, state="failed", code="route_removed", due_at=None, ended_at=at)
            state = state.with_notification(ended)
            continue
        if not budget_left(route, at):
            state = state.with_notification(replace(notification, due_at=room_at(route, at)))
            continue
        again = replace(notification, state="sending", attempt=notification.attempt + 1, attempted_at=at, due_at=None)
        state = state.with_route(spend(route, 1, at)).with_notification(again)
        sent.append(due_now(route, again))
    return state, sent
