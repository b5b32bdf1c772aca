"""Duration of HTTP reads as the system grows: reads that a long list or a long month might slow down."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from contracts.commissions.view import COMMISSIONS
from contracts.orders.view import ORDERS
from infra.adapters.mongo import MongoStore
from infra.processes import api_entry
from tests.bench.ours import BenchFailure, Ours
from tests.bench.reads import logged_in, serving

APART, MONTH, INACTIVE = "read: two filters, nothing in common", "read: a seller's month", "read: inactive distributors"
_TIMES = 5


async def paths_of_orders(store: MongoStore) -> dict[str, list[str]]:
    """Paths of two kinds: orders of the largest shop by the largest seller who never sells there, and months of the
    largest sellers, not yet cached.
    """
    [shop_id, *_] = await _most(store, ORDERS, "shop_id", 1)
    there = {"$sum": {"$cond": [{"$eq": ["$shop_id", shop_id]}, 1, 0]}}
    apart = await store.summarise(
        ORDERS,
        [
            {"$group": {"_id": "$distributor_id", "n": {"$sum": 1}, "there": there}},
            {"$match": {"there": 0}},
            {"$sort": {"n": -1, "_id": 1}},
            {"$limit": 1},
        ],
    )
    sellers = await _most(store, COMMISSIONS, "seller_id", 1 + _TIMES)
    [sold] = await store.find(COMMISSIONS, {"seller_id": sellers[0]}, limit=1, fields=("placed_at",))
    months = [f"/api/distributors/{seller}/performance?month={sold['placed_at']:%Y-%m}" for seller in sellers]
    orders = [f"/api/orders?shop_id={shop_id}&distributor_id={one['_id']}" for one in apart]
    return {APART: orders * (1 + _TIMES), MONTH: months}


def paths_of_distributors() -> dict[str, list[str]]:
    """Inactive distributors, where all are active."""
    return {INACTIVE: ["/api/distributors?active=false"] * (1 + _TIMES)}


async def measure(ours: Ours, paths: dict[str, list[str]]) -> dict[str, list[float]]:
    """Milliseconds of each read, one after another; the first of each kind does not count."""
    email, password = "growth@example.com", secrets.token_urlsafe(15)
    async with serving(ours) as (client, settings):
        async with api_entry.operations(settings) as operations:
            await operations.create_admin(email, password)
        token = await logged_in(client, email, password)

        async def ms(path: str) -> float:
            began = time.perf_counter()
            answer = await client.get(path, token)
            took = time.perf_counter() - began
            if answer.status != 200:
                raise BenchFailure(
                    f"GET {path} is answered {answer.status}: {answer.body.decode(errors='replace')[:300]}"
                )
            return took * 1000

        measured = {name: [await ms(path) for path in some] for name, some in paths.items()}
    return {name: figures[1:] for name, figures in measured.items() if len(figures) > 1}


async def _most(store: MongoStore, collection: str, field: str, limit: int) -> Sequence[object]:
    count = {"$group": {"_id": f"${field}", "n": {"$sum": 1}}}
    found = await store.summarise(collection, [count, {"$sort": {"n": -1, "_id": 1}}, {"$limit": limit}])
    return [one["_id"] for one in found]
