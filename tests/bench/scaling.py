"""More processes of each worker on this machine, and what the processor time of an order says of larger ones.

The rates show what more processes give while processor cores are few: little. The model takes what one order costs
each worker and each server, and says what so many orders a second would need, and which part of the system that is
one of its kind is first asked for more than it can give.
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
"""What one may use of a server of which there is one: the leader of a quorum queue is one Erlang process, and every
order comes as a message of its own through one queue; the primary of a replica set is one machine, of 64 cores say.

All of RabbitMQ's time is put down to that one queue, so that its ceiling is sooner too low than too high. Workers have
none: more of them is more processes.
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
    """So many orders a second need so many cores of each part; `bottleneck` is the part that has not as many.

    `ceiling_per_s` is where it ends; it is None where everything is enough.
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
    """So many processes of each worker that an order meets, and one for all others."""
    *single, others = roster.groups(*((name,) for name in OF_ORDERS))
    return [others, *(group for group in single for _ in range(processes))]


async def _measure(ours: Ours, world: World, servers: Mapping[str, int]) -> tuple[float, Costs]:
    """The rate, and what an order costs. The servers' time is that of publishing too: the broker pays for it."""
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
    """What the orders of 10, 100 and 1,000 such machines need, and what first has not enough."""
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
