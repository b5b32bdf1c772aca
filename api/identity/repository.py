"""The collections of identity, and the mapping between documents and entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from api.identity.model import (
    Attempts,
    Client,
    Code,
    Grant,
    Invite,
    RefreshToken,
    Registration,
    Session,
    SigningKey,
    User,
)
from infra.ports.store import Collection, Document, Index, Reader, Transaction
from infra.runtime.repository import Codec

V = TypeVar("V")

_KEPT_AFTER_S = 7 * 86_400
"""Expired documents are kept a week, so that the reuse of a code or a token is still detected."""

_EXPIRES = Index((("expires_at", 1),), "removal of expired documents", expire_after_s=_KEPT_AFTER_S)


class Table(Generic[V]):
    """One collection of entities of one class."""

    def __init__(self, collection: Collection, entity: type[V], *, key: str) -> None:
        self.collection = collection
        self.name = collection.name
        self._codec = Codec(entity, key=key)

    def entity_of(self, document: Document) -> V:
        return self._codec.to_entity(document)

    async def get(self, reader: Reader, key: str) -> V | None:
        return await self.one(reader, {"_id": key})

    async def one(self, reader: Reader, where: Mapping[str, Any]) -> V | None:
        found = await reader.find(self.name, where, limit=1)
        return self.entity_of(found[0]) if found else None

    async def all(
        self, reader: Reader, where: Mapping[str, Any], *, sort: Sequence[tuple[str, int]] = (), limit: int = 0
    ) -> list[V]:
        return [self.entity_of(found) for found in await reader.find(self.name, where, sort=sort, limit=limit)]

    async def insert(self, tx: Transaction, entity: V) -> None:
        await tx.insert(self.name, [self._codec.to_document(entity)])

    async def replace(self, tx: Transaction, entity: V) -> None:
        await tx.replace(self.name, [self._codec.to_document(entity)])


USERS = Table(
    Collection(
        "identity.users",
        "people who log in",
        (
            Index((("email", 1),), "login; one user for each address", unique=True),
            Index((("roles", 1), ("active", 1)), "the check that an administrator remains"),
            Index((("roles", 1), ("_id", 1)), "lists by role"),
            Index((("distributor_id", 1),), "the user of a distributor", sparse=True),
        ),
    ),
    User,
    key="id",
)
CLIENTS = Table(
    Collection(
        "identity.clients",
        "programs that ask for tokens",
        (Index((("shop_id", 1),), "the client of a shop", sparse=True),),
    ),
    Client,
    key="id",
)
GRANTS = Table(
    Collection(
        "identity.grants",
        "logins, each the family of its refresh tokens",
        (Index((("user_id", 1),), "ending every login of a user"), _EXPIRES),
    ),
    Grant,
    key="id",
)
REFRESH_TOKENS = Table(
    Collection("identity.refresh_tokens", "refresh tokens by hash", (_EXPIRES,)), RefreshToken, key="hash"
)
CODES = Table(Collection("identity.codes", "authorization codes by hash", (_EXPIRES,)), Code, key="hash")
SESSIONS = Table(
    Collection(
        "identity.sessions",
        "browsers that are logged in",
        (Index((("user_id", 1),), "ending every session of a user"), _EXPIRES),
    ),
    Session,
    key="hash",
)
INVITES = Table(
    Collection(
        "identity.invites",
        "invite codes by hash",
        (Index((("sponsor_id", 1), ("created_at", -1)), "a sponsor's invites"), _EXPIRES),
    ),
    Invite,
    key="hash",
)
REGISTRATIONS = Table(
    Collection("identity.registrations", "distributors who are joining, by address"), Registration, key="email_hash"
)
ATTEMPTS = Table(
    Collection("identity.attempts", "failed logins, by account and by address", (_EXPIRES,)), Attempts, key="key"
)
KEYS = Table(Collection("identity.keys", "the keys that sign access tokens"), SigningKey, key="kid")

_TABLES: tuple[Table[Any], ...] = (
    USERS,
    CLIENTS,
    GRANTS,
    REFRESH_TOKENS,
    CODES,
    SESSIONS,
    INVITES,
    REGISTRATIONS,
    ATTEMPTS,
    KEYS,
)
COLLECTIONS: tuple[Collection, ...] = tuple(table.collection for table in _TABLES)
