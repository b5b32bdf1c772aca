"""The mail box of the demo keeps what arrives, and shows it as text."""

from __future__ import annotations

from email.message import EmailMessage
from typing import Any, cast

import httpx
import pytest
from aiosmtpd.smtp import Envelope

from infra.local import mailbox
from infra.local.mailbox import Mailbox


async def receive(box: Mailbox, number: int = 1, text: str = "3 left.") -> str:
    message = EmailMessage()
    message["Subject"] = "<b>Stock & more</b>"
    message["Message-ID"] = f"<{number}@example.com>"
    message.set_content(text)
    message.add_alternative("<p>not shown</p>", subtype="html")
    envelope = Envelope()
    envelope.content, envelope.rcpt_tos = message.as_bytes(), ["admin@example.com"]
    return await box.handle_DATA(cast(Any, None), cast(Any, None), envelope)


def page_of(box: Mailbox, host: str = "127.0.0.1") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(box.app()), base_url=f"http://{host}")


async def test_programs_read_what_arrived() -> None:
    box = Mailbox()
    assert await receive(box) == "250 2.0.0 Ok: kept as 1"
    async with page_of(box) as client:
        found = (await client.get("/mails")).json()

    [mail] = found["mails"]
    assert found["received"] == 1
    assert (mail["id"], mail["to"]) == ("<1@example.com>", ["admin@example.com"])
    assert (mail["subject"], mail["text"].strip()) == ("<b>Stock & more</b>", "3 left.")


async def test_the_page_shows_markup_as_text_and_runs_none() -> None:
    box = Mailbox()
    async with page_of(box) as client:
        assert "No e-mail has arrived yet." in (await client.get("/")).text
        await receive(box, text="<script>alert(1)</script>")
        shown = await client.get("/")

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown.text
    assert "&lt;b&gt;Stock &amp; more&lt;/b&gt;" in shown.text
    assert "<script>" not in shown.text
    assert shown.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(("host", "status"), [("localhost", 200), ("127.0.0.1", 200), ("attacker.example", 400)])
async def test_only_this_machine_s_names_are_served(host: str, status: int) -> None:
    async with page_of(Mailbox(), host) as client:
        assert (await client.get("/mails")).status_code == status


async def test_the_oldest_mails_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "MAILS_MAX", 20)
    box = Mailbox()
    for number in range(22):
        await receive(box, number)

    assert box.received == 22
    assert [box.mails[0].id, len(box.mails)] == ["<2@example.com>", 20]
