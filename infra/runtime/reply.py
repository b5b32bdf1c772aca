"""Replies to the sender of a command with its outcome, if the sender named a reply queue.

A reply is best effort: it is sent after the outcome is committed and published, is stored nowhere, and is lost with its
queue. A sender that misses it can find the outcome in the journal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from contracts.wire.refusal import REFUSED
from infra.ports.messaging import Outgoing
from infra.ports.store import Transaction
from infra.runtime.failure_policy import DEAD_LETTERED, FailurePolicy
from infra.runtime.fold import Folded, Work
from infra.runtime.journal import Journal, Known
from infra.runtime.shop_answers import answer_to_shop

REPLY_TYPE = "application/vnd.tributary.reply+json"


async def replies(
    tx: Transaction,
    journal: Journal,
    works: Sequence[Work],
    folded: Folded,
    known: Mapping[str, Known],
    policy: FailurePolicy,
) -> list[Outgoing]:
    """One AMQP message for each sender that waits; a repeat gets the outcome of the first time. A shop is answered
    without the events, so only why its message was refused is looked up.

    A message that is to be tried again has no answer yet, except for a shop, which learns once what it waits for. Body:
    `{"correlationid", "outcome", "events"}`, with the events as they were published and the correlation id of this one
    request; for a shop, a `message.answered`.
    """
    requests = [work for work in works if work.reply_to is not None or work.sender is not None]
    if not requests:
        return []
    outcomes: dict[str, str | None] = {handled.id: handled.outcome for handled in folded.handled}
    outcomes |= {dead.id: DEAD_LETTERED for dead in folded.dead}
    outcomes |= {key: earlier.outcome for key, earlier in known.items()}
    wanted = {
        key
        for work in requests
        if (key := work.item.key) in known and (work.sender is None or known[key].outcome == REFUSED)
    }
    events: dict[str, list[bytes]] = {}
    for emitted in (*folded.emitted, *await journal.emitted_by(tx, wanted)):
        events.setdefault(emitted.cause, []).append(emitted.body)
    answers = []
    for work in requests:
        key = work.item.key
        outcome, caused = outcomes.get(key), events.get(key, ())
        if work.sender is not None and (outcome is not None or work.attempt == 1):
            answers.append(answer_to_shop(work, work.sender, outcome, caused, folded, policy))
        elif work.reply_to and outcome is not None:
            answers.append(_reply(work.reply_to, work.item.correlation, outcome, caused))
    return answers


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
