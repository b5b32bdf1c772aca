"""The channel `email`: one message over SMTP, to all readers at once.

A mail server may refuse single readers; the others get the message. If it refused some for ever (5xx), the message is
delivered, and the answer names them: to send it again would not reach them. If it refused some for now (4xx), the
answer is `unavailable`, and the next attempt writes only to those who are missing, as far as this process remembers;
another process writes to all of them, with the same Message-ID, which mail programs show once.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPDataError,
    SMTPException,
    SMTPRecipientRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPServerDisconnected,
    SMTPTimeoutError,
)

from contracts.fields import visible_text
from contracts.notifications.v1 import NotificationDue
from contracts.wire.answer import Answer
from infra.adapters.outside.letter import is_mailable, letter
from infra.ports.time import Time
from infra.settings import Settings

REACHED_MAX = 1000
"""Notifications whose readers are remembered between attempts. Forgetting one means a repeat, not a loss."""

_QUIT_WITHIN_S = 1.0
_REFERENCE_LENGTH_MAX = 256
_ENHANCED_CODE = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")

_REFUSALS: dict[type[SMTPResponseException], tuple[str, str]] = {
    SMTPAuthenticationError: (
        "mail_login_refused",
        "does not accept the login; correct TRIBUTARY_SMTP_USER and TRIBUTARY_SMTP_PASSWORD.",
    ),
    SMTPSenderRefused: ("sender_refused", "does not accept the sender; correct TRIBUTARY_SMTP_SENDER."),
    SMTPDataError: ("message_refused", "does not accept the message; its log states why."),
}
_OTHER_REFUSAL = ("mail_server_refused", "does not serve this machine; its log states why.")


@dataclass(slots=True)
class _Progress:
    """What the server has answered until now. Replies are by reader, without those who were accepted."""

    is_sending: bool = False
    accepted: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    postponed: dict[str, str] = field(default_factory=dict)
    reference: str | None = None


class Email:
    """Sends e-mails through the mail server of the settings."""

    def __init__(self, settings: Settings, trusted: ssl.SSLContext, time: Time) -> None:
        self._settings = settings
        self._trusted = trusted
        self._time = time
        self._reached: dict[str, frozenset[str]] = {}

    async def send(self, due: NotificationDue, key: str) -> Answer:
        host, sender = self._settings.smtp_host, self._settings.smtp_sender
        if host is None or sender is None:
            detail = "Set TRIBUTARY_SMTP_HOST and TRIBUTARY_SMTP_SENDER, so that e-mails can be sent."
            return Answer("refused", "not_configured", detail, self._time.now())
        progress = _Progress()
        client = self._client(host, sender)
        try:
            async with asyncio.timeout(self._settings.outside_deadline_s):
                await self._deliver(client, due, key, sender, progress)
        except (TimeoutError, OSError, SMTPException) as error:
            return _answer_of_failure(error, host, progress, self._time.now())
        finally:
            await _leave(client)
        return self._answer_of_delivery(key, host, progress)

    def _client(self, host: str, sender: str) -> SMTP:
        settings = self._settings
        password = settings.smtp_password.get_secret_value() if settings.smtp_password else None
        return SMTP(
            hostname=host,
            port=settings.smtp_port,
            username=settings.smtp_user,
            password=password,
            local_hostname=sender.rpartition("@")[2],
            timeout=settings.outside_deadline_s,
            use_tls=settings.smtp_tls == "tls",
            start_tls=settings.smtp_tls == "starttls",
            tls_context=self._trusted,
        )

    async def _deliver(self, client: SMTP, due: NotificationDue, key: str, sender: str, progress: _Progress) -> None:
        """Send the message to the readers who do not have it and whom the server accepts, if there are any."""
        readers = [reader for reader in due.channel.to if is_mailable(reader)]
        progress.refused = {reader: "not in ASCII" for reader in due.channel.to if reader not in readers}
        missing = [reader for reader in readers if reader not in self._reached.get(key, frozenset())]
        if not missing:
            return
        await client.connect()
        await client.mail(sender)
        for reader in missing:
            await _offer(client, reader, progress)
        if progress.accepted:
            message = letter(due, key, sender, readers, self._time.now()).as_bytes()
            progress.is_sending = True
            response = await client.data(message)
            progress.reference = visible_text(response.message)[:_REFERENCE_LENGTH_MAX] or None

    def _answer_of_delivery(self, key: str, host: str, progress: _Progress) -> Answer:
        now = self._time.now()
        reached = self._reached.pop(key, frozenset()) | frozenset(progress.accepted)
        if progress.postponed:
            self._remember(key, reached)
            detail = f"{host} did not take the message for {_named(progress.postponed)}; it is tried again later."
            return Answer("unavailable", "readers_postponed", detail, now)
        if not reached:
            detail = f"{host} knows none of the readers: {_named(progress.refused)}. Correct the route's addresses."
            return Answer("refused", "readers_refused", detail, now)
        if progress.refused:
            detail = f"{host} took the message, but not for {_named(progress.refused)}. Correct the route's addresses."
            return Answer("done", "delivered_in_part", detail, now, reference=progress.reference)
        return Answer("done", "delivered", f"{host} took the message.", now, reference=progress.reference)

    def _remember(self, key: str, reached: frozenset[str]) -> None:
        if reached:
            self._reached[key] = reached
        if len(self._reached) > REACHED_MAX:
            del self._reached[next(iter(self._reached))]


async def _offer(client: SMTP, reader: str, progress: _Progress) -> None:
    try:
        await client.rcpt(reader)
        progress.accepted.append(reader)
    except SMTPRecipientRefused as error:
        refusals = progress.refused if error.code >= 500 else progress.postponed
        refusals[reader] = _code_of(error)


async def _leave(client: SMTP) -> None:
    """The message is with the server or not; a failure to part from it changes nothing."""
    with suppress(TimeoutError, OSError, SMTPException):
        async with asyncio.timeout(_QUIT_WITHIN_S):
            await client.quit()
    client.close()


def _answer_of_failure(error: Exception, host: str, progress: _Progress, now: datetime) -> Answer:
    if isinstance(error, SMTPResponseException):
        code, detail = _REFUSALS.get(type(error), _OTHER_REFUSAL)
        if error.code >= 500:
            return Answer("refused", code, f"{host} {detail} ({_code_of(error)})", now)
        detail = f"{host} takes no mail for now ({_code_of(error)}); it is tried again later."
        return Answer("unavailable", "receiver_unavailable", detail, now)
    if progress.is_sending:
        return Answer("unknown", "no_answer", f"{host} got the message and did not confirm it.", now)
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        detail = f"{host} has no valid certificate for its name; renew it, or set TRIBUTARY_OUTSIDE_CA_FILE."
        return Answer("unavailable", "tls_failed", detail, now)
    if isinstance(error, TimeoutError | OSError | SMTPTimeoutError | SMTPServerDisconnected):
        return Answer("unavailable", "not_connected", f"{host} does not accept connections, or ended this one.", now)
    detail = f"{host} does not offer what TRIBUTARY_SMTP_TLS or TRIBUTARY_SMTP_USER ask for: STARTTLS, or a login."
    return Answer("refused", "mail_server_unfit", detail, now)


def _code_of(error: SMTPResponseException) -> str:
    """The server's codes, such as `550 5.1.1`; not its text, which may be anything."""
    enhanced = _ENHANCED_CODE.match(error.message)
    return f"{error.code} {enhanced[0]}" if enhanced else str(error.code)


def _named(readers: dict[str, str]) -> str:
    return ", ".join(f"{reader} ({reason})" for reader, reason in readers.items())
