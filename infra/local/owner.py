"""The owner of a stack that a command starts only for itself: if the command is killed, the stack is abandoned."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from infra.local.process import ProcessMark, is_running, mark_of

_FILE = "owner.json"


def claim(folder: Path) -> None:
    """Make this process the owner of the stack."""
    mark = mark_of(os.getpid())
    assert mark is not None, "this process is running"
    (folder / _FILE).write_text(json.dumps(asdict(mark)))


def release(folder: Path) -> None:
    """Remove the owner: the stack stays, or no longer exists."""
    (folder / _FILE).unlink(missing_ok=True)


def is_abandoned(folder: Path) -> bool:
    """Whether the owner has ended without stopping the stack."""
    try:
        mark = ProcessMark(**json.loads((folder / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return False
    return not is_running(mark)
