"""Detects poison messages, which end the process that handles them. No exception reports this, so each try is recorded
first.

A delivery that was requeued several times is tried alone, so that its neighbours are handled, and the note in the
store survives the process. The broker's own count is no substitute: it also rises for every neighbour in the prefetch
window.
"""

from __future__ import annotations

from datetime import datetime

from contracts.wire.envelope import derived_id
from infra.ports.messaging import Delivery
from infra.ports.store import Collection, Index, Transaction
from infra.runtime.failure_policy import Failure

_EXPIRE_AFTER_S = 86_400


class Quarantine:
    """The notes of one worker: which process runs have tried a delivery, which is identified by its bytes."""

    def __init__(self, worker: str) -> None:
        self.collection = Collection(
            f"suspects.{worker}",
            holds="tries of messages that were requeued many times",
            indexes=(Index((("at", 1),), "notes expire after a day", expire_after_s=_EXPIRE_AFTER_S),),
        )

    async def note_try(self, tx: Transaction, queue: str, delivery: Delivery, life: str, now: datetime) -> int:
        """Record that `life`, one run of a process, is about to try the delivery; return how many runs have.

        A run counts once, however often it tries: while it can try again, the message has not ended it.
        """
        key = f"{queue}/{derived_id(delivery.body)}"
        found = await tx.find(self.collection.name, {"_id": key})
        lives: list[str] = found[0]["lives"] if found else []
        if life not in lives:
            lives = [*lives, life]
            await tx.replace(self.collection.name, [{"_id": key, "at": now, "lives": lives}])
        return len(lives)


def poison(tries: int) -> Failure:
    return Failure(
        "ends_its_process", f"The process that handled it alone died {tries} times; correct the rule, then replay."
    )
