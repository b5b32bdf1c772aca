"""Numbers for what is created here: 64-bit, counted up, given out once."""

from __future__ import annotations

from api.repository import COUNTERS
from infra.runtime.store import Increment, Transaction


async def next_id(tx: Transaction, noun: str, *, view: str) -> int:
    """The next number for a `noun`, above all that were given out and all that collection `view` has as `_id`.

    Others may bring numbers of their own by message, so the view is looked at each time. A number that is given out
    and then not used is simply missing.
    """
    [counter] = await tx.find(COUNTERS.name, {"_id": noun}) or [{"last": 0}]
    [highest] = await tx.find(view, {"_id": {"$gt": 0}}, sort=(("_id", -1),), limit=1, fields=("_id",)) or [{"_id": 0}]
    number: int = max(counter["last"], highest["_id"]) + 1
    await tx.add(COUNTERS.name, [Increment(noun, {"last": number - counter["last"]}, {})])
    return number
