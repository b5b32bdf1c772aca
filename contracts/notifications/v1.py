"""Notifications, version 1."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StrictInt

from contracts.fields import Code, Detail, Facts, Severity
from contracts.notifications.channel import Channel, Language
from contracts.wire.envelope import Event, Timestamp

NotificationId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="The notification; the same for each attempt, so that a receiver recognises a repeat.",
        examples=["5b3d1c0e-5f57-5a55-8a3c-3a1f6c1e8b21"],
    ),
]
RouteId = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="The route: which alerts go where.",
        examples=["warehouse"],
    ),
]
ChangeId = Annotated[
    str,
    Field(
        description="The change of an alert, by the id of its event.",
        examples=["019a43c1-6c40-8b55-8a3c-3a1f6c1e8b21"],
    ),
]
Attempt = Annotated[StrictInt, Field(ge=1, description="The number of the attempt, from 1.", examples=[1])]

ITEMS_MAX = 20


class Item(BaseModel):
    """One alert in a notification."""

    alert: Annotated[str, Field(description="What the alert is about.", examples=["stock/1082185"])]
    kind: Annotated[Code, Field(description="The kind of alert.", examples=["stock_low"])]
    state: Annotated[Literal["open", "resolved"], Field(examples=["open"])]
    severity: Severity = "warning"
    detail: Detail
    facts: Facts = {}
    since: Timestamp


class OfNotification:
    notification_id: str

    def about(self) -> str:
        return f"notification/{self.notification_id}"


class NotificationDue(OfNotification, Event, type="notification.due.v1"):
    """A notification is to be sent now. `more` counts alerts that no longer fit into `items`.

    `thread` is the same for all notifications of one group, so that mail programs show them together.
    """

    notification_id: NotificationId
    route_id: RouteId
    attempt: Attempt
    reason: Annotated[
        Literal["raised", "repeated", "escalated", "resolved", "test"],
        Field(description="Why it is sent.", examples=["raised"]),
    ]
    channel: Annotated[Channel, Field(examples=[{"kind": "email", "to": ["warehouse@example.com"]}])]
    language: Language = "en"
    thread: Annotated[str, Field(examples=["stock_low/shop-367"])]
    items: Annotated[list[Item], Field(max_length=ITEMS_MAX)]
    more: Annotated[StrictInt, Field(ge=0, examples=[280])] = 0


class NotificationDelivered(OfNotification, Event, type="notification.delivered.v1"):
    """The channel's own code says that it has the notification."""

    notification_id: NotificationId
    route_id: RouteId
    attempt: Attempt
    code: Code
    reference: Annotated[str | None, Field(description="The channel's own id of it.", max_length=256)] = None
    delivered_at: Timestamp
    detail: Annotated[Detail | None, Field(examples=["mail.example.com took the message."])] = None


class NotificationFailed(OfNotification, Event, type="notification.failed.v1"):
    """An attempt failed. `refused`: it will fail again until what `detail` names is corrected. `unavailable`: it was
    certainly not delivered. `unknown`: it may have been.
    """

    notification_id: NotificationId
    route_id: RouteId
    attempt: Attempt
    outcome: Annotated[Literal["refused", "unavailable", "unknown"], Field(examples=["unavailable"])]
    code: Code
    detail: Detail
    retry_after_s: Annotated[StrictInt | None, Field(ge=0, examples=[60])] = None
    failed_at: Timestamp


SuppressedFor = Literal[
    "silenced", "resolved_before_sent", "raise_not_sent", "acknowledged", "outdated", "route_changed", "route_removed"
]


class NotificationSuppressed(Event, type="notification.suppressed.v1"):
    """A route does not report a change of an alert.

    `silenced`: a silence holds for it, `silence_id`. `resolved_before_sent`: it ended before its group was sent.
    `raise_not_sent`: it ended, and its start was not reported. `acknowledged`: a person takes care of it. `outdated`: a
    later change came first. `route_changed`, `route_removed`: the route no longer takes it.
    """

    alert: Annotated[str, Field(description="What the alert is about.", examples=["stock/1082185"])]
    change_id: ChangeId
    route_id: RouteId
    reason: Annotated[SuppressedFor, Field(examples=["silenced"])]
    silence_id: Annotated[str | None, Field(examples=["stocktaking-2026"])] = None

    def about(self) -> str:
        return f"alert/{self.alert}"


class OfRoute:
    route_id: str

    def about(self) -> str:
        return f"route/{self.route_id}"


Crossing = Annotated[StrictInt, Field(description="Grows each time the route fails or recovers.", examples=[1])]


class RouteFailing(OfRoute, Event, type="route.failing.v1"):
    """Notifications do not get through by this route. The other routes report it."""

    route_id: RouteId
    code: Code
    detail: Detail
    crossing: Crossing


class RouteRecovered(OfRoute, Event, type="route.recovered.v1"):
    """A notification was delivered by this route again, or the route was removed."""

    route_id: RouteId
    crossing: Crossing
