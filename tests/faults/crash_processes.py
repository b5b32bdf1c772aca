"""Forks worker processes: this program has imported everything, and forks a child for each plan that it reads.

A child is the real worker, `infra.processes.process.run`, over the real servers. Its ports and inboxes are wrapped so
that every effect is counted. After the planned effect it dies as by `kill -9`: nothing is flushed or closed.
`tests.faults.crash_launcher` starts this program and exchanges lines of JSON with it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import mmap
import os
import signal
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from contracts.wire.envelope import PAYLOADS, message_of
from contracts.wire.reading import Reader
from infra.ports.messaging import Delivery, Inbox, Outgoing, Publisher
from infra.ports.store import Change, Document, Increment, Query, Store, Transaction
from infra.processes import process
from infra.runtime import roster
from infra.runtime.batch import Ports
from infra.settings import Settings
from infra.telemetry import logs
from tests.builders import NOW
from tests.faults import planted
from tests.faults.crash_outside import Book, CountedReceiver
from tests.receiver import ATTEMPT_DUE, CHECK_DUE, NOTIFICATION_DUE, WEBHOOK_DUE

T = TypeVar("T")

DIED = 137
"""The exit code of a child that died at its point: that of a process that the kernel killed."""

CHILD_MAX_S = 60
"""An alarm ends a child that runs longer, so that none is left when its parent has died."""

GATHER_S = 0.012
"""In the mode `many`, how long a loop lets deliveries gather before it begins a batch."""

_LAYOUT = struct.Struct("<IB59s")
PROGRESS_BYTES = _LAYOUT.size


@dataclass(frozen=True, slots=True)
class CrashPlan:
    """What a child does. It dies after effect number `dies_at`, or after the first effect whose name begins with
    `dies_after`; with neither, it runs until it is killed. `book` is the path of what arrived outside.
    """

    worker: str
    settings: Mapping[str, Any]
    dies_at: int | None = None
    dies_after: str | None = None
    gathers: bool = False
    bug: str | None = None
    book: str = ""

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))


class ProgressFile:
    """Shared memory in which a child writes its progress, so that it can be read when the child is dead."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), PROGRESS_BYTES)

    def write(self, effects: int, idle: bool, name: str) -> None:
        _LAYOUT.pack_into(self._memory, 0, effects, idle, name.encode()[:59])

    def read(self) -> tuple[int, bool, str]:
        """How many effects there were, whether every loop waits for a delivery, and the last effect's name."""
        effects, idle, name = _LAYOUT.unpack_from(self._memory, 0)
        return effects, bool(idle), name.rstrip(b"\0").decode(errors="replace")


class Effects:
    """Counts the effects of one child, and ends it at the planned one."""

    def __init__(self, progress: ProgressFile, plan: CrashPlan) -> None:
        self._progress = progress
        self._plan = plan
        self._count = 0
        self._name = ""
        self._loops = 0
        self._waiting = 0

    def record(self, name: str) -> None:
        self._count += 1
        self._name = name
        self._write()
        after = self._plan.dies_after
        if self._count == self._plan.dies_at or (after is not None and name.startswith(after)):
            os._exit(DIED)

    def loop_added(self) -> None:
        self._loops += 1

    def waits(self, change: int) -> None:
        self._waiting += change
        self._write()

    def _write(self) -> None:
        self._progress.write(self._count, self._loops > 0 and self._waiting == self._loops, self._name)


class CountedTransaction:
    """Records an effect after every operation, while the transaction is open and would die with the process."""

    def __init__(self, tx: Transaction, effects: Effects) -> None:
        self._tx = tx
        self._effects = effects

    async def find_all(self, queries: Sequence[Query]) -> list[list[Document]]:
        found = await self._tx.find_all(queries)
        self._effects.record("found all")
        return found

    async def find(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        fields: Sequence[str] = (),
    ) -> list[Document]:
        found = await self._tx.find(collection, where, sort=sort, limit=limit, fields=fields)
        self._effects.record(f"found {collection}")
        return found

    async def find_parts(self, collection: str, where: Mapping[str, Any], **parts: Any) -> tuple[list[Document], bool]:
        found = await self._tx.find_parts(collection, where, **parts)
        self._effects.record(f"found {collection}")
        return found

    async def find_some(self, collection: str, where: Mapping[str, Any], **some: Any) -> tuple[list[Document], bool]:
        found = await self._tx.find_some(collection, where, **some)
        self._effects.record(f"found {collection}")
        return found

    async def ancestors(
        self, collection: str, ids: Sequence[Any], *, via: str, depth_max: int | None = None
    ) -> list[Document]:
        found = await self._tx.ancestors(collection, ids, via=via, depth_max=depth_max)
        self._effects.record(f"found {collection}")
        return found

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        await self._tx.insert(collection, documents)
        self._effects.record(f"inserted {collection}")

    async def replace(self, collection: str, documents: Sequence[Document]) -> None:
        await self._tx.replace(collection, documents)
        self._effects.record(f"replaced {collection}")

    async def change(self, collection: str, changes: Sequence[Change]) -> None:
        await self._tx.change(collection, changes)
        self._effects.record(f"changed {collection}")

    async def add(self, collection: str, increments: Sequence[Increment]) -> None:
        await self._tx.add(collection, increments)
        self._effects.record(f"added {collection}")


