"""Loads what a batch concerns, and of a tick only what is due; saves the changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar, Self

from contracts.alert_routing.v1 import (
    AcknowledgeAlert,
    CreateSilence,
    DefineRoute,
    EndSilence,
    RemoveRoute,
    TestRoute,
)
from contracts.clock.v1 import ClockTicked
from contracts.notifications.v1 import NotificationDelivered, NotificationFailed
from contracts.notifications.view import (
    NOTICES,
    NOTIFICATIONS,
    ROUTES,
    SILENCES,
    STANDINGS,
    Notice,
    Notification,
    Route,
    Silence,
    Standing,
)
from contracts.operations.v1 import AlertRaised, AlertResolved
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Document, Find, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.notification.changes import change_of, groups_of, notices_of_raise
from workers.notification.model import AlertChange, Group, Reading, State, notice_id
from workers.notification.routes import ROUTES_MAX
from workers.notification.silences import SILENCES_MAX

CHANGES = "notification.changes"
GROUPS = "notification.groups"

GROUPS_MAX, NOTICES_MAX, RETRIES_MAX = 100, 1_000, 100
"""What one tick handles of each; the next tick takes the rest. A notice takes some kilobytes at most."""
BYTES_MAX = 4 * 2**20

_DAY_S = 24 * 60 * 60
CHANGES_KEPT_S = 90 * _DAY_S
NOTICES_KEPT_S = 91 * _DAY_S
"""Longer than the changes by which they are checked."""

Change = AlertRaised | AlertResolved
OfRoutes = DefineRoute | RemoveRoute | TestRoute
OfSilences = CreateSilence | EndSilence
DeliveryReport = NotificationDelivered | NotificationFailed
Consumed = (
    AlertRaised
    | AlertResolved
    | AcknowledgeAlert
    | DefineRoute
    | RemoveRoute
    | TestRoute
    | CreateSilence
    | EndSilence
    | NotificationDelivered
    | NotificationFailed
    | ClockTicked
)


def _in_lists(notice: Notice) -> Document:
    """The lists of its group that it is in, and from when it may be deleted."""
    is_waiting = notice.state == "waiting"
    is_repeated = notice.is_open and not is_waiting
    return {
        "waiting_in": notice.group_id if is_waiting else None,
        "open_in": notice.group_id if is_repeated else None,
        "escalates_in": notice.group_id if is_repeated and notice.escalates else None,
        "expires_from": None if notice.is_open else notice.ended_at,
    }


_routes = Codec(Route, key="route_id")
_silences = Codec(Silence, key="silence_id")
_standings = Codec(Standing, key="alert")
_changes = Codec(AlertChange, key="change_id")
_groups = Codec(Group, key="group_id", derived=lambda group: {"due_at": group.due_at})
_notices = Codec(Notice, key="notice_id", derived=_in_lists)
_notifications = Codec(Notification, key="notification_id")
to_route = _routes.to_entity
to_change = _changes.to_entity
to_group = _groups.to_entity
to_notice = _notices.to_entity
to_notification = _notifications.to_entity


class NotificationRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(ROUTES, "which alerts go where, by route", (Index((("state", 1), ("_id", 1)), "active routes"),)),
        Collection(SILENCES, "what is not reported, and until when", (Index((("ends_at", 1),), "silences that hold"),)),
        Collection(STANDINGS, "the newest change of each alert, and its acknowledgement"),
        Collection(
            CHANGES,
            "changes of alerts, with the routes at that time",
            (Index((("changed_at", 1),), "deletes old changes", expire_after_s=CHANGES_KEPT_S),),
        ),
        Collection(
            GROUPS,
            "alerts that a route reports together, and when",
            (Index((("due_at", 1),), "groups that are due", sparse=True),),
        ),
        Collection(
            NOTICES,
            "what became of each change of an alert on each route",
            (
                Index((("waiting_in", 1), ("_id", 1)), "waiting notices of a group"),
                Index((("open_in", 1), ("sent_at", 1)), "open alerts of a group, to be repeated"),
                Index((("escalates_in", 1), ("sent_at", 1)), "open alerts of a group, to be escalated"),
                Index((("change_id", 1),), "the notices of a change"),
                Index((("alert", 1), ("_id", 1)), "the notices of an alert, newest first"),
                Index((("route_id", 1), ("_id", 1)), "the notices of a route, newest first"),
                Index((("expires_from", 1),), "deletes old notices", sparse=True, expire_after_s=NOTICES_KEPT_S),
            ),
        ),
        Collection(
            NOTIFICATIONS,
            "messages, and how their delivery stands",
            (
                Index((("due_at", 1),), "notifications that are to be tried again", sparse=True),
                Index((("ended_at", 1),), "deletes old notifications", sparse=True, expire_after_s=NOTICES_KEPT_S),
            ),
        ),
    )

    def __init__(
        self,
        *,
        routes: Loaded[str, Route],
        silences: Loaded[str, Silence],
        standings: Loaded[str, Standing],
        changes: Loaded[str, AlertChange],
        groups: Loaded[str, Group],
        notices: Loaded[str, Notice],
        notifications: Loaded[str, Notification],
        due: Mapping[str, Reading],
        retries: tuple[str, ...],
    ) -> None:
        self._routes = routes
        self._silences = silences
        self._standings = standings
        self._changes = changes
        self._groups = groups
        self._notices = notices
        self._notifications = notifications
        self._due = due
        self._retries = retries
        self._route_ids: set[str] = set()
        self._silence_ids: set[str] = set()

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        """All messages have one type, as those of a queue do."""
        data = [message.data for message in messages]
        changes = [message.id for message in messages if isinstance(message.data, Change)]
        of_routes = [d.route_id for d in data if isinstance(d, OfRoutes)]
        of_silences = [d.silence_id for d in data if isinstance(d, OfSilences)]
        active = Find(ROUTES, {"state": {"$in": ["active"] if changes or of_routes else []}}, limit=2 * ROUTES_MAX)
        return {
            "active": active,
            "routes": with_ids(ROUTES, of_routes),
            "silences": with_ids(SILENCES, of_silences),
            "standings": with_ids(STANDINGS, (d.alert for d in data if isinstance(d, Change | AcknowledgeAlert))),
            "changes": with_ids(CHANGES, changes),
            "notifications": with_ids(
                NOTIFICATIONS, (d.notification_id for d in data if isinstance(d, DeliveryReport))
            ),
        }

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        ticks = [message.data.at for message in messages if isinstance(message.data, ClockTicked)]
        if ticks:
            return await cls._of_ticks(tx, ticks)
        silences = _silences.by_key(found["silences"])
        if any(isinstance(message.data, CreateSilence) for message in messages):
            silences |= await _holding(tx, min(message.received_at for message in messages))
        notifications = _notifications.loaded(found["notifications"])
        routes = _routes.by_key([*found["active"], *found["routes"]])
        routes |= await _routes.fetch(tx, ROUTES, (each["route_id"] for each in found["notifications"]))
        standings = _standings.by_key(found["standings"])
        raises = [
            notice_id(each.change_id, key) for each in standings.values() if each.change_id for key in each.routes
        ]
        notices = await _notices.fetch(tx, NOTICES, raises)
        groups = {notice.group_id for notice in notices.values()}
        state = State(routes=routes, standings=standings)
        groups |= {key for message in messages for key in _groups_joined(state, message)}
        return cls(
            routes=Loaded(routes),
            silences=Loaded(silences),
            standings=Loaded(standings),
            changes=_changes.loaded(found["changes"]),
            groups=Loaded(await _groups.fetch(tx, GROUPS, groups)),
            notices=Loaded(notices),
            notifications=notifications,
            due={},
            retries=(),
        )._knows(routes, silences)

    @classmethod
    async def _of_ticks(cls, tx: Transaction, ticks: Sequence[datetime]) -> Self:
        """What is due, the longest first. Nothing else is read on a tick that has nothing to do."""
        where = {"due_at": {"$lte": max(ticks)}}
        order = (("due_at", 1),)
        due, _ = await tx.find_some(GROUPS, where, sort=order, limit=GROUPS_MAX, bytes_max=BYTES_MAX)
        again, _ = await tx.find_some(NOTIFICATIONS, where, sort=order, limit=RETRIES_MAX, bytes_max=BYTES_MAX)
        groups = _groups.by_key(due)
        readings, notices = await _read(tx, list(groups.values()), max(ticks))
        routes = await _active(tx) if due or again else {}
        silences = await _holding(tx, min(ticks)) if due else {}
        return cls(
            routes=Loaded(routes),
            silences=Loaded(silences),
            standings=Loaded({}),
            changes=Loaded({}),
            groups=Loaded(groups),
            notices=Loaded(notices),
            notifications=_notifications.loaded(again),
            due=readings,
            retries=tuple(document["_id"] for document in again),
        )._knows(routes, silences)

    def _knows(self, routes: Iterable[str], silences: Iterable[str]) -> Self:
        self._route_ids.update(routes)
        self._silence_ids.update(silences)
        return self

    def state_for(self, message: Message[Consumed]) -> State:
        data = message.data
        routes = self._routes.pick(sorted(self._route_ids))
        silences = self._silences.pick(sorted(self._silence_ids))
        if isinstance(data, ClockTicked):
            notices = (key for each in self._due.values() for key in (*each.waiting, *each.opened, *each.unescalated))
            return State(
                routes=routes,
                silences=silences,
                groups=self._groups.pick(self._due),
                notices=self._notices.pick(notices),
                notifications=self._notifications.pick(self._retries),
                due=self._due,
                retries=self._retries,
            )
        if isinstance(data, DeliveryReport):
            return State(routes=routes, notifications=self._notifications.pick([data.notification_id]))
        if not isinstance(data, Change | AcknowledgeAlert):
            return State(routes=routes, silences=silences)
        standings = self._standings.pick([data.alert])
        ids = [notice_id(each.change_id, key) for each in standings.values() if each.change_id for key in each.routes]
        state = State(routes=routes, standings=standings, notices=self._notices.pick(ids))
        waiting = {notice.group_id for notice in notices_of_raise(state, standings.get(data.alert))}
        return State(
            routes=routes,
            standings=standings,
            changes=self._changes.pick([message.id]),
            groups=self._groups.pick(sorted(waiting | _groups_joined(state, message))),
            notices=state.notices,
        )

    def keep(self, state: State) -> None:
        self._routes.keep(state.routes)
        self._silences.keep(state.silences)
        self._standings.keep(state.standings)
        self._changes.keep(state.changes)
        self._groups.keep(state.groups)
        self._notices.keep(state.notices)
        self._notifications.keep(state.notifications)
        self._knows(state.routes, state.silences)

    async def save(self, tx: Transaction) -> None:
        await _routes.save(tx, ROUTES, self._routes)
        await _silences.save(tx, SILENCES, self._silences)
        await _standings.save(tx, STANDINGS, self._standings)
        await _changes.save(tx, CHANGES, self._changes)
        await _groups.save(tx, GROUPS, self._groups)
        await _notices.save(tx, NOTICES, self._notices)
        await _notifications.save(tx, NOTIFICATIONS, self._notifications)


def _groups_joined(state: State, message: Message[Consumed]) -> set[str]:
    """The groups that a change may join, on all routes that match it."""
    if not isinstance(message.data, Change):
        return set()
    change = change_of(state, message.data, message.id)
    return {group.group_id for group in groups_of(state, change)}


async def _active(tx: Transaction) -> dict[str, Route]:
    return _routes.by_key(await Find(ROUTES, {"state": "active"}, limit=2 * ROUTES_MAX).run(tx))


async def _holding(tx: Transaction, at: datetime) -> dict[str, Silence]:
    return _silences.by_key(await Find(SILENCES, {"ends_at": {"$gt": at}}, limit=2 * SILENCES_MAX).run(tx))


async def _read(tx: Transaction, groups: Sequence[Group], at: datetime) -> tuple[dict[str, Reading], dict[str, Notice]]:
    """The notices of due groups, as far as the bounds of a tick reach; a group beyond them is not in the result."""
    readings: dict[str, Reading] = {}
    notices: dict[str, Notice] = {}
    for group in groups:
        left = NOTICES_MAX - len(notices)
        if left <= 0:
            break
        waiting, _ = await _some(tx, "waiting_in", group, group.flush_at, at, left)
        opened, has_opened = await _some(tx, "open_in", group, group.repeat_at, at, left)
        unescalated, has_unescalated = await _some(tx, "escalates_in", group, group.escalate_at, at, left)
        notices |= waiting | opened | unescalated
        readings[group.group_id] = Reading(
            tuple(waiting), tuple(opened), has_opened, tuple(unescalated), has_unescalated
        )
    return readings, notices


async def _some(
    tx: Transaction, field: str, group: Group, due_at: datetime | None, at: datetime, limit: int
) -> tuple[dict[str, Notice], bool]:
    if due_at is None or due_at > at:
        return {}, False
    by = "_id" if field == "waiting_in" else "sent_at"
    where = {field: group.group_id}
    found, has_more = await tx.find_some(NOTICES, where, sort=((by, 1),), limit=limit, bytes_max=BYTES_MAX)
    return _notices.by_key(found), has_more
