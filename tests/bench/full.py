"""The full benchmark: the quick one, growth, a hot product, memory, more processes, verify."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.bench.growth import GrowthFindings, GrowthSizes, growth
from tests.bench.hot import HotFindings, hot
from tests.bench.memory import memory
from tests.bench.run import Bench, Findings, Sizes
from tests.bench.scaling import ScalingFindings, scaling
from tests.bench.verify_growth import VerifyFindings, VerifySizes, verify_growth


@dataclass(frozen=True, slots=True)
class FullSizes:
    """Orders and rounds of each case."""

    growth: GrowthSizes = field(default_factory=GrowthSizes)
    hot_orders: int = 6_000
    hot_rounds: int = 3
    memory_orders: int = 100_000
    scaling_orders: int = 10_000
    scaling_rounds: int = 3
    verify: VerifySizes = field(default_factory=VerifySizes)


@dataclass(frozen=True, slots=True)
class FullFindings:
    """`quick` is the result of `Bench.quick`; `memory` is the peak in MB by worker, over the long backlog."""

    quick: Findings
    growth: GrowthFindings
    hot: HotFindings
    memory: Mapping[str, float]
    scaling: ScalingFindings
    verify: VerifyFindings


async def full(bench: Bench, quick: Sizes, sizes: FullSizes) -> FullFindings:
    """Every case, one after the other. Raises BenchFailure, PeerFailed."""
    return FullFindings(
        await bench.quick(quick),
        await growth(bench, bench.progress, sizes.growth),
        await hot(bench, sizes.hot_orders, sizes.hot_rounds),
        await memory(bench, sizes.memory_orders),
        await scaling(bench, sizes.scaling_orders, sizes.scaling_rounds),
        await verify_growth(bench, sizes.verify),
    )
