"""Cost of an order as the system grows: with more stored orders, distributors, levels above the seller, and rules;
and the duration of API reads.

The sizes of a case take turns, each on its own database, which is kept between its rounds and so grows by the
orders of each round. History and networks are loaded in bulk (`tests.bench.history`); the timed orders are
new, and each of them is checked. The first round is a warm-up and does not count: MongoDB still writes the
bulk-loaded documents to disk then.

Chains are read up to `UPLINE_DEPTH_MAX` levels, so levels above that cost nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Any
from zlib import crc32

from contracts.commissions.view import COMMISSIONS, LEDGER
from contracts.orders.v1 import UPLINE_DEPTH_MAX
from contracts.orders.view import ORDERS
from contracts.rules.document import RuleDocument
from contracts.rules.terms import digest_of, terms_of
from infra.adapters.mongo import MongoStore
from infra.settings import Settings
from tests.bench import grown_reads
from tests.bench.history import add_distributors, distributor_id, multiply_orders
from tests.bench.ours import BenchFailure, Ours
from tests.bench.run import Bench, Progress
from tests.bench.world import World, one_line_world, order_key

STORED, DISTRIBUTORS, DEPTH, OVERRIDES = "stored orders", "distributors", "chain depth", "rule conditions"

_PROGRESS, _SALES = "reward_checks.progress", "reward_checks.sales"
_HANDLED_WITHIN_S, _LOOK_EVERY_S = 30.0, 0.25
_OVERRIDE_RATES = ("0.04", "0.02", "0.01")
_LEVELS = 3
_NETWORK = 10_000
"""Total distributors in the case that varies the depth of chains."""


@dataclass(frozen=True, slots=True)
class GrowthSizes:
    """Sizes of each case; `pattern` orders go through the workers before they are multiplied."""

    rounds: int = 3
    orders: int = 4_000
    pattern: int = 2_000
    stored: Sequence[int] = (10_000, 100_000, 1_000_000)
    distributors: Sequence[int] = (1_000, 100_000, 1_000_000)
    depths: Sequence[int] = (_LEVELS, 1_000)
    overrides: Sequence[int] = (1, 1_000)


@dataclass(slots=True)
class GrowthFindings:
    """Milliseconds per order or read, one figure per round, by case (`stored orders`, …) and size."""

    ms: defaultdict[str, dict[int, list[float]]] = field(default_factory=lambda: defaultdict(dict))

    def median_ms(self, case: str, size: int) -> float:
        return median(self.ms[case][size])

    def ratio(self, case: str) -> float:
        """Cost of an order at the largest size of a case, divided by its cost at the smallest."""
        sizes = self.ms[case]
        return self.median_ms(case, max(sizes)) / self.median_ms(case, min(sizes))

    @property
    def growth_1m_over_10k(self) -> float:
        return self.ratio(STORED)


async def growth(bench: Bench, progress: Progress, sizes: GrowthSizes = GrowthSizes()) -> GrowthFindings:
    """Measure every case, one after another. Raises BenchFailure where the result of an order is wrong."""
    found = GrowthFindings()
    world = one_line_world(sizes.pattern + (1 + sizes.rounds) * sizes.orders)
    for case, makes in _cases(world, sizes).items():
        async with AsyncExitStack() as stack:
            places: dict[int, _Place] = {}
            for size, make in makes.items():
                progress(f"{case}: setting up {size:,}", 0, 0)
                place = _Place(bench.ours(name=f"ours_{case.split()[0]}_{size}"), make.world)
                await stack.enter_async_context(place.staged())
                if make.in_bulk is not None:
                    await make.in_bulk(place)
                places[size] = place
                found.ms[case][size] = []
            for number in range(1 + sizes.rounds):
                for size, place in places.items():
                    progress(f"{case}: {size:,}", number, 1 + sizes.rounds)
                    ms = 1000 / await place.take(sizes.orders)
                    if number > 0:
                        found.ms[case][size].append(ms)
            for size, place in places.items():
                for name, measured in (await place.reads(case)).items():
                    found.ms[name][size] = measured
    return found


@dataclass(slots=True)
class _Place:
    """One size of one case: a prepared database, and how many of the world's orders it has taken."""

    ours: Ours
    world: World
    taken: int = 0
    _store: MongoStore | None = None

    @property
    def settings(self) -> Settings:
        return self.ours.settings

    @asynccontextmanager
    async def staged(self) -> AsyncIterator[None]:
        async with self.ours.staged(self.world) as self._store:
            yield

    async def reads(self, case: str) -> dict[str, list[float]]:
        """Milliseconds of the reads that might become slower in this case."""
        assert self._store is not None, "staged() comes first"
        if case == STORED:
            return await grown_reads.measure(self.ours, await grown_reads.paths_of_orders(self._store))
        if case == DISTRIBUTORS:
            return await grown_reads.measure(self.ours, grown_reads.paths_of_distributors())
        return {}

    async def take(self, orders: int) -> float:
        """Orders per second of the next ones."""
        assert self._store is not None, "staged() comes first"
        fresh = replace(self.world, events=self.world.events[self.taken : self.taken + orders])
        self.taken += orders
        counted = await _sales_minor(self._store)

        async def check(store: MongoStore, _: int) -> None:
            await until_handled(store, fresh.events, counted)

        return (await self.ours.take(self._store, fresh.singly(), check)).orders_per_s


