"""Commands about the ledgers that no process may write meanwhile, nor bring what waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.operations.view import DEAD_LETTERS
from infra.adapters import rabbitmq as broker
from infra.adapters.rabbitmq import QueueDepth
from infra.operators import dead_letters
from infra.ports.store import Reader
from infra.runtime import roster
from infra.runtime.worker import Worker
from infra.settings import Settings
from infra.terminal.environment import EXIT_ENVIRONMENT, refuse

Depths = Mapping[str, QueueDepth | None]

_BOTH = ("reward_checks", "settlement")
_WOULD_BOOK_TWICE = "and what they book meanwhile would be booked twice. Stop them, and run the command again."


async def require_stopped(settings: Settings, names: Sequence[str], otherwise: str) -> None:
    """End with a sentence if any process consumes the queues of these workers."""
    owners = [roster.load(name) for name in names]
    depths = await broker.depths(settings.rabbitmq_url, [queue for owner in owners for queue in owner.queues])
    if sentence := running(owners, depths, otherwise):
        refuse(sentence, EXIT_ENVIRONMENT)


async def require_rewards_booked(settings: Settings, store: Reader) -> None:
    """End with a sentence if a reward may be booked besides: by a process, or by a message that waits."""
    owners = [roster.load(name) for name in _BOTH]
    depths = await broker.depths(settings.rabbitmq_url, [queue for owner in owners for queue in owner.queues])
    sentence = running(owners, depths, _WOULD_BOOK_TWICE) or unbooked(depths) or await replayable(store)
    if sentence:
        refuse(sentence, EXIT_ENVIRONMENT)


def running(owners: Sequence[Worker[Any]], depths: Depths, otherwise: str) -> str | None:
    """The sentence about the first of these workers that some process runs."""
    for owner in owners:
        known = (depths.get(queue) for queue in owner.queues)
        consumers = max((depth.consumers for depth in known if depth is not None), default=0)
        if consumers:
            return f"{consumers} process(es) of {owner.name} are running, {otherwise}"
    return None


def unbooked(depths: Depths) -> str | None:
    """The sentence about the first queue of rewards that holds messages."""
    for queue in reward_queues():
        depth = depths.get(queue)
        if depth is not None and depth.ready:
            return (
                f"Queue {queue} holds {depth.ready} message(s), which would be booked twice. Run `tributary work "
                "settlement` until it is empty, stop it, and run the command again."
            )
    return None


async def replayable(store: Reader) -> str | None:
    """The sentence about a dead letter of these queues: once it is replayed, it is booked too."""
    where = dead_letters.where(states=("waiting",)) | {"queue": {"$in": reward_queues()}}
    for letter in await store.find(DEAD_LETTERS, where, limit=1, fields=("queue",)):
        return (
            f"Queue {letter['queue']} has dead letters, which would be booked twice. Replay or discard them "
            "(`tributary dead list`), and run the command again."
        )
    return None


def reward_queues() -> list[str]:
    """The queues from which settlement books rewards."""
    settlement = roster.load("settlement")
    return [queue for queue in settlement.queues if queue.startswith(f"{settlement.name}.reward.")]
