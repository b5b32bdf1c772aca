"""Who gives a command at this machine: the operating system's user, whatever name the command is given `--by`."""

from __future__ import annotations

from urllib.parse import quote

from infra.adapters.os_user import os_user

_SOURCE = "urn:tributary:cli"


def source() -> str:
    """The source of messages that the command line publishes; the journals, and from them the audit log, keep it."""
    return f"{_SOURCE}:{quote(os_user(), safe='')}"
