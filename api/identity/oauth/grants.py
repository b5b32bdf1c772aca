"""Logins: authorization codes, and refresh tokens that are good for one use.

A code or a refresh token that comes a second time has been copied. A copy is indistinguishable from the original, so
the login and all its tokens end, and the person logs in again (RFC 9700, sections 2.1.1 and 4.14).

One kind of repeat is not a copy: a client whose answer was lost sends its refresh token again within seconds. It gets
the same successor, as long as that is unused. A thief who is as quick gets the same successor too, and the second of
the two to use it ends the login.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from api.identity.model import Code, Grant, RefreshToken, User
from api.identity.opaque import challenge_of, hash_of, is_same, new_secret
from api.identity.permissions import as_scope, narrowed
from api.identity.repository import CODES, GRANTS, REFRESH_TOKENS, SESSIONS, USERS
from api.identity.tokens.standings import next_second
from api.identity.tokens.tokens import OwnTokens
from infra.ports.store import Store, Transaction
from infra.ports.time import Time
from infra.runtime.conflicts import transact
from infra.sealing import seal, unseal
from infra.settings import Settings

log = structlog.get_logger()

CODE_LIFE_S = 60


class GrantRefused(Exception):
    """The code or token is not valid (`invalid_grant`). Only the log states why."""


@dataclass(frozen=True, slots=True)
class Tokens:
    access: str
    refresh: str
    life_s: int
    scope: str


@dataclass(frozen=True, slots=True)
class _Decision:
    """The decision of a transaction: the user and grant to issue tokens for, or the refusal. Both are committed."""

    user: User | None = None
    grant: Grant | None = None
    refresh: str = ""
    refused_for: str = ""


class Grants:
    def __init__(self, store: Store, tokens: OwnTokens, settings: Settings, time: Time) -> None:
        self._store = store
        self._tokens = tokens
        self._settings = settings
        self._time = time

    async def begin(self, user: User, client_id: str, scope: str | None = None) -> Tokens:
        """The first tokens after a successful login."""
        now = self._time.now()
        grant = self._grant(uuid4().hex, user, client_id, scope, now)

        async def work(tx: Transaction) -> _Decision:
            await GRANTS.insert(tx, grant)
            return _Decision(user, grant, await self._refresh(tx, grant, now))

        return await self._issue(await transact(self._store, self._time, work))

    async def code_for(
        self,
        user: User,
        client_id: str,
        redirect_uri: str,
        challenge: str,
        scope: str | None,
        session: str | None = None,
    ) -> str:
        """A code for one use within a minute, bound to this client, this redirect and the verifier.

        `session` is the hash of the browser session, which ends with the login that the code begins.
        """
        secret = new_secret()
        code = Code(
            hash=hash_of(secret),
            client_id=client_id,
            user_id=user.id,
            redirect_uri=redirect_uri,
            challenge=challenge,
            grant_id=uuid4().hex,
            expires_at=self._time.now() + timedelta(seconds=CODE_LIFE_S),
            scope=scope,
            session=session,
            not_before=user.not_before,
        )
        await transact(self._store, self._time, lambda tx: CODES.insert(tx, code))
        return secret

    async def redeem(self, secret: str, client_id: str, redirect_uri: str, verifier: str) -> Tokens:
        """Tokens for a code. Any attempt uses the code up, even a failed one. Raises GrantRefused."""

        async def work(tx: Transaction) -> _Decision:
            now = self._time.now()
            code = await CODES.get(tx, hash_of(secret))
            if code is None:
                return _Decision(refused_for="unknown code")
            if code.used_at is not None:
                await self._end(tx, code.grant_id, "code used twice", now)
                return _Decision(refused_for="code used twice")
            await CODES.replace(tx, replace(code, used_at=now))
            if code.expires_at <= now:
                return _Decision(refused_for="code expired")
            if code.client_id != client_id or code.redirect_uri != redirect_uri:
                return _Decision(refused_for="another client or redirect")
            if not is_same(challenge_of(verifier), code.challenge):
                return _Decision(refused_for="verifier does not fit")
            user = await USERS.get(tx, code.user_id)
            if user is None or not user.active:
                return _Decision(refused_for="user not active")
            if user.not_before != code.not_before:
                return _Decision(refused_for="login ended")
            grant = replace(self._grant(code.grant_id, user, client_id, code.scope, now), session=code.session)
            await GRANTS.insert(tx, grant)
            return _Decision(user, grant, await self._refresh(tx, grant, now))

        return await self._issue(await transact(self._store, self._time, work))

    async def rotate(self, secret: str, client_id: str, scope: str | None = None) -> Tokens:
        """New tokens for a refresh token, which is used up; an immediate repeat gets the same successor.

        `scope` may ask for less. Raises GrantRefused.
        """

        async def work(tx: Transaction) -> _Decision:
            now = self._time.now()
            token = await REFRESH_TOKENS.get(tx, hash_of(secret))
            grant = await GRANTS.get(tx, token.grant_id) if token else None
            if token is None or grant is None or grant.client_id != client_id:
                return _Decision(refused_for="unknown refresh token, or another client's")
            repeated = await self._successor_again(tx, token, secret, now)
            if token.used_at is not None and repeated is None:
                await self._end(tx, grant.id, "refresh token used twice", now)
                return _Decision(refused_for="refresh token used twice")
            if grant.revoked_at is not None or grant.expires_at <= now or token.expires_at <= now:
                return _Decision(refused_for="login ended")
            user = await USERS.get(tx, grant.user_id)
            if user is None or not user.active:
                return _Decision(refused_for="user not active")
            if user.not_before != grant.not_before:
                return _Decision(refused_for="login ended")
            if repeated is not None:
                return _Decision(user, grant, repeated)
            successor = await self._refresh(tx, grant, now)
            sealed = seal(successor.encode(), secret, name=token.hash)
            await REFRESH_TOKENS.replace(tx, replace(token, used_at=now, successor=sealed))
            return _Decision(user, grant, successor)

        return await self._issue(await transact(self._store, self._time, work), scope)

    async def revoke(self, secret: str, client_id: str) -> None:
        """End the login of a refresh token; an unknown token, or another client's, is ignored."""

        async def work(tx: Transaction) -> None:
            token = await REFRESH_TOKENS.get(tx, hash_of(secret))
            grant = await GRANTS.get(tx, token.grant_id) if token else None
            if grant is not None and grant.client_id == client_id:
                await self._end(tx, grant.id, "revoked by the client", self._time.now())

        await transact(self._store, self._time, work)

    async def end_all(self, tx: Transaction, user_id: str, reason: str) -> User | None:
        """End every login of a user, its tokens and browsers, in the transaction of the cause; the user as of now.

        A code that is not redeemed yet, and a login whose password was checked before, end by the user's `not_before`.
        """
        now = self._time.now()
        for grant in await GRANTS.all(tx, {"user_id": user_id}):
            if grant.revoked_at is None:
                await GRANTS.replace(tx, replace(grant, revoked_at=now, revoked_for=reason))
        for session in await SESSIONS.all(tx, {"user_id": user_id}):
            if session.expires_at > now:
                await SESSIONS.replace(tx, replace(session, expires_at=now))
        user = await USERS.get(tx, user_id)
        if user is None:
            return None
        ended = replace(user, not_before=next_second(now, user.not_before))
        await USERS.replace(tx, ended)
        return ended

    def _grant(self, grant_id: str, user: User, client_id: str, scope: str | None, now: datetime) -> Grant:
        expires_at = now + timedelta(seconds=self._settings.refresh_life_s)
        return Grant(grant_id, user.id, client_id, now, expires_at, scope, not_before=user.not_before)

    async def _refresh(self, tx: Transaction, grant: Grant, now: datetime) -> str:
        secret = new_secret()
        expires_at = min(now + timedelta(seconds=self._settings.refresh_idle_s), grant.expires_at)
        await REFRESH_TOKENS.insert(tx, RefreshToken(hash_of(secret), grant.id, now, expires_at))
        return secret

    async def _successor_again(self, tx: Transaction, used: RefreshToken, secret: str, now: datetime) -> str | None:
        """The successor of a token that is repeated so soon that its answer may have been lost; else None."""
        if used.used_at is None or used.successor is None:
            return None
        if now - used.used_at > timedelta(seconds=self._settings.refresh_retry_s):
            return None
        successor = unseal(used.successor, secret, name=used.hash).decode()
        kept = await REFRESH_TOKENS.get(tx, hash_of(successor))
        return successor if kept is not None and kept.used_at is None else None

    async def _end(self, tx: Transaction, grant_id: str, reason: str, now: datetime) -> None:
        grant = await GRANTS.get(tx, grant_id)
        if grant is not None and grant.revoked_at is None:
            await GRANTS.replace(tx, replace(grant, revoked_at=now, revoked_for=reason))
            session = await SESSIONS.get(tx, grant.session) if grant.session else None
            if session is not None and session.expires_at > now:
                await SESSIONS.replace(tx, replace(session, expires_at=now))

    async def _issue(self, decision: _Decision, narrower: str | None = None) -> Tokens:
        user, grant = decision.user, decision.grant
        if user is None or grant is None:
            log.warning("grant refused", reason=decision.refused_for)
            raise GrantRefused(decision.refused_for)
        scope = grant.scope
        if narrower is not None:
            held = set(narrower.split()) if scope is None else set(narrower.split()) & set(scope.split())
            scope = as_scope(held)
        access = await self._tokens.for_user(user, grant.client_id, scope)
        return Tokens(access, decision.refresh, self._tokens.life_s, as_scope(narrowed(user.permissions, scope)))
