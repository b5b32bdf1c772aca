"""A mail server that delivers nothing: it keeps e-mails in memory, and shows them on a page and as JSON.

    python -m infra.local.mailbox SMTP_PORT PAGE_PORT

For trials on one machine, so it listens on the loopback address only, without TLS and without a login.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import escape
from typing import cast

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from infra.local.ports import LOOPBACK

MAILS_MAX = 1_000
MAIL_BYTES_MAX = 256 * 1024
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-store"}
_STYLE = "body{font:16px sans-serif;max-width:50em;margin:auto}pre{white-space:pre-wrap;background:#eee;padding:1em}"


@dataclass(frozen=True, slots=True)
class Mail:
    """An e-mail as it arrived; `text` is its plain part."""

    id: str
    to: tuple[str, ...]
    subject: str
    text: str
    received_at: str


@dataclass(slots=True)
class Mailbox:
    """The newest mails, and how many arrived in total. The server calls `handle_DATA`."""

    mails: deque[Mail] = field(default_factory=lambda: deque(maxlen=MAILS_MAX))
    received: int = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        message = message_from_bytes(cast(bytes, envelope.content), policy=default)
        self.received += 1
        self.mails.append(_mail_of(message, envelope.rcpt_tos))
        return f"250 2.0.0 Ok: kept as {self.received}"

    def app(self) -> Starlette:
        """`/` for people and `/mails` for programs. Other sites' pages cannot read it, by whatever name they use."""
        routes = [Route("/", self._page), Route("/mails", self._list)]
        return Starlette(
            routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])]
        )

    async def _page(self, request: Request) -> Response:
        mails = "".join(map(_html_of, reversed(self.mails))) or "<p>No e-mail has arrived yet.</p>"
        return HTMLResponse(
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
            f"<title>Mail box</title><style>{_STYLE}</style><h1>{self.received} e-mails</h1>{mails}</html>",
            headers=_HEADERS,
        )

    async def _list(self, request: Request) -> Response:
        return JSONResponse(
            {"received": self.received, "mails": [asdict(mail) for mail in self.mails]}, headers=_HEADERS
        )


def _mail_of(message: EmailMessage, readers: list[str]) -> Mail:
    body = message.get_body(("plain",))
    return Mail(
        id=str(message["Message-ID"] or ""),
        to=tuple(readers),
        subject=str(message["Subject"] or ""),
        text=str(body.get_content()) if body is not None else "",
        received_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _html_of(mail: Mail) -> str:
    head = escape(f"{mail.received_at} to {', '.join(mail.to)}")
    return f"<h2>{escape(mail.subject)}</h2><p>{head}</p><pre>{escape(mail.text)}</pre>"


async def serve(smtp_port: int, page_port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    mailbox = Mailbox()
    smtp = await asyncio.get_running_loop().create_server(
        lambda: SMTP(mailbox, data_size_limit=MAIL_BYTES_MAX, hostname="localhost"), LOOPBACK, smtp_port
    )
    config = uvicorn.Config(mailbox.app(), host=LOOPBACK, port=page_port, lifespan="off", log_level="warning")
    try:
        await uvicorn.Server(config).serve()
    finally:
        smtp.close()


if __name__ == "__main__":
    asyncio.run(serve(*map(int, sys.argv[1:3])))
