"""Numbers for new things: counted up in a range of our own, each assigned once.

Messages may bring numbers of their own, without restriction. Ours begin above those that people choose and end where
JavaScript's integers are still exact, so that the two do not collide: see decision 0023.
"""

from __future__ import annotations

from typing import Any

from api.storage.repository import COUNTERS
from infra.ports.store import Increment, Transaction

OWN = range(1_000_000_000_001, 2**53)
"""Above the numbers of shops, and below those that JavaScript rounds."""

_VERSIONS = range(100_000_001, 1_000_000_000)
OWN_BY_NOUN = {"rules": _VERSIONS, "settlement-terms": _VERSIONS}
"""Versions of rules and terms are 32-bit; ours begin above dates such as 20261129, and end below dates with two more
digits.
"""

_SCANNED_MAX = 1_000
"""Taken numbers that one query reads; a longer sequence takes more queries."""


async def next_id(tx: Transaction, noun: str, *, view: str) -> int:
    """Our next number for a `noun` that was not assigned and that collection `view` does not have as `_id`.

    An assigned number that is then not used leaves a gap.
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
    """The first free number from `number` on; None if the range has none."""
    while number in own:
        where: dict[str, Any] = {"_id": {"$gte": number, "$lt": own.stop}}
        taken = await tx.find(view, where, sort=(("_id", 1),), limit=_SCANNED_MAX, fields=("_id",))
        for document in taken:
            if document["_id"] != number:
                return number
            number += 1
        if len(taken) < _SCANNED_MAX:
            break
    return number if number in own else None
