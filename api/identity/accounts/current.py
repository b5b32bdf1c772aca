"""What a login may do now. A token is as old as its issue; a user who was switched off since then writes nothing."""

from __future__ import annotations

from dataclasses import replace

from api.identity.model import User
from api.identity.oauth.clients import Clients
from api.identity.principal import InvalidToken, Principal
from api.identity.repository import USERS
from infra.ports.store import Reader


class CurrentRights:
    """Looks a principal's login up by its id; logins of an OpenID provider are not stored here."""

    def __init__(self, store: Reader, clients: Clients, *, issues: bool) -> None:
        self._store = store
        self._clients = clients
        self._issues = issues

    async def of(self, principal: Principal) -> Principal:
        """The principal with the permissions that the token has and the login still has.

        Raises InvalidToken where user or client no longer exists, is switched off, has lost the role, or has a new
        password.
        """
        if not self._issues:
            return principal
        client = await self._clients.get(principal.client_id) if principal.client_id is not None else None
        if client is None:
            raise InvalidToken("the client is unknown or disabled")
        if principal.kind == "shop":
            if client.shop_id != principal.shop_id:
                raise InvalidToken("the client belongs to another shop")
            return replace(principal, permissions=principal.permissions & client.permissions)
        user = await USERS.get(self._store, principal.subject)
        if user is None or not user.active:
            raise InvalidToken("the user is unknown or switched off")
        if not set(principal.roles) <= set(user.roles) or principal.distributor_id != user.distributor_id:
            raise InvalidToken("the user has lost the role")
        if _has_new_password(user, principal):
            raise InvalidToken("the password was changed")
        return replace(principal, permissions=principal.permissions & user.permissions)


def _has_new_password(user: User, principal: Principal) -> bool:
    """Whether the password changed after the second in which the token was issued."""
    changed_at, issued_at = user.password_changed_at, principal.issued_at
    return changed_at is not None and issued_at is not None and issued_at < int(changed_at.timestamp())
