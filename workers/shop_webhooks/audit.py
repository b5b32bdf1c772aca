"""I11: each copy that matched a webhook has its delivery there, and a webhook counts what it is being sent."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from contracts.webhooks.view import DELIVERIES, WEBHOOKS
from infra.auditing.audit import Read, Report, outcome_times
from workers.shop_webhooks.repository import KEPT_FOR_S, to_webhook

WORKER = "shop_webhooks"

_DUE_WITHIN = timedelta(minutes=30)
"""By then the ticks have sent what was due to a webhook with room."""

_FIELDS = ("webhook_id", "state", "due_at")


async def audit(read: Read, report: Report) -> None:
    for state in ("delivered", "failed", "waiting", "sending"):
        report.add("I11", state, 0)
    sending: Counter[str] = Counter()
    late: dict[str, str] = {}
    where = {"state": {"$in": ["sending", "waiting"]}} if report.only else {}
    async for document in read.stream(DELIVERIES, {**where, **report.among("webhook", "webhook_id")}, fields=_FIELDS):
        report.add("I11", document["state"])
        if document["state"] == "sending":
            sending[document["webhook_id"]] += 1
        elif document["state"] == "waiting" and document["due_at"] < report.now - _DUE_WITHIN:
            late[document["webhook_id"]] = document["_id"]
    async for document in read.stream(WEBHOOKS, report.among("webhook", "_id")):
        webhook = to_webhook(document)
        about, count = f"webhook/{webhook.webhook_id}", sending[webhook.webhook_id]
        report.require(webhook.in_flight == count, "I11", about, f"counts {webhook.in_flight} in flight, {count} are")
        is_idle = webhook.is_emptied or (webhook.state == "enabled" and not webhook.in_flight)
        is_late = is_idle and webhook.webhook_id in late
        report.require(not is_late, "I11", about, f"is not sent {late.get(webhook.webhook_id)}, which is due")
    await _audit_copies(read, report)


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
