"""I15: each paid order earned the points that its net gives, recomputed from the orders."""

from __future__ import annotations

from collections.abc import Mapping

from workers.loyalty_points.model import Credit
from workers.loyalty_points.repository import CREDITS, to_credit

from contracts.money import to_amount
from contracts.orders.view import MAYBE_PAID, ORDERS
from infra.auditing.audit import Read, Report, together
from infra.ports.store import Document

_FIELDS = ("paid_at", "reserved", "distributor_id", "currency", "lines.amount_minor", "lines.discount_minor")


async def audit(read: Read, report: Report) -> None:
    query = {"status": {"$in": list(MAYBE_PAID)}, **report.among("order", "_id")}
    async for orders in together(read.stream(ORDERS, query, fields=_FIELDS)):
        paid = [order for order in orders if "paid_at" in order and order["reserved"]]
        await _compare(read, report, {order["_id"]: _credit_of(order) for order in paid})


async def _compare(read: Read, report: Report, due: Mapping[str, Credit]) -> None:
    found = {d["_id"]: to_credit(d) for d in await read.find(CREDITS, {"_id": {"$in": list(due)}})}
    for key, credit in due.items():
        report.add("I15", "orders")
        report.require(found.get(key) == credit, "I15", f"order/{key}", f"earned {found.get(key)}, due is {credit}")


def _credit_of(order: Document) -> Credit:
    net_minor = sum(line["amount_minor"] - line["discount_minor"] for line in order["lines"])
    return Credit(order["_id"], order["distributor_id"], int(to_amount(net_minor, order["currency"])))
