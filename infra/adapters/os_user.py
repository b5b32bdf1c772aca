"""The operating system's user who runs a command, by the process itself: the environment says what it likes."""

from __future__ import annotations

import os
import pwd

_LENGTH_MAX = 64


def os_user() -> str:
    """The name of the real user, or the number of one who has no name."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name[:_LENGTH_MAX]
    except KeyError:
        return f"uid {number}"
