"""Invalid access tokens, and the rotation of keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from api.identity.model import SigningKey
from api.identity.permissions import DEFAULTS, PERMISSIONS, effective, narrowed
from api.identity.principal import InvalidToken, Principal, principal_of
from api.identity.tokens.external import ProviderTokens, found_at
from api.identity.tokens.keys import rotated, signing_at
from api.identity.tokens.tokens import TYPES, claims_of, header_of, known_permissions, known_roles
from infra.ports.keys import KeysUnavailable
from infra.sealing import CannotUnseal, seal, unseal
from infra.settings import Settings

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = PRIVATE.public_key()
ISSUER, AUDIENCE = "https://tributary.example", "tributary-api"
SECRET = "a secret of more than thirty-two characters"


def claims(**changes: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "iat": now, "exp": now + 600, "jti": "1", **changes}
    return {name: value for name, value in whole.items() if value is not None}


def signed(key: Any = PRIVATE, algorithm: str = "ES256", header: Mapping[str, Any] | None = None, **more: Any) -> str:
    headers = {"kid": "k1", "typ": "at+jwt", **(header or {})}
    return jwt.encode(claims(**more), key, algorithm=algorithm, headers=headers)


def read(token: str) -> dict[str, Any]:
    header_of(token, algorithms=("ES256",), types=TYPES)
    return claims_of(token, PUBLIC, algorithms=("ES256",), audience=AUDIENCE, issuer=ISSUER)


class TestReading:
    def test_a_valid_token_is_read(self) -> None:
        assert read(signed())["sub"] == "u1"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"aud": "another-api"},
            {"aud": ["another-api"]},
            {"iss": "https://evil.example"},
            {"exp": 1},
            {"exp": None},
            {"aud": None},
            {"iss": None},
            {"sub": None},
            {"sub": ""},
            {"iat": None},
            {"nbf": 2**33},
        ],
        ids=str,
    )
    def test_a_wrong_claim_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(InvalidToken):
            read(signed(**wrong))

    @pytest.mark.parametrize("typ", ["JWT", "id_token+jwt", "dpop+jwt", ""])
    def test_another_type_of_token_is_refused(self, typ: str) -> None:
        with pytest.raises(InvalidToken, match="not an access token"):
            read(signed(header={"typ": typ}))

    def test_an_unsigned_token_is_refused(self) -> None:
        with pytest.raises(InvalidToken, match="another algorithm"):
            read(jwt.encode(claims(), "", algorithm="none", headers={"kid": "k1", "typ": "at+jwt"}))

    def test_the_public_key_is_not_accepted_as_a_shared_secret(self) -> None:
        pem = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        _, body, _ = signed().split(".")
        forged_head = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"at+jwt","kid":"k1"}').decode()
        signing = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        forged = signing.sign(f"{forged_head}.{body}".encode(), pem)
        with pytest.raises(InvalidToken, match="another algorithm"):
            read(f"{forged_head}.{body}.{jwt.utils.base64url_encode(forged).decode()}")

    def test_a_signature_of_another_key_is_refused(self) -> None:
        with pytest.raises(InvalidToken, match="InvalidSignatureError"):
            read(signed(ec.generate_private_key(ec.SECP256R1())))

    @pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"kid": ""}, {"kid": "k" * 300}])
    def test_an_invalid_header_is_refused(self, header: dict[str, Any]) -> None:
        with pytest.raises(InvalidToken):
            read(signed(header=header))

    @given(st.text(max_size=200) | st.just("a" * 9000))
    def test_any_other_text_is_an_invalid_token(self, text: str) -> None:
        with pytest.raises(InvalidToken):
            read(text)

    @given(st.integers(min_value=0, max_value=400), st.characters(codec="ascii", categories=("L", "N")))
    def test_no_character_of_a_token_can_be_changed(self, place: int, character: str) -> None:
        token = signed()
        at = place % len(token)
        # The last character of each part has unused bits.
        if token[at] in ("." + character) or at + 1 == len(token) or token[at + 1] == ".":
            return
        with pytest.raises(InvalidToken):
            read(token[:at] + character + token[at + 1 :])


class TestPrincipal:
    def test_the_strongest_role_decides(self) -> None:
        both = ("ROLE_ADMIN", "ROLE_DISTRIBUTOR")
        principal = principal_of({"sub": "u", "distributor_id": 7}, both, frozenset())
        assert (principal.kind, principal.distributor_id) == ("admin", 7)

    def test_finance_reaches_everyone_unless_the_login_is_a_distributors(self) -> None:
        alone = principal_of({"sub": "u"}, ("ROLE_FINANCE",), DEFAULTS["ROLE_FINANCE"])
        seller = principal_of({"sub": "u", "distributor_id": 7}, ("ROLE_DISTRIBUTOR", "ROLE_FINANCE"), frozenset())
        assert (alone.kind, seller.kind) == ("admin", "distributor")
        assert {name for name in DEFAULTS["ROLE_FINANCE"] if not name.endswith(":read")} == {
            *("settlements:write", "settlements:approve", "payees:write", "payees:approve"),
        }

    @pytest.mark.parametrize(
        ("roles", "facts"),
        [
            ((), {}),
            (("ROLE_DISTRIBUTOR",), {}),
            (("ROLE_SHOP",), {}),
            (("ROLE_SHOP",), {"distributor_id": 7}),
            (("ROLE_DISTRIBUTOR",), {"distributor_id": True}),
            (("ROLE_DISTRIBUTOR",), {"distributor_id": {"$gt": 0}}),
            (("ROLE_DISTRIBUTOR",), {"distributor_id": -1}),
            (("ROLE_DISTRIBUTOR",), {"distributor_id": 2**63}),
            (("ROLE_SHOP",), {"shop_id": {"$ne": ""}}),
        ],
    )
    def test_a_role_without_its_id_is_refused(self, roles: tuple[str, ...], facts: dict[str, Any]) -> None:
        with pytest.raises(InvalidToken):
            principal_of({"sub": "u", **facts}, roles, frozenset())

    def test_unknown_roles_and_permissions_are_ignored(self) -> None:
        assert known_roles(["ROLE_ROOT", "ROLE_SHOP", 7]) == ("ROLE_SHOP",)
        assert known_roles("ROLE_ADMIN") == ()
        assert known_permissions("orders:read everything:write") == {"orders:read"}
        assert known_permissions(["orders:read", None]) == {"orders:read"}
        assert known_permissions({"orders:read": 1}) == frozenset()


class TestPermissions:
    def test_withholding_wins(self) -> None:
        assert effective(["ROLE_SHOP"], ["audit:read"], ["orders:write", "audit:read"]) == (
            DEFAULTS["ROLE_SHOP"] - {"orders:write"}
        )

    def test_defaults_exist(self) -> None:
        assert frozenset().union(*DEFAULTS.values()) <= set(PERMISSIONS)

    @given(st.frozensets(st.sampled_from(sorted(PERMISSIONS))), st.text(max_size=60))
    def test_a_scope_never_adds_permissions(self, held: frozenset[str], scope: str) -> None:
        assert narrowed(held, scope + " users:write") <= held


def a_key(kid: str, signs_from: datetime, **fields: Any) -> SigningKey:
    return SigningKey(kid, "sealed", {}, created_at=signs_from, signs_from=signs_from, **fields)


class TestRotation:
    old = a_key("old", NOW - timedelta(days=30))
    new = a_key("new", NOW + timedelta(minutes=5))

    def test_the_new_key_signs_from_its_time_and_the_old_one_verifies_longer(self) -> None:
        keys = {key.kid: key for key in rotated([self.old], self.new, NOW, 700)}
        retires_at = keys["old"].retires_at
        assert retires_at == self.new.signs_from + timedelta(seconds=700)
        for moment, kid in ((NOW, "old"), (NOW + timedelta(minutes=5), "new"), (retires_at, "new")):
            signing = signing_at([*keys.values()], moment)
            assert signing
            assert signing.kid == kid

    def test_stolen_keys_retire_at_once(self) -> None:
        new = replace(self.new, signs_from=NOW)
        keys = {key.kid: key for key in rotated([self.old], new, NOW, -1)}
        assert keys["old"].retires_at == NOW
        assert signing_at([*keys.values()], NOW) == new

    def test_a_retired_key_loses_its_private_half_and_keeps_its_time(self) -> None:
        gone = replace(self.old, retires_at=NOW - timedelta(days=1))
        going = a_key("going", NOW - timedelta(days=2), retires_at=NOW + timedelta(seconds=10))
        keys = {key.kid: key for key in rotated([gone, going], self.new, NOW, 700)}
        assert (keys["old"].private, keys["old"].retires_at) == ("", gone.retires_at)
        assert "going" not in keys

    def test_without_a_current_key_none_signs(self) -> None:
        assert signing_at([self.new], NOW) is None


class TestSealing:
    def test_only_the_secret_opens_it_and_only_under_its_name(self) -> None:
        sealed = seal(b"private", SECRET, name="k1")
        assert b"private" not in sealed.encode()
        assert unseal(sealed, SECRET, name="k1") == b"private"
        for secret, name in ((SECRET + "x", "k1"), (SECRET, "k2"), (None, "k1")):
            with pytest.raises(CannotUnseal):
                unseal(sealed, secret, name=name)

    def test_plain_keys_are_refused_where_there_is_a_secret(self) -> None:
        plain = seal(b"private", None, name="k1")
        assert unseal(plain, None, name="k1") == b"private"
        with pytest.raises(CannotUnseal):
            unseal(plain, SECRET, name="k1")

    def test_a_short_secret_is_refused(self) -> None:
        with pytest.raises(ValueError, match="32 characters"):
            seal(b"private", "short", name="k1")


class _Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


class _Provider:
    """Publishes keys, counts the requests, and can be away."""

    def __init__(self) -> None:
        self.private = rsa.generate_private_key(65537, 2048)
        self.keys: list[dict[str, Any]] = [self._jwk("p1")]
        self.requests = 0
        self.away = False

    def _jwk(self, kid: str) -> dict[str, Any]:
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key()))
        return {**jwk, "kid": kid, "alg": "RS256", "use": "sig"}

    async def fetch(self, url: str) -> dict[str, Any]:
        self.requests += 1
        if self.away:
            raise KeysUnavailable("away")
        return {"keys": self.keys}

    def token(
        self,
        kid: str = "p1",
        key: Any = None,
        algorithm: str = "RS256",
        issuer: str = "https://id.example",
        audience: str = "ours",
        **more: Any,
    ) -> str:
        whole = claims(iss=issuer, aud=audience, **more)
        return jwt.encode(whole, key or self.private, algorithm=algorithm, headers={"kid": kid})


class TestProvider:
    provider = _Provider()

    def verifier(self, provider: _Provider, clock: _Clock, **settings: Any) -> ProviderTokens:
        given = {
            "external_issuer": "https://id.example",
            "external_jwks_url": "https://id.example/keys",
            "external_audience": "ours",
            "external_claims": {"roles": "realm_access.roles", "permissions": "scope", "distributor_id": "member_no"},
            "external_roles": {"seller": "ROLE_DISTRIBUTOR", "boss": "ROLE_ADMIN"},
            **settings,
        }
        return ProviderTokens(Settings(**given), clock, provider.fetch)

    async def test_claims_are_mapped(self) -> None:
        token = self.provider.token(
            realm_access={"roles": ["seller", "x"]}, member_no="40021", scope="openid orders:read"
        )
        principal = await self.verifier(self.provider, _Clock()).verify(token)
        assert principal == Principal(
            "distributor", "u1", frozenset({"orders:read"}), 40021, roles=("ROLE_DISTRIBUTOR",)
        )

    async def test_without_permission_claims_the_defaults_of_the_role_apply(self) -> None:
        token = self.provider.token(realm_access={"roles": ["seller"]}, member_no=3)
        principal = await self.verifier(self.provider, _Clock()).verify(token)
        assert principal.permissions == DEFAULTS["ROLE_DISTRIBUTOR"]

    async def test_forged_tokens_are_refused(self) -> None:
        verifier = self.verifier(self.provider, _Clock())
        boss: dict[str, Any] = {"realm_access": {"roles": ["boss"]}}
        strangers = rsa.generate_private_key(65537, 2048)
        for token in (
            self.provider.token(key=strangers, **boss),
            self.provider.token(audience="theirs", **boss),
            self.provider.token(issuer="https://evil.example", **boss),
            self.provider.token(kid="p2", **boss),
            self.provider.token(algorithm="RS512", **boss),
            self.provider.token(algorithm="PS256", **boss),
            self.provider.token(key="x" * 64, algorithm="HS256", **boss),
        ):
            with pytest.raises(InvalidToken):
                await verifier.verify(token)

    async def test_unknown_keys_are_fetched_at_a_limited_rate_and_known_ones_survive_an_outage(self) -> None:
        provider, clock = _Provider(), _Clock()
        verifier = self.verifier(provider, clock)
        boss: dict[str, Any] = {"realm_access": {"roles": ["boss"]}}
        await verifier.verify(provider.token(**boss))
        for _ in range(20):
            with pytest.raises(InvalidToken):
                await verifier.verify(provider.token(kid="new", **boss))
        assert provider.requests == 1
        provider.keys.append(provider._jwk("new"))
        clock.seconds += 11
        await verifier.verify(provider.token(kid="new", **boss))
        provider.away = True
        clock.seconds += 3600
        await verifier.verify(provider.token(**boss))
        assert provider.requests == 3

    @pytest.mark.parametrize(
        "settings",
        [{"external_algorithms": ("HS256",)}, {"external_algorithms": ("none",)}, {"external_audience": None}],
    )
    def test_an_unsafe_configuration_is_refused(self, settings: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="external_"):
            self.verifier(self.provider, _Clock(), **settings)

    def test_a_claim_is_found_by_name_or_step_by_step(self) -> None:
        assert found_at({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
        assert found_at({"a": {"b": 2}}, "a.b") == 2
        assert found_at({"a": 1}, "a.b.c") is None


def test_a_published_key_is_public() -> None:
    assert "d" not in json.loads(ECAlgorithm.to_jwk(PUBLIC))
