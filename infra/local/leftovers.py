"""Processes marked as a stack's own: those started for it and their children, however the starter ended.

The mark is an environment variable, which a child inherits and /proc shows. It also finds processes that were never
recorded, because their starter was killed before it could record them or was not part of the stack.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.local.process import POLL_S, ProcessMark, is_running, mark_of, parent_of, stop

MARK = "TRIBUTARY_STARTED_FOR"
_COMMAND_MAX = 80
_HELPER = " from multiprocessing."
"""In the command of Python's own helper processes, which end with those that use them."""
_END_BY_THEMSELVES_S = 2.0
"""Helper processes of Erlang end a moment after their node."""


@dataclass(frozen=True)
class Leftover:
    """A marked process that is not recorded and not started by a recorded one."""

    mark: ProcessMark
    command: str


def marked(folder: Path) -> Mapping[str, str]:
    """The environment that marks a process as started for the stack of this folder."""
    return {MARK: str(folder.resolve())}


def all_marked() -> dict[Path, list[int]]:
    """The running marked processes of this user, except this process, by the folder of their stack."""
    found: dict[Path, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and (folder := _folder_of(entry)) is not None:
            found.setdefault(folder, []).append(int(entry.name))
    return found


def leftovers(folder: Path, recorded: Sequence[ProcessMark]) -> list[Leftover]:
    """The stack's marked processes without a recorded process among their ancestors."""
    owners = {mark.pid for mark in recorded if is_running(mark)}
    pids = [pid for pid in all_marked().get(folder.resolve(), []) if not _ancestors(pid) & owners]
    marks = [mark for pid in pids if (mark := mark_of(pid)) is not None]
    found = [Leftover(mark, _command(mark.pid)) for mark in marks]
    return [leftover for leftover in found if _HELPER not in leftover.command]


def end(folder: Path, recorded: Sequence[ProcessMark], *, within_s: float) -> list[str]:
    """Stop them all; return the commands of those that were running."""
    found = leftovers(folder, recorded)
    with ThreadPoolExecutor(max(1, len(found))) as pool:
        ran = list(pool.map(lambda left: stop(left.mark, within_s=within_s, group=False), found))
    return [left.command for left, had_run in zip(found, ran, strict=True) if had_run]


def end_rest(folder: Path) -> None:
    """Stop what is left after every recorded process was stopped."""
    deadline = time.monotonic() + _END_BY_THEMSELVES_S
    while leftovers(folder, ()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    end(folder, (), within_s=_END_BY_THEMSELVES_S)


def _folder_of(process: Path) -> Path | None:
    try:
        variables = (process / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    prefix = f"{MARK}=".encode()
    value = next((variable[len(prefix) :] for variable in variables if variable.startswith(prefix)), b"")
    return Path(os.fsdecode(value)) if value else None


def _ancestors(pid: int) -> set[int]:
    """The process itself, its parent, and so on."""
    found: set[int] = set()
    current: int | None = pid
    while current and current not in found:
        found.add(current)
        current = parent_of(current)
    return found


def _command(pid: int) -> str:
    """The command line, with the program's name instead of its path."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    command = " ".join([Path(os.fsdecode(words[0])).name, *(os.fsdecode(word) for word in words[1:] if word)])
    return command[:_COMMAND_MAX]
