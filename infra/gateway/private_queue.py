"""Queues of one process alone: for answers to its own commands, and for events it only wants while it lives.

They are exclusive and go with their connection, so nothing durable may depend on what lies in them. A robust
connection declares them again under the same name when it comes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import uuid4

from aio_pika.abc import AbstractChannel, AbstractQueue

from contracts.wire.envelope import EVENTS_EXCHANGE


async def private_queue(channel: AbstractChannel, purpose: str, events: Iterable[str] = ()) -> AbstractQueue:
    """Declare `tributary.<purpose>.<something unique>`, bound to these event types."""
    queue = await channel.declare_queue(f"tributary.{purpose}.{uuid4().hex}", exclusive=True, auto_delete=True)
    for message_type in events:
        await queue.bind(EVENTS_EXCHANGE, message_type)
    return queue
