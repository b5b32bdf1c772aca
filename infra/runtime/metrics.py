"""Prometheus metrics, labelled by queue only: ids never become labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

if TYPE_CHECKING:
    from infra.runtime.fold import Folded

disable_created_metrics()  # type: ignore[no-untyped-call]

_HANDLED = Counter("tributary_handled", "Messages handled", ["queue"])
_EMITTED = Counter("tributary_emitted", "Messages emitted", ["queue"])
_RETRIED = Counter("tributary_retried", "Messages sent to wait for another try", ["queue"])
_DEAD = Counter("tributary_dead_lettered", "Messages set aside for a person", ["queue"])
_CONFLICTS = Counter("tributary_conflicts", "Transactions run again because a replica wrote first", ["queue"])
_BATCH = Histogram(
    "tributary_batch_messages", "Messages in a batch", ["queue"], buckets=[1, 2, 5, 10, 50, 100, 250, 500, 1000]
)
_COMMIT = Histogram(
    "tributary_commit_seconds",
    "Time from a decoded batch to its commit",
    ["queue"],
    buckets=[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
)
_OLDEST = Gauge("tributary_oldest_message_age_seconds", "Age of the first message of the latest batch", ["queue"])


class QueueMetrics:
    """The metrics of one queue, with their labels looked up once."""

    def __init__(self, queue: str) -> None:
        self._handled = _HANDLED.labels(queue)
        self._emitted = _EMITTED.labels(queue)
        self._retried = _RETRIED.labels(queue)
        self._dead = _DEAD.labels(queue)
        self.conflicts = _CONFLICTS.labels(queue)
        self._batch = _BATCH.labels(queue)
        self._commit = _COMMIT.labels(queue)
        self.oldest_age_s = _OLDEST.labels(queue)

    def batch(self, messages: int, commit_s: float) -> None:
        self._batch.observe(messages)
        self._commit.observe(commit_s)

    def outcome(self, folded: Folded) -> None:
        self._handled.inc(len(folded.handled))
        self._emitted.inc(len(folded.emitted))
        self._retried.inc(len(folded.retried))
        self._dead.inc(len(folded.dead))
