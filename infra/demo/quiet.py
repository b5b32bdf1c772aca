"""Waiting until the system is quiet: the queues are empty, and no journal grows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

from infra.adapters import rabbitmq as broker
from infra.adapters.mongo import MongoStore
from infra.ports.store import JOURNALS
from infra.ports.topology import Topology
from infra.runtime.failure_policy import DELAY_PREFIX
from infra.runtime.topology import PARKED
from infra.runtime.worker import Worker

_POLL_S = 0.25
_STILL_FOR_S = 0.75
"""Longer than a batch takes from its delivery to its journal record, which the broker does not show."""


class NeverQuietError(Exception):
    """The system is still working after the time limit; the text states where."""


async def wait_until_quiet(
    url: str,
    store: MongoStore,
    topology: Topology,
    workers: Sequence[Worker],
    *,
    with_retries: bool,
    timeout_s: float,
    on_look: Callable[[int], None] = lambda _: None,
) -> None:
    """Return when every queue, `with_retries` also each retry queue, is empty and no journal grows."""
    queues = [
        queue.name
        for queue in topology.queues
        if queue.name != PARKED and (with_retries or not queue.name.startswith(DELAY_PREFIX))
    ]
    journals = [JOURNALS + worker.name for worker in workers]
    deadline = monotonic() + timeout_s
    still_since, records_before = monotonic(), -1
    while monotonic() < deadline:
        depths = await broker.depths(url, queues)
        waiting = {name: depth.ready for name, depth in depths.items() if depth and depth.ready}
        records = sum([await store.count(journal) for journal in journals])
        on_look(sum(waiting.values()))
        if waiting or records != records_before:
            still_since = monotonic()
        elif monotonic() - still_since >= _STILL_FOR_S:
            return
        records_before = records
        await asyncio.sleep(_POLL_S)
    raise NeverQuietError(f"after {timeout_s:.0f} s there is still work in {waiting or 'a worker'}")
