"""Checks RabbitMQ without changing anything: nothing missing is declared."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AMQPException,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ProbableAuthenticationError,
)
from aiormq.exceptions import ChannelAccessRefused

from infra.adapters.rabbitmq_topology import difference
from infra.local.rabbitmq_server import MESSAGE_BYTES_MAX
from infra.operators.findings import Finding, ok, problem, warning
from infra.ports.topology import Exchange, Queue, Topology
from infra.runtime.failure_policy import DELAY_PREFIX
from infra.runtime.topology import PARKED

PART = "RabbitMQ"
_ANSWER_WITHIN_S = 5
_CONFIRM_WITHIN_S = 3
_READY_MANY = 10_000
_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError, ValueError)
_NOWHERE = "tributary.doctor"
"""No queue has this name, so what is published to it on the default exchange is confirmed and dropped."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A declared queue as the broker has it: `ready` is None if it is missing, `difference` is set if it differs."""

    queue: Queue
    ready: int | None = None
    consumers: int = 0
    difference: str | None = None
    compares: bool = True
    """Whether the login may compare it with its declaration."""


async def look_at_broker(
    url: str, topology: Topology, work_queues: Sequence[str], *, event_bytes_max: int
) -> list[Finding]:
    """All findings about the broker; the first is whether it can be reached. Never raises for its state."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            connection = await aio_pika.connect(url)
    except ProbableAuthenticationError:
        return [problem(PART, "reachable", "It refuses the user or password; correct RABBITMQ_URL.")]
    except _LOST as error:
        return [problem(PART, "reachable", f"It does not answer ({_text(error)}); start it, or correct RABBITMQ_URL.")]
    try:
        findings = [ok(PART, "reachable", f"Version {_version(connection)} answers.")]
        findings += await _exchanges(connection, topology.exchanges)
        findings += _queues([await _queue(connection, queue) for queue in topology.queues], set(work_queues))
        findings.append(_bindings(len(topology.bindings)))
    except _LOST as error:
        findings.append(problem(PART, "answers", f"It stopped answering ({_text(error)}); look at its log."))
    finally:
        await _close(connection)
    return [*findings, await _confirms(url), *await _size_limit(url, event_bytes_max)]


async def _exchanges(connection: AbstractConnection, exchanges: Iterable[Exchange]) -> list[Finding]:
    findings = []
    count, compares = 0, True
    for exchange in exchanges:
        count += 1

        async def exists(channel: AbstractChannel, exchange: Exchange = exchange) -> None:
            await channel.declare_exchange(exchange.name, exchange.type, passive=True)

        async def same(channel: AbstractChannel, exchange: Exchange = exchange) -> None:
            await channel.declare_exchange(exchange.name, exchange.type, durable=True)

        found = await _compare(connection, exists, same)
        compares = compares and found.compares
        if found.missing:
            findings.append(problem(PART, "exchanges", f"There is no exchange {exchange.name}; {_DECLARE}."))
        elif found.difference:
            differs = f"The exchange {exchange.name} differs: {found.difference}. {_MOVE}."
            findings.append(problem(PART, "exchanges", differs))
    return findings or [ok(PART, "exchanges", _all(count, compares=compares))]


async def _queue(connection: AbstractConnection, queue: Queue) -> _Seen:
    counts = [0, 0]

    async def exists(channel: AbstractChannel) -> None:
        result = (await channel.declare_queue(queue.name, passive=True)).declaration_result
        counts[:] = [result.message_count or 0, result.consumer_count or 0]

    async def same(channel: AbstractChannel) -> None:
        await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)

    found = await _compare(connection, exists, same)
    if found.missing:
        return _Seen(queue)
    return _Seen(queue, counts[0], counts[1], found.difference, found.compares)


@dataclass(frozen=True, slots=True)
class _Compared:
    missing: bool = False
    difference: str | None = None
    compares: bool = True


Declare = Callable[[AbstractChannel], Awaitable[None]]


async def _compare(connection: AbstractConnection, exists: Declare, same: Declare) -> _Compared:
    """Whether it is missing, and how it differs. Declaring an existing object only compares it.

    An error closes its channel, so each declaration uses a new one. A login that may not declare finds out only whether
    it exists.
    """
    try:
        await exists(await connection.channel())
    except ChannelNotFoundEntity:
        return _Compared(missing=True)
    channel = await connection.channel()
    try:
        await same(channel)
    except ChannelPreconditionFailed as error:
        return _Compared(difference=difference(str(error)))
    except ChannelAccessRefused:
        return _Compared(compares=False)
    await channel.close()
    return _Compared()


def _queues(seen: Sequence[_Seen], work_queues: set[str]) -> list[Finding]:
    findings = [
        problem(PART, "queues", f"There is no queue {one.queue.name}; {_DECLARE}.") for one in seen if one.ready is None
    ]
    findings += [
        problem(PART, "queues", f"The queue {one.queue.name} differs: {one.difference}. {_MOVE}.")
        for one in seen
        if one.difference
    ]
    if not findings:
        findings.append(ok(PART, "queues", _all(len(seen), compares=all(one.compares for one in seen))))
    there = [one for one in seen if one.ready is not None]
    return [
        *findings,
        *_consumers([one for one in there if one.queue.name in work_queues]),
        *_ready([one for one in there if one.queue.name in work_queues]),
        *_retries_and_parked([one for one in there if one.queue.name not in work_queues]),
    ]


def _consumers(seen: Sequence[_Seen]) -> list[Finding]:
    idle = [one.queue.name for one in seen if not one.consumers]
    if not idle:
        return [ok(PART, "consumers", f"Each of {len(seen)} work queues has one.")]
    if len(idle) == len(seen):
        return [problem(PART, "consumers", "No worker reads any queue; start them: `tributary work all`.")]
    workers = sorted({name.partition(".")[0] for name in idle})
    start = f"start them: `tributary work {' '.join(workers)}`"
    return [problem(PART, "consumers", f"No worker reads {', '.join(idle)}; {start}.")]


def _ready(seen: Sequence[_Seen]) -> list[Finding]:
    waiting = sorted(((one.ready or 0, one.queue.name) for one in seen if one.ready), reverse=True)
    if not waiting:
        return [ok(PART, "ready", "No message waits for a worker.")]
    listed = ", ".join(f"{ready} in {name}" for ready, name in waiting)
    if waiting[0][0] > _READY_MANY:
        more = f"if it grows, run more of {waiting[0][1].partition('.')[0]}"
        return [warning(PART, "ready", f"Many messages wait: {listed}; {more}.")]
    return [ok(PART, "ready", f"Messages wait for a worker: {listed}.")]


def _retries_and_parked(seen: Sequence[_Seen]) -> list[Finding]:
    findings = []
    retrying = [
        f"{one.ready} in {one.queue.name}" for one in seen if one.ready and one.queue.name.startswith(DELAY_PREFIX)
    ]
    if retrying:
        findings.append(ok(PART, "retries", f"Messages wait for a retry: {', '.join(retrying)}."))
    for one in seen:
        if one.queue.name == PARKED and one.ready:
            reason = "the newest bodies too large for the store; `tributary dead list --reason too_large` shows which"
            findings.append(warning(PART, "parked", f"{PARKED} holds {one.ready} messages, {reason}."))
        elif one.queue.name == PARKED:
            findings.append(ok(PART, "parked", f"{PARKED} is empty."))
    return findings


def _bindings(count: int) -> Finding:
    """AMQP cannot list bindings, and declaring them would add missing ones, which a diagnosis must not do."""
    return ok(
        PART, "bindings", f"AMQP cannot show the {count} bindings; `tributary topology --apply` declares missing ones."
    )


async def _confirms(url: str) -> Finding:
    """Publish to no queue, twice: under an alarm the broker accepts the first, then stops reading the connection."""
    connection: AbstractConnection | None = None
    try:
        async with asyncio.timeout(_CONFIRM_WITHIN_S):
            connection = await aio_pika.connect(url)
            channel = await connection.channel(publisher_confirms=True)
            for _ in range(2):
                await channel.default_exchange.publish(aio_pika.Message(b""), _NOWHERE, mandatory=False)
    except TimeoutError:
        symptom = f"It confirms no publish within {_CONFIRM_WITHIN_S} s"
        return problem(
            PART, "alarm", f"{symptom}: a memory or disk alarm blocks publishers. Free disk space or memory there."
        )
    except _LOST as error:
        return problem(PART, "alarm", f"It did not accept a test message ({_text(error)}); look at its log.")
    finally:
        if connection is not None:
            await _close(connection)
    return ok(PART, "alarm", "It confirms what is published; no alarm blocks publishers.")


async def _size_limit(url: str, event_bytes_max: int) -> list[Finding]:
    """Publish to no queue what the broker should refuse; it states its limit in the refusal. Nothing is found while it
    blocks publishers.
    """
    connection: AbstractConnection | None = None
    try:
        async with asyncio.timeout(_CONFIRM_WITHIN_S):
            connection = await aio_pika.connect(url)
            channel = await connection.channel(publisher_confirms=True)
            body = bytes(MESSAGE_BYTES_MAX + 1)
            await channel.default_exchange.publish(aio_pika.Message(body), _NOWHERE, mandatory=False)
    except ChannelPreconditionFailed as error:
        found = _LIMIT.search(str(error))
        limit = int(found[1]) if found else MESSAGE_BYTES_MAX
    except _LOST:
        return []
    else:
        detail = f"It takes messages of more than {MESSAGE_BYTES_MAX} bytes, which fill memory and disk; {_SET_LIMIT}."
        return [problem(PART, "size", detail)]
    finally:
        if connection is not None:
            await _close(connection)
    if limit <= event_bytes_max:
        detail = f"It refuses messages of more than {limit} bytes, and our events have up to {event_bytes_max}"
        return [problem(PART, "size", f"{detail}; {_SET_LIMIT}.")]
    return [ok(PART, "size", f"It refuses messages of more than {limit} bytes.")]


async def _close(connection: AbstractConnection) -> None:
    """Close with a timeout: a blocked connection does not even accept the close."""
    try:
        async with asyncio.timeout(1):
            await connection.close()
    except _LOST:
        return


def _all(count: int, *, compares: bool) -> str:
    return f"All {count} are as declared." if compares else f"All {count} exist; this login may not compare them."


_SET_LIMIT = f"set max_message_size = {MESSAGE_BYTES_MAX} in rabbitmq.conf and restart it"
_LIMIT = re.compile(r"max(?:imum)? size (\d+)")
_DECLARE = "declare it: `tributary topology --apply`"
_MOVE = "Arguments cannot be changed: empty and delete it, then `tributary topology --apply`"


def _version(connection: AbstractConnection) -> str:
    transport = connection.transport
    properties = transport.connection.server_properties if transport is not None else {}
    return str(properties.get("version", "unknown"))


def _text(error: BaseException) -> str:
    return str(error) or error.__class__.__name__
