"""Whose a stack is that a command starts for itself alone: where the command was killed, the stack is abandoned."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from infra.local.process import ProcessMark, is_running, mark_of

_FILE = "owner.json"


def claim(folder: Path) -> None:
    """From now on the stack is this process's own."""
    mark = mark_of(os.getpid())
    assert mark is not None, "this process runs"
    (folder / _FILE).write_text(json.dumps(asdict(mark)))


def release(folder: Path) -> None:
    """The stack stays, or is gone."""
    (folder / _FILE).unlink(missing_ok=True)


def is_abandoned(folder: Path) -> bool:
    """Whether the command that it was for has ended without taking it down."""
    try:
        mark = ProcessMark(**json.loads((folder / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return False
    return not is_running(mark)
