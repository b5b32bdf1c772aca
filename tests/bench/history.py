"""History in bulk: millions of stored orders and networks of any size, without waiting for workers.

Real orders that went through the workers are the pattern. MongoDB itself copies each of their documents with other
ids, keys and times, each copy consistent in itself, and then rebuilds the indexes. Sums over orders (balances, a
month's sales, stock) are not multiplied, since their documents do not grow in number with the orders. So `verify` does
not hold for the copies. Messages inside the journals keep the pattern's text.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient

from contracts.commissions.view import COMMISSIONS, LEDGER
from contracts.network.view import DISTRIBUTORS
from contracts.orders.view import LISTS, ORDERS, number_list
from infra.ports.store import JOURNALS
from infra.processes import process
from infra.settings import Settings
from tests.bench.ours import OF_ORDERS

_COPIES_AT_ONCE = 50
_AT_A_TIME = 2
"""Collections that are filled in parallel: the server has few cores and one disk."""

_INSERTED_AT_ONCE = 10_000
_FIRST_ID = 1_000_000_000
_JOINED = datetime(2016, 1, 1, tzinfo=UTC)

_UUID, _KEPT, _DRAWN, _VERSION = 36, 3, 5, 14
"""A message id: its length, the number of head characters that stay, the number of characters after them that each copy
draws again (so that copies are spread over the whole index like shops' ids), and the position of the UUID version."""

_HEAD, _HEAD_MS = _KEPT + _DRAWN, 1 << 16
"""Our own ids begin with a time. Each copy has other first characters, for an earlier time; the last of them counts
about a minute."""

_OURS, _COPY = "8", "0"
"""The version of our own ids, and a version that no id has: so no copy has the id of a real message."""


async def multiply_orders(settings: Settings, times: int, span_s: int) -> None:
    """Multiply the stored orders by `times`, each copy `span_s` older than the one before."""
    client: Any = AsyncIOMotorClient(settings.mongodb_url)
    database = client[settings.database]
    patterns = client[f"{settings.database}_pattern"]
    at_a_time = asyncio.Semaphore(_AT_A_TIME)
    now = int(time.time() * 1000) // _HEAD_MS

    async def fill(name: str, where: dict[str, Any], changes: dict[str, Any]) -> None:
        async with at_a_time:
            await database[name].drop_indexes()
            pattern = [{"$match": where}, {"$out": {"db": patterns.name, "coll": name}}]
            await database[name].aggregate(pattern).to_list(None)
            for copies in _copies(times, span_s, now):
                stages = [
                    {"$set": {"copy": copies}},
                    {"$unwind": "$copy"},
                    {"$set": changes},
                    # The server gives a record without an id a new one.
                    {"$unset": ["copy", "_id"] if "_id" not in changes else "copy"},
                    {"$merge": {"into": {"db": database.name, "coll": name}, "whenMatched": "fail"}},
                ]
                await patterns[name].aggregate(stages).to_list(None)

    try:
        async with asyncio.TaskGroup() as group:
            for name, changes in _BY_ORDER.items():
                group.create_task(fill(name, {}, changes))
            for worker in OF_ORDERS:
                group.create_task(fill(JOURNALS + worker, {"about": {"$regex": "^order/"}}, _RECORD))
        await process.prepare(settings)
        await client.admin.command("fsync")
    finally:
        await client.drop_database(patterns.name)
        client.close()


async def add_distributors(settings: Settings, count: int, depth: int) -> None:
    """Add `count` distributors in separate chains of `depth`; the id of number n is `distributor_id(n)`."""
    client: Any = AsyncIOMotorClient(settings.mongodb_url)
    collection = client[settings.database][DISTRIBUTORS]
    try:
        await collection.drop_indexes()
        for first in range(0, count, _INSERTED_AT_ONCE):
            numbers = range(first, min(count, first + _INSERTED_AT_ONCE))
            await collection.insert_many(
                [_distributor(number, number - count // depth) for number in numbers], ordered=False
            )
        await process.prepare(settings)
        await client.admin.command("fsync")
    finally:
        client.close()


def distributor_id(number: int) -> int:
    """The id of a bulk-loaded distributor, counted from 0."""
    return _FIRST_ID + number


def _distributor(number: int, sponsor: int) -> dict[str, Any]:
    """As `network` stores it; a distributor without a sponsor has no `sponsor_id`, to keep its index small."""
    above = {"sponsor_id": distributor_id(sponsor)} if sponsor >= 0 else {}
    return {
        "_id": distributor_id(number),
        "standings": [{"since": _JOINED, "tier": "standard", "active": True}],
        "sponsors": [{"since": _JOINED, "sponsor_id": above.get("sponsor_id")}],
        "teams": [],
        **above,
    }


def _copies(times: int, span_s: int, now: int) -> Iterator[list[dict[str, Any]]]:
    """The values that distinguish each copy, in portions; the same in every collection, since several hold an id.

    The factor is odd, so no two copies draw the same characters.
    """
    space = 16**_DRAWN
    for first in range(1, times, _COPIES_AT_ONCE):
        yield [
            {
                "tag": f"-{n}",
                "drawn": f"{n * 0x9E377 % space:0{_DRAWN}x}",
                "head": f"{now - n:0{_HEAD}x}",
                "back_s": n * span_s,
            }
            for n in range(first, min(times, first + _COPIES_AT_ONCE))
        ]


def _tagged(of: str) -> dict[str, Any]:
    return {"$concat": [of, "$copy.tag"]}


def _renumbered(name: str) -> dict[str, Any]:
    """The same list name; the list of the order's number gets the copy's tag."""
    return {"$cond": [{"$eq": [{"$indexOfCP": [name, number_list("")]}, 0]}, _tagged(name), name]}


def _drawn(of: str) -> dict[str, Any]:
    """The copy's message id, the same in every place of the old one."""
    start = {"$subtract": [{"$strLenCP": of}, _UUID]}
    before = {"$substrCP": [of, 0, start]}
    kept = {"$substrCP": [of, start, _KEPT]}
    middle = {"$substrCP": [of, {"$add": [start, _HEAD]}, _VERSION - _HEAD]}
    version = {"$substrCP": [of, {"$add": [start, _VERSION]}, 1]}
    tail = {"$substrCP": [of, {"$add": [start, _VERSION + 1]}, _UUID - _VERSION - 1]}
    head = {"$cond": [{"$eq": [version, _OURS]}, "$copy.head", {"$concat": [kept, "$copy.drawn"]}]}
    return {"$concat": [before, head, middle, _COPY, tail]}


def _each(of: str, changes: Any) -> dict[str, Any]:
    """A list with every item changed; no list where there was none."""
    return {"$cond": [{"$isArray": of}, {"$map": {"input": of, "in": changes}}, "$$REMOVE"]}


_EARLIER = {"$dateSubtract": {"startDate": "$placed_at", "unit": "second", "amount": "$copy.back_s"}}
_BY_ORDER: dict[str, dict[str, Any]] = {
    ORDERS: {
        "_id": _tagged("$_id"),
        "order_id": _tagged("$order_id"),
        "placed_at": _EARLIER,
        LISTS: {"$map": {"input": f"${LISTS}", "in": _renumbered("$$this")}},
    },
    COMMISSIONS: {"_id": _tagged("$_id"), "placed_at": _EARLIER},
    LEDGER: {"_id": _drawn("$_id"), "key": _tagged("$key")},
    "commission_calculation.notices": {"_id": _tagged("$_id")},
    "stock_reservation.reservations": {"_id": _tagged("$_id")},
    "reward_checks.sales": {"_id": _tagged("$_id")},
}
_HANDLED = {
    "id": _drawn("$$this.id"),
    "about": _tagged("$$this.about"),
    "correlation": _tagged("$$this.correlation"),
}
_EMITTED = {"cause": _drawn("$$this.cause"), "id": _drawn("$$this.id")}
_RECORD = {
    "handled": _each("$handled", {"$mergeObjects": ["$$this", _HANDLED]}),
    "emitted": _each("$emitted", {"$mergeObjects": ["$$this", _EMITTED]}),
    "about": _each("$about", _tagged("$$this")),
}
