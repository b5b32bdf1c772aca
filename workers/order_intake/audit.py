"""I4: every accepted order is in a legal state, and none is stuck on its way."""

from __future__ import annotations

from datetime import timedelta

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
        waits = order.status == "pending" and not order.reserved
        is_stuck = waits and report.now - order.accepted_at > STUCK_AFTER
        report.require(not is_stuck, "I4", about, f"has waited for its stock since {order.accepted_at.isoformat()}")


def _is_legal(order: Order) -> bool:
    """Whether status and the other fields tell the same story."""
    match order.status:
        case "pending":
            return order.completed_at is None and order.reason is None and (order.prepaid != (order.due_at is not None))
        case "paid" | "shipped":
            return order.reserved and order.paid_at is not None and order.due_at is None
        case "completed":
            return order.reserved and order.paid_at is not None and order.completed_at is not None
        case "rejected":
            return not order.reserved and order.reason is not None and order.due_at is None
        case "cancelled":
            return order.reason is not None and order.due_at is None
