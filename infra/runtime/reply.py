"""Replies to the sender of a command with its outcome, if the sender named a reply queue.

A reply is best effort: it is sent after the outcome is committed and published, is stored nowhere, and is lost with its
queue. A sender that misses it can find the outcome in the journal.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from infra.ports.messaging import Outgoing
from infra.ports.store import Transaction
from infra.runtime.fold import Folded, Work
from infra.runtime.journal import Journal

REPLY_TYPE = "application/vnd.tributary.reply+json"
DEAD_LETTERED = "dead_lettered"


async def replies(
    tx: Transaction, journal: Journal, works: Sequence[Work], folded: Folded, known: set[str]
) -> list[Outgoing]:
    """One AMQP message for each sender that waits; a repeat gets the outcome of the first time.

    A message that is to be retried has no reply yet. Body: `{"correlationid", "outcome", "events"}`, with the events as
    published and the correlation id of this one request.
    """
    requests = [work for work in works if work.reply_to is not None]
    if not requests:
        return []
    earlier = {work.item.key for work in requests} & known
    outcomes = {handled.id: handled.outcome for handled in folded.handled}
    outcomes |= {dead.id: DEAD_LETTERED for dead in folded.dead}
    outcomes |= await journal.outcomes(tx, earlier)
    events: dict[str, list[bytes]] = {}
    for emitted in (*folded.emitted, *await journal.emitted_by(tx, earlier)):
        events.setdefault(emitted.cause, []).append(emitted.body)
    return [
        _reply(work.reply_to or "", work.item.correlation, outcomes[work.item.key], events.get(work.item.key, ()))
        for work in requests
        if work.item.key in outcomes
    ]


def _reply(queue: str, correlation: str, outcome: str, events: Sequence[bytes]) -> Outgoing:
    head = json.dumps({"correlationid": correlation, "outcome": outcome}).encode()
    return Outgoing(
        "",
        queue,
        head[:-1] + b', "events": [' + b",".join(events) + b"]}",
        REPLY_TYPE,
        mandatory=False,
        best_effort=True,
    )
