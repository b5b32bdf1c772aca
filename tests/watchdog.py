"""Kills what a test process leaves running when it ends: by a signal, by `os._exit`, or because it did not clean up.

A fixture of the root conftest runs this file as a program, once for each test process. A process belongs to the test
process if one of a few variables of its environment is the folder of the temporary files or a path inside it: one
variable is inherited from the test process, and the stacks of `infra.local` have another. No other process is touched.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

MARK = "TESTS_STARTED_IN"
_WITHIN_S = 10.0
_POLL_S = 0.02


def start(folder: Path, *other_marks: str) -> subprocess.Popen[bytes]:
    """Start a watchdog of this process, and mark the children that it has from now on."""
    os.environ[MARK] = str(folder)
    handle = os.pidfd_open(os.getpid())
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(handle), str(folder), MARK, *other_marks],
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[handle],
            # No signal to the group of the test process reaches it.
            start_new_session=True,
        )
    finally:
        os.close(handle)


def _watch(handle: int, folder: str, marks: Sequence[str]) -> None:
    select.select([handle], [], [])
    names = tuple(f"{mark}=".encode() for mark in marks)
    left: dict[int, str] = {}
    deadline = time.monotonic() + _WITHIN_S
    while (found := dict(_marked(os.fsencode(folder), names))) and time.monotonic() < deadline:
        left |= found
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)
    if left:
        killed = ", ".join(f"{program} ({pid})" for pid, program in left.items())
        sys.stderr.write(f"The test process in {folder} left processes behind, which were killed: {killed}\n")


def _marked(folder: bytes, names: tuple[bytes, ...]) -> Iterator[tuple[int, str]]:
    """The processes that belong to the folder, with the names of their programs. A zombie has no environment."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            program = Path(f"/proc/{pid}/comm").read_text().strip()
            helps = b"from multiprocessing." in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if helps:
            # Python's own, which ends with those that use it.
            continue
        values = [variable.partition(b"=")[2] for variable in environment.split(b"\0") if variable.startswith(names)]
        if any(value == folder or value.startswith(folder + b"/") for value in values):
            yield int(pid), program


if __name__ == "__main__":
    _watch(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
