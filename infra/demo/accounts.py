"""Which messages were published, by the keys that their repeats share, and which of them the journals know.

Counting what the journals write down would not do: a repeat that comes once more because a worker died is a mere
redelivery to them, of which they write nothing, and a letter may be buried twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from contracts.wire.envelope import Payload
from contracts.wire.reading import Reader, content_of, is_bare
from infra.auditing.audit import Read
from infra.demo.shop import envelope_of
from infra.demo.traffic import Publication
from infra.ports.store import JOURNALS
from infra.runtime.worker import Worker

_ANY_TIME = datetime(2999, 1, 1, tzinfo=UTC)
"""No key depends on when a message was sent or arrived."""

Published = Counter[str]
"""How often each message was published, by its key."""


@dataclass(frozen=True, slots=True)
class Accounted:
    """Of all that was published, what is handled, recognised as a repeat, or dead-lettered; `repeats` are among it.

    Copies of a bare body are no repeats: each is handled, and its rule finds nothing left to change.
    """

    messages: int
    repeats: int


def published(commands: Iterable[Payload], publications: Iterable[Publication], workers: Sequence[Worker]) -> Published:
    """The keys under which the workers will know what a shop publishes, each of a batch for itself."""
    keys = Published(envelope_of(command, _ANY_TIME).key for command in commands)
    readers = {
        payload.message_type: Reader(handler.payloads)
        for worker in workers
        for handler in worker.handlers
        for payload in handler.payloads
    }
    for publication in publications:
        keys.update(
            item.key
            for item in readers[publication.routing_key].read(
                publication.body,
                content_type=publication.content_type,
                routing_key=publication.routing_key,
                received_at=_ANY_TIME,
            )
        )
    return keys


async def accounted(read: Read, workers: Sequence[Worker], expected: Published) -> Accounted:
    """Look all of them up in the journals, each once, however often it is in there."""
    known: set[str] = set()
    for worker in workers:
        async for record in read.stream(JOURNALS + worker.name, {}, fields=("handled.id", "dead.id")):
            items = (*record.get("handled", ()), *record.get("dead", ()))
            known.update(key for item in items if (key := content_of(item["id"])) in expected)
    messages = sum(expected[key] for key in known)
    return Accounted(messages, sum(expected[key] - 1 for key in known if not is_bare(key)))
