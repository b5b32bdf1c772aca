"""I4: every accepted order is in a legal state, none is stuck, refunds take what they requested and no more than was
left, and no step was taken before its predecessor or before we knew of it; a distributor's own order has no free line.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta

from contracts.orders.view import ORDERS, ORDERS_JOURNAL
from contracts.times import CLOCK_SKEW_MAX
from infra.auditing.audit import IN_HAND_MAX, Read, Report, outcome_times, together
from workers.order_intake.model import Order
from workers.order_intake.repository import to_order

STUCK_AFTER = timedelta(minutes=20)
"""Longer than all automatic retries together; an order that still waits for its stock then needs a person."""


async def audit(read: Read, report: Report) -> None:
    async for abouts in together(_waiting(read, report)):
        await _audit_waiting(read, report, abouts)
    await _audit_completions(read, report)


async def _waiting(read: Read, report: Report) -> AsyncIterator[str]:
    """Check each order by itself, and yield those that wait for their stock."""
    async for document in read.stream(ORDERS, report.among("order", "_id")):
        order = to_order(document)
        about = f"order/{order.key}"
        report.add("I4", "orders")
        report.add("I4", order.status)
        if not _is_legal(order):
            report.breach("I4", about, f"{order.status} does not fit its other fields: {order}")
        if not _is_in_order_of_time(order, report.now):
            report.breach("I4", about, f"its times are out of order: {order}")
        if order.version < (least := _version_at_least(order)):
            report.breach("I4", about, f"has version {order.version} after {least - 1} changes")
        if order.placed_by is not None and any(line.net_minor <= 0 for line in order.lines):
            report.breach("I4", about, f"a distributor placed it, and it has a line that costs nothing: {order}")
        if order.refunds:
            report.add("I4", "refunds", len(order.refunds))
        gave = any(line.refunded_quantity or line.refunded_minor for line in order.lines)
        if not _refunds_add_up(order) if order.refunds else gave:
            report.breach("I4", about, f"its lines and its refunds disagree: {order}")
        if order.status == "pending" and not order.reserved:
            yield about


async def _audit_completions(read: Read, report: Report) -> None:
    """A hold begins no earlier than we learnt of the completion, while the journal still has that time."""
    keys = report.ids("order")
    abouts = None if keys is None else [f"order/{key}" for key in keys]
    async for completions in outcome_times(read, "order_intake", "completed", abouts):
        keys = [about.removeprefix("order/") for about in completions]
        for order in await read.find(ORDERS, {"_id": {"$in": keys}}, fields=("completed_at",)):
            about = f"order/{order['_id']}"
            begun, known = order.get("completed_at"), completions[about]
            is_known = begun is None or begun >= known - IN_HAND_MAX
            report.require(is_known, "I4", about, f"was completed at {begun}, but we learnt of it at {known}")


async def _audit_waiting(read: Read, report: Report, abouts: Collection[str]) -> None:
    """Orders wait for their stock since their time in our journal; a shop's own clock proves nothing."""
    since: dict[str, datetime] = {}
    where = {"about": {"$in": list(abouts)}}
    for record in await read.find(ORDERS_JOURNAL, where, fields=("about", "at")):
        for about in record["about"]:
            since[about] = min(record["at"], since.get(about, record["at"]))
    for about in abouts:
        is_stuck = about in since and report.now - since[about] > STUCK_AFTER
        report.require(not is_stuck, "I4", about, f"has waited for its stock since {since.get(about)}")


def _is_legal(order: Order) -> bool:
    """Whether the status fits the other fields."""
    is_paid = order.reserved and order.paid_at is not None and order.due_at is None
    if (order.refunds and not is_paid) or order.is_refunded != (order.status == "refunded"):
        return False
    match order.status:
        case "pending":
            is_due = order.due_at is not None
            return order.completed_at is None and order.reason is None and order.reserved == is_due
        case "paid" | "shipped":
            return is_paid
        case "completed":
            return is_paid and order.completed_at is not None
        case "rejected":
            return not order.reserved and order.reason is not None and order.due_at is None
        case "cancelled":
            return order.reason is not None and order.due_at is None
        case "refunded":
            return is_paid and (order.was_shipped or order.completed_at is None)


