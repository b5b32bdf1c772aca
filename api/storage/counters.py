"""Numbers for what is created here: counted up in a range of our own, given out once.

Others bring numbers of their own by message, whichever they like. Ours begin above those that people choose and end
where JavaScript still counts every number, so that neither side gets in the other's way: see decision 0023.
"""

from __future__ import annotations

from typing import Any

from api.storage.repository import COUNTERS
from infra.ports.store import Increment, Transaction

OWN = range(1_000_000_000_001, 2**53)
"""Above what shops count, and below what JavaScript rounds."""

OWN_BY_NOUN = {"rules": range(100_000_001, 1_000_000_000)}
"""Rule versions are 32-bit; ours begin above dates such as 20261129 and end below those with two digits more."""

_LOOKED_AT = 1_000
"""Taken numbers that one query reads; a longer row of them takes more queries, once."""


async def next_id(tx: Transaction, noun: str, *, view: str) -> int:
    """The next of our numbers for a `noun` that was not given out and that collection `view` does not have as `_id`.

    A number that is given out and then not used is simply missing.
    """
    own = OWN_BY_NOUN.get(noun, OWN)
    [counter] = await tx.find(COUNTERS.name, {"_id": noun}) or [{"last": 0}]
    last: int = counter["last"]
    number = await _first_free(tx, view, own, last + 1 if last + 1 in own else own.start)
    if number is None:
        number = await _first_free(tx, view, own, own.start)
    if number is None:
        raise OverflowError(f"no number is left for {noun} from {own.start} to {own.stop - 1}")
    await tx.add(COUNTERS.name, [Increment(noun, {"last": number - last}, {})])
    return number


async def _first_free(tx: Transaction, view: str, own: range, number: int) -> int | None:
    """The first number from `number` on that nobody has; None where the range ends before."""
    while number in own:
        where: dict[str, Any] = {"_id": {"$gte": number, "$lt": own.stop}}
        taken = await tx.find(view, where, sort=(("_id", 1),), limit=_LOOKED_AT, fields=("_id",))
        for document in taken:
            if document["_id"] != number:
                return number
            number += 1
        if len(taken) < _LOOKED_AT:
            break
    return number if number in own else None
