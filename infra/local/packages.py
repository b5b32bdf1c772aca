"""Installing the locked packages with progress: `python3 -m infra.local.packages LOG pip install -r LOCK …`.

It runs before any package is installed, so it uses only the standard library. The output of pip is appended to LOG.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from infra.local.progress_notes import SILENT_MAX_S, Notify, progress_notes

_LOCKED = re.compile(r"^[A-Za-z0-9][\w.-]*==", re.MULTILINE)
_FETCHED = re.compile(r"^(?:Collecting|Obtaining) ", re.MULTILINE)
_UNPACKING = "Installing collected packages"


def install(log: Path, command: Sequence[str], notify: Notify, *, silent_max_s: float = SILENT_MAX_S / 2) -> int:
    """Run the command, reporting how many packages it has fetched; return its exit code."""
    total = sum(len(_LOCKED.findall(Path(path).read_text())) for path in _locks(command))
    begin = log.stat().st_size if log.exists() else 0

    def state() -> str:
        written = log.read_bytes()[begin:].decode(errors="replace")
        if _UNPACKING in written:
            return f"unpacking {total} packages" if total else "unpacking"
        fetched = len(_FETCHED.findall(written))
        return f"{fetched} of {total} packages fetched" if total else f"{fetched} packages fetched"

    with log.open("ab") as output, progress_notes(notify, silent_max_s=silent_max_s, state=state):
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
        ).returncode


def _locks(command: Sequence[str]) -> list[str]:
    return [after for option, after in pairwise(command) if option in ("-r", "--requirement")]


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201  (a program that may use only the standard library)


if __name__ == "__main__":
    try:
        sys.exit(install(Path(sys.argv[1]), sys.argv[2:], _print))
    except KeyboardInterrupt:
        sys.exit(130)
