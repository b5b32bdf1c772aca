"""Stored balances and months, compared with the sums of the ledger and the commissions.

The distributors are compared in parts, so that memory is bounded. Each part can be read from one snapshot, so that
postings may continue meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from contracts.commissions.earnings import (
    EARNINGS,
    Earnings,
    increments_of,
    key_of,
    months_of,
    tallies_of,
)
from contracts.commissions.view import (
    BALANCE_STRIPES,
    BALANCES,
    COMMISSIONS,
    LEDGER,
    AccountKey,
    Commission,
    balance_id,
    balance_of_stripe,
)
from contracts.rules.view import RULES
from contracts.settlement.view import BALANCES as SLICES
from infra.adapters.mongo import MongoStore
from infra.adapters.mongo_reads import MongoReads
from infra.adapters.mongo_sums import storable
from infra.cli.actions.ledger_slices import compare_slices
from infra.ports.store import Document
from infra.runtime.repository import Codec

FIGURES_AT_ONCE = 100_000
"""Stored balances or months in one part."""

_DOCUMENTS_AT_ONCE = 1_000

_commissions = Codec(Commission, key="key")

Difference = tuple[AccountKey, int, int]
"""An account, its stored balance, and its sum in the ledger."""


@dataclass(slots=True)
class Compared:
    """The number of accounts in the ledger, and the accounts, months, and slices of settlement that differ."""

    accounts: int = 0
    differing: list[Difference] = field(default_factory=list)
    months: list[str] = field(default_factory=list)
    slices: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Part:
    """The distributors whose number modulo `of` is `number`."""

    number: int
    of: int

    def condition(self, *fields: str) -> dict[str, Any]:
        if self.of == 1:
            return {}
        conditions = [{name: {"$mod": [self.of, self.number]}} for name in fields]
        return conditions[0] if len(conditions) == 1 else {"$or": conditions}

    def has(self, key: str) -> bool:
        """Whether a month belongs to one of these distributors; invalid keys belong to the first part."""
        distributor_id = key.partition("/")[0]
        return (int(distributor_id) if distributor_id.isdecimal() else 0) % self.of == self.number


async def compare(store: MongoStore, *, snapshot: bool, repair: bool) -> Compared:
    """Compare all balances, months and slices; with `repair`, overwrite those that differ.

    Raises SnapshotTooOld if one part takes longer than the server keeps its snapshot.
    """
    found = Compared()
    compared = ((BALANCES, _compare_accounts), (EARNINGS, _compare_months), (SLICES, _compare_slices))
    for collection, compare_part in compared:
        parts = 1 + await store.count(collection) // FIGURES_AT_ONCE
        for number in range(parts):
            async with _reading(store, snapshot=snapshot) as read:
                replaced = await compare_part(read, _Part(number, parts), found)
            for chunk in _chunks(map(storable, replaced) if repair else ()):
                await store.transact(lambda tx, collection=collection, chunk=chunk: tx.replace(collection, chunk))  # type: ignore[misc]
    found.differing.sort()
    found.months.sort()
    return found


@asynccontextmanager
async def _reading(store: MongoStore, *, snapshot: bool) -> AsyncIterator[MongoReads]:
    if not snapshot:
        yield store
        return
    async with store.snapshot() as read:
        yield read


def _chunks(documents: Iterable[Document]) -> Iterable[list[Document]]:
    waiting = iter(documents)
    while chunk := list(islice(waiting, _DOCUMENTS_AT_ONCE)):
        yield chunk


async def _compare_accounts(read: MongoReads, part: _Part, found: Compared) -> list[Document]:
    """Return the documents to store: each balance that differs, in its first stripe, and its other stripes empty."""
    ledger = await _posted(read, part)
    stored: Counter[AccountKey] = Counter()
    replaced: dict[str, Document] = {}
    stripes: dict[tuple[int, str], set[str]] = {}
    async for document in read.stream(BALANCES, part.condition("distributor_id")):
        for account, amount in balance_of_stripe(document).items():
            stored[account] += amount
            stripes.setdefault(account[:2], set()).add(document["_id"])
    found.accounts += len(ledger)
    differing = [(one, stored[one], ledger[one]) for one in stored.keys() | ledger.keys() if stored[one] != ledger[one]]
    found.differing += differing
    for distributor_id, currency in {account[:2] for account, _, _ in differing}:
        # A stripe that has lost its fields is found by its id.
        ids = [balance_id(distributor_id, currency, stripe) for stripe in range(BALANCE_STRIPES)]
        existing = {one["_id"] for one in await read.find(BALANCES, {"_id": {"$in": ids}}, fields=("_id",))}
        for key in {ids[0], *existing, *stripes.get((distributor_id, currency), ())}:
            replaced[key] = {"_id": key, "distributor_id": distributor_id, "currency": currency}
    for (distributor_id, currency, name), amount in ledger.items():
        if (first := balance_id(distributor_id, currency, 0)) in replaced:
            replaced[first][f"{name}_minor"] = amount
    return list(replaced.values())


async def _posted(read: MongoReads, part: _Part) -> Counter[AccountKey]:
    """The sum of the postings of each account: `balances_of`, computed by the server."""
    of_part = {"$match": part.condition("legs.distributor_id")}
    account = {"distributor_id": "$legs.distributor_id", "currency": "$currency", "account": "$legs.account"}
    # As whole numbers, the server would round a sum beyond 64 bits.
    group = {"_id": account, "minor": {"$sum": {"$toDecimal": "$legs.amount_minor"}}}
    sums = await read.summarise(LEDGER, [of_part, {"$unwind": "$legs"}, of_part, {"$group": group}])
    return Counter(
        {(one["_id"]["distributor_id"], one["_id"]["currency"], one["_id"]["account"]): one["minor"] for one in sums}
    )


async def _compare_months(read: MongoReads, part: _Part, found: Compared) -> list[Document]:
    """Return the documents to store: each month that differs, in its first stripe, and its other stripes empty.

    The market is read from the rules, because old commissions of other markets than the default have no `market`.
    """
    rules = await read.find(RULES, {}, fields=("terms.market",))
    markets: dict[int, str] = {one["_id"]: one["terms"]["market"] for one in rules}
    sums: dict[str, Counter[str]] = {}
    async for document in read.stream(COMMISSIONS, part.condition("seller_id", "entries.distributor_id")):
        commission = _commissions.to_entity(document)
        of_market = replace(commission, market=markets.get(commission.rule_version, commission.market))
        for key, amounts in increments_of(tallies_of(None, of_market)).items():
            if part.has(key):
                sums.setdefault(key, Counter()).update(amounts)
    stored: dict[str, list[Document]] = {}
    async for document in read.stream(EARNINGS, {}):
        if part.has(key := key_of(document)):
            stored.setdefault(key, []).append(document)
    expected = {key: _month_document(key, amounts) for key, amounts in sums.items()}
    differing = [
        key
        for key in expected.keys() | stored.keys()
        if _month(stored.get(key, ())) != _month([expected[key]] if key in expected else ())
    ]
    found.months += differing
    empty = {one["_id"]: {"_id": one["_id"]} for key in differing for one in stored.get(key, ())}
    return [*(empty | {key: expected[key] for key in differing if key in expected}).values()]


async def _compare_slices(read: MongoReads, part: _Part, found: Compared) -> list[Document]:
    return await compare_slices(read, part.condition("distributor_id"), found.slices)


def _month(documents: Sequence[Document]) -> Earnings:
    return next(iter(months_of(documents).values()), Earnings())


def _month_document(key: str, amounts: Mapping[str, int]) -> Document:
    document: Document = {"_id": key}
    for path, amount in amounts.items():
        *parents, name = path.split(".")
        parent = document
        for step in parents:
            parent = parent.setdefault(step, {})
        parent[name] = amount
    return document
