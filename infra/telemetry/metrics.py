"""Prometheus metrics, labelled by queue, server or rail: ids never become labels."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from weakref import WeakSet

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]

_HANDLED = Counter("tributary_handled", "Messages handled", ["queue"])
_EMITTED = Counter("tributary_emitted", "Messages emitted", ["queue"])
_RETRIED = Counter("tributary_retried", "Messages sent to wait for a retry", ["queue"])
_DEAD = Counter("tributary_dead_lettered", "Messages dead-lettered", ["queue"])
_CONFLICTS = Counter("tributary_conflicts", "Transactions retried because a replica wrote first", ["queue"])
_BATCH = Histogram(
    "tributary_batch_messages", "Messages in a batch", ["queue"], buckets=[1, 2, 5, 10, 50, 100, 250, 500, 1000]
)
_COMMIT = Histogram(
    "tributary_commit_seconds",
    "Time from a decoded batch to its commit",
    ["queue"],
    buckets=[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
)
_OLDEST = Gauge(
    "tributary_oldest_message_age_seconds",
    "Age of the first message of the current batch; 0 while there is none",
    ["queue"],
)
_REDELIVERED = Counter("tributary_redelivered", "Redeliveries by the broker", ["queue"])
_WAITING = Gauge("tributary_queue_ready_messages", "Messages at the broker that no consumer holds", ["queue"])
_CONSUMERS = Gauge("tributary_queue_consumers", "Consumers that the broker counts", ["queue"])
_READY = Gauge("tributary_ready", "1 while the process can do its work, 0 while it waits")
_CONNECTED = Gauge("tributary_connected", "1 while the server can be used, 0 while it is away", ["server"])
_CALLBACKS = Counter("tributary_callbacks_refused", "Callbacks of rails that were not believed", ["rail", "code"])
_RESTARTS = Gauge("tributary_restarts", "How often this process was restarted after it died")


_LANES: dict[str, WeakSet[QueueMetrics]] = {}
"""The loops of each queue in this process."""


def connected(server: str, is_connected: bool) -> None:
    _CONNECTED.labels(server.lower()).set(is_connected)


def of_process(*, is_ready: Callable[[], bool], restarts: int) -> None:
    """Set the metrics of this process itself."""
    _READY.set_function(is_ready)
    _RESTARTS.set(restarts)


def callback_refused(rail: str, code: str) -> None:
    _CALLBACKS.labels(rail, code).inc()


def depth(queue: str, seen: tuple[int, int] | None) -> None:
    """Messages and consumers of a queue as the broker counts them; None: unknown, so not exported."""
    if seen is None:
        with suppress(KeyError):
            _WAITING.remove(queue)
            _CONSUMERS.remove(queue)
        return
    _WAITING.labels(queue).set(seen[0])
    _CONSUMERS.labels(queue).set(seen[1])


class QueueMetrics:
    """The metrics of one loop of a queue, with their labels looked up once."""

    def __init__(self, queue: str) -> None:
        self._handled = _HANDLED.labels(queue)
        self._emitted = _EMITTED.labels(queue)
        self._retried = _RETRIED.labels(queue)
        self._dead = _DEAD.labels(queue)
        self.conflicts = _CONFLICTS.labels(queue)
        self._batch = _BATCH.labels(queue)
        self._commit = _COMMIT.labels(queue)
        self._redelivered = _REDELIVERED.labels(queue)
        self._oldest_s: float | None = None
        lanes = _LANES.setdefault(queue, WeakSet())
        lanes.add(self)
        _OLDEST.labels(queue).set_function(lambda: max(lane.age_s() for lane in lanes))

    def batch_started(self, oldest: datetime | None, redelivered: int) -> None:
        """A batch starts; its first message is from `oldest`."""
        self._oldest_s = oldest.timestamp() if oldest else None
        self._redelivered.inc(redelivered)

    def batch_done(self, messages: int, commit_s: float) -> None:
        """The batch is done."""
        self._oldest_s = None
        self._batch.observe(messages)
        self._commit.observe(commit_s)

    def outcome(self, *, handled: int, emitted: int, retried: int, dead: int) -> None:
        self._handled.inc(handled)
        self._emitted.inc(emitted)
        self._retried.inc(retried)
        self._dead.inc(dead)

    def age_s(self) -> float:
        """Of the first message of the current batch."""
        return max(0.0, time.time() - self._oldest_s) if self._oldest_s is not None else 0.0
