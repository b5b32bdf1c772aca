"""What the API shows of alerts, routes, silences and notifications. Addresses and secrets of channels are not shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from contracts.notifications.channel import Language
from contracts.notifications.quiet_hours import QuietHours
from contracts.notifications.view import NOTIFICATIONS, STANDINGS, Notice, Notification, Route, Silence, Standing
from contracts.operations.view import Alert
from infra.ports.store import Document, Reader
from infra.runtime.repository import Codec

_alerts = Codec(Alert, key="alert")
_standings = Codec(Standing, key="alert")
_routes = Codec(Route, key="route_id")
_silences = Codec(Silence, key="silence_id")
_notices = Codec(Notice, key="notice_id")
_notifications = Codec(Notification, key="notification_id")
route_of = _routes.to_entity
silence_of = _silences.to_entity


class AlertView(BaseModel):
    model_config = ConfigDict(title="Alert")

    alert: str = Field(description="What the alert is about.", examples=["stock/1082185"])
    kind: str = Field(examples=["stock_low"])
    state: Literal["open", "resolved"] = Field(examples=["open"])
    detail: str = Field(examples=["product 1082185: 3 left, the threshold is 5; order more."])
    changed_at: datetime
    times: int = Field(description="How often it was raised.", examples=[1])
    acknowledged_by: str | None = Field(description="Who takes care of it.", examples=["li.na@example.com"])
    acknowledged_at: datetime | None
    note: str | None = Field(examples=["Ordered on Monday."])


class ChannelView(BaseModel):
    model_config = ConfigDict(title="ShownChannel")

    kind: str = Field(examples=["dingtalk"])
    to: Sequence[str] = Field(description="The readers of an e-mail.", examples=[[]])
    host: str | None = Field(description="The host of the address.", examples=["oapi.dingtalk.com"])


class RouteView(BaseModel):
    """`last_code` and `last_detail` are its newest failure, and say what to correct."""

    model_config = ConfigDict(title="NotificationRoute")

    route_id: str = Field(examples=["warehouse"])
    revision: int = Field(examples=[1])
    channel: ChannelView
    kinds: Sequence[str] = Field(examples=[["stock_low"]])
    shops: Sequence[str] = Field(examples=[[]])
    markets: Sequence[str] = Field(examples=[[]])
    severity_min: Literal["info", "warning", "critical"] = Field(examples=["info"])
    language: Language
    group_by: Sequence[str] = Field(examples=[["kind", "shop"]])
    group_wait_s: int = Field(examples=[30])
    group_interval_s: int = Field(examples=[300])
    repeat_after_s: int = Field(examples=[14_400])
    budget_per_min: int = Field(examples=[18])
    quiet_hours: QuietHours | None
    escalate_to: str | None = Field(examples=["managers"])
    escalate_after_s: int = Field(examples=[1800])
    changed_by: str = Field(examples=["li.na@example.com"])
    changed_at: datetime
    is_failing: bool = Field(examples=[False])
    last_code: str | None = Field(examples=["sign_invalid"])
    last_detail: str | None = Field(examples=["The signature is wrong: give the robot's secret again."])
    last_failed_at: datetime | None

    @classmethod
    def of(cls, route: Route) -> Self:
        channel = ChannelView(kind=route.channel.kind, to=route.channel.to, host=route.channel.host)
        same = {name: getattr(route, name) for name in cls.model_fields if hasattr(route, name)}
        filters = {name: getattr(route.filter, name) for name in ("kinds", "shops", "markets", "severity_min")}
        return cls(**{**same, **filters, "channel": channel})


class SilenceView(BaseModel):
    model_config = ConfigDict(title="Silence")

    silence_id: str = Field(examples=["stocktaking-2026"])
    kinds: Sequence[str] = Field(examples=[["stock_low"]])
    shops: Sequence[str] = Field(examples=[[]])
    markets: Sequence[str] = Field(examples=[[]])
    alert: str | None = Field(examples=[None])
    reason: str = Field(examples=["Stocktaking until Monday."])
    created_by: str = Field(examples=["li.na@example.com"])
    created_at: datetime
    ends_at: datetime
    ended_by: str | None = Field(examples=[None])

    @classmethod
    def of(cls, silence: Silence) -> Self:
        same = {name: getattr(silence, name) for name in cls.model_fields if hasattr(silence, name)}
        return cls(**same, kinds=silence.filter.kinds, shops=silence.filter.shops, markets=silence.filter.markets)


class NotificationView(BaseModel):
    """What became of one change of an alert on one route. `code` and `detail` are the channel's answer."""

    model_config = ConfigDict(title="Notification")

    alert: str = Field(examples=["stock/1082185"])
    change: Literal["open", "resolved"] = Field(examples=["open"])
    since: datetime
    route_id: str = Field(examples=["warehouse"])
    state: Literal["waiting", "suppressed", "sending", "retrying", "delivered", "failed"] = Field(
        examples=["delivered"]
    )
    reason: str | None = Field(description="Why it was suppressed.", examples=["silenced"])
    silence_id: str | None = Field(examples=["stocktaking-2026"])
    notification_id: str | None = Field(examples=["5b3d1c0e-5f57-5a55-8a3c-3a1f6c1e8b21"])
    sent_at: datetime | None
    attempt: int | None = Field(examples=[1])
    due_at: datetime | None = Field(description="When it is tried again.")
    code: str | None = Field(examples=["ok"])
    detail: str | None = Field(examples=[None])


async def alert_views(reader: Reader, documents: Sequence[Document]) -> list[AlertView]:
    """The alerts with their acknowledgements."""
    where = {"_id": {"$in": [document["_id"] for document in documents]}}
    known = {found["_id"]: _standings.to_entity(found) for found in await reader.find(STANDINGS, where)}
    return [_alert_view(_alerts.to_entity(document), known.get(document["_id"])) for document in documents]


def _alert_view(alert: Alert, standing: Standing | None) -> AlertView:
    return AlertView(
        alert=alert.alert,
        kind=alert.kind,
        state=alert.state,
        detail=alert.detail,
        changed_at=alert.changed_at,
        times=alert.times,
        acknowledged_by=standing.acknowledged_by if standing else None,
        acknowledged_at=standing.acknowledged_at if standing else None,
        note=standing.note if standing else None,
    )


async def notification_views(reader: Reader, documents: Sequence[Document]) -> list[NotificationView]:
    """The notices with the state of their notifications."""
    notices = [_notices.to_entity(document) for document in documents]
    where = {"_id": {"$in": sorted({notice.notification_id for notice in notices if notice.notification_id})}}
    sent = {found["_id"]: _notifications.to_entity(found) for found in await reader.find(NOTIFICATIONS, where)}
    return [_notification_view(notice, sent) for notice in notices]


def _notification_view(notice: Notice, sent: Mapping[str, Notification]) -> NotificationView:
    notification = sent.get(notice.notification_id or "")
    return NotificationView(
        alert=notice.alert,
        change=notice.item.state,
        since=notice.item.since,
        route_id=notice.route_id,
        state="waiting" if notice.state == "waiting" else "suppressed" if not notification else notification.state,
        reason=notice.reason,
        silence_id=notice.silence_id,
        notification_id=notice.notification_id,
        sent_at=notice.sent_at,
        attempt=notification.attempt if notification else None,
        due_at=notification.due_at if notification else None,
        code=notification.code if notification else None,
        detail=notification.detail if notification else None,
    )
