"""The business steps of the peers, without I/O: the same documents and figures for each peer.

The Celery and the FastStream peer differ only in how they receive, store and publish.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict
from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from contracts.money import RATE_SCALE, largest_remainder, to_minor
from contracts.orders.v2 import PlaceOrder

ORDERS, RESERVATIONS, LEDGER = "orders", "reservations", "ledger"
PROGRESS, COUNTED = "progress", "counted"

TAKE_IN, RESERVE, MARK_PAID, PAY_COMMISSION, COUNT_SALE = STEPS = (
    "take_in",
    "reserve",
    "mark_paid",
    "pay_commission",
    "count_sale",
)

RATES_PPM = (50_000, 20_000, 10_000)
"""`tests.bench.world.LEVEL_RATES` for the seller and two levels above, in parts per million."""

RECENT = 200
"""A sum keeps the keys of this many counted orders: more than are in progress at once and may be redelivered."""

_DUPLICATE_KEY = 11000


class OutOfStock(Exception):
    """The product has fewer units than the order needs."""


class UnknownReference(Exception):
    """The order names a shop, a product or a distributor that does not exist."""


class Accepted(BaseModel):
    """The fields of an order that later steps need, so that none reads it again. `upline` begins with the seller."""

    model_config = ConfigDict(frozen=True)

    key: str
    currency: str
    month: str
    product_id: int
    quantity: int
    net_minor: int
    upline: tuple[int, ...]

    @property
    def progress_key(self) -> str:
        return f"{self.upline[0]}/{self.month}/{self.currency}"


def accept(order: PlaceOrder, *, currency: str, upline: Sequence[int]) -> Accepted:
    (line,) = order.lines
    assert order.placed_at is not None, "every order of the benchmark has placed_at"
    return Accepted(
        key=order.key,
        currency=currency,
        month=f"{order.placed_at:%Y-%m}",
        product_id=line.product_id,
        quantity=line.quantity,
        net_minor=to_minor(line.amount - line.discount, currency),
        upline=tuple(upline),
    )


def order_document(order: PlaceOrder, accepted: Accepted, *, category_id: int) -> dict[str, Any]:
    return {
        "_id": accepted.key,
        "shop_id": order.shop_id,
        "order_id": order.order_id,
        "distributor_id": order.distributor_id,
        "currency": accepted.currency,
        "placed_at": order.placed_at,
        "product_id": accepted.product_id,
        "category_id": category_id,
        "quantity": accepted.quantity,
        "net_minor": accepted.net_minor,
        "upline": list(accepted.upline),
        "prepaid": order.prepaid,
        "reserved": False,
        "status": "pending",
    }


def reservation(order: Accepted) -> dict[str, Any]:
    return {"_id": order.key, "product_id": order.product_id, "quantity": order.quantity}


def ledger_entries(order: Accepted) -> list[dict[str, Any]]:
    """One for each level, seller first."""
    shares = largest_remainder([order.net_minor * rate for rate in RATES_PPM[: len(order.upline)]], RATE_SCALE)
    return [
        {
            "_id": f"{order.key}/{level}",
            "order_key": order.key,
            "distributor_id": distributor_id,
            "level": level,
            "amount_minor": share,
            "currency": order.currency,
        }
        for level, (distributor_id, share) in enumerate(zip(order.upline, shares, strict=False), start=1)
    ]


# The writes of the steps, as arguments of the drivers' calls, which are the same in PyMongo and Motor. A sum keeps the
# orders counted last, so that a redelivery adds nothing: one atomic write instead of a transaction, which would mostly
# be aborted and retried on documents that many orders write.


def take_stock(order: Accepted) -> tuple[dict[str, Any], dict[str, Any]]:
    """Never below zero: condition and decrement are one atomic write."""
    where = {"_id": order.product_id, "available": {"$gte": order.quantity}, "recent": {"$ne": order.key}}
    return where, {"$inc": {"available": -order.quantity}, "$push": _remember(order)}


def stock_taken(order: Accepted) -> dict[str, Any]:
    """Matches the product where `take_stock` did nothing because of an earlier run."""
    return {"_id": order.product_id, "recent": order.key}


def pay(order: Accepted) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"_id": order.key, "status": "pending"}, {"$set": {"reserved": True, "status": "paid"}}


def reject(order: Accepted) -> tuple[dict[str, Any], dict[str, Any]]:
    return {"_id": order.key, "status": "pending"}, {"$set": {"status": "rejected", "reason": "out_of_stock"}}


def add_to_balances(order: Accepted) -> list[UpdateOne]:
    return [
        UpdateOne(
            {"_id": entry["distributor_id"], "recent": {"$ne": order.key}},
            {"$inc": {"amount_minor": entry["amount_minor"]}, "$push": _remember(order)},
        )
        for entry in ledger_entries(order)
    ]


def add_to_progress(order: Accepted) -> tuple[dict[str, Any], dict[str, Any]]:
    """Matches nothing after an earlier run, or where the month has no document yet."""
    where = {"_id": order.progress_key, "recent": {"$ne": order.key}}
    return where, {"$inc": {"sales_minor": order.net_minor, "orders": 1}, "$push": _remember(order)}


def first_progress(order: Accepted) -> dict[str, Any]:
    return {"_id": order.progress_key, "sales_minor": order.net_minor, "orders": 1, "recent": [order.key]}


def _remember(order: Accepted) -> dict[str, Any]:
    return {"recent": {"$each": [order.key], "$slice": -RECENT}}


def is_repeat(error: BulkWriteError) -> bool:
    """Whether the only errors are documents that exist already."""
    return all(each["code"] == _DUPLICATE_KEY for each in error.details["writeErrors"])
