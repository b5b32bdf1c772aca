"""The wrapped keys of payees, in a collection of their own, so that it can be backed up apart from the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.ports.store import Collection, Document, Index
from infra.vault.master import Wrapped

KEYS = "vault.keys"
FINGERPRINTS = "fingerprints"
"""The key under which accounts have fingerprints; it is no payee's, and is never erased."""

COLLECTION = Collection(
    KEYS,
    "the keys of payees, each wrapped by a master key; an erased one has no key any more",
    (Index((("distributor_id", 1), ("number", -1)), "the newest key of a payee, and all of them"),),
)


@dataclass(frozen=True, slots=True)
class DataKey:
    """`wrapped` is None once it is erased. `distributor_id` is None for the key of fingerprints."""

    key_id: str
    distributor_id: int | None
    number: int
    wrapped: Wrapped | None
    created_at: datetime
    erased_at: datetime | None = None
    erased_by: tuple[str, ...] = ()


def key_id_of(distributor_id: int, number: int) -> str:
    return f"payee-{distributor_id}-{number}"


def to_document(key: DataKey) -> Document:
    fields: dict[str, Any] = {
        "_id": key.key_id,
        "distributor_id": key.distributor_id,
        "number": key.number,
        "master": key.wrapped.master if key.wrapped is not None else None,
        "wrapped": key.wrapped.text if key.wrapped is not None else None,
        "created_at": key.created_at,
        "erased_at": key.erased_at,
        "erased_by": list(key.erased_by) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def to_key(document: Document) -> DataKey:
    wrapped = Wrapped(document["master"], document["wrapped"]) if document.get("wrapped") else None
    return DataKey(
        key_id=document["_id"],
        distributor_id=document.get("distributor_id"),
        number=document["number"],
        wrapped=wrapped,
        created_at=document["created_at"],
        erased_at=document.get("erased_at"),
        erased_by=tuple(document.get("erased_by", ())),
    )
