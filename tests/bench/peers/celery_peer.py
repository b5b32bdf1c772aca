"""The Celery peer: idiomatic Celery with PyMongo, with the best pool and concurrency found."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import aio_pika

from tests.bench.peers.books import differences, expected_books
from tests.bench.peers.celery_app import TASKS, app_of, task_name
from tests.bench.peers.peer import ServedPeer
from tests.bench.peers.place import Place
from tests.bench.peers.reference import Reference
from tests.bench.peers.steps import COUNTED, STEPS, TAKE_IN

_DELAYS = [f"celery_delayed_{level}" for level in range(28)]
"""Queues that a Celery worker declares for delayed tasks when it detects a quorum queue."""


@dataclass(frozen=True, slots=True)
class Pool:
    """`workers` processes of `celery worker`, each with this pool."""

    kind: Literal["prefork", "threads", "gevent"]
    concurrency: int
    workers: int = 1


BEST = Pool("threads", 16, workers=2)
"""Compared with one worker of 32 threads: faster in four of six comparisons, in three of three with the current tasks,
though it takes more CPU time an order. Compare the two again on an idle machine.
"""

TRIED: Mapping[Pool, str] = {
    Pool("threads", 4): "40 to 89 orders/s, 17 to 20 ms of CPU an order",
    Pool("threads", 8): "52 to 93 orders/s, 15 to 16 ms",
    Pool("threads", 16): "46 to 93 orders/s, 13 to 17 ms",
    Pool("threads", 32): "57 to 104 orders/s, 12 to 16 ms",
    Pool("threads", 64): "55 to 70 orders/s, 14 to 16 ms",
    Pool("threads", 8, workers=2): "55 to 65 orders/s, 17 to 19 ms",
    Pool("threads", 16, workers=2): "59 to 111 orders/s, 14 to 17 ms",
    Pool("threads", 32, workers=2): "64 to 72 orders/s, 16 ms",
    Pool("prefork", 2): "23 orders/s",
    Pool("prefork", 4): "29 to 51 orders/s, 25 to 30 ms",
    Pool("prefork", 8): "18 to 33 orders/s, 28 to 33 ms",
    Pool("prefork", 16): "37 orders/s",
    Pool("gevent", 16): "65 orders/s",
    Pool("gevent", 32): "20 orders/s, 28 to 29 ms",
    Pool("gevent", 64): "24 orders/s",
}
"""Results of each pool on two cores shared with other work (load 5 to 30), 600 to 1,000 orders per run,
one to seven runs each, some of them before the last improvements of the tasks. The CPU time is the sum of
the workers, MongoDB and RabbitMQ; unlike the rate, it hardly depends on other load.
"""


class CeleryPeer(ServedPeer):
    name = "celery"
    steps = STEPS
    finished_in = COUNTED

    def __init__(self, place: Place, logs: Path, pool: Pool = BEST) -> None:
        super().__init__(place, logs)
        self._pool = pool
        self._app = app_of(place)
        self.exchanges = (*map(place.queue, STEPS), *_DELAYS, "celery_delayed_delivery")
        self.other_queues = tuple(_DELAYS)

    def programs(self) -> list[list[str]]:
        pool = self._pool
        options = [f"--pool={pool.kind}", f"--concurrency={pool.concurrency}", "--loglevel=WARNING", "-O", "fair"]
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        return [
            [sys.executable, "-m", "celery", "-A", TASKS, "worker", *options, *quiet, f"--hostname=peer{number}@%h"]
            for number in range(pool.workers)
        ]

    def to_message(self, body: bytes) -> aio_pika.Message:
        """In Celery's format: a Celery worker reads no other."""
        task_id = str(uuid4())
        task = self._app.amqp.as_task_v2(task_id, task_name(TAKE_IN), [body.decode()])
        return aio_pika.Message(
            json.dumps(task.body).encode(),
            headers=task.headers,
            content_type="application/json",
            content_encoding="utf-8",
            correlation_id=task_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )

    async def compare(self, database: Any, bodies: Sequence[bytes], reference: Reference) -> list[str]:
        return await differences(database, expected_books(bodies, reference))
