"""What was switched off, replaced or logged out ends at once: tokens of shops and persons, and browser sessions."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.front import PASSWORD, Front, an_email, bearer, pkce, query_of, unique
from tests.api.test_oauth import REDIRECT, exchange, form_of, request_for


@pytest.fixture
async def app(front: Front) -> str:
    client_id = unique("app")
    await front.operations.create_client(client_id, client_id, [REDIRECT])
    return client_id


async def shop_token(front: Front, client: httpx.AsyncClient, pair: tuple[str, str]) -> str:
    front.secrets_seen.append(pair[1])
    answer = await client.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=pair)
    assert answer.status_code == 200, answer.text
    return front.remember(answer.json())["access_token"]


async def writes(client: httpx.AsyncClient, token: str) -> int:
    """The status of a request that would write, and is refused for its content where the token is accepted."""
    answer = await client.post("/api/orders", json={"order_id": unique("o")}, headers=bearer(token))
    return answer.status_code


class TestShops:
    async def test_the_tokens_of_a_disabled_shop_end_with_its_secret(
        self, front: Front, client: httpx.AsyncClient
    ) -> None:
        shop_id = unique("shop")
        token = await shop_token(front, client, await front.operations.create_shop(shop_id))
        assert await writes(client, token) == 422
        await front.operations.disable_shop(shop_id)
        assert await writes(client, token) == 401
        assert (await client.get("/api/me", headers=bearer(token))).status_code == 401

        # Enabled again, the former token stays refused, and a new one works at once.
        pair = await front.operations.create_shop(shop_id)
        assert await writes(client, token) == 401
        assert await writes(client, await shop_token(front, client, pair)) == 422

    async def test_a_replaced_secret_ends_the_tokens_that_it_got(self, front: Front, client: httpx.AsyncClient) -> None:
        shop_id = unique("shop")
        leaked = await front.operations.create_shop(shop_id)
        token = await shop_token(front, client, leaked)
        new = await front.operations.create_shop(shop_id, replace=True)
        assert await writes(client, token) == 401
        assert await writes(client, await shop_token(front, client, new)) == 422
        refused = await client.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=leaked)
        assert refused.status_code == 401


class TestPersons:
    async def test_a_user_who_was_switched_off_writes_nothing_more(
        self, front: Front, client: httpx.AsyncClient
    ) -> None:
        boss, fired = await front.admin(client), await front.admin(client)
        me = (await client.get("/api/me", headers=bearer(fired))).json()["subject"]
        off = await client.patch(f"/api/users/{me}", json={"active": False}, headers=bearer(boss))
        assert off.status_code == 200, off.text
        accomplice = {"email": an_email(), "roles": ["ROLE_ADMIN"]}
        answer = await client.post("/api/users", json=accomplice, headers=bearer(fired))
        assert (answer.status_code, answer.json()["reason"]) == (401, "invalid_token")
        assert await front.site.documents("identity.users", {"email": accomplice["email"]}) == []

    async def test_a_withheld_permission_is_gone_from_former_tokens(
        self, front: Front, client: httpx.AsyncClient
    ) -> None:
        boss, other = await front.admin(client), await front.admin(client)
        me = (await client.get("/api/me", headers=bearer(other))).json()["subject"]
        body = {"withheld": ["users:write"]}
        assert (await client.patch(f"/api/users/{me}", json=body, headers=bearer(boss))).status_code == 200
        accomplice = {"email": an_email(), "roles": ["ROLE_ADMIN"]}
        assert (await client.post("/api/users", json=accomplice, headers=bearer(other))).status_code in (401, 403)

    async def test_a_changed_password_ends_former_tokens(self, front: Front, client: httpx.AsyncClient) -> None:
        email, tokens = await front.log_in_as(client, await front.distributor())
        body = {"email": email, "password": PASSWORD, "new_password": "eleven purple kettles"}
        answer = await client.post("/api/auth/login", json=body)
        new = front.remember(answer.json())["access_token"]
        for token, code in ((tokens["access_token"], 401), (new, 201)):
            answer = await client.post("/api/auth/invites", json={}, headers=bearer(token))
            assert answer.status_code == code, answer.text


class Page:
    """A browser on our login page."""

    def __init__(self, front: Front, browser: httpx.AsyncClient, app: str, email: str) -> None:
        self.front, self.browser, self.app, self.email = front, browser, app, email
        self.verifier, self.challenge = pkce()

    async def open(self) -> httpx.Response:
        return await self.browser.get("/oauth/authorize", params=request_for(self.app, self.challenge))

    async def knows(self) -> bool:
        """Whether the page offers to continue, and a forged form that continues gets a code."""
        page = await self.open()
        offered = "Continue as" in page.text
        sent = await self.browser.post("/oauth/authorize", data={**form_of(page), "act": "continue"})
        assert (sent.status_code == 303) is offered
        return offered

    async def log_in(self) -> dict[str, Any]:
        form = {**form_of(await self.open()), "act": "log_in", "email": self.email, "password": PASSWORD}
        sent = await self.browser.post("/oauth/authorize", data=form)
        assert sent.status_code == 303, sent.text
        code = query_of(sent.headers["location"])["code"]
        answer = await exchange(self.browser, self.app, code, code_verifier=self.verifier)
        return self.front.remember(answer.json())

    async def log_out(self, **more: str) -> httpx.Response:
        page = await self.browser.get("/oauth/logout", params=more)
        assert "csrf" in form_of(page), page.text
        return await self.browser.post("/oauth/logout", data=form_of(page))


class TestSessions:
    @pytest.fixture
    async def page(self, front: Front, client: httpx.AsyncClient, app: str) -> Any:
        email, _ = await front.log_in_as(client, await front.distributor())
        async with front.client() as browser:
            yield Page(front, browser, app, email)

    async def test_a_logout_ends_the_session(self, page: Page) -> None:
        await page.log_in()
        assert await page.knows()
        cookies = dict(page.browser.cookies)
        answer = await page.log_out()
        assert (answer.status_code, "logged out" in answer.text) == (200, True)
        assert "tributary-login" not in dict(page.browser.cookies)
        assert not await page.knows()
        # A copy of the cookie is worth nothing either.
        page.browser.cookies.update(cookies)
        assert not await page.knows()

    async def test_a_revoked_login_ends_its_session(self, page: Page) -> None:
        tokens = await page.log_in()
        body = {"client_id": page.app, "token": tokens["refresh_token"]}
        assert (await page.browser.post("/oauth/revoke", data=body)).status_code == 200
        assert not await page.knows()

    async def test_a_reused_refresh_token_ends_the_session(self, page: Page) -> None:
        tokens = await page.log_in()
        form = {"grant_type": "refresh_token", "client_id": page.app, "refresh_token": tokens["refresh_token"]}
        second = page.front.remember((await page.browser.post("/oauth/token", data=form)).json())
        later = {**form, "refresh_token": second["refresh_token"]}
        page.front.remember((await page.browser.post("/oauth/token", data=later)).json())
        assert (await page.browser.post("/oauth/token", data=form)).status_code == 400
        assert not await page.knows()

    async def test_another_login_ends_the_former_session(self, page: Page) -> None:
        await page.log_in()
        cookies = dict(page.browser.cookies)
        await page.log_in()
        page.browser.cookies.clear()
        page.browser.cookies.update(cookies)
        assert not await page.knows()

    @pytest.mark.parametrize(
        "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}], ids=str
    )
    async def test_another_site_cannot_log_a_person_out(self, page: Page, headers: dict[str, str]) -> None:
        await page.log_in()
        form = form_of(await page.browser.get("/oauth/logout"))
        for data, more in ((form, headers), ({}, {}), ({"csrf": "x"}, {})):
            answer = await page.browser.post("/oauth/logout", data=data, headers=more)
            assert "logged out" not in answer.text
        await page.browser.get("/oauth/logout")
        # A form of another site comes without the cookie; its answer must not remove it.
        async with page.front.client() as without_cookie:
            answer = await without_cookie.post("/oauth/logout", data=form)
            assert "set-cookie" not in answer.headers
        assert await page.knows()

    async def test_a_client_gets_the_person_back(self, page: Page) -> None:
        await page.log_in()
        request = {"client_id": page.app, "post_logout_redirect_uri": REDIRECT, "state": "s t&te"}
        answer = await page.log_out(**request)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(f"{REDIRECT}?")
        assert query_of(answer.headers["location"]) == {"state": "s t&te"}
        for uri in ("https://evil.example/", f"{REDIRECT}.evil.example", "javascript:alert(1)"):
            page_of_error = await page.browser.get("/oauth/logout", params={**request, "post_logout_redirect_uri": uri})
            assert page_of_error.status_code == 400
            assert "location" not in page_of_error.headers

    async def test_the_page_is_protected_like_the_login(self, page: Page) -> None:
        await page.log_in()
        answer = await page.browser.get("/oauth/logout", params={"state": '"><script>'})
        assert "<script>" not in answer.text
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        metadata = (await page.browser.get("/.well-known/oauth-authorization-server")).json()
        assert metadata["end_session_endpoint"] == f"{page.front.url}/oauth/logout"
