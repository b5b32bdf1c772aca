"""A verified token is remembered until it or its key expires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from api.identity.principal import InvalidToken
from api.identity.tokens.keys import KeyRing
from api.identity.tokens.tokens import LEEWAY_S, OwnTokens
from infra.ports.time import RealTime
from infra.settings import Settings
from tests.unit.test_auth_tokens import AUDIENCE, ISSUER, PUBLIC, signed


class _Keys:
    """One key, which can be removed."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"k1": PUBLIC}

    async def verifying(self, kid: str) -> Any:
        return self.keys.get(kid)


class _Clock(RealTime):
    def __init__(self) -> None:
        self.today = datetime.now(UTC)

    def now(self) -> datetime:
        return self.today


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def keys() -> _Keys:
    return _Keys()


@pytest.fixture
def tokens(keys: _Keys, clock: _Clock) -> OwnTokens:
    settings = Settings(public_url=ISSUER, audience=AUDIENCE)
    return OwnTokens(cast(KeyRing, keys), settings, clock)


async def test_a_remembered_token_has_the_same_principal(tokens: OwnTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    token = signed(roles=["ROLE_ADMIN"], scope="orders:read")
    first = await tokens.verify(token)
    monkeypatch.setattr(jwt, "decode", None)
    assert await tokens.verify(token) == first


async def test_a_remembered_token_expires(tokens: OwnTokens, clock: _Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    token = signed(roles=["ROLE_ADMIN"])
    await tokens.verify(token)
    clock.today += timedelta(seconds=601 + LEEWAY_S)

    def read_again(*_: Any, **__: Any) -> None:
        raise jwt.ExpiredSignatureError

    monkeypatch.setattr(jwt, "decode", read_again)
    with pytest.raises(InvalidToken):
        await tokens.verify(token)


@pytest.mark.parametrize("left", [{}, {"k1": ec.generate_private_key(ec.SECP256R1()).public_key()}])
async def test_a_remembered_token_expires_with_its_key(tokens: OwnTokens, keys: _Keys, left: dict[str, Any]) -> None:
    token = signed(roles=["ROLE_ADMIN"])
    await tokens.verify(token)
    keys.keys = left
    with pytest.raises(InvalidToken):
        await tokens.verify(token)
