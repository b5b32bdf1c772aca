"""Routes, silences and acknowledgements, version 1."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StrictInt, model_validator

from contracts.fields import Code, Detail, MarketName, OsUser, Reference, Severity, ShopId
from contracts.notifications.channel import Language, NewChannel
from contracts.notifications.quiet_hours import QuietHours
from contracts.notifications.v1 import NotificationId, OfRoute, RouteId
from contracts.operations.v1 import AnyOperator, Note, Operator
from contracts.wire.envelope import SUBJECT_MAX, Command, Event, Refusal, Timestamp

DAY_S = 24 * 60 * 60
NAMED_MAX = 50

Kinds = Annotated[
    tuple[Code, ...],
    Field(max_length=NAMED_MAX, description="Kinds of alerts; all if empty.", examples=[["stock_low"]]),
]
Shops = Annotated[
    tuple[ShopId, ...], Field(max_length=NAMED_MAX, description="Shops; all if empty.", examples=[["shop-367"]])
]
Markets = Annotated[
    tuple[MarketName, ...], Field(max_length=NAMED_MAX, description="Markets; all if empty.", examples=[["default"]])
]
GroupBy = Annotated[
    tuple[Literal["kind", "shop", "market"], ...],
    Field(max_length=3, description="Alerts that agree in these are one message.", examples=[["kind", "shop"]]),
]
SilenceId = Annotated[Reference, Field(description="The silence.", examples=["stocktaking-2026"])]
SilenceReason = Annotated[
    str, Field(min_length=1, max_length=1000, description="Why.", examples=["Stocktaking until Monday."])
]
AlertKey = Annotated[
    str,
    Field(min_length=1, max_length=512, description="What the alert is about.", examples=["stock/1082185"]),
]


class RouteTerms(BaseModel):
    """Alerts of these kinds, shops and markets, from this severity on, in which groups, and when.

    Alerts that agree in `group_by` are sent together, `group_wait_s` after the first, further ones not earlier than
    `group_interval_s` after that. While an alert is open and not acknowledged, it is sent again every `repeat_after_s`
    (0: never), and to the route `escalate_to` after `escalate_after_s`. `quiet_hours` hold back all but what is
    critical. Beyond `budget_per_min` messages a minute, what waits is sent as one.
    """

    kinds: Kinds = ()
    shops: Shops = ()
    markets: Markets = ()
    severity_min: Severity = "info"
    language: Language = "en"
    group_by: GroupBy = ("kind", "shop")
    group_wait_s: Annotated[StrictInt, Field(ge=0, le=3600, examples=[30])] = 30
    group_interval_s: Annotated[StrictInt, Field(ge=0, le=DAY_S, examples=[300])] = 300
    repeat_after_s: Annotated[StrictInt, Field(ge=0, le=30 * DAY_S, examples=[14_400])] = 14_400
    budget_per_min: Annotated[StrictInt, Field(ge=1, le=600, examples=[18])] = 18
    quiet_hours: QuietHours | None = None
    escalate_to: Annotated[
        RouteId | None, Field(description="The route for alerts that no one acknowledges.", examples=["managers"])
    ] = None
    escalate_after_s: Annotated[StrictInt, Field(ge=60, le=30 * DAY_S, examples=[1800])] = 1800


class DefineRoute(OfRoute, RouteTerms, Command, type="route.define.v1"):
    """The alerts that its terms name go to this channel. Defined again, the route changes."""

    route_id: RouteId
    channel: NewChannel
    by: Operator
    os_user: OsUser = None

    @model_validator(mode="after")
    def _escalates_elsewhere(self) -> Self:
        if self.escalate_to == self.route_id:
            raise ValueError("escalate_to is the route itself; name another route")
        return self


class RemoveRoute(OfRoute, Command, type="route.remove.v1"):
    """What waits for the route is suppressed. Its notifications stay readable."""

    route_id: RouteId
    by: Operator
    os_user: OsUser = None


class TestRoute(OfRoute, Command, type="route.test.v1"):
    """Send a test notification by the route now."""

    __test__ = False

    route_id: RouteId
    by: Operator
    os_user: OsUser = None


class RouteDefined(OfRoute, Event, type="route.defined.v1"):
    """`revision` grows by one with each definition."""

    route_id: RouteId
    revision: Annotated[StrictInt, Field(examples=[1])]
    by: AnyOperator
    os_user: OsUser = None
    defined_at: Timestamp


class RouteRemoved(OfRoute, Event, type="route.removed.v1"):
    route_id: RouteId
    by: AnyOperator
    os_user: OsUser = None
    removed_at: Timestamp


class RouteTested(OfRoute, Event, type="route.tested.v1"):
    """A test notification is on its way; its outcome is that of `notification_id`."""

    route_id: RouteId
    notification_id: NotificationId
    by: AnyOperator
    os_user: OsUser = None


class RouteRefused(OfRoute, Refusal, type="route.refused.v1"):
    """The route was not defined, removed or tested."""

    route_id: RouteId
    reason: Annotated[Code, Field(examples=["unknown_route"])]
    detail: Detail


class OfSilence:
    silence_id: str

    def about(self) -> str:
        return f"silence/{self.silence_id}"


class CreateSilence(OfSilence, Command, type="silence.create.v1"):
    """Alerts that match all of what is named are not reported until `until`, which is within 30 days."""

    silence_id: SilenceId
    kinds: Kinds = ()
    shops: Shops = ()
    markets: Markets = ()
    alert: AlertKey | None = None
    until: Timestamp
    reason: SilenceReason
    by: Operator
    os_user: OsUser = None


class EndSilence(OfSilence, Command, type="silence.end.v1"):
    silence_id: SilenceId
    by: Operator
    os_user: OsUser = None


class SilenceCreated(OfSilence, Event, type="silence.created.v1"):
    silence_id: SilenceId
    until: Timestamp
    reason: str
    by: AnyOperator
    os_user: OsUser = None
    created_at: Timestamp


class SilenceEnded(OfSilence, Event, type="silence.ended.v1"):
    """It was ended before its time."""

    silence_id: SilenceId
    by: AnyOperator
    os_user: OsUser = None
    ended_at: Timestamp


class SilenceRefused(OfSilence, Refusal, type="silence.refused.v1"):
    """The silence was not created or ended."""

    silence_id: SilenceId
    reason: Annotated[Code, Field(examples=["unknown_silence"])]
    detail: Detail


class OfAlert:
    alert: str

    def about(self) -> str:
        """A sender may write a longer alert than there is, or than a subject can be."""
        return f"alert/{self.alert}"[:SUBJECT_MAX]


class AcknowledgeAlert(OfAlert, Command, type="alert.acknowledge.v1"):
    """A person takes care of it: it is neither repeated nor escalated until it is raised again."""

    alert: AlertKey
    by: Operator
    note: Note = None
    os_user: OsUser = None


class AlertAcknowledged(OfAlert, Event, type="alert.acknowledged.v1"):
    alert: AlertKey
    by: AnyOperator
    note: Note = None
    os_user: OsUser = None
    acknowledged_at: Timestamp


class AlertAcknowledgeRefused(OfAlert, Refusal, type="alert.acknowledge-refused.v1"):
    """There is nothing to acknowledge."""

    alert: AlertKey
    reason: Annotated[Code, Field(examples=["unknown_alert"])]
    detail: Detail
