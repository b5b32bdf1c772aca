"""Which message goes to which rule."""

from contracts.clock.v1 import ClockTicked
from contracts.webhooks.v1 import (
    DefineWebhook,
    DisableWebhook,
    EnableWebhook,
    RedeliverWebhook,
    RemoveWebhook,
    RotateWebhookSecret,
    ShopEventCopied,
    WebhookDelivered,
    WebhookDisabled,
    WebhookFailed,
)
from infra.runtime.worker import Worker, on
from workers.shop_webhooks.audit import audit
from workers.shop_webhooks.decide import define, disable, enable, redeliver, refuse_unreadable, remove, rotate_secret
from workers.shop_webhooks.deliveries import note_delivered, note_failed, send_waiting, take_copy
from workers.shop_webhooks.repository import WebhookRepository

WORKER = Worker(
    name="shop_webhooks",
    repository=WebhookRepository,
    handlers=(
        on(DefineWebhook, decide=define, refuse=refuse_unreadable),
        on(RemoveWebhook, decide=remove, refuse=refuse_unreadable),
        on(RotateWebhookSecret, decide=rotate_secret, refuse=refuse_unreadable),
        on(EnableWebhook, decide=enable, refuse=refuse_unreadable),
        on(DisableWebhook, decide=disable, refuse=refuse_unreadable),
        on(RedeliverWebhook, decide=redeliver, refuse=refuse_unreadable),
        on(ShopEventCopied, decide=take_copy),
        on(WebhookDelivered, decide=note_delivered),
        on(WebhookFailed, decide=note_failed),
        on(ClockTicked, decide=send_waiting),
    ),
    audits=(audit,),
    announces=(WebhookDisabled,),
)
