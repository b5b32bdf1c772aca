"""Peak memory of each process over a long backlog, one worker in each process."""

from __future__ import annotations

from infra.runtime import roster
from tests.bench.run import Bench
from tests.bench.world import one_line_world

GROUPS = tuple((name,) for name in (*roster.names(), roster.CLOCK))
"""The processes of `tributary work all`."""


async def memory(bench: Bench, orders: int) -> dict[str, float]:
    """The peak of each worker's process in MB, over a backlog of `orders`. Raises BenchFailure."""
    bench.progress(f"memory over a backlog of {orders:,} orders", 0, 0)
    world = one_line_world(orders)
    return (await bench.ours(GROUPS).run(world, world.singly())).rss_mb
