"""A system at work with many live orders, in bulk: its books hold, so `verify` can be timed on it.

`infra.bench.history` copies what grows with the orders. What is summed up of them is multiplied here in the same way,
so that every copy is an order which was sold, reserved, paid and counted within the same days, and every message of it
is still in the journals.
"""

from __future__ import annotations

from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReplaceOne

from contracts.commissions.earnings import EARNINGS
from contracts.commissions.view import BALANCES
from contracts.rules.view import RULES
from contracts.stock.view import ITEMS
from infra.bench.history import multiply_orders
from infra.runtime.settings import Settings

_PROGRESS = "reward_checks.progress"
_SUMMED = (BALANCES, EARNINGS, ITEMS, "stock_reservation.bookings", _PROGRESS)
_NO_SUMS = frozenset({"_id", "product_id", "distributor_id", "rule_version", "crossings"})


async def multiply_living(settings: Settings, times: int) -> None:
    """Have `times` as many orders as are stored now, all placed within the same time as these."""
    await multiply_orders(settings, times, 0)
    client: Any = AsyncIOMotorClient(settings.mongodb_url)
    database = client[settings.database]
    try:
        targets = {rules["_id"]: rules["terms"].get("targets", ()) async for rules in database[RULES].find()}
        for name in _SUMMED:
            changed = [_times(document, times) async for document in database[name].find()]
            for document in changed if name == _PROGRESS else ():
                document["granted"] = sorted(
                    target["reward"]
                    for target in targets.get(document["rule_version"], ())
                    if target["currency"] == document["currency"] and document["sales_minor"] >= target["target_minor"]
                )
            if changed:
                await database[name].bulk_write([ReplaceOne({"_id": d["_id"]}, d) for d in changed], ordered=False)
    finally:
        client.close()


def _times(value: Any, times: int, name: str = "") -> Any:
    """The same, with every figure in it multiplied; numbers that name something stay."""
    if name in _NO_SUMS or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value * times
    if isinstance(value, dict):
        return {key: _times(inner, times, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_times(inner, times) for inner in value]
    return value
