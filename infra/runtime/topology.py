"""Every exchange and queue, declared in one place, each with its reason. Declaring again changes nothing.

Types and limits are set by arguments, not by policies, so that they are the same on RabbitMQ 3.10 to 4.x.

No queue that takes a message as its sender made it has a dead-letter exchange: RabbitMQ would then read what the sender
wrote into its headers, and RabbitMQ 3.10 loses the queue over it. Workers publish what they give up on themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from contracts.wire.envelope import COMMANDS_EXCHANGE, EVENTS_EXCHANGE, SHOP_EVENTS_EXCHANGE, SHOPS_EXCHANGE
from infra.ports.topology import Binding, Exchange, Queue, Topology
from infra.runtime.failure_policy import delay_name
from infra.runtime.worker import Worker
from infra.settings import Settings

PARKED = "tributary.parked"
"""The queue for bodies too large for the store: the letter of each has only its beginning."""

_PARKED_BYTES_MAX = 256 * 1024 * 1024
"""Of those bodies, the newest are kept. Without a limit they would fill the disk, which stops every publisher; and if
the queue refused more, the worker that parks them would wait, and everybody's orders with it."""

_NEVER = 2**31 - 1
"""A delivery limit that is never reached: RabbitMQ 4 would otherwise assume 20."""


def topology_of(workers: Iterable[Worker], settings: Settings) -> Topology:
    workers = list(workers)
    queues: list[Queue] = [Queue(PARKED, _parked_arguments(), "bodies too large to keep, each with a letter")]
    bindings: list[Binding] = []
    for worker in workers:
        for handler in worker.handlers:
            name = worker.queue_of(handler)
            queues.append(Queue(name, _work_arguments(), f"{handler.noun_and_verb} for {worker.name}"))
            exchange = COMMANDS_EXCHANGE if handler.reads_command else EVENTS_EXCHANGE
            bindings.extend(Binding(name, exchange, payload.message_type) for payload in handler.payloads)
            if handler.from_shops:
                bindings.extend(Binding(name, SHOPS_EXCHANGE, payload.message_type) for payload in handler.payloads)
    exchanges = [
        Exchange(
            COMMANDS_EXCHANGE, "topic", "commands from inside: the API, the command line, other programs of the house"
        ),
        Exchange(EVENTS_EXCHANGE, "topic", "events, for readers inside"),
        Exchange(SHOPS_EXCHANGE, "topic", "commands of shops, by their own logins; leads to nothing else"),
        Exchange(SHOP_EVENTS_EXCHANGE, "direct", "answers and events for each shop, routed by its id"),
    ]
    for delay_s in settings.retry_delays_s:
        name = delay_name(delay_s)
        exchanges.append(Exchange(name, "fanout", f"messages to be retried in {delay_s} s"))
        queues.append(Queue(name, _delay_arguments(delay_s), f"holds a message for {delay_s} s, then returns it"))
        bindings.append(Binding(name, name, ""))
    return Topology(tuple(exchanges), tuple(queues), tuple(bindings))


def _work_arguments() -> dict[str, Any]:
    """The broker drops nothing: the quarantine of the worker ends a message that ends its process."""
    return {"x-queue-type": "quorum", "x-delivery-limit": _NEVER}


def _parked_arguments() -> dict[str, Any]:
    return {"x-queue-type": "quorum", "x-max-length-bytes": _PARKED_BYTES_MAX, "x-overflow": "drop-head"}


def _delay_arguments(delay_s: int) -> dict[str, Any]:
    """The default exchange routes by queue name, and the routing key of a waiting message is its work queue.

    At-least-once dead-lettering keeps a message until the work queue has confirmed it.
    """
    return {
        "x-queue-type": "quorum",
        "x-message-ttl": delay_s * 1000,
        "x-dead-letter-exchange": "",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def describe(topology: Topology) -> Sequence[tuple[str, str, str]]:
    """(kind, name, reason or route) of everything that is declared, for display."""
    return [
        *(("exchange", exchange.name, f"{exchange.type}: {exchange.reason}") for exchange in topology.exchanges),
        *(("queue", queue.name, queue.reason) for queue in topology.queues),
        *(("binding", b.queue, f"{b.exchange} / {b.routing_key or '(all)'}") for b in topology.bindings),
    ]
