"""Stored orders as input of the plans, read in the order in which they were placed, a slice at a time.

Documents are converted by plain code and not by a model, which would be too slow: a year has 1.5 million lines.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from contracts.commissions.view import COMMISSIONS, LineRefund
from contracts.orders.view import MAYBE_PAID, ORDERS
from contracts.plans.sale import Earner, Sale, SaleLine
from infra.auditing.audit import Read, lines_of_order, together
from infra.ports.store import Document

SLICE_ORDERS = 500
"""Orders in memory at a time, with their commissions; fewer of those with many lines."""

_ORDER_FIELDS = ("status", "currency", "placed_at", "lines", "upline", "team", "rule_version")
_COMMISSION_FIELDS = (
    "entries.line",
    "entries.plan",
    "entries.distributor_id",
    "entries.amount_minor",
    "reversals.amounts_minor",
)


class Paid(NamedTuple):
    """One commission entry, and its amount left after refunds."""

    line: int
    plan: str
    distributor_id: int
    amount_minor: int
    left_minor: int


class PastOrder(NamedTuple):
    """An order that was paid. `refunds` has the refunded lines; `net_minor` and `kept_minor` are the net of all lines
    before and after refunds. `booked` is None if its commission is not booked yet.
    """

    key: str
    placed_at: datetime
    rule_version: int
    sale: Sale
    refunds: Mapping[int, LineRefund]
    net_minor: int
    kept_minor: int
    booked: tuple[Paid, ...] | None = None


async def past_orders(
    read: Read, where: Mapping[str, Any], begin: datetime, end: datetime
) -> AsyncIterator[list[PastOrder]]:
    """Yield the paid orders placed from `begin` to before `end`, oldest first, in slices that are never empty."""
    period = {**where, "placed_at": {"$gte": begin, "$lt": end}}
    stored = read.stream(ORDERS, period, sort=(("placed_at", 1),), fields=_ORDER_FIELDS)
    maybe_paid = (document async for document in stored if document["status"] in MAYBE_PAID)
    async for documents in together(maybe_paid, SLICE_ORDERS, lines_of=lines_of_order):
        if orders := await _slice(read, documents):
            yield orders


async def _slice(read: Read, documents: Sequence[Document]) -> list[PastOrder]:
    """The paid orders of these documents; a cancelled order was paid if it has a commission."""
    keys = [document["_id"] for document in documents]
    found = read.stream(COMMISSIONS, {"_id": {"$in": keys}}, fields=_COMMISSION_FIELDS)
    booked = {commission["_id"]: paid_of(commission) async for commission in found}
    return [
        past_order(document, booked.get(document["_id"]))
        for document in documents
        if document["status"] != "cancelled" or document["_id"] in booked
    ]


def past_order(document: Document, booked: tuple[Paid, ...] | None = None) -> PastOrder:
    """The order in a document of `ORDERS`. A cancelled order is refunded completely."""
    is_cancelled = document["status"] == "cancelled"
    lines = []
    refunds = {}
    net_minor = kept_minor = 0
    for line in document["lines"]:
        number, quantity = line["line"], line["quantity"]
        line_minor = line["amount_minor"] - line["discount_minor"]
        lines.append(SaleLine(number, line["product_id"], line["category_id"], quantity, line_minor))
        refunded_minor = line_minor if is_cancelled else line.get("refunded_minor", 0)
        refunded_quantity = quantity if is_cancelled else line.get("refunded_quantity", 0)
        if refunded_minor or refunded_quantity:
            refunds[number] = LineRefund(number, line_minor, quantity, refunded_minor, refunded_quantity)
        net_minor += line_minor
        kept_minor += line_minor - refunded_minor
    team = document.get("team")
    leader = Earner(0, team["leader_id"], team["leader_tier"], team["leader_active"]) if team else None
    upline = tuple(Earner(up["level"], up["distributor_id"], up["tier"], up["active"]) for up in document["upline"])
    return PastOrder(
        document["_id"],
        document["placed_at"],
        document["rule_version"],
        Sale(document["currency"], tuple(lines), upline, leader),
        refunds,
        net_minor,
        kept_minor,
        booked,
    )


def paid_of(commission: Document) -> tuple[Paid, ...]:
    """The entries in a document of `COMMISSIONS`."""
    entries = commission["entries"]
    left = [entry["amount_minor"] for entry in entries]
    for reversal in commission.get("reversals", ()):
        for index, amount_minor in enumerate(reversal["amounts_minor"]):
            left[index] += amount_minor
    return tuple(
        Paid(entry["line"], entry["plan"], entry["distributor_id"], entry["amount_minor"], left_minor)
        for entry, left_minor in zip(entries, left, strict=True)
    )
