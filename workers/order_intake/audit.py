"""I4: every accepted order is in a legal state, and none is stuck on its way."""

from __future__ import annotations

from datetime import datetime, timedelta

from infra.runtime.audit import Read, Report
from workers.order_intake.model import Order
from workers.order_intake.repository import ORDERS, to_order

STUCK_AFTER = timedelta(minutes=20)
"""Longer than every automatic retry together; an order that still waits for its stock then waits for a person."""


async def audit(read: Read, report: Report) -> None:
    async for document in read.stream(ORDERS, {}):
        order = to_order(document)
        about = f"order/{order.key}"
        report.add("I4", "orders")
        report.add("I4", order.status)
        report.require(_is_legal(order), "I4", about, f"{order.status} does not fit its other fields: {order}")
        if order.status == "pending" and not order.reserved:
            since = await _accepted_at(read, about)
            is_stuck = since is not None and report.now - since > STUCK_AFTER
            report.require(not is_stuck, "I4", about, f"has waited for its stock since {since}")


async def _accepted_at(read: Read, about: str) -> datetime | None:
    """When the journal says that we took the order; a shop's own clock proves nothing."""
    records = await read.find("journal.order_intake", {"about": about}, sort=(("at", 1),), limit=1, fields=("at",))
    return records[0]["at"] if records else None


def _is_legal(order: Order) -> bool:
    """Whether status and the other fields tell the same story."""
    match order.status:
        case "pending":
            is_due = order.due_at is not None
            return order.completed_at is None and order.reason is None and order.reserved == is_due
        case "paid" | "shipped":
            return order.reserved and order.paid_at is not None and order.due_at is None
        case "completed":
            return order.reserved and order.paid_at is not None and order.completed_at is not None
        case "rejected":
            return not order.reserved and order.reason is not None and order.due_at is None
        case "cancelled":
            return order.reason is not None and order.due_at is None
