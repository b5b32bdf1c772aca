"""Alerts agree with the stock they speak of. Part of I1: the alert is open exactly while the item is low."""

from __future__ import annotations

from infra.runtime.audit import Read, Report
from workers.alerting.repository import ALERTS, DEAD_LETTERS, to_alert

ITEMS = "stock_reservation.items"


async def audit(read: Read, report: Report) -> None:
    low = {
        document["_id"]
        async for document in read.stream(ITEMS, {"low": True, **report.among("product", "_id", int)}, fields=("_id",))
    }
    alerted: set[int] = set()
    async for document in read.stream(ALERTS, {"state": "open"}):
        alert = to_alert(document)
        report.add("I1", f"alerts_open_{alert.kind}")
        if alert.kind == "stock_low":
            alerted.add(int(alert.alert.rpartition("/")[2]))
    for product_id in sorted(low ^ alerted):
        story = "is low, but no alert is open" if product_id in low else "has an open alert, but is not low"
        report.breach("I1", f"product/{product_id}", story)
    waiting = [1 async for _ in read.stream(DEAD_LETTERS, {"state": "waiting"}, fields=("_id",))]
    report.figure("I5", "dead_letters_waiting", len(waiting))
