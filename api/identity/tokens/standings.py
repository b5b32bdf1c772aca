"""Whether the holder of a valid access token may still use it: the token is from before, the store knows now.

A request that writes reads the user or the client each time, so that who is switched off can change nothing from then
on. A read may use what was found a few seconds ago, as long as that refuses nothing.
"""

from __future__ import annotations

from contextlib import suppress
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
    """What the store knows of the holder, and of the app through which a person logged in; None: it has no such one."""

    holder: User | Client | None
    app: Client | None
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
        self._kept: dict[tuple[str, str | None], _Standing] = {}

    async def current(self, principal: Principal, *, writes: bool) -> Principal:
        """The principal with the permissions that they still have. Raises InvalidToken, StoreUnavailable."""
        if not self._active:
            return principal
        key, now_s = (principal.name, principal.client_id), self._time.monotonic()
        kept = self._kept.get(key)
        if not writes and kept is not None and now_s - kept.read_at_s < READS_KEPT_S:
            # What refuses or narrows a token may be older than it: someone was given more, and logged in again.
            with suppress(InvalidToken):
                if _judged(principal, kept) is principal:
                    return principal
        try:
            standing = await self._read(principal, now_s)
        except StoreUnavailable:
            if writes or kept is None:
                raise
            # Reads go on from the cache while the store is away.
            standing = replace(kept, read_at_s=now_s)
        if len(self._kept) >= _KEPT_MAX:
            self._kept.clear()
        self._kept[key] = standing
        return _judged(principal, standing)

    async def _read(self, principal: Principal, now_s: float) -> _Standing:
        if principal.kind == "shop":
            return _Standing(await CLIENTS.get(self._store, principal.subject), None, now_s)
        app = await self._apps.get(principal.client_id) if principal.client_id is not None else None
        return _Standing(await USERS.get(self._store, principal.subject), app, now_s)


def _judged(principal: Principal, standing: _Standing) -> Principal:
    holder = standing.holder
    if holder is None or not holder.active:
        raise InvalidToken("switched off")
    if holder.not_before is not None and (principal.issued_at or 0) < holder.not_before.timestamp():
        raise InvalidToken("issued before everything of this login was ended")
    if isinstance(holder, User):
        if standing.app is None:
            raise InvalidToken("the client is unknown or switched off")
        same = set(principal.roles) <= set(holder.roles) and principal.distributor_id == holder.distributor_id
    else:
        same = holder.kind == "shop" and principal.shop_id == holder.shop_id
    if not same:
        raise InvalidToken("issued for other roles or another id")
    if principal.permissions <= holder.permissions:
        return principal
    return replace(principal, permissions=principal.permissions & holder.permissions)


def next_second(now: datetime, former: datetime | None = None) -> datetime:
    """A `not_before` after every earlier token: they state whole seconds, and none is before `former`, the last one."""
    second = timedelta(seconds=1)
    following = now.replace(microsecond=0) + second
    return following if former is None else max(following, former + second)
