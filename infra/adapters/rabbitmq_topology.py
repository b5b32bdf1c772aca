"""Declaring exchanges, queues and bindings at RabbitMQ."""

from __future__ import annotations

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, AMQPException, ChannelNotFoundEntity
from aiormq.exceptions import ChannelAccessRefused

from infra.adapters.rabbitmq import connect
from infra.ports.messaging import BrokerUnavailable
from infra.ports.topology import Topology

_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError)


async def declare(url: str, topology: Topology) -> None:
    """Declare everything, on a connection of its own: FastStream must not find these queues in its own cache.

    A login that may not declare finds out whether all of it is there.
    """
    connection = await connect(url)
    try:
        try:
            await _declare(await connection.channel(), topology)
        except ChannelAccessRefused:
            await _require(await connection.channel(), topology)
    except ChannelNotFoundEntity as error:
        raise BrokerUnavailable(f"{error}; an administrator declares it: `tributary topology --apply`") from error
    except _LOST as error:
        raise BrokerUnavailable(f"the topology could not be declared: {error}") from error
    finally:
        await connection.close()


async def _declare(channel: AbstractChannel, topology: Topology) -> None:
    for exchange in topology.exchanges:
        await channel.declare_exchange(exchange.name, exchange.type, durable=True)
    for queue in topology.queues:
        await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
    for binding in topology.bindings:
        declared = await channel.get_queue(binding.queue, ensure=False)
        await declared.bind(binding.exchange, binding.routing_key)


async def _require(channel: AbstractChannel, topology: Topology) -> None:
    """What exists may be asked for by any login; its arguments and bindings may not."""
    for exchange in topology.exchanges:
        await channel.declare_exchange(exchange.name, exchange.type, passive=True)
    for queue in topology.queues:
        await channel.declare_queue(queue.name, passive=True)
