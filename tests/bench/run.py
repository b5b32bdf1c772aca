"""The benchmark: every contender in one call, on the same servers, in turns, several rounds; medians and spread.

Absolute rates depend on the machine and its other load; the ratios of one call depend on them much less.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from infra.settings import Settings
from tests.bench.latency import Latency, latencies
from tests.bench.ours import GROUPS, Ours, Run
from tests.bench.peers.celery_peer import CeleryPeer
from tests.bench.peers.floor import FloorPeer
from tests.bench.peers.peer import ServedPeer, measure
from tests.bench.peers.place import Place
from tests.bench.peers.plain_faststream import PlainFastStreamPeer
from tests.bench.peers.reference import Reference
from tests.bench.reads import ReadLatency, reads
from tests.bench.world import World, basket_world, one_line_world

HALF = 0.50
LOADS = (0.10, HALF, 0.80)
"""Shares of our capacity at which latency is measured."""

Progress = Callable[[str, int, int], None]
Contender = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Orders per round of each contender, enough for some seconds at its speed.

    A contender without orders is left out, as is a measurement of 0 seconds.
    """

    rounds: int = 3
    one_line: int = 8_000
    batched: int = 8_000
    baskets: int = 2_000
    celery: int = 600
    faststream: int = 800
    floor: int = 16_000
    latency_s: float = 6.0
    reads_s: float = 1.8


@dataclass(slots=True)
class Findings:
    """Orders per second by contender, peak memory by process, latencies by load: a figure for every round."""

    rates: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    rss_mb: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    latency: defaultdict[float, list[Latency]] = field(default_factory=lambda: defaultdict(list))
    reads: list[ReadLatency] = field(default_factory=list)


@dataclass(slots=True)
class Bench:
    """`settings` name the servers; every contender gets its own database and queue names on them.

    `servers` are the server processes by name, if they run on this machine.
    """

    settings: Settings
    environment: dict[str, str]
    logs: Path
    progress: Progress
    servers: Mapping[str, int] = field(default_factory=dict)
    found: Findings = field(default_factory=Findings)
    """The results of `quick` so far; they are reported even if it does not finish."""

    async def quick(self, sizes: Sizes) -> Findings:
        """Measure all contenders in turns, then our latency at shares of our capacity."""
        found = self.found
        contenders = self._contenders(sizes, found)
        total = sizes.rounds * len(contenders)
        for number in range(total):
            name, contender = contenders[number % len(contenders)]
            self.progress(f"round {number // len(contenders) + 1}: {name}", number, total)
            found.rates[name].append(await contender())
        if sizes.latency_s:
            capacity = median(found.rates["ours, one-line orders"])
            rates = {load: load * capacity for load in LOADS}
            for number in range(sizes.rounds):
                self.progress("latency at shares of capacity", number, sizes.rounds)
                for latency in await latencies(self.ours(), rates, sizes.latency_s):
                    found.latency[latency.load].append(latency)
        if sizes.reads_s:
            self.progress("reads of the HTTP API", 0, 0)
            found.reads = await reads(self.ours(), sizes.reads_s)
        return found

    def ours(self, groups: Sequence[Sequence[str]] = GROUPS, *, name: str = "ours") -> Ours:
        """Our workers on their own database, each group in one process."""
        settings = self.settings.model_copy(update={"database": f"{self.settings.database}_{name}"})
        environment = {**self.environment, "TRIBUTARY_DATABASE": settings.database}
        return Ours(settings, environment, self.logs, groups)

    def _contenders(self, sizes: Sizes, found: Findings) -> list[tuple[str, Contender]]:
        one_line = one_line_world(max(sizes.one_line, sizes.batched))

        def ours(world: World, *, batched: bool = False, orders: int) -> Contender:
            async def contend() -> float:
                some = world.first(orders)
                run: Run = await self.ours().run(some, some.batched() if batched else some.singly())
                for name, rss in run.rss_mb.items():
                    found.rss_mb[name].append(rss)
                return run.orders_per_s

            return contend

        def peer(kind: type[ServedPeer], orders: int) -> Contender:
            world = one_line if orders <= len(one_line.events) else one_line_world(orders)
            reference = Reference.of(world.population)
            bodies = [json.dumps(event["data"]).encode() for event in world.events[:orders]]
            name = self.settings.database
            place = Place(self.settings.rabbitmq_url, self.settings.mongodb_url, f"{name}_peer", f"{name}.peer")

            async def contend() -> float:
                return (await measure(kind(place, self.logs), bodies, reference)).orders_per_s

            return contend

        contenders: list[tuple[str, int, Callable[[], Contender]]] = [
            ("ours, one-line orders", sizes.one_line, lambda: ours(one_line, orders=sizes.one_line)),
            ("Celery", sizes.celery, lambda: peer(CeleryPeer, sizes.celery)),
            ("floor", sizes.floor, lambda: peer(FloorPeer, sizes.floor)),
            ("ours, shop-batched", sizes.batched, lambda: ours(one_line, batched=True, orders=sizes.batched)),
            ("plain FastStream", sizes.faststream, lambda: peer(PlainFastStreamPeer, sizes.faststream)),
            (
                "ours, real baskets",
                sizes.baskets,
                lambda: ours(basket_world(sizes.baskets), orders=sizes.baskets),
            ),
        ]
        return [(name, contender()) for name, orders, contender in contenders if orders]
