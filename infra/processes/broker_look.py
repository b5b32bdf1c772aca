"""The broker's counts for a process's queues, for its health and metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from infra.adapters import rabbitmq as broker
from infra.adapters.link import RABBITMQ
from infra.ports.messaging import BrokerUnavailable
from infra.telemetry import metrics
from infra.telemetry.readiness import Readiness

_IDLE = (
    "no consumer at the broker; if this lasts, the queue has no leader: start the nodes that are away, or restart the "
    "one that RabbitMQ's log names"
)
_FRESH_S = 2.0
"""Probes and scrapes within this time share one look, because each look opens a connection."""


async def ready_of(url: str, queues: Sequence[str], *, within_s: float = 5.0) -> dict[str, int]:
    """The ready messages of each queue that exists. Any login may ask for them. Raises BrokerUnavailable."""
    try:
        async with asyncio.timeout(within_s):
            found = await broker.depths(url, queues)
    except TimeoutError as error:
        raise BrokerUnavailable(f"the queues could not be measured within {within_s} s") from error
    return {name: depth.ready for name, depth in found.items() if depth is not None}


class BrokerLook:
    """Reads the counts on demand, but not while the broker is known to be away."""

    def __init__(self, url: str, queues: Sequence[str], readiness: Readiness) -> None:
        self._url = url
        self._queues = queues
        self._readiness = readiness
        self._looking = asyncio.Lock()
        self._seen: dict[str, broker.QueueDepth | None] = {}
        self._until_s = 0.0

    async def missing_consumers(self) -> dict[str, str]:
        """Queues that have no consumer, with the reason; or why the broker cannot be reached."""
        try:
            seen = await self._look()
        except BrokerUnavailable as error:
            return {"broker": str(error)}
        return {name: _IDLE for name, depth in seen.items() if not depth or not depth.consumers}

    async def depths(self) -> None:
        """Update the metrics; unknown values are not exported."""
        try:
            seen = {} if self._readiness.is_away(RABBITMQ) else await self._look()
        except BrokerUnavailable:
            seen = {}
        for queue in self._queues:
            depth = seen.get(queue)
            metrics.depth(queue, (depth.ready, depth.consumers) if depth else None)

    async def _look(self) -> dict[str, broker.QueueDepth | None]:
        async with self._looking:
            if time.monotonic() >= self._until_s:
                self._seen = await broker.depths(self._url, self._queues)
                self._until_s = time.monotonic() + _FRESH_S
            return self._seen
