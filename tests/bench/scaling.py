"""More processes of each worker on this machine, and a model for larger machines from the processor time of an order.

The rates show the effect of more processes on few processor cores: little. The model takes the cost of one order for
each worker and each server, and computes the cores needed at a higher rate, and the bottleneck: the first part that
exists only once and does not have enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from infra.adapters.mongo import MongoStore
from infra.runtime import roster
from tests.bench.ours import OF_ORDERS, Ours, cpu_s_of
from tests.bench.run import Bench
from tests.bench.world import World, one_line_world

PROCESSES = (1, 2, 4)
TIMES = (10, 100, 1_000)

CORES_MAX: Mapping[str, float] = {"rabbitmq": 1.0, "mongodb": 64.0}
"""The most cores that a single server part can use. The leader of a quorum queue is one Erlang process, and every
order is its own message in one queue; the primary of a replica set is one machine, here with 64 cores.

All of RabbitMQ's time is counted for that queue, so its ceiling is rather too low than too high. Workers have no
limit: they scale by more processes.
"""


@dataclass(frozen=True, slots=True)
class Costs:
    """Processor time of an order in µs: of each worker's process, and of each server."""

    workers_us: Mapping[str, float]
    servers_us: Mapping[str, float]

    @property
    def total_us(self) -> float:
        return sum(self.workers_us.values()) + sum(self.servers_us.values())


@dataclass(frozen=True, slots=True)
class Prediction:
    """The `cores` of each part that `orders_per_s` need; `bottleneck` is the part with too few.

    `ceiling_per_s` is the bottleneck's limit; both are None where all parts have enough.
    """

    times: int
    orders_per_s: float
    cores: Mapping[str, float]
    bottleneck: str | None
    ceiling_per_s: float | None


@dataclass(frozen=True, slots=True)
class ScalingFindings:
    """Rates by the processes of each worker, round by round; costs with one process of each."""

    rates: Mapping[int, Sequence[float]]
    costs: Costs
    predictions: Sequence[Prediction]


async def scaling(bench: Bench, orders: int, rounds: int) -> ScalingFindings:
    """1, 2 and 4 processes of each worker in turns, and the model. Raises BenchFailure where the books do not hold."""
    world = one_line_world(orders)
    rates: dict[int, list[float]] = {processes: [] for processes in PROCESSES}
    costs = []
    for number in range(rounds):
        for processes in PROCESSES:
            bench.progress(f"scaling: {processes} processes of each worker", number, rounds)
            rate, cost = await _measure(bench.ours(groups_of(processes)), world, bench.servers)
            rates[processes].append(rate)
            if processes == 1:
                costs.append(cost)
    middle = _median_of(costs)
    return ScalingFindings(rates, middle, list(predictions(middle, median(rates[1]))))


def groups_of(processes: int) -> list[tuple[str, ...]]:
    """`processes` of each worker that orders go through, and one process for all others."""
    *single, others = roster.groups(*((name,) for name in OF_ORDERS))
    return [others, *(group for group in single for _ in range(processes))]


async def _measure(ours: Ours, world: World, servers: Mapping[str, int]) -> tuple[float, Costs]:
    """The rate and the cost of an order. The servers' time includes publishing, which costs the broker."""
    spent: dict[str, float] = {}

    async def check(store: MongoStore, orders: int) -> None:
        spent.update({name: cpu_s_of(pid) - before[name] for name, pid in servers.items()})
        await ours.check(store, orders)

    async with ours.staged(world) as store:
        before = {name: cpu_s_of(pid) for name, pid in servers.items()}
        run = await ours.take(store, world.singly(), check)
    each_us = 1e6 / run.orders
    return run.orders_per_s, Costs(
        {name: seconds * each_us for name, seconds in run.cpu_s.items() if name in OF_ORDERS},
        {name: seconds * each_us for name, seconds in spent.items()},
    )


def predictions(costs: Costs, orders_per_s: float) -> Iterator[Prediction]:
    """The cores needed for 10, 100 and 1,000 times the rate, and the first bottleneck."""
    for times in TIMES:
        rate = orders_per_s * times
        parts = {**costs.workers_us, **costs.servers_us}
        cores = {part: rate * cost_us / 1e6 for part, cost_us in parts.items()}
        short = {part: cores[part] / most for part, most in CORES_MAX.items() if cores.get(part, 0.0) > most}
        worst = max(short, key=short.__getitem__, default=None)
        yield Prediction(times, rate, cores, worst, rate / short[worst] if worst else None)


def _median_of(costs: Sequence[Costs]) -> Costs:
    first = costs[0]
    return Costs(
        {name: median(cost.workers_us[name] for cost in costs) for name in first.workers_us},
        {name: median(cost.servers_us[name] for cost in costs) for name in first.servers_us},
    )
