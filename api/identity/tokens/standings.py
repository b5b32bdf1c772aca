"""Whether the holder of a valid access token may still use it: the token is from before, the store knows now.

A request that writes reads the user or the client each time, so that who is switched off can change nothing from then
on. A read may use what was found a few seconds ago.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from api.identity.model import Client, User
from api.identity.principal import InvalidToken, Principal
from api.identity.repository import CLIENTS, USERS
from api.storage.protocols import Documents
from infra.ports.store import StoreUnavailable
from infra.ports.time import Time

READS_KEPT_S = 5.0
"""How long reads go on after a user or a client was switched off."""

_KEPT_MAX = 4096


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the store knows; None where it has no such user or client."""

    holder: User | Client | None
    read_at_s: float


class Apps(Protocol):
    """The clients that people use."""

    async def get(self, client_id: str) -> Client | None:
        """The client, if it is active."""


class Standings:
    """`active` is False where an OpenID provider has the users: then its tokens are all that is known."""

    def __init__(self, store: Documents, apps: Apps, time: Time, *, active: bool) -> None:
        self._store = store
        self._apps = apps
        self._time = time
        self._active = active
        self._kept: dict[str, _Standing] = {}

    async def current(self, principal: Principal, *, writes: bool) -> Principal:
        """The principal with the permissions that they still have. Raises InvalidToken, StoreUnavailable."""
        if not self._active:
            return principal
        holder = await self._holder(principal, writes=writes)
        if holder is None or not holder.active:
            raise InvalidToken("switched off")
        if holder.not_before is not None and (principal.issued_at or 0) < holder.not_before.timestamp():
            raise InvalidToken("issued before everything of this login was ended")
        if isinstance(holder, User):
            await self._require_app(principal, writes=writes)
            same = set(principal.roles) <= set(holder.roles) and principal.distributor_id == holder.distributor_id
        else:
            same = holder.kind == "shop" and principal.shop_id == holder.shop_id
        if not same:
            raise InvalidToken("issued for other roles or another id")
        if principal.permissions <= holder.permissions:
            return principal
        return replace(principal, permissions=principal.permissions & holder.permissions)

    async def _holder(self, principal: Principal, *, writes: bool) -> User | Client | None:
        async def read() -> User | Client | None:
            if principal.kind == "shop":
                return await CLIENTS.get(self._store, principal.subject)
            return await USERS.get(self._store, principal.subject)

        return await self._known(principal.name, read, writes=writes)

    async def _require_app(self, principal: Principal, *, writes: bool) -> None:
        """Raise InvalidToken where the app through which the person logged in is unknown or switched off."""
        client_id = principal.client_id
        if client_id is None:
            raise InvalidToken("issued to no client")

        async def read() -> Client | None:
            return await self._apps.get(client_id)

        app = await self._known(f"app/{client_id}", read, writes=writes)
        if app is None:
            raise InvalidToken("the client is unknown or switched off")

    async def _known(
        self, name: str, read: Callable[[], Awaitable[User | Client | None]], *, writes: bool
    ) -> User | Client | None:
        now_s = self._time.monotonic()
        kept = self._kept.get(name)
        if not writes and kept is not None and now_s - kept.read_at_s < READS_KEPT_S:
            return kept.holder
        try:
            holder = await read()
        except StoreUnavailable:
            if writes or kept is None:
                raise
            # Reads go on from the cache while the store is away.
            holder = kept.holder
        if len(self._kept) >= _KEPT_MAX:
            self._kept.clear()
        self._kept[name] = _Standing(holder, now_s)
        return holder


def next_second(now: datetime, former: datetime | None = None) -> datetime:
    """A `not_before` after every earlier token: they state whole seconds, and none is before `former`, the last one."""
    second = timedelta(seconds=1)
    following = now.replace(microsecond=0) + second
    return following if former is None else max(following, former + second)
