"""The docs page in a real browser, which may reach only our own server."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from playwright.async_api import Locator, Page, Route, async_playwright, expect

from tests.api.front import PASSWORD, Front, a_network

WITHIN_MS = 30_000
"""The browser loads two megabytes of script while other tests run."""


@asynccontextmanager
async def docs(front: Front) -> AsyncIterator[Page]:
    """The open page; at the end the browser has no errors and has requested nothing from another origin."""
    executable = shutil.which("chromium")
    assert executable, "Chromium is missing; `tributary setup --browser` installs it"
    complaints: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = await browser.new_page(extra_http_headers={"X-Forwarded-For": a_network()})
        page.set_default_timeout(WITHIN_MS)
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))

        async def gate(route: Route) -> None:
            if route.request.url.startswith((front.url, "data:")):
                await route.continue_()
            else:
                complaints.append(f"requests {route.request.url}")
                await route.abort()

        await page.route("**/*", gate)
        await page.goto(f"{front.url}/docs")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Tributary", timeout=WITHIN_MS)
        yield page
        await browser.close()
    assert complaints == []


async def unfolded(page: Page, tag: str, operation: str) -> Locator:
    """An operation of the page, ready to be filled in."""
    found = page.locator(f"#operations-{tag}-{operation}")
    if not await found.is_visible():
        await page.locator(f"#operations-tag-{tag} button").first.click()
    await found.locator(".opblock-summary-control").click()
    await found.get_by_role("button", name="Try it out").click()
    return found


async def executed(operation: Locator, status: str) -> Locator:
    """The server's answer."""
    await operation.get_by_role("button", name="Execute").click()
    answers = operation.locator(".live-responses-table")
    await expect(answers.locator(".response-col_status").nth(1)).to_contain_text(status, timeout=WITHIN_MS)
    return answers


async def test_the_page_shows_every_operation_and_tries_one(front: Front) -> None:
    async with docs(front) as page:
        operation = await unfolded(page, "problems", "showReason")
        await operation.get_by_placeholder("reason").fill("conflict")
        await expect(await executed(operation, "200")).to_contain_text("与已有记录冲突")


async def test_a_person_logs_in_on_the_page_and_writes(front: Front, client: httpx.AsyncClient) -> None:
    """As in the tutorial: the token from the page's login goes into Authorize, then a write succeeds."""
    email, one_time = await front.administrator()
    async with docs(front) as page:
        login = await unfolded(page, "login", "logIn")
        body = json.dumps({"email": email, "password": one_time, "new_password": PASSWORD})
        await login.locator("textarea").first.fill(body)
        answers = await executed(login, "200")
        tokens = json.loads(await answers.locator(".highlight-code pre").first.inner_text())
        token = front.remember(tokens)["access_token"]

        await page.get_by_role("button", name="Authorize").first.click()
        dialog = page.locator(".modal-ux")
        await dialog.locator(".auth-container", has_text="bearer").locator("input").first.fill(token)
        await dialog.get_by_label("Apply credentials").first.click()
        await dialog.get_by_role("button", name="Close").first.click()

        category = await unfolded(page, "categories", "createCategory")
        await category.locator("textarea").first.fill(json.dumps({"name": "Tea"}))
        await expect(await executed(category, "201")).to_contain_text('"category_id"')
