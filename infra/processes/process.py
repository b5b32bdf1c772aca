"""One operating system process: the loops of one or more workers, their two connections, and a clean shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any

import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_fixed

from infra.adapters import rabbitmq_topology
from infra.adapters.link import MONGODB, RABBITMQ, Link, primary_watch
from infra.adapters.mongo import MongoStore
from infra.adapters.rabbitmq import RabbitConsumer, RabbitPublisher
from infra.collector import collect_seldom
from infra.ports.messaging import BrokerUnavailable, Inbox
from infra.ports.outside import Outside
from infra.ports.store import Reader, StoreUnavailable
from infra.ports.time import RealTime
from infra.ports.topology import DeclaredOtherwise
from infra.processes import clock, health, outside
from infra.processes.broker_look import BrokerLook, ready_of
from infra.processes.start import StartError, take_port, url_of
from infra.runtime import roster
from infra.runtime.batch import BatchLoop, Ports
from infra.runtime.collections import collections_of
from infra.runtime.performer import loops_of
from infra.runtime.topology import PARKED, topology_of
from infra.runtime.worker import Handler, Worker
from infra.settings import Settings
from infra.shops.readers import READERS, Readers
from infra.telemetry import metrics
from infra.telemetry.readiness import Readiness
from infra.vault.repository import COLLECTION as VAULT_KEYS

log = structlog.get_logger()

_START = "start"
"""The part that a process lacks until it consumes."""

_PARENT_EVERY_S = 1.0


class LoopEndedError(Exception):
    """A loop ended without a request to stop; the supervisor restarts the process."""


async def prepare(settings: Settings, readiness: Readiness | None = None) -> None:
    """Declare the topology, the collections and the indexes of every worker; may be repeated."""
    workers = roster.load_all()
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await _reach(settings, MONGODB, store.ping, readiness)
        await store.prepare(
            [READERS, VAULT_KEYS, *(made for worker in workers for made in collections_of(worker, settings))]
        )
    finally:
        store.close()
    topology = topology_of(workers, settings)
    try:
        await _reach(settings, RABBITMQ, lambda: rabbitmq_topology.declare(settings.rabbitmq_url, topology), readiness)
    except DeclaredOtherwise as error:
        raise StartError(f"{error}.") from error


@dataclass(frozen=True, slots=True)
class Hooks:
    """Where a test can wrap the ports and inboxes of the loops, replace the outside, and request a stop."""

    ports: Callable[[Ports], Ports] = lambda ports: ports
    inbox: Callable[[Inbox], Inbox] = lambda inbox: inbox
    outside: Callable[[Settings, Reader], Mapping[str, Outside[Any]]] = outside.outside_of
    stopping: asyncio.Event = field(default_factory=asyncio.Event)


async def run(names: Sequence[str], settings: Settings, hooks: Hooks | None = None) -> None:
    """Run the named workers (and the clock, if named) in this process until SIGTERM or SIGINT.

    The health port is taken first: a process that cannot be monitored consumes nothing.
    """
    hooks = hooks or Hooks()
    stopping = hooks.stopping
    running = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # What `nohup` ignores stays ignored.
        if number != signal.SIGHUP or signal.getsignal(number) == signal.SIG_DFL:
            running.add_signal_handler(number, stopping.set)
    listener = take_port(settings.health_host, settings.health_port, "health and metrics", "TRIBUTARY_HEALTH_PORT")
    async with contextlib.AsyncExitStack() as stack:
        workers = [roster.load(name) for name in names if name != roster.CLOCK]
        readiness = Readiness()
        store = MongoStore.connect(settings.mongodb_url, settings.database, on_primary=primary_watch(readiness))
        stack.callback(store.close)
        performs = any(worker.performs for worker in workers)
        destinations = hooks.outside(settings, store) if performs else {}
        outside.check(workers, destinations)
        readiness.lacks(_START, "the process is starting")
        metrics.of_process(is_ready=lambda: not readiness.reasons, restarts=settings.restarts)
        stack.callback(asyncio.create_task(readiness.keep_reminding()).cancel)
        if fleet := multiprocessing.parent_process():
            stack.callback(asyncio.create_task(_end_with(fleet, stopping)).cancel)
        await _serve_health(listener, workers, readiness, settings, stack)
        if not await _unless(stopping, prepare(settings, readiness)):
            return
        publishing, consuming = Link(readiness, "publishes"), Link(readiness, "consumes")
        publisher = RabbitPublisher(settings.rabbitmq_url, timeout_s=settings.publish_timeout_s, link=publishing)
        consumer = RabbitConsumer(settings.rabbitmq_url, consuming)
        readers = Readers(store, RealTime())
        ports = Ports(
            store,
            publisher,
            RealTime(),
            readiness,
            readers.shops,
            outside=destinations,
            with_webhooks=readers.with_webhooks,
        )
        ports = hooks.ports(ports)
        # A client that was never used does not monitor its servers.
        if not await _unless(stopping, _reach(settings, MONGODB, store.ping, readiness)):
            return
        if not await _unless(stopping, _reach(settings, MONGODB, readers.load, readiness)):
            return
        stack.callback(asyncio.create_task(readers.keep_fresh()).cancel)
        if not await _unless(stopping, _reach(settings, RABBITMQ, publisher.start, readiness)):
            return
        stack.push_async_callback(publisher.stop)
        loops = [asyncio.create_task(loop.run()) for loop in _loops(workers, consumer, ports, settings, hooks)]
        if roster.CLOCK in names:
            queues = [PARKED, *(queue for worker in roster.load_all() for queue in worker.queues)]
            ticking = clock.run(
                ports.publisher,
                ports.time,
                ports.readiness,
                interval_s=settings.clock_interval_s,
                measure=partial(ready_of, settings.rabbitmq_url, queues),
            )
            stack.callback(asyncio.create_task(ticking).cancel)
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        collect_seldom()
        readiness.has(_START)
        log.info("started", workers=list(names), health=url_of(listener))
        await _until(stopping, loops)
        await consumer.cancel()
        _, unfinished = await asyncio.wait(loops, timeout=settings.shutdown_wait_s) if loops else ((), ())
        for task in unfinished:
            task.cancel()
        log.info("stopped", workers=list(names), unfinished=len(unfinished))
    for task in loops:
        if task.done() and not task.cancelled() and (error := task.exception()):
            raise LoopEndedError("a loop ended because of a bug, and the process with it") from error


def _loops(
    workers: Sequence[Worker], consumer: RabbitConsumer, ports: Ports, settings: Settings, hooks: Hooks
) -> list[BatchLoop]:
    routed = topology_of(roster.load_all(), settings).routed
    loops: list[BatchLoop] = []
    for worker in workers:
        for handler in worker.handlers:
            subscribe = partial(_subscribe, consumer, worker, handler, settings, hooks)
            loops += loops_of(worker, handler, subscribe, ports, settings, routed=routed)
    return loops


def _subscribe(consumer: RabbitConsumer, worker: Worker, handler: Handler, settings: Settings, hooks: Hooks) -> Inbox:
    """An inbox of the handler's queue; a lane, which handles one message at a time, holds no other."""
    prefetch = settings.prefetch_commands if handler.reads_command else settings.prefetch_events
    inbox = consumer.subscribe(
        worker.queue_of(handler),
        prefetch=1 if handler.performs else prefetch,
        bytes_max=settings.prefetch_bytes_max,
        body_bytes_max=settings.bytes_max_of(commands=handler.reads_command),
    )
    return hooks.inbox(inbox)


