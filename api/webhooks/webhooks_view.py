"""Webhooks and their deliveries, as shown. Neither address nor secret is: only the host."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.access.scope import NOTHING
from api.http.paging import Sorting
from api.http.problems import Problem
from api.identity.principal import Principal
from contracts.webhooks.view import WEBHOOKS, DeliveryState, WebhookState
from infra.ports.store import Document, Reader

BY_ID = Sorting("_id", str)
NEWEST_FIRST = Sorting("created_at", datetime, direction=-1)

NOT_REMOVED = {"state": {"$in": ["enabled", "disabled"]}}


class WebhookView(BaseModel):
    model_config = ConfigDict(title="Webhook")

    webhook_id: str = Field(examples=["3c1f6a52-4d1e-4c7b-9a0e-0c1f7f6f3f11"])
    shop_id: str = Field(examples=["shop-367"])
    types: list[str] = Field(examples=[["order.paid.v1"]])
    host: str = Field(description="The host of its address.", examples=["hooks.example.com"])
    state: WebhookState = Field(
        description="`disabled`: its receiver is gone, or took nothing for a day.", examples=["enabled"]
    )
    defined_at: datetime
    previous_secret_until: datetime | None = Field(
        description="Until then events are also signed with the secret before.", examples=[None]
    )
    waiting: int = Field(description="Events that wait to be sent.", examples=[0])
    not_kept: int = Field(description="Events that are never sent, as too many waited when they came.", examples=[0])
    failing_since: datetime | None = Field(description="Since then every attempt has failed.", examples=[None])
    paused_until: datetime | None = Field(description="Nothing is sent before, as attempts failed.", examples=[None])
    code: str | None = Field(description="Why it is disabled, as a code.", examples=[None])
    detail: str | None = Field(description="Why it is disabled.", examples=[None])


class NewSecret(WebhookView):
    model_config = ConfigDict(title="WebhookWithSecret")

    secret: str = Field(
        description="The secret to verify signatures with (Standard Webhooks). It is shown this once.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )


class AttemptView(BaseModel):
    model_config = ConfigDict(title="WebhookAttempt")

    attempt: int = Field(examples=[1])
    at: datetime
    outcome: str = Field(
        description="`done`: delivered. `unknown`: the receiver may have it. `unavailable`, `refused`: it has not.",
        examples=["done"],
    )
    code: str = Field(examples=["delivered"])
    detail: str = Field(examples=["hooks.example.com answered 204."])


class DeliveryView(BaseModel):
    model_config = ConfigDict(title="WebhookDelivery")

    delivery_id: str = Field(
        description="The header `webhook-id` of all its attempts.", examples=["8f0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11"]
    )
    event_id: str = Field(examples=["019a43c1-6c40-8b55-8a3c-3a1f6c1e8b21"])
    type: str = Field(description="The type of the event.", examples=["order.paid.v1"])
    state: DeliveryState = Field(examples=["delivered"])
    created_at: datetime
    due_at: datetime | None = Field(description="When the next attempt is due.", examples=[None])
    attempts: list[AttemptView]


DELIVERY_FIELDS = ("event_id", "event_type", "state", "created_at", "due_at", "notes")
"""What `delivery_view` reads: neither the event nor what was sealed for its sending."""


def webhooks_filter(principal: Principal) -> dict[str, Any]:
    """The condition for webhooks: all for an administrator, its own for a shop, none for others."""
    if principal.kind == "admin":
        return {}
    if principal.kind == "shop" and principal.shop_id is not None:
        return {"shop_id": principal.shop_id}
    return NOTHING


def webhook_view(document: Document) -> WebhookView:
    return WebhookView(
        webhook_id=document["_id"],
        shop_id=document["shop_id"],
        types=list(document["types"]),
        host=document["host"],
        state=document["state"],
        defined_at=document["defined_at"],
        previous_secret_until=document.get("previous_until"),
        waiting=document["waiting"],
        not_kept=document["not_kept"],
        failing_since=document.get("failing_since"),
        paused_until=document.get("paused_until"),
        code=document.get("code"),
        detail=document.get("detail"),
    )


def delivery_view(document: Document) -> DeliveryView:
    return DeliveryView(
        delivery_id=document["_id"],
        event_id=document["event_id"],
        type=document["event_type"],
        state=document["state"],
        created_at=document["created_at"],
        due_at=document.get("due_at"),
        attempts=[AttemptView(**note) for note in document["notes"]],
    )


async def find_webhook(reader: Reader, principal: Principal, webhook_id: str) -> WebhookView:
    """Raises Problem not_found, also for one of another shop."""
    conditions = [{"_id": webhook_id}, NOT_REMOVED, webhooks_filter(principal)]
    found = await reader.find(WEBHOOKS, {"$and": [each for each in conditions if each]}, limit=1)
    if not found:
        raise Problem("not_found")
    return webhook_view(found[0])
