"""Who gives a command at this machine: the operating system's user, whatever name the command is given `--by`."""

from __future__ import annotations

import getpass
from urllib.parse import quote

_USER_CHARS_MAX = 64
_SOURCE = "urn:tributary:cli"


def operator() -> str:
    """The user's login name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def source() -> str:
    """The source of messages that the command line publishes; the journals, and from them the audit log, keep it."""
    return f"{_SOURCE}:{quote(operator()[:_USER_CHARS_MAX], safe='')}"