async def _serve_health(
    listener: socket.socket,
    workers: Sequence[Worker],
    readiness: Readiness,
    settings: Settings,
    stack: contextlib.AsyncExitStack,
) -> None:
    """Serve the health of the process from now until everything else has ended."""
    queues = [queue for worker in workers for queue in worker.queues]

    look = BrokerLook(settings.rabbitmq_url, queues, readiness)
    server = health.server(health.application(readiness, look.missing_consumers, look.depths))
    serving = asyncio.create_task(server.serve(sockets=[listener]))

    async def close() -> None:
        server.should_exit = True
        await serving

    stack.push_async_callback(close)


async def _unless(stopping: asyncio.Event, act: Coroutine[Any, Any, None]) -> bool:
    """Whether `act` finished; it is cancelled when the process is to stop."""
    acting = asyncio.create_task(act)
    signalled = asyncio.create_task(stopping.wait())
    await asyncio.wait([acting, signalled], return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()
    if not acting.done():
        acting.cancel()
        return False
    acting.result()
    return True


async def _end_with(fleet: BaseProcess, stopping: asyncio.Event) -> None:
    """Stop this process once its fleet, or the process that forked it, is gone: nothing would restart or stop it."""
    forked_by = os.getppid()
    while fleet.is_alive() and os.getppid() == forked_by:  # noqa: ASYNC110  (no event reports it)
        await asyncio.sleep(_PARENT_EVERY_S)
    log.warning("parent_gone", parent_pid=fleet.pid, consequence="this process ends too")
    stopping.set()


async def _until(stopping: asyncio.Event, loops: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the signal to stop, or for a loop that ended because of a bug: then the process is restarted."""
    signalled = asyncio.create_task(stopping.wait())
    await asyncio.wait([signalled, *loops], return_when=asyncio.FIRST_COMPLETED)
    signalled.cancel()


async def _reach(
    settings: Settings, server: str, act: Callable[[], Awaitable[None]], readiness: Readiness | None
) -> None:
    """Retry for as long as servers may take to start, then raise StartError with a sentence."""
    part = f"start: {server}"

    def report_not_ready(state: RetryCallState) -> None:
        if readiness is not None and state.outcome is not None:
            readiness.lacks(part, str(state.outcome.exception()), server=server)

    tries = AsyncRetrying(
        retry=retry_if_exception_type((StoreUnavailable, BrokerUnavailable)),
        wait=wait_fixed(1),
        stop=stop_after_delay(settings.startup_wait_s),
        before_sleep=report_not_ready,
        reraise=True,
    )

    async def attempt() -> None:
        await act()

    try:
        await tries(attempt)
    except (StoreUnavailable, BrokerUnavailable) as error:
        url = without_password(settings.mongodb_url if server == MONGODB else settings.rabbitmq_url)
        raise StartError(
            f"{server} does not answer at {url}: {error}. Start it (`tributary up`), or correct the address."
        ) from error
    if readiness is not None:
        readiness.has(part, server=server)


def without_password(url: str) -> str:
    """The address without its password, safe to show."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
