"""One operating system process: the loops of one or several workers, their two connections, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from infra.adapters.mongo import MongoStore
from infra.runtime import broker, clock, health, roster
from infra.runtime.batch import BatchLoop, Ports
from infra.runtime.broker import RabbitConsumer, RabbitPublisher
from infra.runtime.collector import collect_seldom
from infra.runtime.journal import Journal
from infra.runtime.messaging import BrokerUnavailable, Inbox
from infra.runtime.quarantine import Quarantine
from infra.runtime.readiness import Readiness
from infra.runtime.settings import Settings
from infra.runtime.store import StoreUnavailable
from infra.runtime.time import RealTime
from infra.runtime.topology import topology_of
from infra.runtime.worker import Worker

log = structlog.get_logger()


class StartError(Exception):
    """The process cannot start; the text is one sentence that says what to do."""


async def prepare(settings: Settings) -> None:
    """Declare the topology, the collections and the indexes of every worker; repeatable."""
    workers = roster.load_all()
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await _within(settings, store.ping, f"MongoDB does not answer at {without_password(settings.mongodb_url)}")
        for worker in workers:
            journal = Journal(worker.name, settings.journal_retention_days)
            runtime = (journal.collection, Quarantine(worker.name).collection)
            await store.prepare([*worker.repository.collections, *runtime])
    finally:
        store.close()
    await _within(
        settings,
        lambda: broker.declare(settings.rabbitmq_url, topology_of(workers, settings)),
        f"RabbitMQ does not answer at {without_password(settings.rabbitmq_url)}",
    )


@dataclass(frozen=True, slots=True)
class Seams:
    """Where a test may step between the loops and the outside world, and ask the process to stop."""

    ports: Callable[[Ports], Ports] = lambda ports: ports
    inbox: Callable[[Inbox], Inbox] = lambda inbox: inbox
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


async def run(names: Sequence[str], settings: Settings, seams: Seams | None = None) -> None:
    """Run the named workers (and the clock, if named) in this process until SIGTERM or SIGINT."""
    seams = seams or Seams()
    stopping = seams.stopping
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        running.add_signal_handler(number, stopping.set)
    await prepare(settings)
    async with contextlib.AsyncExitStack() as stack:
        store = MongoStore.connect(settings.mongodb_url, settings.database)
        stack.callback(store.close)
        publisher = RabbitPublisher(settings.rabbitmq_url, timeout_s=settings.publish_timeout_s)
        await publisher.start()
        stack.push_async_callback(publisher.stop)
        ports = seams.ports(Ports(store, publisher, RealTime(), Readiness()))
        consumer = RabbitConsumer(settings.rabbitmq_url)
        workers = [roster.load(name) for name in names if name != roster.CLOCK]
        loops = [asyncio.create_task(loop.run()) for loop in _loops(workers, consumer, ports, settings, seams)]
        if roster.CLOCK in names:
            ticking = clock.run(ports.publisher, ports.time, ports.readiness, interval_s=settings.clock_interval_s)
            stack.callback(asyncio.create_task(ticking).cancel)
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        collect_seldom()
        port = await _serve_health(workers, ports, settings, stack)
        log.info("started", workers=list(names), health_port=port)
        await _until(stopping, loops)
        await consumer.cancel()
        _, unfinished = await asyncio.wait(loops, timeout=settings.shutdown_wait_s) if loops else ((), ())
        for task in unfinished:
            task.cancel()
        log.info("stopped", workers=list(names), unfinished=len(unfinished))
    for task in loops:
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise error


def _loops(
    workers: Sequence[Worker], consumer: RabbitConsumer, ports: Ports, settings: Settings, seams: Seams
) -> list[BatchLoop]:
    routed = topology_of(roster.load_all(), settings).routed
    loops = []
    for worker in workers:
        for handler in worker.handlers:
            prefetch = settings.prefetch_commands if handler.reads_command else settings.prefetch_events
            inbox = consumer.subscribe(worker.queue_of(handler), prefetch=prefetch)
            loops.append(BatchLoop(worker, handler, seams.inbox(inbox), ports, settings, routed=routed))
    return loops


async def _serve_health(
    workers: Sequence[Worker], ports: Ports, settings: Settings, stack: contextlib.AsyncExitStack
) -> int:
    """Answer for the health of the process from now on; return the port, which a 0 leaves to the system."""
    queues = [worker.queue_of(handler) for worker in workers for handler in worker.handlers]

    async def missing_consumers() -> dict[str, str]:
        try:
            seen = await broker.depths(settings.rabbitmq_url, queues)
        except BrokerUnavailable as error:
            return {"broker": str(error)}
        return {name: "no consumer at the broker" for name, depth in seen.items() if not depth or not depth.consumers}

    app = health.application(ports.readiness, missing_consumers)
    try:
        listener = health.listener(settings.health_host, settings.health_port)
    except OSError as error:
        raise StartError(
            f"Port {settings.health_port} for health and metrics cannot be used ({error.strerror}); "
            "set TRIBUTARY_HEALTH_PORT to another, or to 0 for any free one."
        ) from error
    server = health.server(app)
    serving = asyncio.create_task(server.serve(sockets=[listener]))

    async def close() -> None:
        server.should_exit = True
        await serving

    stack.push_async_callback(close)
    port: int = listener.getsockname()[1]
    return port


async def _until(stopping: asyncio.Event, loops: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the signal to stop, or for a loop that ended by a bug: then the process ends and is restarted."""
    signalled = asyncio.create_task(stopping.wait())
    await asyncio.wait([signalled, *loops], return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()


async def _within(settings: Settings, act: Callable[[], Awaitable[None]], sentence: str) -> None:
    """Try for as long as servers may take to come up, then give up with a sentence."""
    tries = AsyncRetrying(
        retry=retry_if_exception_type((StoreUnavailable, BrokerUnavailable)),
        wait=wait_fixed(1),
        stop=stop_after_delay(settings.startup_wait_s),
        reraise=True,
    )

    async def attempt() -> None:
        await act()

    try:
        await tries(attempt)
    except (StoreUnavailable, BrokerUnavailable) as error:
        raise StartError(f"{sentence}: {error}. Start it (`tributary up`), or correct the address.") from error


def without_password(url: str) -> str:
    """The address as it may be shown."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
