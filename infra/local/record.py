"""The record of a stack between commands, `stack.json`, and the lock that lets one command at a time change it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from infra.local.errors import StackError
from infra.local.process import POLL_S, ProcessMark

FORMAT = 1
LOCK_WAIT_MAX_S = 180.0
OWN_HOME = ".tributary"
_PRIVATE = 0o700
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True)
class ServerRecord:
    """One server: its ports by purpose, its processes by role (none while stopped), and its reported version."""

    ports: Mapping[str, int] = field(default_factory=dict)
    processes: Mapping[str, ProcessMark] = field(default_factory=dict)
    version: str | None = None


StackRecord = Mapping[str, ServerRecord]


def folder_of(name: str, home: Path) -> Path:
    """The folder of a stack's state, data and logs. Raises StackError for an invalid name."""
    if not _NAME.fullmatch(name):
        raise StackError(
            f"The stack name {name!r} cannot be used; choose 1 to 32 lower-case letters, digits and hyphens, "
            "beginning with a letter or a digit."
        )
    return home.expanduser().absolute() / name


def create_private(folder: Path) -> None:
    """Create the stack's folder so that no other user of the machine can look into it: data, logs, Erlang's cookie.

    A home that exists may be shared, such as /tmp; only a new one, or our own `.tributary`, becomes private as well.
    """
    home = folder.parent
    if not home.exists() or home.name == OWN_HOME:
        home.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        home.chmod(_PRIVATE)
    folder.mkdir(mode=_PRIVATE, exist_ok=True)
    folder.chmod(_PRIVATE)


def read(folder: Path) -> StackRecord:
    """The record by server name; empty for a stack that was never started. Raises StackError when it is damaged."""
    path = folder / "stack.json"
    try:
        content = json.loads(path.read_text())
        if content["format"] != FORMAT:
            raise ValueError(content["format"])
        return {server: _server(entry) for server, entry in content["servers"].items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise StackError(
            f"The file {path} is damaged or of another version; end the servers that use {folder} by hand, "
            "then delete the file and start the stack again."
        ) from cause


def write(folder: Path, record: StackRecord) -> None:
    """Replace the record atomically: a reader sees the old one or the new one, never a part."""
    path = folder / "stack.json"
    content = {"format": FORMAT, "servers": {server: asdict(entry) for server, entry in record.items()}}
    draft = path.with_suffix(".json.new")
    with draft.open("w") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def locked(folder: Path, *, wait_max_s: float = LOCK_WAIT_MAX_S) -> Iterator[None]:
    """Lock the stack for one command. Raises StackError if another command holds the lock longer than `wait_max_s`.

    The lock is beside the folder, not in it, so that it survives the removal of the stack's data. The kernel releases
    it when its holder ends, however it ends.
    """
    deadline = time.monotonic() + wait_max_s
    with (folder.parent / f"{folder.name}.lock").open("w") as file:
        while not _take(file.fileno()):
            if time.monotonic() > deadline:
                raise StackError(
                    f"Another command has been working on the stack {folder.name!r} for {wait_max_s:.0f} s; "
                    "wait until it ends, then try again."
                )
            time.sleep(POLL_S)
        yield


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _server(entry: Mapping[str, Any]) -> ServerRecord:
    return ServerRecord(
        ports={purpose: int(port) for purpose, port in entry["ports"].items()},
        processes={role: ProcessMark(**mark) for role, mark in entry["processes"].items()},
        version=entry["version"],
    )
