"""Webhooks that are defined, sent to, disabled and removed, with every answer."""

from __future__ import annotations

from datetime import timedelta

from contracts.webhooks.v1 import DisableWebhook, EnableWebhook, RedeliverWebhook, RemoveWebhook, RotateWebhookSecret
from tests.builders import NOW, SHOP, tick
from tests.faults.crash_scenario import Scenario, noise, outgoing
from tests.webhook_builders import HOOK, NEXT_SECRET, copied, define, delivered, delivery_id, failed


def shop_webhooks() -> Scenario:
    own = {"webhook_id": HOOK, "shop_id": SHOP, "by": "li.na"}
    copies = [copied(f"event-{number}") for number in (1, 2)]
    gone = failed("event-2", outcome="refused", code="gone", detail="answered 410.")
    redeliver = RedeliverWebhook(**own, delivery_id=delivery_id("event-2"))
    return Scenario(
        "shop_webhooks",
        (
            (outgoing(define()), outgoing(define(types=("tea.made.v1",)), again=1), noise(copies[0].message_type)),
            (*map(outgoing, copies), outgoing(copies[0]), outgoing(copied("event-3", "order.shipped.v1"))),
            (outgoing(failed()),),
            (outgoing(tick(NOW + timedelta(minutes=1))), outgoing(tick(NOW - timedelta(days=1)), again=1)),
            (outgoing(delivered(attempt=2)),),
            (outgoing(delivered(attempt=2), again=1),),
            (outgoing(gone),),
            (outgoing(EnableWebhook(**own)),),
            (outgoing(EnableWebhook(**own), again=1),),
            (outgoing(DisableWebhook(**own)),),
            (outgoing(DisableWebhook(**own), again=1),),
            (outgoing(EnableWebhook(**own), again=2),),
            (outgoing(redeliver),),
            (outgoing(RotateWebhookSecret(**own, secret=NEXT_SECRET)),),
            (outgoing(RemoveWebhook(**own)),),
            (outgoing(failed("event-2", attempt=2)),),
            (outgoing(tick(NOW + timedelta(minutes=2))),),
            (outgoing(tick(NOW + timedelta(days=2))),),
        ),
        frozenset(
            [
                "defined",
                "refused",
                "taken",
                "dropped",
                "waiting",
                "sent",
                "nothing_due",
                "delivered",
                "outdated",
                "disabled",
                "already_disabled",
                "enabled",
                "already_enabled",
                "redelivered",
                "rotated",
                "failed",
                "removed",
            ]
        ),
        {},
        dead=1,
    )
