"""Checks before a process may start: its ports are free. What it lacks is reported in one sentence."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

EXIT_START_ERROR = 3
"""The exit code of a process that cannot start. A restart would fail in the same way."""

_LISTENING = "0A"
_COMMAND_MAX = 120


class StartError(Exception):
    """The process cannot start; the text is one sentence with what to do."""


def take_port(host: str, port: int, purpose: str, option: str) -> socket.socket:
    """A socket that listens on the port from now on; 0 lets the system choose.

    Raises StartError, which names the port, the process that has it, and the `option` that sets another.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        taken.listen()
    except (OSError, OverflowError) as error:
        taken.close()
        why = f"Port {port} for {purpose} {_why_not(host, port, error)}"
        if isinstance(error, socket.gaierror):
            raise StartError(f"{why}; give an address of this machine as host.") from error
        raise StartError(f"{why}; set {option} to another port, or to 0 for any free one.") from error
    return taken


def url_of(listener: socket.socket) -> str:
    """Where it listens, as an address for a browser or a probe."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def holder_of(port: int) -> str | None:
    """The process that has the port, by pid and command, as far as /proc shows it to this user.

    A listening process is preferred; otherwise the port is the local end of a connection.
    """
    return _process_with(_inodes(port, listening=True)) or _process_with(_inodes(port, listening=False))


def _process_with(inodes: set[str]) -> str | None:
    sockets = {f"socket:[{inode}]" for inode in inodes}
    if not sockets:
        return None
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and sockets & _descriptors(entry):
            return f"process {entry.name} ({_command(entry)})"
    return None


def _why_not(host: str, port: int, error: OSError | OverflowError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"is taken by {holder_of(port) or 'a process that this user may not see'}"
    return f"cannot be used on {host} ({error.strerror if isinstance(error, OSError) else error})"


def _inodes(port: int, *, listening: bool) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
        except OSError:
            continue
        ours = [row for row in rows if row[1].endswith(f":{port:04X}")]
        found |= {row[9] for row in ours if (row[3] == _LISTENING) == listening}
    return found


def _descriptors(process: Path) -> set[str]:
    found = set()
    try:
        for descriptor in os.scandir(process / "fd"):
            found.add(os.readlink(descriptor.path))
    except OSError:
        # The process has ended, or belongs to another user.
        return found
    return found


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "it has just ended"
    command = " ".join(word.decode(errors="replace") for word in words if word)
    return command if len(command) <= _COMMAND_MAX else f"{command[:_COMMAND_MAX]}…"
