"""Access tokens: JWTs as RFC 9068 profiles them, signed and read with one algorithm (RFC 8725).

What a token says about its own algorithm is compared, never followed; the rest counts once the signature holds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
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
"""Two processes on two machines may differ by so much."""

_REMEMBERED_MAX = 4096
"""Tokens that a process need not read again: a signature costs a tenth of a cached answer."""

REQUIRED = ("iss", "aud", "exp", "iat", "sub")


class Verifier(Protocol):
    async def verify(self, token: str) -> Principal:
        """Who the token speaks for. Raises NotWhoTheySay."""
        ...


def header_of(token: str, *, algorithms: Collection[str], types: Collection[str]) -> str:
    """The key id of a token whose header is as expected; NotWhoTheySay for any other."""
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
    """The claims, once signature, times, issuer and audience are what they must be; else NotWhoTheySay."""
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
    return claims


@dataclass(frozen=True, slots=True)
class _Verified:
    kid: str
    key: Any
    exp: float
    principal: Principal


class OwnTokens:
    """Issues and verifies. A token is read once, and then believed for as long as it and its key live."""

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
        """A token for what the user may do, or those parts of it that `scope` names."""
        facts = {"distributor_id": exact(user.distributor_id)} if user.distributor_id is not None else {}
        permissions = narrowed(user.permissions, scope)
        return await self._sign(
            {"sub": user.id, "client_id": client_id, "roles": list(user.roles), "scope": as_scope(permissions), **facts}
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
            }
        )

    async def verify(self, token: str) -> Principal:
        digest = sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is not None and await self._holds(known):
            return known.principal
        kid = header_of(token, algorithms=(ALGORITHM,), types=TYPES)
        key = await self._keys.verifying(kid)
        if key is None:
            raise InvalidToken("unknown key")
        claims = claims_of(token, key, algorithms=(ALGORITHM,), audience=self._audience, issuer=self._issuer)
        principal = principal_of(claims, known_roles(claims.get("roles")), known_permissions(claims.get("scope")))
        if len(self._verified) >= _REMEMBERED_MAX:
            self._verified.clear()
        self._verified[digest] = _Verified(kid, key, claims["exp"], principal)
        return principal

    async def _holds(self, known: _Verified) -> bool:
        """Whether a token that was read is to be believed still: not too old, and its key not withdrawn."""
        is_alive = known.exp > self._time.now().timestamp() - LEEWAY_S
        return is_alive and await self._keys.verifying(known.kid) is known.key

    async def _sign(self, facts: Mapping[str, Any]) -> str:
        kid, private = await self._keys.signing()
        now = int(self._time.now().timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "iat": now,
            "exp": now + self._life_s,
            "jti": uuid4().hex,
            **facts,
        }
        return jwt.encode(claims, private, algorithm=ALGORITHM, headers={"kid": kid, "typ": "at+jwt"})


def known_roles(claim: object) -> tuple[str, ...]:
    listed = claim if isinstance(claim, list) else []
    return tuple(role for role in ROLES if role in listed)


def known_permissions(claim: object) -> frozenset[str]:
    """From a scope as text, or a list, those that there are."""
    listed = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    return frozenset(name for name in listed if isinstance(name, str) and name in PERMISSIONS)
