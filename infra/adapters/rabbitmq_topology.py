"""Declaring exchanges, queues and bindings at RabbitMQ."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import (
    CONNECTION_EXCEPTIONS,
    AMQPException,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)
from aiormq.exceptions import ChannelAccessRefused

from infra.adapters.rabbitmq import connect
from infra.ports.messaging import BrokerUnavailable
from infra.ports.topology import Binding, Queue, Topology

log = structlog.get_logger()

_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError)


async def declare(url: str, topology: Topology) -> None:
    """Declare everything, on a connection of its own: FastStream must not find these queues in its own cache.

    A login that may not declare finds out whether all of it is there.
    """
    connection = await connect(url)
    try:
        try:
            await _declare(connection, topology)
        except ChannelAccessRefused:
            await _require(await connection.channel(), topology)
    except ChannelNotFoundEntity as error:
        raise BrokerUnavailable(f"{error}; an administrator declares it: `tributary topology --apply`") from error
    except _LOST as error:
        raise BrokerUnavailable(f"the topology could not be declared: {error}") from error
    finally:
        await connection.close()


async def _declare(connection: AbstractConnection, topology: Topology) -> None:
    channel = await connection.channel()
    for exchange in topology.exchanges:
        await channel.declare_exchange(exchange.name, exchange.type, durable=True)
    for queue in topology.queues:
        try:
            await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
        except ChannelPreconditionFailed:
            if not queue.replaces_empty:
                raise
            channel = await connection.channel()
            await _replace(channel, queue, [each for each in topology.bindings if each.queue == queue.name])
    for binding in topology.bindings:
        declared = await channel.get_queue(binding.queue, ensure=False)
        await declared.bind(binding.exchange, binding.routing_key)
    for binding in topology.withdrawn:
        declared = await channel.get_queue(binding.queue, ensure=False)
        await declared.unbind(binding.exchange, binding.routing_key)


async def _replace(channel: AbstractChannel, queue: Queue, bindings: Sequence[Binding]) -> None:
    """Delete the queue of an earlier version, and declare ours. Without its bindings nothing arrives any more: senders
    are refused and try again, and what waits for another try stays where it is.
    """
    former = await channel.get_queue(queue.name, ensure=False)
    for binding in bindings:
        await former.unbind(binding.exchange, binding.routing_key)
    found = (await channel.declare_queue(queue.name, passive=True)).declaration_result
    if found.message_count or found.consumer_count:
        for binding in bindings:
            await former.bind(binding.exchange, binding.routing_key)
        raise BrokerUnavailable(
            f"queue {queue.name} is that of an earlier version, and is replaced once it is empty and without a reader; "
            "let the earlier version work it off without new orders, and stop its workers"
        )
    await channel.queue_delete(queue.name)
    await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
    log.warning("queue_replaced", queue=queue.name, reason="an earlier version declared it with other arguments")


async def _require(channel: AbstractChannel, topology: Topology) -> None:
    """What exists may be asked for by any login; its arguments and bindings may not."""
    for exchange in topology.exchanges:
        await channel.declare_exchange(exchange.name, exchange.type, passive=True)
    for queue in topology.queues:
        await channel.declare_queue(queue.name, passive=True)
