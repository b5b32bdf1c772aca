"""Every exchange and queue, declared in one place, each with its reason. Declaring again changes nothing.

Type and dead-letter exchange are set by arguments, not by policies, so that they are the same on RabbitMQ 3.10 to 4.x.
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
"""The dead-letter exchange, and the queue for bodies too large for the store."""

_NEVER = 2**31 - 1
"""A delivery limit that is never reached: RabbitMQ 4 would otherwise assume 20."""


def topology_of(workers: Iterable[Worker], settings: Settings) -> Topology:
    workers = list(workers)
    queues: list[Queue] = [Queue(PARKED, {"x-queue-type": "quorum"}, "bodies too large to keep, each with a letter")]
    parked = Binding(PARKED, PARKED, "#")
    bindings = [Binding(worker.parked_queue, PARKED, "#") for worker in workers if worker.keeps_parked] or [parked]
    for worker in workers:
        if worker.keeps_parked:
            queues.append(Queue(worker.parked_queue, _parked_arguments(), "what the broker gave up on"))
        for handler in worker.handlers:
            name = worker.queue_of(handler)
            reason = f"{handler.noun_and_verb} for {worker.name}"
            if handler.from_shops:
                queues.append(Queue(name, _intake_arguments(), reason, replaces_empty=True))
            else:
                queues.append(Queue(name, _work_arguments(settings), reason))
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
        Exchange(PARKED, "topic", "dead-letter exchange of every work queue"),
    ]
    for delay_s in settings.retry_delays_s:
        name = delay_name(delay_s)
        exchanges.append(Exchange(name, "fanout", f"messages to be retried in {delay_s} s"))
        queues.append(Queue(name, _delay_arguments(delay_s), f"holds a message for {delay_s} s, then returns it"))
        bindings.append(Binding(name, name, ""))
    withdrawn = () if parked in bindings else (parked,)
    return Topology(tuple(exchanges), tuple(queues), tuple(bindings), withdrawn)


def _work_arguments(settings: Settings) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": PARKED,
        "x-delivery-limit": settings.delivery_limit,
    }


def _intake_arguments() -> dict[str, Any]:
    """Shops write here, with headers of their own, and the broker dead-letters nothing of it: with an `x-death` that is
    no list of tables, RabbitMQ 3.10 ends the queue itself. The worker sets aside what is too large or poison, and what
    expires is gone, as its sender wished.
    """
    return {"x-queue-type": "quorum", "x-delivery-limit": _NEVER}


def _parked_arguments() -> dict[str, Any]:
    """A body too large for its reader goes on to `PARKED`, at least once, so that none is lost."""
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": PARKED,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-delivery-limit": _NEVER,
    }


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
