"""The stored sums of settlement's slices, compared with its ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from contracts.settlement.view import BALANCES, LEDGER, STRIPES, Posting, balance_id, sums_of
from infra.adapters.mongo_reads import MongoReads
from infra.ports.store import Document
from infra.runtime.repository import Codec

_postings = Codec(Posting, key="posting_id")
_FIXED = ("_id", "account", "distributor_id", "currency")


async def compare_slices(read: MongoReads, where: Mapping[str, Any], differing: list[str]) -> list[Document]:
    """Return the documents to store: each slice that differs, in its first stripe, and its other stripes empty.

    The marks of a close stay. `where` selects the distributors; the slices that differ are added to `differing`.
    """
    posted: dict[str, Counter[str]] = {}
    owners: dict[str, Document] = {}
    async for document in read.stream(LEDGER, where):
        posting = _postings.to_entity(document)
        owners[posting.statement] = {name: document[name] for name in _FIXED[1:]}
        for slice_, sums in sums_of([posting]).items():
            posted.setdefault(slice_, Counter()).update(sums)
    stored: dict[str, dict[str, Document]] = {}
    async for document in read.stream(BALANCES, where):
        slice_ = document["_id"].rpartition("/")[0]
        stored.setdefault(slice_, {})[document["_id"]] = document
        owners.setdefault(slice_, {name: document[name] for name in _FIXED[1:]})
    replaced: list[Document] = []
    for slice_ in sorted(posted.keys() | stored.keys()):
        known, due = stored.get(slice_, {}), posted.get(slice_, Counter())
        if _without_zeros(_sums(known)) == _without_zeros(due):
            continue
        differing.append(slice_)
        closed = {"closed": 1} if any("closed" in stripe for stripe in known.values()) else {}
        for stripe in range(STRIPES):
            key = balance_id(slice_, stripe)
            if key in known or stripe == 0 or closed:
                replaced.append({"_id": key, **owners[slice_], **closed, **(due if stripe == 0 else {})})
    return replaced


def _sums(stripes: Mapping[str, Document]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for document in stripes.values():
        sums.update({name: amount for name, amount in document.items() if name not in (*_FIXED, "closed")})
    return sums


def _without_zeros(sums: Counter[str]) -> dict[str, int]:
    return {name: amount for name, amount in sums.items() if amount}