class CountedStore:
    def __init__(self, store: Store, effects: Effects) -> None:
        self._store = store
        self._effects = effects

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async def counted(tx: Transaction) -> T:
            result = await work(CountedTransaction(tx, self._effects))
            self._effects.record("before the commit")
            return result

        result = await self._store.transact(counted)
        self._effects.record("after the commit")
        return result

    def stream(
        self,
        collection: str,
        where: Mapping[str, Any],
        *,
        sort: Sequence[tuple[str, int]] = (),
        fields: Sequence[str] = (),
    ) -> AsyncIterator[Document]:
        return self._store.stream(collection, where, sort=sort, fields=fields)


class CountedPublisher:
    """Publishes the messages of one call one by one, so that the child can die between any two of them."""

    def __init__(self, publisher: Publisher, effects: Effects) -> None:
        self._publisher = publisher
        self._effects = effects

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        if messages:
            self._effects.record(f"before publishing {len(messages)}")
        for number, message in enumerate(messages, start=1):
            await self._publisher.publish([message])
            self._effects.record(f"confirmed {number}/{len(messages)} {message.routing_key}")


class CountedInbox:
    """Gives every delivery the same time of arrival, so that slower runs end in the same way."""

    def __init__(self, inbox: Inbox, effects: Effects, gather_s: float) -> None:
        self._inbox = inbox
        self._effects = effects
        self._gather_s = gather_s
        effects.loop_added()

    async def first(self) -> Delivery | None:
        self._effects.waits(+1)
        delivery = await self._inbox.first()
        self._effects.waits(-1)
        if self._gather_s:
            await asyncio.sleep(self._gather_s)
        return _received(delivery)

    def waiting(self) -> Delivery | None:
        return _received(self._inbox.waiting())

    def holds(self, receipt: object) -> bool:
        return self._inbox.holds(receipt)

    async def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        self._effects.record(f"before acknowledging {len(deliveries)}")
        await self._inbox.acknowledge(deliveries)
        self._effects.record(f"acknowledged {len(deliveries)}")


def _received(delivery: Delivery | None) -> Delivery | None:
    return delivery and dataclasses.replace(delivery, received_at=NOW)


def run_worker(plan: CrashPlan, progress: ProgressFile) -> None:
    """Run the worker until it is killed. Its queues and collections exist already, so it need not declare them."""
    effects = Effects(progress, plan)
    if plan.bug is not None:
        planted.BUGS[plan.bug]()

    async def nothing(*_: object) -> None: ...

    def counted(ports: Ports) -> Ports:
        return dataclasses.replace(
            ports, store=CountedStore(ports.store, effects), publisher=CountedPublisher(ports.publisher, effects)
        )

    setattr(process, "prepare", nothing)  # noqa: B010  (a function that mypy would not have replaced)
    gather_s = GATHER_S if plan.gathers else 0.0
    receiver = CountedReceiver(Book(Path(plan.book)), effects)
    hooks = process.Hooks(
        ports=counted,
        inbox=lambda inbox: CountedInbox(inbox, effects, gather_s),
        outside=lambda *_: dict.fromkeys((NOTIFICATION_DUE, WEBHOOK_DUE, ATTEMPT_DUE, CHECK_DUE), receiver),
    )
    uvloop.run(process.run([plan.worker], Settings(**plan.settings), hooks))


def main() -> None:
    """Read one plan a line; answer with the child's pid, and with its exit code once it has ended."""
    progress_path, log_path = map(Path, sys.argv[1:3])
    _warm_up()
    logs.configure("warning")
    progress = ProgressFile(progress_path)
    _answer("ready", os.getpid())
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become_child(CrashPlan(**json.loads(line)), progress, log_path)
        _answer("started", pid)
        _, status = os.waitpid(pid, 0)
        _answer("ended", os.waitstatus_to_exitcode(status))


def _warm_up() -> None:
    """Import and build once what every child would import and build for itself."""
    for module in ("anyio._backends._asyncio", "uvicorn.loops.auto", "uvicorn.protocols.http.auto"):
        importlib.import_module(module)
    for worker in roster.load_all():
        for handler in worker.handlers:
            Reader(handler.payloads)
    for payload in PAYLOADS.values():
        message_of(payload)


def _become_child(plan: CrashPlan, progress: ProgressFile, log_path: Path) -> None:
    """Never returns into the parent's loop, whatever happens."""
    try:
        signal.alarm(CHILD_MAX_S)
        log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        run_worker(plan, progress)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _answer(event: str, value: int) -> None:
    print(json.dumps([event, value]), flush=True)  # noqa: T201  (the protocol)


if __name__ == "__main__":
    main()
