"""The rules of webhooks: what a shop defines, and its commands about what was sent."""

from __future__ import annotations

from dataclasses import replace

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
from workers.shop_webhooks.model import PREVIOUS_SECRET_FOR, WEBHOOKS_MAX, State
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
    kept = [each for each in state.webhooks.values() if each.shop_id == command.shop_id and each.state != "removed"]
    if len(kept) >= WEBHOOKS_MAX:
        detail = f"shop_id: {command.shop_id} has {WEBHOOKS_MAX} webhooks; remove one first."
        return _refuse(state, command, "too_many_webhooks", detail)
    webhook = Webhook(
        webhook_id=command.webhook_id,
        shop_id=command.shop_id,
        types=command.types,
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


def remove(state: State, message: Message[RemoveWebhook]) -> Decision[State]:
    """Nothing more is sent there. An attempt under way still ends, and the ticks end what waits."""
    webhook = _known(state, message.data)
    if webhook is None:
        return _refuse_unknown(state, message.data)
    removed = replace(webhook, state="removed", crossings=webhook.crossings + 1, removed_at=message.bounded_time)
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
    enabled = replace(webhook, state="enabled", crossings=webhook.crossings + 1, code=None, detail=None)
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
    """Begin another series of attempts of a failed delivery, under the same id."""
    command = message.data
    webhook = _known(state, command)
    if webhook is None:
        return _refuse_unknown(state, command)
    delivery = state.deliveries.get(command.delivery_id)
    if delivery is None or delivery.webhook_id != command.webhook_id:
        detail = f"delivery_id: webhook {command.webhook_id} has no such delivery; its attempts show those it has."
        return _refuse(state, command, "delivery_unknown", detail)
    if delivery.state != "failed":
        detail = f"delivery_id: the delivery is {delivery.state}; only a failed one is tried again by hand."
        return _refuse(state, command, "not_failed", detail)
    now = message.bounded_time
    again = replace(delivery, state="waiting", due_at=now, ended_at=None, attempts_before=delivery.attempts)
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
