"""The rules of webhooks: what a shop defines, and its commands about what was sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from contracts.webhooks.v1 import (
    DefineWebhook,
    DisableWebhook,
    EnableWebhook,
    RedeliverWebhook,
    RemoveWebhook,
    RotateWebhookSecret,
    WebhookDefined,
    WebhookDisabled,
    WebhookEnabled,
    WebhookRedelivered,
    WebhookRefused,
    WebhookRemoved,
    WebhookSecretRotated,
)
from contracts.webhooks.view import Webhook
from contracts.wire.catalogue import ALL
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from contracts.wire.refusal import Refusing
from workers.shop_webhooks.model import (
    DEFINED_MAX,
    DEFINED_WITHIN,
    PREVIOUS_SECRET_FOR,
    WEBHOOKS_MAX,
    State,
    succeeded,
)
from workers.shop_webhooks.sending import send_due

AnyCommand = DefineWebhook | RemoveWebhook | RotateWebhookSecret | EnableWebhook | DisableWebhook | RedeliverWebhook

refuse_unreadable = Refusing[AnyCommand](WebhookRefused, "webhook_id", "shop_id")


def define(state: State, message: Message[DefineWebhook]) -> Decision[State]:
    """Define a webhook for events that shops may read. A webhook keeps its types and its address."""
    command = message.data
    if command.webhook_id in state.webhooks:
        detail = "webhook_id: it is in use; remove that webhook, and define another."
        return _refuse(state, command, "already_defined", detail)
    foreign = [name for name in command.types if name not in ALL or not ALL[name].shop_reads]
    if foreign:
        detail = f"types: {foreign[0]} is no event that a shop gets; name types of events of its own orders."
        return _refuse(state, command, "not_shop_event", detail)
    if too_many := _too_many(state, command, message.bounded_time):
        return _refuse(state, command, "too_many_webhooks", too_many)
    webhook = Webhook(
        webhook_id=command.webhook_id,
        shop_id=command.shop_id,
        types=tuple(dict.fromkeys(command.types)),
        host=command.host,
        address=command.address,
        secret=command.secret,
        state="enabled",
        defined_at=message.bounded_time,
    )
    defined = WebhookDefined(
        webhook_id=webhook.webhook_id,
        shop_id=webhook.shop_id,
        types=webhook.types,
        host=webhook.host,
        by=command.by,
    )
    return Decision(state.with_webhook(webhook), (defined,), "defined")


def _too_many(state: State, command: DefineWebhook, now: datetime) -> str | None:
    own = [each for each in state.webhooks.values() if each.shop_id == command.shop_id]
    if sum(each.state != "removed" for each in own) >= WEBHOOKS_MAX:
        return f"shop_id: {command.shop_id} has {WEBHOOKS_MAX} webhooks; remove one first."
    if sum(each.defined_at > now - DEFINED_WITHIN for each in own) >= DEFINED_MAX:
        return f"shop_id: {command.shop_id} defined {DEFINED_MAX} webhooks within a day; define another one tomorrow."
    return None


def remove(state: State, message: Message[RemoveWebhook]) -> Decision[State]:
    """Nothing more is sent there. An attempt under way still ends, and the ticks end what waits."""
    webhook = _known(state, message.data)
    if webhook is None:
        return _refuse_unknown(state, message.data)
    now = message.bounded_time
    look_at = now if webhook.waiting else None
    crossings = webhook.crossings + 1
    removed = replace(webhook, state="removed", crossings=crossings, removed_at=now, look_at=look_at)
    event = WebhookRemoved(
        webhook_id=webhook.webhook_id, shop_id=webhook.shop_id, crossing=removed.crossings, by=message.data.by
    )
    return Decision(state.with_webhook(removed), (event,), "removed")


def rotate_secret(state: State, message: Message[RotateWebhookSecret]) -> Decision[State]:
    """The new secret signs from now on, and for a day the present one too, so that the receiver can change over."""
    webhook = _known(state, message.data)
    if webhook is None:
        return _refuse_unknown(state, message.data)
    until = message.bounded_time + PREVIOUS_SECRET_FOR
    rotated = replace(webhook, secret=message.data.secret, previous_secret=webhook.secret, previous_until=until)
    event = WebhookSecretRotated(
        webhook_id=webhook.webhook_id, shop_id=webhook.shop_id, previous_until=until, by=message.data.by
    )
    return Decision(state.with_webhook(rotated), (event,), "rotated")


def enable(state: State, message: Message[EnableWebhook]) -> Decision[State]:
    """Send again. The ticks send what waits."""
    webhook = _known(state, message.data)
    if webhook is None:
        return _refuse_unknown(state, message.data)
    if webhook.state == "enabled":
        return Decision(state, outcome="already_enabled")
    enabled = replace(
        succeeded(webhook),
        state="enabled",
        crossings=webhook.crossings + 1,
        code=None,
        detail=None,
        look_at=message.bounded_time if webhook.waiting else None,
    )
    event = WebhookEnabled(
        webhook_id=webhook.webhook_id, shop_id=webhook.shop_id, crossing=enabled.crossings, by=message.data.by
    )
    return Decision(state.with_webhook(enabled), (event,), "enabled")


def disable(state: State, message: Message[DisableWebhook]) -> Decision[State]:
    """Send nothing more there, as after an answer 410: its shop was disabled. An attempt under way still ends."""
    webhook = _known(state, message.data)
    if webhook is None:
        return _refuse_unknown(state, message.data)
    if webhook.state == "disabled":
        return Decision(state, outcome="already_disabled")
    code, detail = "by_operator", f"{message.data.by} disabled it."
    disabled = replace(webhook, state="disabled", crossings=webhook.crossings + 1, code=code, detail=detail)
    event = WebhookDisabled(
        webhook_id=webhook.webhook_id,
        shop_id=webhook.shop_id,
        host=webhook.host,
        crossing=disabled.crossings,
        code=code,
        detail=detail,
        by=message.data.by,
    )
    return Decision(state.with_webhook(disabled), (event,), "disabled")


def redeliver(state: State, message: Message[RedeliverWebhook]) -> Decision[State]:
    """Begin another series of attempts of a delivery that has ended, under the same id."""
    command = message.data
    webhook = _known(state, command)
    if webhook is None:
        return _refuse_unknown(state, command)
    delivery = state.deliveries.get(command.delivery_id)
    if delivery is None or delivery.webhook_id != command.webhook_id:
        detail = f"delivery_id: webhook {command.webhook_id} has no such delivery; its attempts show those it has."
        return _refuse(state, command, "delivery_unknown", detail)
    if delivery.state not in ("failed", "delivered"):
        detail = f"delivery_id: the delivery is {delivery.state}; only one that has ended is sent again by hand."
        return _refuse(state, command, "not_ended", detail)
    now = message.bounded_time
    again = replace(
        delivery,
        state="waiting",
        due_at=now,
        ended_at=None,
        attempts_before=delivery.attempts,
        redeliveries=delivery.redeliveries + (delivery.state == "delivered"),
    )
    after, due = send_due(state.with_delivery(again), now)
    event = WebhookRedelivered(
        webhook_id=webhook.webhook_id, shop_id=webhook.shop_id, delivery_id=delivery.delivery_id, by=command.by
    )
    return Decision(after, (event, *due), "redelivered")


def _known(state: State, command: AnyCommand) -> Webhook | None:
    """The webhook, if it exists and is the shop's."""
    webhook = state.webhooks.get(command.webhook_id)
    return webhook if webhook and webhook.shop_id == command.shop_id and webhook.state != "removed" else None


def _refuse_unknown(state: State, command: AnyCommand) -> Decision[State]:
    detail = f"webhook_id: shop {command.shop_id} has no webhook {command.webhook_id}."
    return _refuse(state, command, "webhook_unknown", detail)


def _refuse(state: State, command: AnyCommand, reason: str, detail: str) -> Decision[State]:
    refused = WebhookRefused(webhook_id=command.webhook_id, shop_id=command.shop_id, reason=reason, detail=detail)
    return Decision(state, (refused,), "refused")
