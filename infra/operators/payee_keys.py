"""What an operator does with the keys of payees: list, rewrap and erase them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from contracts.payees.view import PAYEES
from contracts.payouts.view import PAYOUTS, UNDER_WAY
from infra.ports.store import Reader, Store, Transaction
from infra.ports.time import Time
from infra.ports.vault import CannotOpen
from infra.runtime.conflicts import transact
from infra.vault.master import MasterKeys
from infra.vault.repository import KEYS, DataKey, to_document, to_key

_TOGETHER = 200
SHOWN_MAX = 5


class NotErased(Exception):
    """The key stays; the text is a sentence that says why."""


class KeyStore(Store, Reader, Protocol): ...


@dataclass
class Overview:
    """How many keys there are under each master key, and which of these the file does not have."""

    payees: int = 0
    erased: int = 0
    under: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)


async def overview(store: KeyStore, master: MasterKeys) -> Overview:
    """Raises CannotOpen where keys exist, and no file of master keys can be read."""
    found = Overview()
    async for document in store.stream(KEYS, {}):
        key = to_key(document)
        found.payees += key.distributor_id is not None
        found.erased += key.wrapped is None
        if key.wrapped is not None:
            found.under[key.wrapped.master] += 1
    known = master.ids() if found.under else []
    found.missing = sorted(set(found.under) - set(known))
    return found


async def missing_master(store: KeyStore, master: MasterKeys) -> str | None:
    """A sentence about master keys that are needed and not there; None if all are."""
    try:
        missing = (await overview(store, master)).missing
    except CannotOpen as error:
        return error.detail
    named = ", ".join(missing[:SHOWN_MAX])
    return f"The master key file lacks {named}; what is sealed under it cannot be opened." if missing else None


async def rewrap(store: KeyStore, master: MasterKeys, time: Time) -> int:
    """Wrap every key under the newest master key; how many were under another one. Sealed values do not change, and
    processes go on meanwhile. Raises CannotOpen.
    """
    newest = master.ids()[-1]
    stale = [
        document["_id"]
        async for document in store.stream(KEYS, {}, fields=("master",))
        if document.get("master") not in (None, newest)
    ]
    for begin in range(0, len(stale), _TOGETHER):

        async def work(tx: Transaction, ids: list[str] = stale[begin : begin + _TOGETHER]) -> None:
            keys = [to_key(document) for document in await tx.find(KEYS, {"_id": {"$in": ids}})]
            await tx.replace(KEYS, [to_document(_rewrapped(key, master)) for key in keys])

        await transact(store, time, work)
    return len(stale)


def _rewrapped(key: DataKey, master: MasterKeys) -> DataKey:
    if key.wrapped is None:
        return key
    return replace(key, wrapped=master.wrap(master.unwrap(key.wrapped, key.key_id), key.key_id))


async def erase(store: KeyStore, time: Time, distributor_id: int, by: Sequence[str]) -> int:
    """Erase the keys of a payee; how many. Whatever was sealed for the payee opens nowhere any more, a minute later.
    Raises NotErased while the payee has a method, or money under way.
    """

    async def work(tx: Transaction) -> int:
        if (reason := await _still_needed(tx, distributor_id)) is not None:
            raise NotErased(reason)
        keys = [to_key(document) for document in await tx.find(KEYS, {"distributor_id": distributor_id})]
        left = [key for key in keys if key.wrapped is not None]
        await tx.replace(KEYS, [to_document(_erased(key, time.now(), by)) for key in left])
        return len(left)

    return await transact(store, time, work)


async def _still_needed(tx: Transaction, distributor_id: int) -> str | None:
    under_way = {"distributor_id": distributor_id, "state": {"$in": list(UNDER_WAY)}}
    if found := await tx.find(PAYOUTS, under_way, limit=1, fields=("state",)):
        return f"Payout {found[0]['_id']} is {found[0]['state']}; erase the payee when its outcome is known."
    payees = await tx.find(PAYEES, {"_id": distributor_id}, limit=1, fields=("method",))
    if payees and payees[0].get("method") is not None:
        return f"Remove the method first, so that nothing more is sent: `tributary payees remove {distributor_id}`."
    return None


def _erased(key: DataKey, at: datetime, by: Sequence[str]) -> DataKey:
    return replace(key, wrapped=None, erased_at=at, erased_by=tuple(by))
