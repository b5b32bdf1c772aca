"""Alerts agree with the stock. Part of I1: an alert is open exactly while the item is low or short, or has units that
expire soon or have expired.
"""

from __future__ import annotations

from contracts.operations.view import ALERTS, DEAD_LETTERS
from contracts.stock.view import IS_SHORT, ITEMS
from infra.auditing.audit import Read, Report
from workers.alerting.repository import to_alert

_KINDS = {
    "stock_low": ("low", "low"),
    "stock_oversold": (IS_SHORT, "short"),
    "stock_expiring": ("expiring", "expiring"),
    "stock_expired": ("expired", "expired"),
}
"""For each kind of alert: the item's field that it follows, and the word for it."""


async def audit(read: Read, report: Report) -> None:
    of_products = report.among("product", "_id", int)
    due = {
        (kind, document["_id"])
        for kind, (field, _) in _KINDS.items()
        async for document in read.stream(ITEMS, {field: True, **of_products}, fields=("_id",))
    }
    alerted: set[tuple[str, int]] = set()
    async for document in read.stream(ALERTS, {"state": "open"}):
        alert = to_alert(document)
        report.add("I1", f"alerts_open_{alert.kind}")
        if alert.kind in _KINDS:
            alerted.add((alert.kind, int(alert.alert.rpartition("/")[2])))
    for kind, product_id in sorted(due ^ alerted):
        _, is_so = _KINDS[kind]
        is_missing = (kind, product_id) in due
        detail = f"is {is_so}, but no alert is open" if is_missing else f"has an open alert, but is not {is_so}"
        report.breach("I1", f"product/{product_id}", detail)
    waiting = [1 async for _ in read.stream(DEAD_LETTERS, {"state": "waiting"}, fields=("_id",))]
    report.figure("I5", "dead_letters_waiting", len(waiting))
