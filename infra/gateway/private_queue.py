"""Private queues of one process: for replies to its own commands, and for events it needs only while it runs.

They are exclusive and are deleted with their connection, so nothing durable may depend on their messages. A robust
connection declares them again under the same name when it is restored.
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
