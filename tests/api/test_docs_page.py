"""The docs page in a real browser, which may reach nothing but our own server."""

from __future__ import annotations

import shutil

from playwright.async_api import Route, async_playwright, expect

from tests.api.front import Front, a_network

WITHIN_MS = 30_000
"""Two megabytes of script are read while other tests run."""


async def test_the_page_shows_every_operation_and_tries_one(front: Front) -> None:
    executable = shutil.which("chromium")
    assert executable, "Chromium is missing; `tributary setup --browser` brings it"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = await browser.new_page(extra_http_headers={"X-Forwarded-For": a_network()})
        page.set_default_timeout(WITHIN_MS)
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))

        async def gate(route: Route) -> None:
            if route.request.url.startswith((front.url, "data:")):
                await route.continue_()
            else:
                complaints.append(f"asks {route.request.url}")
                await route.abort()

        await page.route("**/*", gate)
        await page.goto(f"{front.url}/docs")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Tributary", timeout=WITHIN_MS)
        operation = page.locator("#operations-problems-showReason")
        await page.locator("#operations-tag-problems button").first.click()
        await operation.locator(".opblock-summary-control").click()
        await operation.get_by_role("button", name="Try it out").click()
        await operation.get_by_placeholder("reason").fill("conflict")
        await operation.get_by_role("button", name="Execute").click()
        await expect(operation.locator(".live-responses-table .response-col_status").nth(1)).to_contain_text(
            "200", timeout=WITHIN_MS
        )
        await expect(operation.locator(".live-responses-table")).to_contain_text("与已有记录冲突")
        await browser.close()
    assert complaints == []
