"""A notification as an e-mail: text and HTML, with ids that let mail programs recognise repeats and show threads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from hashlib import sha256
from html import escape

from contracts.notifications.v1 import NotificationDue
from contracts.notifications.wording import Text, text_of


def letter(due: NotificationDue, key: str, sender: str, readers: Sequence[str], at: datetime) -> EmailMessage:
    """The message. Its id follows from the key, and its thread from the notification's; both are only hashes of them.

    Headers have no character of the notification but visible ones, so none can begin another header.
    """
    text = text_of(due)
    domain = sender.rpartition("@")[2]
    message = EmailMessage(policy=SMTP)
    message["Subject"] = text.title
    message["From"] = Address("Tributary", addr_spec=sender)
    message["To"] = [Address(addr_spec=reader) for reader in readers]
    message["Date"] = at
    message["Message-ID"] = message_id(key, sender)
    message["References"] = message["In-Reply-To"] = _id_of(f"thread {due.thread}", domain)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join((*text.lines, "", *text.footer())) + "\n", cte="quoted-printable")
    message.add_alternative(_html_of(text), subtype="html", cte="quoted-printable")
    return message


def is_mailable(reader: str) -> bool:
    """An address in ASCII that a header can carry; others need an extension that not every server has."""
    try:
        return reader.isascii() and Address(addr_spec=reader).addr_spec == reader
    except ValueError:
        return False


def message_id(key: str, sender: str) -> str:
    """The Message-ID of the notification with this key."""
    return _id_of(key, sender.rpartition("@")[2])


def _id_of(name: str, domain: str) -> str:
    return f"<{sha256(name.encode()).hexdigest()[:32]}@{domain}>"


def _html_of(text: Text) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in text.lines)
    footer = "<br>".join(escape(line) for line in text.footer())
    return (
        f'<!doctype html><html lang="{text.language}"><meta charset="utf-8"><title>{escape(text.title)}</title>'
        f"<h3>{escape(text.title)}</h3><ul>{lines}</ul><p>{footer}</p></html>\n"
    )
