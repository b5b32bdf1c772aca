"""The routes by which alerts are sent. The addresses of their channels are sealed before they are a message."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field, SecretStr

from api.access.ports import Here, Ports
from api.access.writing import Writing, written
from api.alerts.routes import Reads, Writes
from api.alerts.view import RouteView, route_of
from api.http.bodies import Body, BodyRoute
from api.http.paging import Cursor, Limit, Page, Sorting, next_link, page_of
from api.http.problems import Problem, Reason, documented
from contracts.alert_routing.v1 import DefineRoute, RemoveRoute, RouteTerms, TestRoute
from contracts.notifications.channel import Channel, EmailAddress, Kind, NewChannel
from contracts.notifications.view import ROUTES, Route
from infra.receivers.addresses import Address, address_of, open_address, sealed_channel
from infra.receivers.guard import ReceiverRefused
from infra.sealing import CannotUnseal

REASONS = {
    "receiver_refused": Reason(
        422, "The channel's address or secret cannot be used.", "该渠道的地址或密钥不可用，请更正。"
    )
}

router = APIRouter(prefix="/api/notification-routes", tags=["alerts"], route_class=BodyRoute)

RoutePart = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$", examples=["warehouse"])]
_BY_ID = Sorting("_id", str)
_ACTIVE = {"state": "active"}


class GivenChannel(Body):
    """An e-mail has readers in `to`, all else a `url`. Without a `url`, a route keeps the one that it has."""

    kind: Kind = Field(examples=["email"])
    to: Annotated[list[EmailAddress], Field(max_length=20, examples=[["warehouse@example.com"]])] = Field(
        default_factory=list
    )
    url: Annotated[SecretStr | None, Field(max_length=2048, examples=[None])] = None
    secret: Annotated[SecretStr | None, Field(max_length=1024, examples=[None])] = None


class NewRoute(RouteTerms, Body):
    channel: GivenChannel


@router.get("", summary="List notification routes", responses=documented("invalid_cursor"))
async def list_routes(
    request: Request, ports: Here, principal: Reads, limit: Limit = 50, cursor: Cursor = None
) -> Page[RouteView]:
    """By id."""
    found, after = await page_of(ports.store, ROUTES, _BY_ID, listed=[_ACTIVE], cursor=cursor, limit=limit)
    return Page(items=[RouteView.of(route_of(document)) for document in found], next=next_link(request, after))


@router.get(
    "/{route_id}",
    summary="Show a notification route",
    response_model=RouteView,
    responses=documented("unknown_route"),
)
async def show_route(route_id: RoutePart, ports: Here, principal: Reads) -> RouteView:
    """With its newest failure, and without its address."""
    return await _shown(ports, route_id)


@router.put(
    "/{route_id}",
    summary="Define a notification route",
    response_model=RouteView,
    responses=written("unknown_route", "receiver_refused", "too_many_routes", "unknown_escalation", shown=RouteView),
)
async def define_route(
    route_id: RoutePart, body: NewRoute, ports: Here, principal: Writes, writing: Writing
) -> Response:
    """All of it: what is left out has its default. What waits for the route goes by the new definition."""
    if body.escalate_to == route_id:
        raise Problem("unknown_escalation", detail="escalate_to: this is the route itself; name another route.")
    channel = NewChannel(**(await _channel(ports, route_id, body.channel)).model_dump())
    terms = body.model_dump(exclude={"channel"})
    command = DefineRoute(route_id=route_id, channel=channel, by=principal.name[:64], **terms)
    return await writing.write(command, lambda: _shown(ports, route_id))


@router.delete(
    "/{route_id}",
    summary="Remove a notification route",
    response_model=RouteView,
    responses=written("unknown_route", "route_in_use", shown=RouteView),
)
async def remove_route(route_id: RoutePart, ports: Here, principal: Writes, writing: Writing) -> Response:
    """What waits for it is suppressed. What was sent stays listed."""
    command = RemoveRoute(route_id=route_id, by=principal.name[:64])
    return await writing.write(command, lambda: _shown(ports, route_id, removed=True))


@router.post(
    "/{route_id}/test",
    summary="Test a notification route",
    response_model=RouteView,
    responses=written("unknown_route", shown=RouteView),
)
async def test_route(route_id: RoutePart, ports: Here, principal: Writes, writing: Writing) -> Response:
    """Sends a notification at once. A failure is then in `last_detail` of the route."""
    command = TestRoute(route_id=route_id, by=principal.name[:64])
    return await writing.write(command, lambda: _shown(ports, route_id))


async def _route(ports: Ports, route_id: str) -> Route | None:
    found = await ports.store.find(ROUTES, {"_id": route_id}, limit=1)
    return route_of(found[0]) if found else None


async def _shown(ports: Ports, route_id: str, *, removed: bool = False) -> RouteView:
    route = await _route(ports, route_id)
    if route is None or (route.state == "removed" and not removed):
        raise Problem("unknown_route")
    return RouteView.of(route)


async def _channel(ports: Ports, route_id: str, given: GivenChannel) -> Channel:
    """The channel with its address sealed. An address that the route has already keeps its sealed text, so that a
    repeated request is the same command. Raises Problem receiver_refused.
    """
    try:
        address = address_of(given.kind, given.to, given.url, given.secret)
        if given.kind == "email":
            return Channel(kind="email", to=given.to)
        route = await _route(ports, route_id)
        known = route.channel if route is not None and route.channel.kind == given.kind else None
        if known is not None and address in (None, _opened(known, route_id, ports)):
            return known
        if address is None:
            raise Problem("receiver_refused", detail="channel.url: give the address of the channel.")
        return await sealed_channel(given.kind, address, route_id, ports.settings)
    except ReceiverRefused as error:
        raise Problem("receiver_refused", detail=f"channel: {error}") from error


def _opened(channel: Channel, route_id: str, ports: Ports) -> Address | None:
    try:
        return open_address(channel.sealed or "", route_id, ports.settings.delivery_secret)
    except CannotUnseal:
        return None
