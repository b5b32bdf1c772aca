"""All orders are for one product: its rate compared with the uniform case, and whether the last unit is sold once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from contracts.fields import QUANTITY_MAX
from contracts.orders.view import ORDERS
from contracts.stock.v1 import ReceiveStock
from contracts.stock.view import ITEMS
from infra.demo.shop import Shop
from infra.runtime import roster
from tests.bench.ours import GROUPS, BenchFailure, verified
from tests.bench.run import Bench
from tests.bench.world import World, one_line_world

REPLICAS: dict[str, Sequence[Sequence[str]]] = {
    "two of stock_reservation": (
        ("stock_reservation",),
        *roster.groups(("order_intake",), ("stock_reservation",), ("reward_checks", "alerting")),
    ),
    "two of every worker": tuple(group for group in GROUPS for _ in range(2)),
}
"""The processes of each variant; the uniform case uses the same."""

_SELL_OUT_WITHIN_S = 300.0
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Hot:
    """Orders per second of a variant, round by round, and the median of hot to uniform within a round."""

    replicas: str
    uniform: tuple[float, ...]
    hot: tuple[float, ...]

    @property
    def share(self) -> float:
        return median(hot / uniform for hot, uniform in zip(self.hot, self.uniform, strict=True))


@dataclass(frozen=True, slots=True)
class SoldOut:
    """The result of more orders than stock, one unit each."""

    stock: int
    sold: int
    rejected: int


@dataclass(frozen=True, slots=True)
class HotFindings:
    variants: tuple[Hot, ...]
    sold_out: SoldOut


async def hot(bench: Bench, orders: int, rounds: int) -> HotFindings:
    """Measure hot and uniform in turns, with the same processes. Raises BenchFailure where books or stock are wrong."""
    uniform = one_line_world(orders)
    worlds = {"uniform": uniform, "hot": hot_world(uniform)}
    variants = []
    for name, groups in REPLICAS.items():
        rates: dict[str, list[float]] = {kind: [] for kind in worlds}
        for number in range(rounds):
            for kind, world in worlds.items():
                bench.progress(f"hot product, {name}: {kind}", number, rounds)
                run = await bench.ours(groups).run(world, world.singly())
                rates[kind].append(run.orders_per_s)
        variants.append(Hot(name, tuple(rates["uniform"]), tuple(rates["hot"])))
    bench.progress("hot product that runs out", 0, 0)
    return HotFindings(tuple(variants), await _sell_out(bench, uniform))


def hot_world(world: World, *, stock: int | None = None) -> World:
    """The same orders, all for the most ordered product; one unit each where `stock` is limited."""
    demanded = Counter(line["product_id"] for event in world.events for line in event["data"]["lines"])
    [(product_id, _)] = demanded.most_common(1)
    changed: dict[str, Any] = {"product_id": product_id}
    if stock is not None:
        changed["quantity"] = 1
    events = [_with_lines(event, changed) for event in world.events]
    demand = sum(line["quantity"] for event in events for line in event["data"]["lines"])
    others = tuple(receipt for receipt in world.population.receipts if receipt.product_id != product_id)
    receipts = (*others, *_receipts(product_id, demand if stock is None else stock))
    return replace(world, events=events, population=replace(world.population, receipts=receipts))


async def _sell_out(bench: Bench, world: World) -> SoldOut:
    """Stock for half of the orders, two processes of every worker: exactly that half is sold, the rest rejected."""
    stock = len(world.events) // 2
    short = hot_world(world, stock=stock)
    ours = bench.ours(REPLICAS["two of every worker"])
    async with ours.staged(short) as store:
        async with ours.running(ours.groups), Shop(ours.settings.rabbitmq_url) as shop:
            await shop.send([sent.as_published for sent in short.singly()])
            await _until_handled(store.find, len(short.events))
        await verified(store)
        statuses = Counter(order["status"] for order in await store.find(ORDERS, {}, fields=("status",)))
        [item] = await store.find(ITEMS, {"_id": _only_product(short)})
    found = SoldOut(stock, statuses["paid"], statuses["rejected"])
    left = sum(lot["on_hand"] - lot["reserved"] for lot in item["lots"])
    if found != SoldOut(stock, stock, len(short.events) - stock) or left:
        raise BenchFailure(f"stock {stock}: {found.sold} units sold, {left} left, {found.rejected} orders rejected")
    return found


async def _until_handled(find: Callable[..., Any], orders: int) -> None:
    """Wait until every order is paid or rejected."""
    deadline = time.monotonic() + _SELL_OUT_WITHIN_S
    while len(await find(ORDERS, {"status": {"$in": ["paid", "rejected"]}}, fields=("_id",))) < orders:
        if time.monotonic() > deadline:
            raise BenchFailure(f"some orders of the hot product are not handled after {_SELL_OUT_WITHIN_S:.0f} s")
        await asyncio.sleep(_LOOK_EVERY_S)


def _with_lines(event: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    data = event["data"]
    return {**event, "data": {**data, "lines": [{**line, **changed} for line in data["lines"]]}}


def _only_product(world: World) -> int:
    return int(world.events[0]["data"]["lines"][0]["product_id"])


def _receipts(product_id: int, quantity: int) -> list[ReceiveStock]:
    return [
        ReceiveStock(
            receipt_id=f"hot-{number}",
            product_id=product_id,
            quantity=min(QUANTITY_MAX, quantity - begin),
            low_at=0,
        )
        for number, begin in enumerate(range(0, quantity, QUANTITY_MAX), start=1)
    ]
