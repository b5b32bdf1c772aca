"""Alerts and what became of them, and silences."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from api.access.guard import needs
from api.access.ports import Here, Ports
from api.access.writing import Writing, written
from api.alerts.view import AlertView, NotificationView, SilenceView, alert_views, notification_views, silence_of
from api.http.bodies import Body, BodyRoute
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from contracts.alert_routing.v1 import (
    AcknowledgeAlert,
    AlertKey,
    CreateSilence,
    EndSilence,
    Kinds,
    Markets,
    Shops,
    SilenceId,
    SilenceReason,
)
from contracts.fields import Code
from contracts.notifications.view import NOTICES, SILENCES
from contracts.operations.v1 import Note
from contracts.operations.view import ALERTS
from contracts.wire.envelope import Timestamp

router = APIRouter(prefix="/api", tags=["alerts"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("alerts:read")]
Writes = Annotated[Principal, needs("alerts:write")]
SilencePart = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,64}$", examples=["stocktaking-2026"])]

_BY_KEY = Sorting("_id", str)
_NEWEST = Sorting("_id", str, -1)


class Acknowledged(Body):
    """The key is in the body, since it has slashes."""

    alert: AlertKey
    note: Note = None


class NewSilence(Body):
    silence_id: SilenceId
    kinds: Kinds = ()
    shops: Shops = ()
    markets: Markets = ()
    alert: AlertKey | None = None
    until: Timestamp
    reason: SilenceReason


@router.get("/alerts", summary="List alerts", responses=documented("invalid_cursor"))
async def list_alerts(
    request: Request,
    ports: Here,
    principal: Reads,
    state: Annotated[Literal["open", "resolved"] | None, Query()] = None,
    kind: Annotated[Code | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AlertView]:
    """By key, with who takes care of them."""
    listed = [{"state": state}] if state is not None else []
    checked = [{"kind": kind}] if kind is not None else []
    found, after = await page_of(
        ports.store, ALERTS, _BY_KEY, listed=listed, checked=checked, cursor=cursor, limit=limit
    )
    return Page(items=await alert_views(ports.store, found), next=next_link(request, after))


@router.post(
    "/alerts/acknowledge",
    summary="Acknowledge an alert",
    response_model=AlertView,
    responses=written("unknown_alert", "alert_not_open", shown=AlertView),
)
async def acknowledge_alert(body: Acknowledged, ports: Here, principal: Writes, writing: Writing) -> Response:
    """It is neither sent again nor escalated until it is raised again."""

    async def shown() -> AlertView:
        found = await ports.store.find(ALERTS, {"_id": body.alert}, limit=1)
        if not found:
            raise Problem("unknown_alert")
        [view] = await alert_views(ports.store, found)
        return view

    command = AcknowledgeAlert(alert=body.alert, note=body.note, by=principal.name[:64])
    return await writing.write(command, shown)


@router.get("/notifications", summary="List what became of alerts", responses=documented("invalid_cursor"))
async def list_notifications(
    request: Request,
    ports: Here,
    principal: Reads,
    alert: Annotated[str | None, Query(max_length=512, examples=["stock/1082185"])] = None,
    route: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["warehouse"])] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[NotificationView]:
    """Newest first: one item for each change of an alert and each route that matched it."""
    filters = {"alert": alert, "route_id": route}
    listed = [{name: value} for name, value in filters.items() if value is not None]
    found, after = await page_of(ports.store, NOTICES, _NEWEST, listed=listed, cursor=cursor, limit=limit)
    return Page(items=await notification_views(ports.store, found), next=next_link(request, after))


@router.get("/silences", summary="List silences", responses=documented("invalid_cursor"))
async def list_silences(
    request: Request, ports: Here, principal: Reads, limit: Limit = 50, cursor: Cursor = None
) -> Page[SilenceView]:
    """By id, also those that have ended."""
    found, after = await page_of(ports.store, SILENCES, _BY_KEY, cursor=cursor, limit=limit)
    views = [SilenceView.of(silence_of(document)) for document in found]
    return Page(items=views, next=next_link(request, after))


@router.post(
    "/silences",
    summary="Silence alerts",
    response_model=SilenceView,
    status_code=201,
    responses=written(
        "silence_too_broad",
        "silence_time",
        "too_many_silences",
        "conflicting_reference",
        shown=SilenceView,
        created=True,
    ),
)
async def create_silence(body: NewSilence, ports: Here, principal: Writes, writing: Writing) -> Response:
    """Alerts that match all of what is named are not sent until its end. What is open then is sent."""
    command = CreateSilence(**body.model_dump(), by=principal.name[:64])
    location = f"/api/silences/{body.silence_id}"
    return await writing.write(command, lambda: _silence(ports, body.silence_id), location=location)


@router.delete(
    "/silences/{silence_id}",
    summary="End a silence",
    response_model=SilenceView,
    responses=written("unknown_silence", shown=SilenceView),
)
async def end_silence(silence_id: SilencePart, ports: Here, principal: Writes, writing: Writing) -> Response:
    """Before its time. Alerts that are still open are sent within an hour."""
    command = EndSilence(silence_id=silence_id, by=principal.name[:64])
    return await writing.write(command, lambda: _silence(ports, silence_id))


async def _silence(ports: Ports, silence_id: str) -> SilenceView:
    found = await ports.store.find(SILENCES, {"_id": silence_id}, limit=1)
    if not found:
        raise Problem("unknown_silence")
    return SilenceView.of(silence_of(found[0]))
