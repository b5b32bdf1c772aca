"""Access tokens of an OpenID provider that is configured instead of our own: verified here, never issued."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import jwt
import structlog

from api.identity.permissions import DEFAULTS, Role
from api.identity.principal import InvalidToken, Principal, principal_of
from api.identity.tokens.tokens import TYPES, claims_of, header_of, known_permissions, known_roles
from api.storage.protocols import FetchJson
from infra.ports.keys import KeysUnavailable
from infra.ports.time import Time
from infra.settings import Settings

log = structlog.get_logger()

_KEEP_KEYS_S = 600.0
_FETCH_AGAIN_AFTER_S = 10.0
_KEYS_MAX = 32
_SYMMETRIC = ("HS", "none")


class ProviderTokens:
    """Verifies with the provider's keys, which are fetched again periodically, or when a token names an unknown key."""

    def __init__(self, settings: Settings, time: Time, fetch_json: FetchJson) -> None:
        if not (settings.external_issuer and settings.external_jwks_url and settings.external_audience):
            raise ValueError("external_issuer needs external_jwks_url and external_audience as well")
        if any(name.startswith(_SYMMETRIC) for name in settings.external_algorithms):
            raise ValueError("external_algorithms must be asymmetric: otherwise anybody could sign with the public key")
        self._issuer = settings.external_issuer
        self._audience = settings.external_audience
        self._url = settings.external_jwks_url
        self._algorithms = settings.external_algorithms
        self._places = settings.external_claims
        self._roles = settings.external_roles
        self._time = time
        self._fetch_json = fetch_json
        self._keys: dict[str, Mapping[str, Any]] = {}
        self._fetched_at = float("-inf")
        self._fetching = asyncio.Lock()

    async def verify(self, token: str) -> Principal:
        # Many providers still use typ JWT for access tokens; audience and issuer distinguish them from ID tokens.
        kid = header_of(token, algorithms=self._algorithms, types=TYPES | {"jwt"})
        algorithm = str(jwt.get_unverified_header(token)["alg"])
        key = await self._key(kid, algorithm)
        claims = claims_of(token, key, algorithms=(algorithm,), audience=self._audience, issuer=self._issuer)
        return self._principal(claims)

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        claim = found_at(claims, self._places.get("roles", ""))
        listed = claim if isinstance(claim, list) else [claim]
        roles = known_roles([self._roles.get(role, role) for role in listed if isinstance(role, str)])
        named = known_permissions(found_at(claims, self._places.get("permissions", "")))
        defaults = frozenset[str]().union(*(DEFAULTS[_as_role(role)] for role in roles))
        facts = {
            "sub": claims["sub"],
            "client_id": claims.get("client_id") or claims.get("azp"),
            "distributor_id": found_at(claims, self._places.get("distributor_id", "")),
            "shop_id": found_at(claims, self._places.get("shop_id", "")),
        }
        # A provider that names our permissions decides; otherwise the roles' defaults apply.
        return principal_of(facts, roles, named or defaults)

    async def _key(self, kid: str, algorithm: str) -> Any:
        age_s = _KEEP_KEYS_S if kid in self._keys else _FETCH_AGAIN_AFTER_S
        if self._time.monotonic() - self._fetched_at > age_s:
            async with self._fetching:
                if self._time.monotonic() - self._fetched_at > age_s:
                    await self._fetch()
        jwk = self._keys.get(kid)
        if jwk is None or jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig":
            raise InvalidToken("unknown key")
        try:
            return jwt.PyJWK.from_json(json.dumps(jwk), algorithm).key
        except jwt.PyJWTError as error:
            raise InvalidToken("key not usable") from error

    async def _fetch(self) -> None:
        self._fetched_at = self._time.monotonic()
        try:
            document = await self._fetch_json(self._url)
        except KeysUnavailable as error:
            log.warning("the provider's keys cannot be read, known ones stay", reason=str(error))
            return
        keys = document.get("keys")
        listed = keys[:_KEYS_MAX] if isinstance(keys, list) else []
        self._keys = {str(key["kid"]): key for key in listed if isinstance(key, dict) and "kid" in key}


def found_at(claims: Mapping[str, Any], place: str) -> Any:
    """The claim at `place`: the claim of exactly that name, else a path whose steps are separated by dots."""
    if place in claims:
        return claims[place]
    current: Any = claims
    for step in place.split("."):
        if not isinstance(current, Mapping):
            return None
        current = current.get(step)
    return current


def _as_role(role: str) -> Role:
    return next(known for known in DEFAULTS if known == role)
