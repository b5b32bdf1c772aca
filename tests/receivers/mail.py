"""A mail server with STARTTLS and a login, which can refuse readers, postpone them, hang or break off after DATA."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, Literal, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USER = "tributary"
After = Literal["confirm", "cut", "hang", "refuse", "postpone"]


@dataclass(frozen=True)
class Mail:
    readers: tuple[str, ...]
    message: EmailMessage
    is_encrypted: bool
    is_authenticated: bool


@dataclass
class MailServer:
    """`refuses` are readers it does not know, `postpones` those it takes later; `after` is what follows DATA."""

    password: str
    refuses: set[str] = field(default_factory=set)
    postpones: set[str] = field(default_factory=set)
    after: After = "confirm"
    mails: list[Mail] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return "550 5.1.1 No such user here"
        if address in self.postpones:
            return "450 4.2.0 Greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.after == "refuse":
            return "554 5.7.1 Spam"
        if self.after == "postpone":
            return "451 4.3.0 Disk full"
        message = message_from_bytes(cast(bytes, envelope.content), policy=default)
        is_authenticated = bool(session.authenticated)
        self.mails.append(Mail(tuple(envelope.rcpt_tos), message, session.ssl is not None, is_authenticated))
        if self.after == "cut":
            cast(asyncio.Transport, server.transport).abort()
        if self.after == "hang":
            await asyncio.sleep(60)
        return "250 2.0.0 Ok: queued as 4F1C2"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        expected = LoginPassword(USER.encode(), self.password.encode())
        return AuthResult(success=data == expected, handled=False)


@asynccontextmanager
async def mail_server(book: MailServer, context: ssl.SSLContext | None) -> AsyncIterator[MailServer]:
    """Serve on loopback. Without a context the server offers neither STARTTLS nor a login."""
    protocols: list[SMTP] = []

    def protocol() -> SMTP:
        serves_tls = context is not None
        made = SMTP(
            book,
            tls_context=context,
            require_starttls=serves_tls,
            auth_required=serves_tls,
            authenticator=book.authenticate if serves_tls else None,
            auth_exclude_mechanism=["LOGIN"],
            loop=asyncio.get_running_loop(),
        )
        protocols.append(made)
        return made

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    book.port = server.sockets[0].getsockname()[1]
    try:
        yield book
    finally:
        server.close()
        for each in protocols:
            if each.transport is not None:
                cast(asyncio.Transport, each.transport).abort()
