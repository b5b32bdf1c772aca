"""Assembles identity: with keys and users of our own, or with an OpenID provider's tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from api.identity.accounts.logins import Logins
from api.identity.accounts.registration import Invites, Registrations
from api.identity.accounts.sessions import Sessions
from api.identity.accounts.users import Users
from api.identity.lockout import Lockout
from api.identity.oauth.clients import Clients
from api.identity.oauth.grants import Grants
from api.identity.passwords import Passwords
from api.identity.tokens.external import ProviderTokens
from api.identity.tokens.keys import KeyRing
from api.identity.tokens.standings import Standings
from api.identity.tokens.tokens import OwnTokens, Verifier
from api.storage.audit_log import AuditLog
from api.storage.protocols import Commands, Documents, FetchJson
from infra.ports.time import Time
from infra.settings import Settings


@dataclass(frozen=True, slots=True)
class Identity:
    """`issues` is False with an OpenID provider: then no login happens here."""

    issues: bool
    verifier: Verifier
    standings: Standings
    keys: KeyRing
    tokens: OwnTokens
    grants: Grants
    clients: Clients
    logins: Logins
    sessions: Sessions
    users: Users
    invites: Invites
    registrations: Registrations

    @classmethod
    def of(
        cls,
        settings: Settings,
        store: Documents,
        commands: Commands,
        audit: AuditLog,
        time: Time,
        fetch_json: FetchJson,
    ) -> Self:
        keys = KeyRing(store, time, settings)
        tokens = OwnTokens(keys, settings, time)
        passwords = Passwords(settings.password_threads)
        grants = Grants(store, tokens, settings, time)
        clients = Clients(store, settings, time)
        issues = settings.external_issuer is None
        logins = Logins(store, passwords, Lockout(store, time), grants, time)
        return cls(
            issues=issues,
            verifier=tokens if issues else ProviderTokens(settings, time, fetch_json),
            standings=Standings(store, clients, time, active=issues),
            keys=keys,
            tokens=tokens,
            grants=grants,
            clients=clients,
            logins=logins,
            sessions=Sessions(store, settings, time),
            users=Users(store, passwords, grants, audit, time),
            invites=Invites(store, audit, time),
            registrations=Registrations(store, commands, passwords, logins, audit, time),
        )

    async def prepare(self) -> None:
        """Make the first signing key, if there is none."""
        if self.issues:
            await self.keys.prepare()
