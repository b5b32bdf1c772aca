"""Checks before a server is started, so that a failure is reported with a sentence and not only in a log file."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from infra.local import record
from infra.local.errors import StackError
from infra.local.server import Server

DISK_FREE_MIN_BYTES = 1_000_000_000


def executables(servers: Sequence[Server]) -> dict[str, Path]:
    """The program of each server by name. Raises StackError that names all that are missing."""
    found = {server.name: server.executable() for server in servers}
    missing = [server.title for server in servers if found[server.name] is None]
    if missing:
        raise StackError(
            f"{' and '.join(missing)} cannot be found on this machine; run `tributary setup` to install what is "
            "missing, or use `docker compose up` instead of the local stack."
        )
    return {name: path for name, path in found.items() if path is not None}


def prepare(folder: Path) -> None:
    """Create the stack's folder. Raises StackError if it cannot be written, or not on Linux."""
    if not Path("/proc/self/stat").exists():
        raise StackError("The local stack runs on Linux only; use `docker compose up` on this machine.")
    try:
        record.create_private(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as cause:
        raise StackError(
            f"The folder {folder} cannot be written ({cause.strerror}); "
            "set TRIBUTARY_HOME to a folder that you can write, and try again."
        ) from cause


def require_disk_space(folder: Path) -> None:
    """Raises StackError below the minimum, because RabbitMQ and MongoDB would then refuse writes."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < DISK_FREE_MIN_BYTES:
        raise StackError(
            f"Only {free_bytes // 1_000_000} MB are free for {folder}, and the servers need "
            f"{DISK_FREE_MIN_BYTES // 1_000_000} MB; free some space or set TRIBUTARY_HOME to another disk."
        )
