"""Webhooks of shops: defined by the shop, or by an administrator for it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field, SecretStr

from api.access.guard import needs
from api.access.ports import Here, Ports
from api.access.writing import Sent, Writer, Writing, refuse, written
from api.http.bodies import Body, BodyRoute
from api.http.conditions import NOT_MODIFIED, IfNoneMatch, read_response
from api.http.paging import Cursor, Limit, Page, built_page, next_link, page_of
from api.http.problems import Problem, Reason, documented
from api.identity.principal import Principal
from api.webhooks.webhooks_view import (
    BY_ID,
    DELIVERY_FIELDS,
    NEWEST_FIRST,
    NOT_REMOVED,
    DeliveryView,
    NewSecret,
    WebhookView,
    delivery_view,
    find_webhook,
    webhook_view,
    webhooks_filter,
)
from contracts.fields import ShopId
from contracts.network.view import SHOPS
from contracts.webhooks.v1 import (
    DefineWebhook,
    DeliveryId,
    EnableWebhook,
    EventTypes,
    RedeliverWebhook,
    RemoveWebhook,
    RotateWebhookSecret,
    WebhookId,
)
from contracts.webhooks.view import DELIVERIES, WEBHOOKS
from contracts.wire.envelope import Command
from infra.receivers.guard import URL_LENGTH_MAX, ReceiverRefused
from infra.receivers.shop_webhooks import guard_of_shops, new_secret, seal_secret, seal_url

router = APIRouter(prefix="/api/webhooks", tags=["webhooks"], route_class=BodyRoute)

REASONS = {
    "address_refused": Reason(
        422,
        "Events are not sent to this address; give a public https address.",
        "无法向该地址发送，请填写公网的 https 地址。",
    ),
    "webhooks_not_configured": Reason(
        503,
        "Webhooks are not set up here; an operator sets TRIBUTARY_DELIVERY_SECRET.",
        "尚未启用 webhook，须由运维设置 TRIBUTARY_DELIVERY_SECRET。",
    ),
}

Reads = Annotated[Principal, needs("webhooks:read")]
Writes = Annotated[Principal, needs("webhooks:write")]
OfWebhook = Annotated[WebhookId, Path()]


def _secret_url(url: SecretStr) -> SecretStr:
    if not 1 <= len(url.get_secret_value()) <= URL_LENGTH_MAX:
        raise ValueError(f"write an address of at most {URL_LENGTH_MAX} characters")
    return url


class NewWebhook(Body):
    url: Annotated[
        SecretStr,
        AfterValidator(_secret_url),
        Field(description="A public https address. It is kept sealed.", examples=["https://hooks.example.com/orders"]),
    ]
    types: EventTypes
    shop_id: Annotated[ShopId | None, Field(description="For administrators: whose events.")] = None


class Redelivery(Body):
    delivery_id: DeliveryId


@router.post(
    "",
    summary="Define a webhook",
    response_model=NewSecret,
    status_code=201,
    responses=written(
        "not_found",
        "shop_required",
        "address_refused",
        "webhooks_not_configured",
        "not_shop_event",
        "too_many_webhooks",
        shown=NewSecret,
        created=True,
    ),
)
async def define_webhook(body: NewWebhook, ports: Here, principal: Writes, writing: Writing) -> Response:
    """Events of these types of the shop's own orders are sent there from a few seconds later on, each as a CloudEvent
    signed as Standard Webhooks describe. The answer has the secret, which is never shown again: so a repeat with the
    same Idempotency-Key is refused.
    """
    shop_id = await _shop(ports, principal, body.shop_id)
    webhook_id, secret, sealing = writing.derived("webhook"), new_secret(), _sealing(ports)
    url = body.url.get_secret_value()
    command = DefineWebhook(
        webhook_id=webhook_id,
        shop_id=shop_id,
        types=body.types,
        host=await _host(ports, url),
        address=seal_url(url, webhook_id, sealing),
        secret=seal_secret(secret, webhook_id, sealing),
        by=principal.name[:64],
    )
    sent = await writing.send(command, location=f"/api/webhooks/{webhook_id}")
    response = await _with_secret(writing, sent, secret, lambda: find_webhook(ports.store, principal, webhook_id))
    response.status_code = 201 if sent.outcome is not None else response.status_code
    response.headers.setdefault("Location", f"/api/webhooks/{webhook_id}")
    return response


@router.get("", summary="List webhooks", responses=documented("invalid_cursor"))
async def list_webhooks(
    request: Request, ports: Here, principal: Reads, limit: Limit = 50, cursor: Cursor = None
) -> Page[WebhookView]:
    """By id. A shop sees its own."""
    found, after = await page_of(
        ports.store,
        WEBHOOKS,
        BY_ID,
        reach=webhooks_filter(principal),
        checked=[NOT_REMOVED],
        cursor=cursor,
        limit=limit,
    )
    return Page(items=[webhook_view(document) for document in found], next=next_link(request, after))


@router.get(
    "/{webhook_id}",
    summary="Show a webhook",
    response_model=WebhookView,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def show_webhook(
    webhook_id: OfWebhook, request: Request, ports: Here, principal: Reads, if_none_match: IfNoneMatch = None
) -> Response:
    return read_response(request, await find_webhook(ports.store, principal, webhook_id))


@router.get(
    "/{webhook_id}/attempts",
    summary="List what was sent to a webhook",
    response_model=Page[DeliveryView],
    responses=documented("not_found", "invalid_cursor"),
)
async def list_attempts(
    webhook_id: OfWebhook, request: Request, ports: Here, principal: Reads, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The events, newest first, each with its attempts. They are kept for 30 days after they ended."""
    await find_webhook(ports.store, principal, webhook_id)
    found, after = await page_of(
        ports.store,
        DELIVERIES,
        NEWEST_FIRST,
        listed=[{"webhook_id": webhook_id}],
        cursor=cursor,
        limit=limit,
        fields=DELIVERY_FIELDS,
    )
    return await built_page(
        Page[DeliveryView],
        sum(len(document["notes"]) for document in found),
        lambda: [delivery_view(document) for document in found],
        next_link(request, after),
    )