@dataclass(frozen=True, slots=True)
class _Make:
    world: World
    in_bulk: Callable[[_Place], Awaitable[None]] | None = None


def _cases(world: World, sizes: GrowthSizes) -> dict[str, dict[int, _Make]]:
    return {
        STORED: {size: _with_stored(world, sizes.pattern, size) for size in sizes.stored},
        DISTRIBUTORS: {size: _with_network(world, size, _LEVELS) for size in sizes.distributors},
        DEPTH: {size: _with_network(world, max(size, _NETWORK), size) for size in sizes.depths},
        OVERRIDES: {size: _Make(_overridden(world, size)) for size in sizes.overrides},
    }


def _with_stored(world: World, pattern: int, size: int) -> _Make:
    first, last = (datetime.fromisoformat(world.events[at]["data"]["placed_at"]) for at in (0, pattern - 1))
    span_s = 1 + int((last - first).total_seconds())

    async def in_bulk(place: _Place) -> None:
        await place.take(pattern)
        await multiply_orders(place.settings, size // pattern, span_s)

    return _Make(world, in_bulk)


def _with_network(world: World, distributors: int, depth: int) -> _Make:
    """Every basket has another seller; above each seller there are `depth` levels, at most `UPLINE_DEPTH_MAX`."""
    chains = distributors // depth
    lowest = range(chains * (min(depth, UPLINE_DEPTH_MAX) - 1), chains * depth)

    def seller(order_id: str) -> int:
        return distributor_id(lowest[crc32(order_id.partition("-")[0].encode()) % len(lowest)])

    events = [
        {**event, "data": {**event["data"], "distributor_id": seller(event["data"]["order_id"])}}
        for event in world.events
    ]

    async def in_bulk(place: _Place) -> None:
        await add_distributors(place.settings, chains * depth, depth)

    return _Make(replace(world, events=events), in_bulk)


def _overridden(world: World, overrides: int) -> World:
    """The same rules, with override rates for this number of the ordered products."""
    products = list(dict.fromkeys(event["data"]["lines"][0]["product_id"] for event in world.events))[:overrides]
    rules = world.population.rules
    plain: dict[str, Any] = rules.proposal.rules.model_dump(mode="json", exclude_unset=True)
    plain["plans"][0]["overrides"] = [{"product_id": product, "rates": _OVERRIDE_RATES} for product in products]
    document = RuleDocument.model_validate(plain)
    ours = replace(
        rules,
        proposal=rules.proposal.model_copy(update={"rules": document}),
        approval=rules.approval.model_copy(update={"digest": digest_of(terms_of(document))}),
    )
    return replace(world, population=replace(world.population, rules=ours))


async def until_handled(
    store: MongoStore, events: Sequence[dict[str, Any]], counted_minor: int, *, within_s: float = _HANDLED_WITHIN_S
) -> None:
    """Wait until each of these orders is paid, accrued, booked and counted, once. Raises BenchFailure on timeout.

    `counted_minor` is the sum counted before them. The server also counts documents that are about to be committed,
    so the last ones may be visible a moment late.
    """
    deadline = time.monotonic() + within_s
    while (wrong := await _complaint(store, events, counted_minor)) is not None:
        if time.monotonic() > deadline:
            raise BenchFailure(wrong)
        await asyncio.sleep(_LOOK_EVERY_S)


async def _complaint(store: MongoStore, events: Sequence[dict[str, Any]], counted_minor: int) -> str | None:
    keys = [order_key(event) for event in events]
    places: dict[str, tuple[str, dict[str, Any]]] = {
        ORDERS: ("_id", {"status": "paid"}),
        COMMISSIONS: ("_id", {}),
        LEDGER: ("key", {}),
        _SALES: ("_id", {"counted": True}),
    }
    for collection, (name, condition) in places.items():
        found = await store.find(collection, {name: {"$in": keys}, **condition}, fields=(name,))
        if len(found) != len(keys) or {document[name] for document in found} != set(keys):
            return f"{collection} has {len(found)} documents for {len(keys)} new orders"
    net = sum(
        Decimal(str(line["amount"])) - Decimal(str(line.get("discount", 0)))
        for event in events
        for line in event["data"]["lines"]
    )
    counted = await _sales_minor(store) - counted_minor
    return None if counted == net * 100 else f"{counted} of {net * 100:.0f} cents of new orders are counted"


async def _sales_minor(store: MongoStore) -> int:
    found = await store.summarise(_PROGRESS, [{"$group": {"_id": None, "sum": {"$sum": "$sales_minor"}}}])
    return int(found[0]["sum"]) if found else 0
