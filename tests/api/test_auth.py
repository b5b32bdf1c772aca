"""Login with a password, and its tokens, for a person and for an attacker."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from infra.sealing import unseal
from tests.api.front import PASSWORD, SECRET, Front, a_network, an_email, bearer


@pytest.fixture
async def person(front: Front, client: httpx.AsyncClient) -> tuple[str, dict[str, Any]]:
    """An address that can log in with PASSWORD, and tokens."""
    return await front.log_in_as(client, await front.distributor())


async def log_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
    return await client.post("/api/auth/login", json={"email": email, "password": password}, **more)


def reason_of(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == answer.status_code
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    return answer.json()["reason"]


class TestLogin:
    async def test_a_login_returns_tokens_that_name_the_user(self, front: Front, client: httpx.AsyncClient) -> None:
        distributor_id = await front.distributor()
        email, tokens = await front.log_in_as(client, distributor_id)
        again = await log_in(client, f"  {email.upper()}  ".strip())
        assert again.status_code == 200
        assert again.headers["cache-control"] == "no-store"
        front.remember(again.json())
        me = await client.get("/api/me", headers=bearer(tokens["access_token"]))
        assert (me.json()["kind"], me.json()["distributor_id"]) == ("distributor", distributor_id)
        assert me.json()["permissions"] == tokens["scope"].split()

        header, claims = (json.loads(_decoded(part)) for part in tokens["access_token"].split(".")[:2])
        assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
        assert {"iss", "aud", "exp", "iat", "jti", "sub", "client_id", "scope", "roles"} <= set(claims)
        assert claims["exp"] - claims["iat"] == tokens["expires_in"] == 600
        assert claims["iss"] == front.url

    async def test_a_one_time_password_must_be_replaced(self, front: Front, client: httpx.AsyncClient) -> None:
        email = an_email()
        created = (await front.command("identity", "create-admin", email, "--json")).object
        await front.confirm(created["waits_for_confirmation"])
        one_time = created["one_time_password"]
        front.secrets_seen.append(one_time)
        assert reason_of(await log_in(client, email, one_time)) == "password_change_required"
        for bad in ("short", one_time):
            body = {"email": email, "password": one_time, "new_password": bad}
            assert reason_of(await client.post("/api/auth/login", json=body)) == "weak_password"
        body = {"email": email, "password": one_time, "new_password": PASSWORD}
        assert (await client.post("/api/auth/login", json=body)).status_code == 200
        assert reason_of(await log_in(client, email, one_time)) == "wrong_credentials"

    async def test_unknown_user_and_wrong_password_get_the_same_answer(
        self, front: Front, person: tuple[str, dict[str, Any]]
    ) -> None:
        """It takes the same hashing time as well; that is not tested, because a shared machine has no stable times."""
        bodies = []
        for _ in range(2):
            for email in (person[0], an_email()):
                async with front.client() as client:
                    answer = await log_in(client, email, "not the password")
                assert answer.status_code == 401
                assert "WWW-Authenticate" in answer.headers
                bodies.append({name: value for name, value in answer.json().items() if name != "request_id"})
        assert all(body == bodies[0] for body in bodies)

    async def test_failed_logins_from_any_address_lock_the_account(
        self, front: Front, client: httpx.AsyncClient, person: tuple[str, dict[str, Any]]
    ) -> None:
        for email in (person[0], an_email()):
            for _ in range(5):
                answer = await log_in(client, email, "not the password", headers={"X-Forwarded-For": a_network()})
                assert reason_of(answer) == "wrong_credentials"
            for password in (PASSWORD, "not the password"):
                answer = await log_in(client, email, password, headers={"X-Forwarded-For": a_network()})
                assert reason_of(answer) == "too_many_attempts"
                assert 0 < int(answer.headers["retry-after"]) <= 15

    async def test_concurrent_failed_logins_are_all_counted(self, front: Front) -> None:
        email = an_email()
        async with front.client() as client:
            answers = await asyncio.gather(*(log_in(client, email, "not the password") for _ in range(12)))
        codes = [answer.status_code for answer in answers]
        assert codes.count(401) <= 5
        assert set(codes) <= {401, 429, 503}

    async def test_failed_logins_of_many_accounts_lock_the_address(self, front: Front) -> None:
        async with front.client() as client:
            codes = [(await log_in(client, an_email(), "x")).status_code for _ in range(32)]
        assert codes[:30] == [401] * 30
        assert codes[-1] == 429

    @pytest.mark.parametrize(
        "body",
        [
            {"email": {"$gt": ""}, "password": "x"},
            {"email": "a@example.com", "password": {"$ne": None}},
            {"email": ["a@example.com"], "password": "x"},
            {"email": "a@example.com\u0000", "password": "x"},
            {"email": "a@example.com\nX: y", "password": "x"},
            {"email": "a@example.com", "password": "x" * 129},
            {"email": "a@example.com", "password": "x", "roles": ["ROLE_ADMIN"]},
            {"email": "a@example.com"},
            [],
            "a@example.com",
        ],
        ids=str,
    )
    async def test_an_invalid_login_is_refused_without_its_values(self, client: httpx.AsyncClient, body: Any) -> None:
        answer = await client.post("/api/auth/login", json=body)
        assert (answer.status_code, reason_of(answer)) == (422, "invalid_request")
        assert "$ne" not in answer.text
        assert "xxx" not in answer.text

    @pytest.mark.parametrize("email", ["' or 1=1 --@example.com", "$where@example.com", "admin@example.com'||'1'=='1"])
    async def test_an_injection_in_the_address_is_an_unknown_user(self, client: httpx.AsyncClient, email: str) -> None:
        assert (await log_in(client, email, "'; return true; //")).status_code in (401, 422)

    async def test_bad_bodies_are_refused(self, client: httpx.AsyncClient) -> None:
        json_type = {"Content-Type": "application/json"}
        unreadable = await client.post("/api/auth/login", content=b"{", headers=json_type)
        assert (unreadable.status_code, reason_of(unreadable)) == (400, "malformed_request")
        lone_surrogate = rb'{"email": "lin@example.com", "password": "\ud800 grey herons wade"}'
        for path in ("login", "register", "refresh", "logout"):
            answer = await client.post(f"/api/auth/{path}", content=lone_surrogate, headers=json_type)
            assert (answer.status_code, reason_of(answer)) == (422, "invalid_request")
        for body in (b" " * (1024 * 1024 + 1), _in_chunks()):
            large = await client.post("/api/auth/login", content=body, headers=json_type)
            assert (large.status_code, reason_of(large)) == (413, "body_too_large")

    async def test_the_sentence_is_in_the_requested_language(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/api/me", headers={"Accept-Language": "zh-CN, en;q=0.5"})
        assert (answer.status_code, reason_of(answer)) == (401, "unauthenticated")
        assert answer.headers["content-language"] == "zh"
        assert answer.json()["title"] == "请先登录，并以 Bearer 方式发送访问令牌。"
        meaning = await client.get(answer.json()["type"])
        assert meaning.json()["zh"] == answer.json()["title"]
        assert reason_of(await client.get("/nowhere")) == "not_found"
        assert reason_of(await client.delete("/api/me")) == "method_not_allowed"


class TestRefresh:
    async def refreshed(self, client: httpx.AsyncClient, token: str) -> httpx.Response:
        return await client.post("/api/auth/refresh", json={"refresh_token": token})

    async def test_reuse_after_the_successor_was_used_ends_the_login(
        self, front: Front, client: httpx.AsyncClient, person: tuple[str, dict[str, Any]]
    ) -> None:
        tokens = [person[1]["refresh_token"]]
        for _ in range(2):
            answer = await self.refreshed(client, tokens[-1])
            assert answer.status_code == 200
            tokens.append(front.remember(answer.json())["refresh_token"])
        assert len(set(tokens)) == 3
        assert reason_of(await self.refreshed(client, tokens[0])) == "invalid_grant"
        assert reason_of(await self.refreshed(client, tokens[2])) == "invalid_grant"
        assert (await log_in(client, person[0])).status_code == 200

    async def test_concurrent_repeats_get_the_same_successor(
        self, client: httpx.AsyncClient, person: tuple[str, dict[str, Any]]
    ) -> None:
        answers = await asyncio.gather(*(self.refreshed(client, person[1]["refresh_token"]) for _ in range(4)))
        assert {answer.status_code for answer in answers} == {200}
        [successor] = {answer.json()["refresh_token"] for answer in answers}
        assert (await self.refreshed(client, successor)).status_code == 200

    async def test_a_logout_ends_the_login_and_reveals_nothing(
        self, client: httpx.AsyncClient, person: tuple[str, dict[str, Any]]
    ) -> None:
        for token in (person[1]["refresh_token"], "never was one"):
            assert (await client.post("/api/auth/logout", json={"refresh_token": token})).status_code == 204
        assert (await self.refreshed(client, person[1]["refresh_token"])).status_code == 401


class TestTokens:
    async def test_forged_and_foreign_tokens_are_refused(
        self, front: Front, client: httpx.AsyncClient, person: tuple[str, dict[str, Any]]
    ) -> None:
        token = person[1]["access_token"]
        kid = jwt.get_unverified_header(token)["kid"]
        claims = json.loads(_decoded(token.split(".")[1]))
        [stored] = await front.site.documents("identity.keys", {"_id": kid})
        private: Any = serialization.load_pem_private_key(unseal(stored["private"], SECRET, name=kid), None)
        public = private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

        def signed(changes: dict[str, Any], **header: Any) -> str:
            return jwt.encode({**claims, **changes}, private, "ES256", {"kid": kid, "typ": "at+jwt", **header})

        head = urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "at+jwt", "kid": kid}).encode()).rstrip(b"=")
        signing = head + b"." + token.split(".")[1].encode()
        mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signing, public)
        attacks = {
            "none": jwt.encode(claims, "", "none", {"kid": kid, "typ": "at+jwt"}),
            "HS256 with the public key": (signing + b"." + urlsafe_b64encode(mac).rstrip(b"=")).decode(),
            "expired": signed({"exp": claims["iat"] - 3600, "iat": claims["iat"] - 7200}),
            "another audience": signed({"aud": "another-api"}),
            "another issuer": signed({"iss": "https://evil.example"}),
            "not an access token": signed({}, typ="JWT"),
            "unknown key": signed({}, kid="0" * 32),
            "changed": token[:-8] + ("A" * 8),
            "empty": "x",
        }
        assert (await client.get("/api/me", headers=bearer(signed({})))).status_code == 200
        for attack, forged in attacks.items():
            answer = await client.get("/api/me", headers=bearer(forged))
            assert (answer.status_code, reason_of(answer)) == (401, "invalid_token"), attack
            assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    async def test_keys_rotate_without_a_restart(
        self, front: Front, client: httpx.AsyncClient, person: tuple[str, dict[str, Any]]
    ) -> None:
        before = await client.get("/.well-known/jwks.json")
        assert all(set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in before.json()["keys"])
        rotated = await front.command("identity", "rotate-keys", "--json")
        new = rotated.object["kid"]
        documents = {key["_id"]: key for key in await front.site.documents("identity.keys")}
        assert documents[new]["private"].startswith("sealed-1:")

        # A token with an unknown key makes the server reload its keys.
        kid = jwt.get_unverified_header(person[1]["access_token"])["kid"]
        claims = json.loads(_decoded(person[1]["access_token"].split(".")[1]))
        pem = unseal(documents[new]["private"], SECRET, name=new)
        early = jwt.encode(claims, pem, "ES256", {"kid": new, "typ": "at+jwt"})
        await asyncio.sleep(5.1)
        assert (await client.get("/api/me", headers=bearer(early))).status_code == 200
        published = {key["kid"] for key in (await client.get("/.well-known/jwks.json")).json()["keys"]}
        assert {kid, new} <= published
        assert (await client.get("/api/me", headers=bearer(person[1]["access_token"]))).status_code == 200
        later = await log_in(client, person[0])
        assert jwt.get_unverified_header(later.json()["access_token"])["kid"] == kid


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


async def _in_chunks() -> Any:
    for _ in range(18):
        yield b" " * 65_536
