"""What the peers do for an order, without the doing: the same documents and figures, whoever stores them.

The Celery and the FastStream peer differ in how they receive, store and pass on; the business is this.
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
"""`tests.bench.world.LEVEL_RATES` for the seller and the two above, in parts per million."""

RECENT = 200
"""Of so many orders a figure knows that it has counted them: more than are worked on at once and may come again."""

_DUPLICATE_KEY = 11000


class OutOfStock(Exception):
    """The product has fewer units than the order wants."""


class UnknownReference(Exception):
    """The order names a shop, a product or a distributor that does not exist."""


class Accepted(BaseModel):
    """What the later steps need of an order, so that none has to look it up again. `upline` begins with the seller."""

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
    assert order.placed_at is not None, "every order of the benchmark says when it was placed"
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


# The writes of the steps, as arguments of the drivers' calls, which are the same in PyMongo and Motor. What adds up
# remembers whom it has counted lately, so that a redelivery adds nothing: one atomic write instead of a transaction,
# which on documents that many orders touch would mostly be aborted and tried again.


def take_stock(order: Accepted) -> tuple[dict[str, Any], dict[str, Any]]:
    """Never below zero: the condition and the decrement are one act."""
    where = {"_id": order.product_id, "available": {"$gte": order.quantity}, "recent": {"$ne": order.key}}
    return where, {"$inc": {"available": -order.quantity}, "$push": _remember(order)}


def stock_taken(order: Accepted) -> dict[str, Any]:
    """Finds the product where `take_stock` did nothing because it has been done before."""
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
    """Matches nothing where it has been done before, or where the month has no document yet."""
    where = {"_id": order.progress_key, "recent": {"$ne": order.key}}
    return where, {"$inc": {"sales_minor": order.net_minor, "orders": 1}, "$push": _remember(order)}


def first_progress(order: Accepted) -> dict[str, Any]:
    return {"_id": order.progress_key, "sales_minor": order.net_minor, "orders": 1, "recent": [order.key]}


def _remember(order: Accepted) -> dict[str, Any]:
    return {"recent": {"$each": [order.key], "$slice": -RECENT}}


def is_repeat(error: BulkWriteError) -> bool:
    """Whether documents were not inserted only because they are there already."""
    return all(each["code"] == _DUPLICATE_KEY for each in error.details["writeErrors"])