@router.delete(
    "/{webhook_id}",
    summary="Remove a webhook",
    response_model=WebhookView,
    responses=written("not_found", "webhook_unknown", shown=WebhookView),
)
async def remove_webhook(webhook_id: OfWebhook, ports: Here, principal: Writes, writing: Writing) -> Response:
    """Nothing more is sent there, also not what waits."""
    known = await find_webhook(ports.store, principal, webhook_id)
    command = RemoveWebhook(webhook_id=webhook_id, shop_id=known.shop_id, by=principal.name[:64])
    return await _changed(ports, writing, command, known)


@router.post(
    "/{webhook_id}/rotate-secret",
    summary="Rotate a webhook's secret",
    response_model=NewSecret,
    responses=written("not_found", "webhook_unknown", "webhooks_not_configured", shown=NewSecret),
)
async def rotate_secret(webhook_id: OfWebhook, ports: Here, principal: Writes, writing: Writing) -> Response:
    """Events are signed with the new secret, which is shown this once, and for a day with the present one too."""
    known = await find_webhook(ports.store, principal, webhook_id)
    secret = new_secret()
    command = RotateWebhookSecret(
        webhook_id=webhook_id,
        shop_id=known.shop_id,
        secret=seal_secret(secret, webhook_id, _sealing(ports)),
        by=principal.name[:64],
    )
    sent = await writing.send(command)
    return await _with_secret(writing, sent, secret, lambda: find_webhook(ports.store, principal, webhook_id))


@router.post(
    "/{webhook_id}/enable",
    summary="Enable a webhook",
    response_model=WebhookView,
    responses=written("not_found", "webhook_unknown", shown=WebhookView),
)
async def enable_webhook(webhook_id: OfWebhook, ports: Here, principal: Writes, writing: Writing) -> Response:
    """After it was disabled: what waits is sent first."""
    known = await find_webhook(ports.store, principal, webhook_id)
    command = EnableWebhook(webhook_id=webhook_id, shop_id=known.shop_id, by=principal.name[:64])
    return await _changed(ports, writing, command, known)


@router.post(
    "/{webhook_id}/redeliver",
    summary="Send an event again",
    response_model=WebhookView,
    responses=written("not_found", "webhook_unknown", "delivery_unknown", "not_ended", shown=WebhookView),
)
async def redeliver(
    webhook_id: OfWebhook, body: Redelivery, ports: Here, principal: Writes, writing: Writing
) -> Response:
    """A delivery that failed, or was delivered, is sent under the same `webhook-id`, with all its retries."""
    known = await find_webhook(ports.store, principal, webhook_id)
    command = RedeliverWebhook(
        webhook_id=webhook_id, shop_id=known.shop_id, delivery_id=body.delivery_id, by=principal.name[:64]
    )
    return await _changed(ports, writing, command, known)


async def _changed(ports: Ports, writing: Writer, command: Command, known: WebhookView) -> Response:
    async def show() -> WebhookView:
        [document] = await ports.store.find(WEBHOOKS, {"_id": known.webhook_id}, limit=1)
        return webhook_view(document)

    return await writing.write(command, show, before=known.model_dump(mode="json"))


async def _with_secret(
    writing: Writer, sent: Sent, secret: str, show: Callable[[], Awaitable[WebhookView]]
) -> JSONResponse:
    """The answer with the secret, also while the outcome is not known yet: it cannot be asked for later."""
    if sent.outcome is None:
        response = writing.accepted(sent.message_id)
        body = {**json.loads(bytes(response.body)), "secret": secret}
        headers = {name: value for name, value in response.headers.items() if name != "content-length"}
        return JSONResponse(body, status_code=202, headers=headers)
    refuse(sent)
    shown = await show()
    return JSONResponse(
        NewSecret(**shown.model_dump(), secret=secret).model_dump(mode="json"), headers={"Cache-Control": "no-store"}
    )


async def _shop(ports: Ports, principal: Principal, named: str | None) -> str:
    """Whose events: a shop's own, or the registered shop that an administrator names."""
    if principal.kind == "shop" and principal.shop_id is not None:
        if named not in (None, principal.shop_id):
            raise Problem("not_found")
        return principal.shop_id
    if principal.kind != "admin":
        raise Problem("not_found")
    if named is None:
        raise Problem("shop_required")
    if not await ports.store.find(SHOPS, {"_id": named}, limit=1, fields=("_id",)):
        raise Problem("not_found")
    return named


async def _host(ports: Ports, url: str) -> str:
    try:
        receiver = await guard_of_shops(ports.settings).check(url)
    except ReceiverRefused as error:
        raise Problem("address_refused", detail=error.detail) from error
    return receiver.host


def _sealing(ports: Ports) -> SecretStr:
    if ports.settings.delivery_secret is None:
        raise Problem("webhooks_not_configured")
    return ports.settings.delivery_secret
