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
from infra.ports.store import Collection, Document, Index, Transaction
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

    async def note_try(
        self, tx: Transaction, queue: str, delivery: Delivery, life: str, now: datetime
    ) -> tuple[int, int]:
        """Record that `life`, one run of a process, is about to try the delivery; return how many runs have, and how
        many of the earlier ones ended before they had read it.

        A run counts once, however often it tries: while it can try again, the message has not ended it.
        """
        note = await self._note(tx, queue, delivery)
        lives: list[str] = note.get("lives", [])
        unread = len(set(lives) - {*note.get("read", ()), life})
        if life not in lives:
            lives = [*lives, life]
            await tx.replace(self.collection.name, [{**note, "at": now, "lives": lives}])
        return len(lives), unread

    async def note_read(self, tx: Transaction, queue: str, delivery: Delivery, life: str) -> None:
        """Record that `life` has read the delivery: what ends it now is not the reading."""
        note = await self._note(tx, queue, delivery)
        if "lives" in note and life not in note.get("read", ()):
            await tx.replace(self.collection.name, [{**note, "read": [*note.get("read", ()), life]}])

    async def _note(self, tx: Transaction, queue: str, delivery: Delivery) -> Document:
        key = f"{queue}/{derived_id(delivery.body)}"
        found = await tx.find(self.collection.name, {"_id": key})
        return found[0] if found else {"_id": key}


def poison(tries: int) -> Failure:
    return Failure(
        "ends_its_process", f"The process that handled it alone died {tries} times; correct the rule, then replay."
    )
