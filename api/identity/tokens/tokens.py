"""Access tokens: JWTs as RFC 9068 profiles them, signed and verified with one algorithm (RFC 8725).

The algorithm in a token's header is compared, never followed; the claims count only once the signature is verified.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol
from uuid import uuid4

import jwt

from api.identity.model import Client, User
from api.identity.permissions import PERMISSIONS, ROLES, as_scope, narrowed
from api.identity.principal import InvalidToken, Principal, principal_of
from api.identity.tokens.keys import ALGORITHM, KeyRing
from contracts.javascript import exact
from infra.ports.time import Time
from infra.settings import Settings

TYPES = frozenset({"at+jwt", "application/at+jwt"})
LENGTH_MAX = 8192
LEEWAY_S = 5
"""The clocks of two machines may differ by this much."""

_REMEMBERED_MAX = 4096
"""Verified tokens to remember: checking a signature costs a tenth of a cached answer."""

_TIME_MAX = 2**40
"""Later than any time that a token has."""

REQUIRED = ("iss", "aud", "exp", "iat", "sub")


class Verifier(Protocol):
    async def verify(self, token: str) -> Principal:
        """The principal of the token. Raises InvalidToken."""
        ...


def header_of(token: str, *, algorithms: Collection[str], types: Collection[str]) -> str:
    """The key id of a token whose header is as expected. Raises InvalidToken."""
    if len(token) > LENGTH_MAX:
        raise InvalidToken("too long")
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError) as error:
        raise InvalidToken("not a JWT") from error
    if header.get("alg") not in algorithms:
        raise InvalidToken("another algorithm")
    if str(header.get("typ", "")).lower() not in types:
        raise InvalidToken("not an access token")
    kid = header.get("kid")
    if "crit" in header or not isinstance(kid, str) or not 0 < len(kid) <= 256:
        raise InvalidToken("header not understood")
    return kid


def claims_of(token: str, key: Any, *, algorithms: Collection[str], audience: str, issuer: str) -> dict[str, Any]:
    """The claims, once signature, times, issuer and audience are verified. Raises InvalidToken."""
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(algorithms),
            audience=audience,
            issuer=issuer,
            leeway=LEEWAY_S,
            options={"require": list(REQUIRED)},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise InvalidToken(error.__class__.__name__) from error
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise InvalidToken("no subject")
    if not all(_is_time(claims[name]) for name in ("exp", "iat")):
        raise InvalidToken("no time")
    return claims


@dataclass(frozen=True, slots=True)
class _Verified:
    kid: str
    key: Any
    exp: float
    principal: Principal


class OwnTokens:
    """Issues and verifies tokens. A verified token is remembered until it or its key expires."""

    def __init__(self, keys: KeyRing, settings: Settings, time: Time) -> None:
        self._keys = keys
        self._issuer = settings.public_url
        self._audience = settings.audience
        self._life_s = settings.access_token_life_s
        self._time = time
        self._verified: dict[bytes, _Verified] = {}

    @property
    def life_s(self) -> int:
        return self._life_s

    async def for_user(self, user: User, client_id: str, scope: str | None) -> str:
        """A token with the permissions of the user, or those of them that `scope` names."""
        own_claims = {"distributor_id": exact(user.distributor_id)} if user.distributor_id is not None else {}
        permissions = narrowed(user.permissions, scope)
        return await self._sign(
            {
                "sub": user.id,
                "client_id": client_id,
                "roles": list(user.roles),
                "scope": as_scope(permissions),
                **own_claims,
            },
            user.not_before,
        )

    async def for_shop(self, client: Client, scope: str | None) -> str:
        permissions = narrowed(client.permissions, scope)
        return await self._sign(
            {
                "sub": client.id,
                "client_id": client.id,
                "roles": ["ROLE_SHOP"],
                "scope": as_scope(permissions),
                "shop_id": client.shop_id,
            },
            client.not_before,
        )

    async def verify(self, token: str) -> Principal:
        digest = sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and await self._is_valid(known):
            return known.principal
        kid = header_of(token, algorithms=(ALGORITHM,), types=TYPES)
        key = await self._keys.verifying(kid)
        if key is None:
            raise InvalidToken("unknown key")
        claims = claims_of(token, key, algorithms=(ALGORITHM,), audience=self._audience, issuer=self._issuer)
        if not 0 < float(claims["exp"]) - float(claims["iat"]) <= self._life_s + LEEWAY_S:
            # No such token is issued here: its signer has a stolen key.
            raise InvalidToken("lives too long")
        principal = principal_of(claims, known_roles(claims.get("roles")), known_permissions(claims.get("scope")))
        if len(self._verified) >= _REMEMBERED_MAX:
            self._verified.clear()
        self._verified[digest] = _Verified(kid, key, claims["exp"], principal)
        return principal

    async def _is_valid(self, known: _Verified) -> bool:
        """Whether a remembered token is still valid: not expired, and its key not retired."""
        is_alive = known.exp > self._time.now().timestamp() - LEEWAY_S
        return is_alive and await self._keys.verifying(known.kid) is known.key

    async def _sign(self, own_claims: Mapping[str, Any], not_before: datetime | None) -> str:
        kid, private = await self._keys.signing()
        now = int(self._time.now().timestamp())
        if not_before is not None:
            # In the second in which former tokens were ended, this one must not look like one of them.
            now = max(now, int(not_before.timestamp()))
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + self._life_s,
            "jti": uuid4().hex,
            **own_claims,
        }
        return jwt.encode(claims, private, algorithm=ALGORITHM, headers={"kid": kid, "typ": "at+jwt"})


def _is_time(claim: object) -> bool:
    return isinstance(claim, int | float) and not isinstance(claim, bool) and 0 < claim < _TIME_MAX


def known_roles(claim: object) -> tuple[str, ...]:
    listed = claim if isinstance(claim, list) else []
    return tuple(role for role in ROLES if role in listed)


def known_permissions(claim: object) -> frozenset[str]:
    """The existing permissions in a scope, which is text or a list."""
    listed = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return frozenset(name for name in listed if isinstance(name, str) and name in PERMISSIONS)
