"""Duration of a rehearsal over a year: `python -m tests.bench.rehearsal [--orders N] [--keep]`, on its own servers.

Fills a database with real baskets as the workers would store them (this takes a few minutes; --keep keeps the
data), rehearses a draft over all of them, and prints the duration.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from pymongo import MongoClient

from contracts.commissions.view import COMMISSIONS
from contracts.orders.view import ORDERS
from contracts.rules.view import RULES, Caps, Conditions, Differential, TeamBonus, Terms, Unilevel
from infra import local
from infra.adapters.mongo import MongoStore
from infra.collector import collect_seldom
from infra.demo.baskets import Basket, baskets
from infra.ports.store import Document
from infra.rehearsal.backtest import Backtest, backtest
from infra.terminal.environment import leave_exported_addresses
from tests.bench.stored_orders import CURRENCY, rules_document, stored

STACK = "bench-rehearsal"
DATABASE = "bench_rehearsal"
YEAR = 155_848
SLICE = 2_000

DRAFT = Terms(
    "Draft",
    "default",
    200_000,
    (
        Unilevel(
            "direct",
            (60_000, 20_000),
            conditions=Conditions(own_sales_min={CURRENCY: 10_000}),
            caps=Caps(order={CURRENCY: 500}, month={CURRENCY: 20_000}),
        ),
        Differential("tiers", {"silver": 20_000, "gold": 40_000, "diamond": 60_000}, peer_rate_ppm=5_000, levels_max=2),
        TeamBonus("team", 10_000),
    ),
)
"""Three plans with everything that slows a rehearsal: monthly sums, caps, and a walk up the chain."""


def fill(database: Any, bought: Sequence[Basket]) -> None:
    database[RULES].insert_one(rules_document(bought))
    for slice_ in _slices(stored(bought)):
        database[ORDERS].insert_many([order for order, _ in slice_], ordered=False)
        database[COMMISSIONS].insert_many([paid for _, paid in slice_ if paid is not None], ordered=False)
    database[ORDERS].create_index([("placed_at", 1)])


def _slices(
    documents: Iterable[tuple[Document, Document | None]],
) -> Iterator[list[tuple[Document, Document | None]]]:
    iterator = iter(documents)
    while slice_ := list(islice(iterator, SLICE)):
        yield slice_


async def rehearse(url: str, first: Any, last: Any) -> Backtest:
    collect_seldom()
    store = MongoStore.connect(url, DATABASE)
    try:
        await store.ping()
        return await backtest(store, DRAFT, first.date(), last.date())
    finally:
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.rehearsal", description=__doc__)
    parser.add_argument("--orders", type=int, default=YEAR)
    parser.add_argument("--keep", action="store_true", help="keep the data, and use it again next time")
    arguments = parser.parse_args()
    leave_exported_addresses("The benchmark uses only servers that it starts.")
    home = local.default_home()
    try:
        measure(local.up(STACK, home=home, progress=_print).mongodb_url, arguments.orders)
    finally:
        local.down(STACK, home=home, remove_data=not arguments.keep)


def measure(url: str, orders: int) -> None:
    with MongoClient[Document](url) as client:
        database = client[DATABASE]
        if database[ORDERS].estimated_document_count() == 0:
            began = time.perf_counter()
            fill(database, list(baskets(orders)))
            _print(f"filled in {time.perf_counter() - began:.0f} s")
        [first] = database[ORDERS].find().sort("placed_at", 1).limit(1)
        [last] = database[ORDERS].find().sort("placed_at", -1).limit(1)
        began, cpu = time.perf_counter(), time.process_time()
        found = asyncio.run(rehearse(url, first["placed_at"], last["placed_at"]))
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
    comparison = found.by_currency[CURRENCY]
    _print(f"{found.orders} orders, {comparison.lines} lines rehearsed in {took:.1f} s ({cpu:.1f} s of this process)")
    _print(f"{took / found.orders * 1e6:.0f} µs an order; {_memory_mb()} MB at most")
    _print(f"today {comparison.before_minor}, draft {comparison.after_minor}, of {comparison.sales_minor}")


def _memory_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _print(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")


if __name__ == "__main__":
    main()
