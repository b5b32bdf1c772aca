"""Which messages were published, by the keys that repeats share, and which of them are in the journals.

Counting journal entries would be wrong: after a crash a repeat may be a plain redelivery, which is not journaled, and a
message may be dead-lettered twice.
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
"""Keys do not depend on the time."""

Published = Counter[str]
"""How often each message was published, by its key."""


@dataclass(frozen=True, slots=True)
class Accounted:
    """Published messages that are handled, recognised as repeats, or dead-lettered; `repeats` are included.

    Copies of a bare body are not repeats: each is handled, and its rule finds nothing to change.
    """

    messages: int
    repeats: int


def published(commands: Iterable[Payload], publications: Iterable[Publication], workers: Sequence[Worker]) -> Published:
    """The keys that the workers derive from the published messages, one for each event of a batch."""
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
    """Look up every published message in the journals, and count each once."""
    known: set[str] = set()
    for worker in workers:
        async for record in read.stream(JOURNALS + worker.name, {}, fields=("handled.id", "dead.id")):
            items = (*record.get("handled", ()), *record.get("dead", ()))
            known.update(key for item in items if (key := content_of(item["id"])) in expected)
    messages = sum(expected[key] for key in known)
    return Accounted(messages, sum(expected[key] - 1 for key in known if not is_bare(key)))
