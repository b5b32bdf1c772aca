"""I11: each copy that was taken has a delivery; a webhook counts what is sent and what waits, and sends it in time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from contracts.webhooks.view import DELIVERIES, WEBHOOKS, Webhook
from infra.auditing.audit import Read, Report, outcome_times
from workers.shop_webhooks.repository import KEPT_FOR_S, to_webhook

WORKER = "shop_webhooks"

_DUE_WITHIN = timedelta(minutes=30)
"""How long the turn of a webhook may take, for which something is due."""

_FIELDS = ("webhook_id", "shop_id", "state", "due_at")


async def audit(read: Read, report: Report) -> None:
    for state in ("delivered", "failed", "waiting", "sending"):
        report.add("I11", state, 0)
    counts: Counter[tuple[str, str]] = Counter()
    late: dict[str, str] = {}
    where = {"state": {"$in": ["sending", "waiting"]}} if report.only else {}
    async for document in read.stream(DELIVERIES, {**where, **report.among("webhook", "webhook_id")}, fields=_FIELDS):
        report.add("I11", document["state"])
        counts[document["webhook_id"], document["state"]] += 1
        if document["state"] == "waiting" and document["due_at"] < report.now - _DUE_WITHIN:
            late[document["webhook_id"]] = document["_id"]
    async for document in read.stream(WEBHOOKS, report.among("webhook", "_id")):
        webhook = to_webhook(document)
        about = f"webhook/{webhook.webhook_id}"
        for state, counted in (("sending", webhook.in_flight), ("waiting", webhook.waiting)):
            count = counts[webhook.webhook_id, state]
            report.require(counted == count, "I11", about, f"counts {counted} {state}, {count} are")
        is_late = webhook.webhook_id in late and _is_overlooked(webhook, report.now)
        report.require(not is_late, "I11", about, f"is not sent {late.get(webhook.webhook_id)}, which is due")
    await _audit_copies(read, report)


def _is_overlooked(webhook: Webhook, now: datetime) -> bool:
    """Whether what is due is not sent, though the webhook is idle; or not ended, though it was removed."""
    since = now - _DUE_WITHIN
    if webhook.state == "removed":
        return webhook.look_at is None or webhook.look_at < since
    is_paused = webhook.paused_until is not None and webhook.paused_until > since
    return webhook.state == "enabled" and not webhook.in_flight and not is_paused


async def _audit_copies(read: Read, report: Report) -> None:
    """Every copy that was taken, and has not ended long ago, has a delivery."""
    ids = report.ids("shop-event")
    abouts = None if ids is None else [f"shop-event/{event_id}" for event_id in ids]
    since = report.now - timedelta(seconds=KEPT_FOR_S)
    async for taken in outcome_times(read, WORKER, "taken", abouts):
        events = {about.partition("/")[2]: about for about, at in taken.items() if at > since}
        found = await read.find(DELIVERIES, {"event_id": {"$in": sorted(events)}}, fields=("event_id",))
        for event_id in sorted(events.keys() - {document["event_id"] for document in found}):
            report.breach("I11", events[event_id], "was taken, but no webhook has a delivery of it")
