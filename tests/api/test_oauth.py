"""OAuth 2.0 for a client and for an attacker; test_login_page.py tests the page itself in a browser."""

from __future__ import annotations

import asyncio
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.api.front import PASSWORD, Front, bearer, pkce, query_of, unique

REDIRECT = "https://app.example/callback"


@pytest.fixture(scope="package")
async def app(front: Front) -> str:
    """A public client with REDIRECT."""
    client_id = unique("app")
    assert (await front.command("identity", "create-client", client_id, REDIRECT, "--name", "Shop desk")).code == 0
    return client_id


@pytest.fixture(scope="package")
async def email(front: Front) -> str:
    async with front.client() as client:
        return (await front.log_in_as(client, await front.distributor()))[0]


def request_for(app: str, challenge: str, **changes: str | None) -> dict[str, str]:
    whole = {
        "response_type": "code",
        "client_id": app,
        "redirect_uri": REDIRECT,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": "s t&te=ü",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def form_of(page: httpx.Response) -> dict[str, str]:
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
    return {name: unescape(value) for name, value in fields}


async def code_for(front: Front, app: str, email: str, challenge: str, **changes: str) -> dict[str, str]:
    """The query of the client's redirect, after the person has logged in."""
    async with front.client() as browser:
        page = await browser.get("/oauth/authorize", params=request_for(app, challenge, **changes))
        form = {**form_of(page), "act": "log_in", "email": email, "password": PASSWORD}
        sent = await browser.post("/oauth/authorize", data=form)
    assert sent.status_code == 303, sent.text
    assert sent.headers["location"].startswith(changes.get("redirect_uri", REDIRECT) + "?")
    return query_of(sent.headers["location"])


async def exchange(client: httpx.AsyncClient, app: str, code: str, **changes: str | None) -> httpx.Response:
    form = {
        "grant_type": "authorization_code",
        "client_id": app,
        "code": code,
        "redirect_uri": REDIRECT,
        **changes,
    }
    return await client.post("/oauth/token", data={name: value for name, value in form.items() if value is not None})


class TestCode:
    async def test_a_code_is_good_for_one_use_and_a_reuse_ends_the_login(
        self, front: Front, client: httpx.AsyncClient, app: str, email: str
    ) -> None:
        verifier, challenge = pkce()
        redirect = await code_for(front, app, email, challenge, scope="orders:read users:write")
        assert (redirect["state"], redirect["iss"]) == ("s t&te=ü", front.url)
        front.secrets_seen.append(redirect["code"])
        answer = await exchange(client, app, redirect["code"], code_verifier=verifier)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        tokens = front.remember(answer.json())
        # The client requested more than the person may.
        assert tokens["scope"] == "orders:read"
        me = await client.get("/api/me", headers=bearer(tokens["access_token"]))
        assert (me.json()["permissions"], me.json()["client_id"]) == (["orders:read"], app)
        refused = await client.post("/api/auth/invites", json={}, headers=bearer(tokens["access_token"]))
        assert (refused.status_code, refused.json()["reason"]) == (403, "insufficient_scope")

        again = await exchange(client, app, redirect["code"], code_verifier=verifier)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": tokens["refresh_token"]}
        ended = await client.post("/oauth/token", data=form)
        assert (ended.status_code, ended.json()["error"]) == (400, "invalid_grant")

    async def test_refresh_tokens_rotate_and_may_ask_for_less(
        self, front: Front, client: httpx.AsyncClient, app: str, email: str
    ) -> None:
        verifier, challenge = pkce()
        redirect = await code_for(front, app, email, challenge, scope="orders:read orders:write")
        tokens = (await exchange(client, app, redirect["code"], code_verifier=verifier)).json()
        form = {"grant_type": "refresh_token", "client_id": app, "refresh_token": tokens["refresh_token"]}
        narrow = (await client.post("/oauth/token", data={**form, "scope": "orders:read commissions:read"})).json()
        assert narrow["scope"] == "orders:read"
        form["refresh_token"] = front.remember(narrow)["refresh_token"]
        other = await client.post("/api/auth/refresh", json={"refresh_token": form["refresh_token"]})
        assert other.status_code == 401  # Only this client may use it.
        gone = await client.post("/oauth/revoke", data={"client_id": app, "token": form["refresh_token"]})
        assert gone.status_code == 200
        assert (await client.post("/oauth/token", data=form)).json()["error"] == "invalid_grant"

    async def test_a_native_app_is_redirected_to_the_port_it_chose(
        self, front: Front, client: httpx.AsyncClient, email: str
    ) -> None:
        native = unique("native")
        await front.operations.create_client(native, native, ["http://127.0.0.1/callback"])
        chosen = {"redirect_uri": "http://127.0.0.1:51004/callback"}
        verifier, challenge = pkce()
        redirect = await code_for(front, native, email, challenge, **chosen)
        other_port = {"redirect_uri": "http://127.0.0.1:51005/callback", "code_verifier": verifier}
        assert (await exchange(client, native, redirect["code"], **other_port)).json()["error"] == "invalid_grant"
        redirect = await code_for(front, native, email, challenge, **chosen)
        tokens = (await exchange(client, native, redirect["code"], code_verifier=verifier, **chosen)).json()
        form = {"grant_type": "refresh_token", "client_id": native, "refresh_token": tokens["refresh_token"]}
        answers = [front.remember((await client.post("/oauth/token", data=form)).json()) for _ in range(2)]
        assert answers[0]["refresh_token"] == answers[1]["refresh_token"]

    async def test_a_code_is_bound_to_verifier_client_redirect_and_one_attempt(
        self, front: Front, client: httpx.AsyncClient, app: str, email: str
    ) -> None:
        other = unique("other")
        await front.operations.create_client(other, other, [REDIRECT])
        wrong: list[dict[str, Any]] = [
            {"code_verifier": pkce()[0]},
            {"redirect_uri": REDIRECT + "/"},
            {"client_id": other},
        ]
        for changes in wrong:
            verifier, challenge = pkce()
            redirect = await code_for(front, app, email, challenge)
            answer = await exchange(client, app, redirect["code"], **{"code_verifier": verifier, **changes})
            assert answer.json()["error"] == "invalid_grant", changes
            assert (await exchange(client, app, redirect["code"], code_verifier=verifier)).status_code == 400, changes

    async def test_pkce_is_required(self, front: Front, client: httpx.AsyncClient, app: str, email: str) -> None:
        _, challenge = pkce()
        redirect = await code_for(front, app, email, challenge)
        for verifier in (None, "", challenge[:42]):
            answer = await exchange(client, app, redirect["code"], code_verifier=verifier)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
        # The challenge itself is not a verifier: `plain` is not supported.
        assert (await exchange(client, app, redirect["code"], code_verifier=challenge)).json()[
            "error"
        ] == "invalid_grant"
        for changes in (
            {"code_challenge": None, "code_challenge_method": None},
            {"code_challenge_method": "plain"},
            {"code_challenge_method": None},
            {"response_type": "token"},
        ):
            sent = await client.get("/oauth/authorize", params=request_for(app, challenge, **changes))
            assert sent.status_code == 303
            refused = query_of(sent.headers["location"])
            assert refused["error"] in ("invalid_request", "unsupported_response_type")
            assert (refused["state"], refused["iss"]) == ("s t&te=ü", front.url)
            assert "code" not in refused

    async def test_an_unregistered_redirect_is_not_followed(self, client: httpx.AsyncClient, app: str) -> None:
        _, challenge = pkce()
        for changes in (
            {"redirect_uri": "https://evil.example/"},
            {"redirect_uri": REDIRECT + "/.."},
            {"redirect_uri": None},
            {"client_id": "unknown"},
            {"client_id": "tributary"},
        ):
            page = await client.get("/oauth/authorize", params=request_for(app, challenge, **changes))
            assert page.status_code == 400
            assert "location" not in page.headers
            assert 'role="alert"' in page.text
        twice = urlencode(request_for(app, challenge)) + "&redirect_uri=https%3A%2F%2Fevil.example%2F"
        assert (await client.get(f"/oauth/authorize?{twice}")).status_code == 400

    async def test_of_concurrent_redemptions_at_most_one_succeeds(
        self, front: Front, client: httpx.AsyncClient, app: str, email: str
    ) -> None:
        verifier, challenge = pkce()
        redirect = await code_for(front, app, email, challenge)
        answers = await asyncio.gather(
            *(exchange(client, app, redirect["code"], code_verifier=verifier) for _ in range(5))
        )
        assert sum(answer.status_code == 200 for answer in answers) <= 1

    async def test_a_cross_site_form_has_no_effect(
        self, front: Front, client: httpx.AsyncClient, app: str, email: str
    ) -> None:
        _, challenge = pkce()
        login = {"act": "log_in", "email": email, "password": PASSWORD}
        async with front.client() as browser:
            page = await browser.get("/oauth/authorize", params=request_for(app, challenge))
            form = {**form_of(page), **login}
            async with front.client() as other_browser:
                assert (await other_browser.post("/oauth/authorize", data=form)).status_code == 200
            for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
                assert (await browser.post("/oauth/authorize", data=form, headers=headers)).status_code == 200
            assert (await browser.post("/oauth/authorize", data={**form, "csrf": "x"})).status_code == 200
            assert (await browser.post("/oauth/authorize", data=form)).status_code == 303


class TestShops:
    async def secret(self, front: Front, shop_id: str) -> tuple[str, str]:
        client_id, secret = await front.operations.create_shop(shop_id)
        front.secrets_seen.append(secret)
        return client_id, secret

    async def test_a_shop_authenticates_by_header_or_form(self, front: Front, client: httpx.AsyncClient) -> None:
        shop_id = unique("shop")
        name, secret = await self.secret(front, shop_id)
        form = {"grant_type": "client_credentials"}
        for options in (
            {"data": form, "auth": (name, secret)},
            {"data": {**form, "client_id": name, "client_secret": secret, "scope": "orders:read"}},
        ):
            answer = await client.post("/oauth/token", **options)
            assert answer.status_code == 200, answer.text
            assert "refresh_token" not in answer.json()
            me = await client.get("/api/me", headers=bearer(front.remember(answer.json())["access_token"]))
            assert (me.json()["kind"], me.json()["shop_id"]) == ("shop", shop_id)
        assert me.json()["permissions"] == ["orders:read"]
        stored = await front.site.documents("identity.clients", {"_id": name})
        assert secret not in str(stored)

    async def test_the_last_two_secrets_are_valid(self, front: Front, client: httpx.AsyncClient) -> None:
        shop_id = unique("shop")
        secrets = [await self.secret(front, shop_id) for _ in range(3)]
        form = {"grant_type": "client_credentials"}
        codes = [(await client.post("/oauth/token", data=form, auth=pair)).status_code for pair in secrets]
        assert codes == [401, 200, 200]

    async def test_an_unauthenticated_client_is_refused(
        self, front: Front, client: httpx.AsyncClient, app: str
    ) -> None:
        name, secret = await self.secret(front, unique("shop"))
        form = {"grant_type": "client_credentials"}
        wrong = await client.post("/oauth/token", data=form, auth=(name, "wrong"))
        assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
        assert wrong.headers["www-authenticate"].startswith("Basic")
        expected: list[tuple[dict[str, Any], str]] = [
            ({"data": {**form, "client_id": name}}, "invalid_client"),
            ({"data": {**form, "client_id": "unknown", "client_secret": "x"}}, "invalid_client"),
            ({"data": {**form, "client_secret": secret}, "auth": (name, secret)}, "invalid_request"),
            ({"data": {**form, "client_id": app}}, "unauthorized_client"),
            ({"data": {**form, "client_id": "tributary"}}, "unauthorized_client"),
            ({"data": {**form, "scope": "users:write"}, "auth": (name, secret)}, "invalid_scope"),
            ({"data": {"grant_type": "password", "username": "a", "password": "b"}, "auth": (name, secret)},
             "unsupported_grant_type"),
            ({"data": {"grant_type": "authorization_code", "code": "x"}, "auth": (name, secret)},
             "unauthorized_client"),
            ({"json": form, "auth": (name, secret)}, "invalid_request"),
            ({"content": "grant_type=client_credentials&grant_type=password", "auth": (name, secret),
              "headers": {"Content-Type": "application/x-www-form-urlencoded"}}, "invalid_request"),
        ]  # fmt: skip
        for options, error in expected:
            answer = await client.post("/oauth/token", **options)
            assert answer.json()["error"] == error, (options, answer.text)
            assert answer.status_code in (400, 401)


async def test_the_revocation_of_an_access_token_is_refused(front: Front, client: httpx.AsyncClient, app: str) -> None:
    answer = await client.post("/oauth/revoke", data={"client_id": app, "token": "a.b.c"})
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_token_type")
    assert (await client.post("/oauth/revoke", data={"client_id": app, "token": "unknown"})).status_code == 200
    assert (await client.post("/oauth/revoke", data={"token": "unknown"})).status_code == 401


async def test_metadata_lists_the_supported_features(front: Front, client: httpx.AsyncClient) -> None:
    metadata = (await client.get("/.well-known/oauth-authorization-server")).json()
    assert metadata["issuer"] == front.url
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert set(metadata["grant_types_supported"]) == {"authorization_code", "client_credentials", "refresh_token"}
    assert (await client.get(metadata["jwks_uri"])).status_code == 200
