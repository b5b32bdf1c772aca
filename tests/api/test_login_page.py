"""The login page in a real browser: Debian's Chromium, without a window."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.api.front import PASSWORD, Front, a_network, an_email, pkce, query_of, unique


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    executable = shutil.which("chromium")
    assert executable, "Chromium is missing; `tributary setup --browser` installs it"
    async with async_playwright() as playwright:
        # Its sandbox needs rights that containers lack; here it opens only our own pages.
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
async def callback() -> AsyncIterator[str]:
    """The server of a client, which receives the redirect."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"<!doctype html><title>app</title><h1>Back in the app</h1>"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/callback"
    server.close()


@pytest.fixture(scope="module")
async def app(front: Front, callback: str) -> str:
    client_id = unique("app")
    made = await front.command("identity", "create-client", client_id, callback, "--name", "Shop <desk>")
    assert made.code == 0, made.err
    return client_id


@asynccontextmanager
async def tab(browser: Browser, locale: str = "en-GB") -> AsyncIterator[Page]:
    """A page in a fresh profile, without scripts, that must not violate its own content security policy."""
    context = await browser.new_context(
        locale=locale, java_script_enabled=False, extra_http_headers={"X-Forwarded-For": a_network()}
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    try:
        yield page
        assert [text for text in complaints if "Content Security Policy" in text] == []
    finally:
        await context.close()


def address(front: Front, app: str, callback: str, challenge: str) -> str:
    parameters = {
        "response_type": "code",
        "client_id": app,
        "redirect_uri": callback,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": 'a"b&c',
        "scope": "orders:read",
    }
    return str(httpx.URL(f"{front.url}/oauth/authorize", params=parameters))


async def test_a_person_logs_in_and_the_app_gets_a_code(
    front: Front, client: httpx.AsyncClient, browser: Browser, app: str, callback: str
) -> None:
    email, _ = await front.log_in_as(client, await front.distributor())
    verifier, challenge = pkce()
    async with tab(browser) as page:
        await page.goto(address(front, app, callback, challenge))
        await expect(page.get_by_text("Shop <desk> asks you to log in.")).to_be_visible()
        await expect(page.get_by_text("orders:read: See the orders that you have access to.")).to_be_visible()
        await page.get_by_label("E-mail address").fill(email)
        await page.get_by_label("Password").fill("not the password")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_have_text("E-mail address or password is wrong.")
        await expect(page.get_by_label("E-mail address")).to_have_value(email)
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_label("Password").press("Enter")
        await expect(page.get_by_role("heading")).to_have_text("Back in the app")
        query = query_of(page.url)
        assert (query["state"], query["iss"]) == ('a"b&c', front.url)
        form = {
            "grant_type": "authorization_code",
            "client_id": app,
            "code": query["code"],
            "redirect_uri": callback,
            "code_verifier": verifier,
        }
        answer = await client.post("/oauth/token", data=form)
        assert front.remember(answer.json())["scope"] == "orders:read"

        [cookie] = await page.context.cookies(front.url)
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")
        front.secrets_seen.append(cookie["value"])

        # The next time the browser is logged in, but a click is still required.
        await page.goto(address(front, app, callback, pkce()[1]))
        await page.get_by_role("button", name=f"Continue as {email}").click()
        await expect(page.get_by_role("heading")).to_have_text("Back in the app")
        await page.goto(address(front, app, callback, pkce()[1]))
        await page.get_by_role("button", name="Use another account").click()
        await expect(page.get_by_label("Password")).to_be_visible()


async def test_a_person_can_cancel_in_chinese(front: Front, browser: Browser, app: str, callback: str) -> None:
    async with tab(browser, locale="zh-CN") as page:
        await page.goto(address(front, app, callback, pkce()[1]))
        await expect(page.get_by_role("heading")).to_have_text("登录 Tributary")
        await page.get_by_role("button", name="取消").click()
        await expect(page.get_by_role("heading")).to_have_text("Back in the app")
        assert query_of(page.url)["error"] == "access_denied"


async def test_a_one_time_password_is_replaced_on_the_page(
    front: Front, browser: Browser, app: str, callback: str
) -> None:
    email = an_email()
    created = (await front.command("identity", "create-admin", email, "--json")).object
    await front.confirm(created["waits_for_confirmation"])
    one_time = created["one_time_password"]
    async with tab(browser) as page:
        await page.goto(address(front, app, callback, pkce()[1]))
        await page.get_by_label("E-mail address").fill(email)
        await page.get_by_label("Password").fill(one_time)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_contain_text("one login only")
        await page.get_by_label("Password", exact=True).fill(one_time)
        await page.get_by_label("New password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("heading")).to_have_text("Back in the app")
        assert query_of(page.url)["code"]


async def test_an_unregistered_app_is_refused(front: Front, browser: Browser, callback: str) -> None:
    async with tab(browser) as page:
        answer = await page.goto(address(front, "unknown", callback, pkce()[1]))
        assert answer
        assert answer.status == 400
        await expect(page.get_by_role("alert")).to_contain_text("not registered")


async def test_no_other_site_can_frame_the_page(front: Front, browser: Browser, app: str, callback: str) -> None:
    async with tab(browser) as page:
        answer = await page.goto(address(front, app, callback, pkce()[1]))
        assert answer
        headers = await answer.all_headers()
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
