"""Free ports on the loopback address, and which process listens on one."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LISTENING = "0A"
_POLL_S = 0.1


def choose(names: Iterable[str], preferred: Mapping[str, int]) -> dict[str, int]:
    """A free port for each name: the preferred one if it is still free, otherwise one that the kernel picks.

    All are held while choosing, so that no two names get the same port. They are released on return, so another process
    may take one before the server does: the caller must handle that.
    """
    with ExitStack() as held:
        return {name: _hold(held, preferred.get(name, 0)) for name in names}


def is_free(port: int) -> bool:
    """Whether a server could bind the port now."""
    with socket.socket() as probe:
        return _bind(probe, port)


def wait_until_free(ports: Iterable[int], *, within_s: float) -> None:
    """Wait for the ports of a server that has just ended: a client that reconnects may hold one for a moment."""
    deadline = time.monotonic() + within_s
    while not all(map(is_free, ports)) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def is_listening(pid: int, port: int) -> bool:
    """Whether this process, and no other, listens on the loopback port."""
    sockets = _listening_sockets(port)
    if not sockets:
        return False
    try:
        descriptors = list(os.scandir(f"/proc/{pid}/fd"))
    except OSError:
        return False
    return any(_target(descriptor.path) in sockets for descriptor in descriptors)


def _hold(held: ExitStack, port: int) -> int:
    candidate = held.enter_context(socket.socket())
    if not _bind(candidate, port):
        candidate = held.enter_context(socket.socket())
        candidate.bind((LOOPBACK, 0))
    chosen: int = candidate.getsockname()[1]
    return chosen


def _bind(candidate: socket.socket, port: int) -> bool:
    # As the servers do: a port with only closing connections of an earlier run counts as free.
    candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        candidate.bind((LOOPBACK, port))
    except OSError:
        return False
    return True


def _listening_sockets(port: int) -> set[str]:
    """The listening sockets on the loopback port, by their names under /proc/PID/fd."""
    local_address = f"0100007F:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {f"socket:[{row[9]}]" for row in rows if row[1] == local_address and row[3] == _LISTENING}


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