def _is_in_order_of_time(order: Order, now: datetime) -> bool:
    """Whether it was placed, paid and completed in this order, and not in the future."""
    taken = [moment for moment in (order.placed_at, order.paid_at, order.completed_at) if moment is not None]
    latest = now + CLOCK_SKEW_MAX
    return taken == sorted(taken) and all(moment <= latest for moment in taken)


def _version_at_least(order: Order) -> int:
    """The version after all visible changes of the order. A closed after-sale leaves no trace."""
    paid = 0 if order.paid_at is None else 1
    steps = [
        # One change reserves and pays a prepaid order.
        order.reserved and not (paid and order.prepaid),
        bool(paid),
        order.was_shipped,
        order.completed_at is not None,
        order.status in ("cancelled", "rejected"),
        order.after_sale_open,
    ]
    return 1 + sum(steps) + len(order.refunds)


def _refunds_add_up(order: Order) -> bool:
    """Whether each refund is stored once, and the lines' sums equal what the refunds took and requested."""
    took: Counter[tuple[int, str]] = Counter()
    for part in (part for refund in order.refunds for part in refund.lines):
        took[part.line, "units"] += part.quantity
        took[part.line, "minor"] += part.amount_minor
    gave: Counter[tuple[int, str]] = Counter()
    for line in order.lines:
        gave[line.line, "units"] += line.refunded_quantity
        gave[line.line, "minor"] += line.refunded_minor
    return (
        len({refund.refund_id for refund in order.refunds}) == len(order.refunds)
        and took == gave == _due(order)
        and sum(part.quantity for refund in order.refunds for part in refund.asked or refund.lines)
        == sum(line.refunded_quantity for line in order.lines)
        and all(line.left_quantity >= 0 and line.left_minor >= 0 for line in order.lines)
    )


def _due(order: Order) -> Counter[tuple[int, str]]:
    """Units and money that must be refunded of each line, recomputed from what the refunds requested.

    Requests without a line fill the lines of their product one after the other.
    """
    requested = _requested(order)
    due: Counter[tuple[int, str]] = Counter()
    for line in order.lines:
        own, loose = requested[line.product_id, line.line], requested[line.product_id, None]
        units = min(line.quantity, own["units"] + loose["units"])
        shared = min(line.quantity, own["shared"] + loose["shared"])
        of_line = min(line.net_minor, own["minor"] + line.net_minor * shared // line.quantity)
        minor = min(line.net_minor, of_line + loose["minor"])
        loose.subtract({"units": units - own["units"], "shared": shared - own["shared"], "minor": minor - of_line})
        due.update({(line.line, "units"): units, (line.line, "minor"): minor})
    return due


def _requested(order: Order) -> defaultdict[tuple[int, int | None], Counter[str]]:
    """Requested units, units without an amount, and amounts, by product and line (None: any line).

    Refunds of older documents have only what they took of each line: an amount, unless it is exactly the units' share.
    """
    requested: defaultdict[tuple[int, int | None], Counter[str]] = defaultdict(Counter)
    for command in (command for refund in order.refunds for command in refund.asked):
        money = {"shared": command.quantity} if command.amount_minor is None else {"minor": command.amount_minor}
        requested[command.product_id, command.line].update({"units": command.quantity, **money})
    for line in order.lines:
        old = [part for refund in order.refunds if not refund.asked for part in refund.lines if part.line == line.line]
        units, minor = sum(part.quantity for part in old), sum(part.amount_minor for part in old)
        is_share = minor == line.net_minor * units // line.quantity
        requested[line.product_id, line.line].update(
            {"units": units, "shared" if is_share else "minor": units if is_share else minor}
        )
    return requested
