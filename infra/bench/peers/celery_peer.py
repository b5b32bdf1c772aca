"""The Celery peer: plain good Celery with PyMongo, run with the best pool and concurrency that was found."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aio_pika.abc import AbstractChannel

from infra.bench.peers.books import differences, wanted_books
from infra.bench.peers.celery_app import TASKS, app_of, task_name
from infra.bench.peers.peer import ServedPeer
from infra.bench.peers.place import Place
from infra.bench.peers.reference import Reference
from infra.bench.peers.steps import COUNTED, STEPS, TAKE_IN

_DELAYS = [f"celery_delayed_{level}" for level in range(28)]
"""What a Celery worker declares for tasks to be run later, wherever it sees a quorum queue."""

_PUBLISHERS = 8


@dataclass(frozen=True, slots=True)
class Pool:
    """`workers` processes of `celery worker`, each with this pool."""

    kind: Literal["prefork", "threads", "gevent"]
    concurrency: int
    workers: int = 1


BEST = Pool("threads", 16)


class CeleryPeer(ServedPeer):
    name = "celery"
    steps = STEPS
    finished_in = COUNTED

    def __init__(self, place: Place, logs: Path, pool: Pool = BEST) -> None:
        super().__init__(place, logs)
        self._pool = pool
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

    async def publish(self, channel: AbstractChannel, bodies: Sequence[bytes]) -> None:
        """As Celery's own messages: a Celery worker reads no others."""
        await asyncio.to_thread(self._send, bodies)

    async def compare(self, database: Any, bodies: Sequence[bytes], reference: Reference) -> list[str]:
        return await differences(database, wanted_books(bodies, reference))

    def _send(self, bodies: Sequence[bytes]) -> None:
        app = app_of(self._place)
        with ThreadPoolExecutor(_PUBLISHERS) as threads:
            list(threads.map(lambda body: app.send_task(task_name(TAKE_IN), [body.decode()]), bodies))
        app.close()
