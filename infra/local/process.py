"""Starting, recognising and stopping the processes of a stack, and no others.

A pid alone is not enough: the process may have ended, the machine may have been restarted, and the pid may belong to
another process by now. A process is therefore identified by its pid, its start time and the boot id, and no signal is
sent unless all three match.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

OPEN_FILES_MAX = 65_536
POLL_S = 0.05

# Children of this process stay zombies until they are polled, so their handles are kept.
_own_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class ProcessMark:
    """The permanent identity of one process: `started_ticks` is field 22 of /proc/PID/stat."""

    pid: int
    started_ticks: int
    boot_id: str


def start(argv: Sequence[str], *, env: Mapping[str, str], folder: Path, log: Path) -> ProcessMark:
    """Start a process that outlives its starter; its output is appended to `log`. Raises OSError."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _own_children[child.pid] = child
    _allow_many_open_files(child.pid)
    # A child keeps its /proc entry until it is polled, even if it has already ended.
    return ProcessMark(child.pid, _started_ticks(child.pid) or 0, boot_id())


def is_running(mark: ProcessMark) -> bool:
    """Whether the marked process, and not a later one with its pid, is still running."""
    child = _own_children.get(mark.pid)
    if child is not None and child.poll() is not None:
        del _own_children[mark.pid]
    return mark.boot_id == boot_id() and _started_ticks(mark.pid) == mark.started_ticks


def mark_of(pid: int) -> ProcessMark | None:
    """The identity of a running process."""
    ticks = _started_ticks(pid)
    return None if ticks is None else ProcessMark(pid, ticks, boot_id())


def parent_of(pid: int) -> int | None:
    fields = _fields(pid)
    return int(fields[1]) if fields else None


def stop(mark: ProcessMark, *, within_s: float, group: bool = True) -> bool:
    """Terminate the process, and kill it after `within_s`; False if it was not running.

    With `group`, which it must lead, its whole process group is killed.
    """
    if not is_running(mark):
        return False
    _send(mark.pid, signal.SIGTERM)
    # A stopped process handles SIGTERM only after it continues.
    _send(mark.pid, signal.SIGCONT)
    if not _ended_within(mark, within_s):
        # The group's leader is alive at this point, so the group number cannot belong to another group.
        _send(-mark.pid if group else mark.pid, signal.SIGKILL)
        _ended_within(mark, 5.0)
    return True


def boot_id() -> str:
    """The kernel's id of the current boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _ended_within(mark: ProcessMark, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_running(mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _send(pid: int, signal_number: signal.Signals) -> None:
    try:
        os.kill(pid, signal_number)
    except ProcessLookupError:
        return


def _started_ticks(pid: int) -> int | None:
    """None if there is no such process or it is a zombie."""
    fields = _fields(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def _fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in brackets and may contain spaces and brackets.
    return stat.rpartition(")")[2].split()


def _allow_many_open_files(pid: int) -> None:
    """Raise the soft limit: 1,024 files, usual in a shell, are too few for a broker with a queue per message type."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
    # The server may have ended already, or a sandbox may forbid the call: neither is an error here.
    with suppress(OSError):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
