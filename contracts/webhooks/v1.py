"""Webhooks of shops, version 1. Addresses and secrets are sealed: only the process that sends can open them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from contracts.fields import Code, Detail, OsUser, ShopId
from contracts.notifications.channel import Sealed
from contracts.operations.v1 import AnyOperator, Operator
from contracts.wire.envelope import Command, Event, Refusal, Timestamp

WebhookId = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="The webhook.", examples=["5f0c1f0e-93a5-4c1b"])
]
DeliveryId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="One event for one webhook; the same for each attempt, as `webhook-id`.",
        examples=["8f0e6a52-53f4-5bb1-9a0e-0c1f7f6f3f11"],
    ),
]
EventTypes = Annotated[
    tuple[Annotated[str, Field(max_length=64)], ...],
    Field(
        min_length=1,
        max_length=32,
        description="Types of events of the shop's own orders, with their versions.",
        examples=[["order.paid.v1", "order.refunded.v1"]],
    ),
]
Host = Annotated[
    str, Field(min_length=1, max_length=255, description="The host of the address.", examples=["example.com"])
]
Crossing = Annotated[
    StrictInt, Field(description="How often the webhook was enabled or disabled; the highest is the newest.")
]
Attempt = Annotated[StrictInt, Field(ge=1, description="The number of the attempt, from 1.", examples=[1])]


class OfWebhook:
    webhook_id: str

    def about(self) -> str:
        return f"webhook/{self.webhook_id}"


class DefineWebhook(OfWebhook, Command, type="webhook.define.v1"):
    """Send the events of these types of the shop's own orders to an address, from now on."""

    webhook_id: WebhookId
    shop_id: ShopId
    types: EventTypes
    host: Host
    address: Annotated[Sealed, Field(repr=False)]
    secret: Annotated[Sealed, Field(repr=False)]
    by: Operator
    os_user: OsUser = None


class RemoveWebhook(OfWebhook, Command, type="webhook.remove.v1"):
    """Send nothing more there, also not what waits."""

    webhook_id: WebhookId
    shop_id: ShopId
    by: Operator
    os_user: OsUser = None


class RotateWebhookSecret(OfWebhook, Command, type="webhook.rotate-secret.v1"):
    """Sign with a new secret, and for a day with the present one too."""

    webhook_id: WebhookId
    shop_id: ShopId
    secret: Annotated[Sealed, Field(repr=False)]
    by: Operator
    os_user: OsUser = None


class EnableWebhook(OfWebhook, Command, type="webhook.enable.v1"):
    """Send again, first what waits: the receiver is back."""

    webhook_id: WebhookId
    shop_id: ShopId
    by: Operator
    os_user: OsUser = None


class DisableWebhook(OfWebhook, Command, type="webhook.disable.v1"):
    """Send nothing more there until it is enabled, as an answer 410 does. What waits is kept."""

    webhook_id: WebhookId
    shop_id: ShopId
    by: Operator
    os_user: OsUser = None


class RedeliverWebhook(OfWebhook, Command, type="webhook.redeliver.v1"):
    """Send a delivery that has ended again, with all its retries."""

    webhook_id: WebhookId
    shop_id: ShopId
    delivery_id: DeliveryId
    by: Operator
    os_user: OsUser = None


class WebhookDefined(OfWebhook, Event, type="webhook.defined.v1"):
    webhook_id: WebhookId
    shop_id: ShopId
    types: EventTypes
    host: Host
    by: AnyOperator


class WebhookRemoved(OfWebhook, Event, type="webhook.removed.v1"):
    webhook_id: WebhookId
    shop_id: ShopId
    crossing: Crossing
    by: AnyOperator


class WebhookSecretRotated(OfWebhook, Event, type="webhook.secret-rotated.v1"):
    webhook_id: WebhookId
    shop_id: ShopId
    previous_until: Annotated[Timestamp, Field(description="Until then the secret before signs too.")]
    by: AnyOperator


class WebhookEnabled(OfWebhook, Event, type="webhook.enabled.v1"):
    webhook_id: WebhookId
    shop_id: ShopId
    crossing: Crossing
    by: AnyOperator


class WebhookDisabled(OfWebhook, Event, type="webhook.disabled.v1"):
    """The receiver answered that it is gone (`gone`) or took nothing for a day (`failing`), or an operator disabled it.

    What waits is kept until a person enables the webhook, or removes it.
    """

    webhook_id: WebhookId
    shop_id: ShopId
    host: Host
    crossing: Crossing
    code: Code
    detail: Detail
    by: Annotated[AnyOperator | None, Field(description="The operator; absent for an answer of the receiver.")] = None


class WebhookRedelivered(OfWebhook, Event, type="webhook.redelivered.v1"):
    """A delivery is sent again."""

    webhook_id: WebhookId
    shop_id: ShopId
    delivery_id: DeliveryId
    by: AnyOperator


class WebhookRefused(OfWebhook, Refusal, type="webhook.refused.v1"):
    """A command about a webhook was not carried out."""

    webhook_id: WebhookId
    shop_id: ShopId
    reason: Annotated[Code, Field(examples=["webhook_unknown"])]
    detail: Detail


class ShopEventCopied(Event, type="shop.event-copied.v1"):
    """The shop's copy of an event of its own order, as it may read it, for its webhooks. `event` is a CloudEvent."""

    shop_id: ShopId
    event_id: Annotated[str, Field(min_length=1, max_length=128, examples=["019a43c1-6c40-8b55-8a3c-3a1f6c1e8b21"])]
    event_type: Annotated[str, Field(max_length=64, examples=["order.paid.v1"])]
    event: Annotated[str, Field(repr=False, examples=['{"specversion":"1.0","type":"order.paid.v1"}'])]

    def about(self) -> str:
        return f"shop-event/{self.event_id}"


class WebhookDue(OfWebhook, Event, type="webhook.due.v1"):
    """An event is to be sent to a webhook now, signed with each of the secrets."""

    webhook_id: WebhookId
    shop_id: ShopId
    delivery_id: DeliveryId
    attempt: Attempt
    host: Host
    address: Annotated[Sealed, Field(repr=False)]
    secrets: Annotated[tuple[Sealed, ...], Field(min_length=1, max_length=2, repr=False)]
    event: Annotated[str, Field(repr=False, examples=['{"specversion":"1.0","type":"order.paid.v1"}'])]
    redelivery: Annotated[
        StrictInt, Field(ge=0, description="How often it was asked for again after it was delivered.")
    ] = 0


class WebhookDelivered(OfWebhook, Event, type="webhook.delivered.v1"):
    """The receiver answered that it has the event."""

    webhook_id: WebhookId
    shop_id: ShopId
    delivery_id: DeliveryId
    attempt: Attempt
    code: Code
    detail: Detail
    delivered_at: Timestamp


class WebhookFailed(OfWebhook, Event, type="webhook.failed.v1"):
    """An attempt failed. `unknown`: the receiver may have the event; it recognises a repeat by `webhook-id`."""

    webhook_id: WebhookId
    shop_id: ShopId
    delivery_id: DeliveryId
    attempt: Attempt
    outcome: Annotated[Literal["refused", "unavailable", "unknown"], Field(examples=["unavailable"])]
    code: Code
    detail: Detail
    retry_after_s: Annotated[StrictInt | None, Field(ge=0, examples=[60])] = None
    failed_at: Timestamp
