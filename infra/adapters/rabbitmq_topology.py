"""Declaring exchanges, queues and bindings at RabbitMQ."""

from __future__ import annotations

import re

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
from infra.ports.topology import DeclaredOtherwise, Topology

_DIFFERENCE = re.compile(r"inequivalent arg '([^']+)'.*?: received (.+) but current is (.+)$")
_LOST = (*CONNECTION_EXCEPTIONS, AMQPException, TimeoutError)


async def declare(url: str, topology: Topology) -> None:
    """Declare everything, on a connection of its own: FastStream must not find these queues in its own cache.

    A login that may not declare finds out whether all of it is there. Raises BrokerUnavailable and DeclaredOtherwise.
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
    others: dict[str, str] = {}
    for queue in topology.queues:
        try:
            await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments)
        except ChannelPreconditionFailed as error:
            others[queue.name] = difference(str(error))
            channel = await connection.channel()
    if others:
        raise DeclaredOtherwise(_move(others))
    for binding in topology.bindings:
        declared = await channel.get_queue(binding.queue, ensure=False)
        await declared.bind(binding.exchange, binding.routing_key)


async def _require(channel: AbstractChannel, topology: Topology) -> None:
    """What exists may be asked for by any login; its arguments and bindings may not."""
    for exchange in topology.exchanges:
        await channel.declare_exchange(exchange.name, exchange.type, passive=True)
    for queue in topology.queues:
        await channel.declare_queue(queue.name, passive=True)


def difference(refusal: str) -> str:
    """How a queue or exchange differs from its declaration, by the broker's refusal to declare it again."""
    found = _DIFFERENCE.search(refusal)
    if not found:
        return refusal
    argument, declared, current = found.groups()
    return f"{argument} is {_value(current)}, and {_value(declared)} is declared"


def _value(text: str) -> str:
    """`x` for `the value 'x' of type 'longstr'`."""
    quoted = re.search(r"'([^']*)'", text)
    return quoted[1] if quoted else text


def _move(others: dict[str, str]) -> str:
    name, differs = next(iter(others.items()))
    return (
        f"RabbitMQ has {len(others)} queues with other arguments, as of an earlier version ({name}: {differs}), and "
        "arguments cannot be changed. Stop the senders, let the workers of that version empty the queues, stop them, "
        f"delete the queues (`rabbitmqctl delete_queue NAME`), then `tributary topology --apply`: {', '.join(others)}"
    )
