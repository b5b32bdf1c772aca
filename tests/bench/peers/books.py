"""The exact books expected for a backlog, and the differences of a peer's books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from contracts.orders.v2 import PlaceOrder
from tests.bench.peers.reference import BALANCES, STOCK, Reference
from tests.bench.peers.steps import (
    COUNTED,
    LEDGER,
    ORDERS,
    PROGRESS,
    RESERVATIONS,
    Accepted,
    accept,
    ledger_entries,
    order_document,
    reservation,
)

Books = Mapping[str, Mapping[Any, Mapping[str, Any]]]
"""Documents by id, by collection."""


def expected_books(bodies: Iterable[bytes], reference: Reference) -> Books:
    """The documents expected when every order has gone through every step once. A repeated body counts once."""
    orders: dict[str, dict[str, Any]] = {}
    accepted: list[Accepted] = []
    for body in set(bodies):
        placed = PlaceOrder.model_validate_json(body)
        one = accept(placed, currency=reference.shops[placed.shop_id], upline=reference.upline(placed.distributor_id))
        category_id = reference.products[one.product_id]
        orders[one.key] = {
            **order_document(placed, one, category_id=category_id),
            "reserved": True,
            "status": "paid",
        }
        accepted.append(one)
    entries = [entry for one in accepted for entry in ledger_entries(one)]
    return {
        ORDERS: orders,
        RESERVATIONS: {one.key: reservation(one) for one in accepted},
        STOCK: _stock(accepted, reference),
        LEDGER: {entry["_id"]: entry for entry in entries},
        BALANCES: _balances(entries, reference),
        PROGRESS: _progress(accepted),
        COUNTED: {one.key: {"_id": one.key} for one in accepted},
    }


async def differences(database: Any, expected: Books) -> list[str]:
    """A sentence for each collection that is not exactly as expected."""
    sentences = []
    for collection, documents in expected.items():
        found = {document["_id"]: document async for document in database[collection].find({}, {"recent": 0})}
        if found != documents:
            wrong = [key for key in {*found, *documents} if found.get(key) != documents.get(key)]
            sentences.append(
                f"{collection}: {len(wrong)} of {len(documents)} documents are wrong, such as "
                f"{found.get(wrong[0])} instead of {documents.get(wrong[0])}."
            )
    return sentences


def _stock(accepted: Iterable[Accepted], reference: Reference) -> dict[int, dict[str, Any]]:
    left = Counter(reference.stock)
    for one in accepted:
        left[one.product_id] -= one.quantity
    return {product_id: {"_id": product_id, "available": units} for product_id, units in left.items()}


def _balances(entries: Iterable[Mapping[str, Any]], reference: Reference) -> dict[int, dict[str, Any]]:
    sums = Counter(dict.fromkeys(reference.sponsors, 0))
    for entry in entries:
        sums[entry["distributor_id"]] += entry["amount_minor"]
    return {distributor_id: {"_id": distributor_id, "amount_minor": amount} for distributor_id, amount in sums.items()}


def _progress(accepted: Iterable[Accepted]) -> dict[str, dict[str, Any]]:
    progress: dict[str, dict[str, Any]] = {}
    for one in accepted:
        figures = progress.setdefault(one.progress_key, {"_id": one.progress_key, "sales_minor": 0, "orders": 0})
        figures["sales_minor"] += one.net_minor
        figures["orders"] += 1
    return progress
