"""Redis as this system uses it: a cache that may be lost at any time, so nothing is written to disk."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from infra.local.ports import LOOPBACK
from infra.local.server import SERVES, Health, Launch

MEMORY_MAX = "256mb"
ANSWER_WITHIN_S = 2.0
_VERSION = re.compile(rb"redis_version:(\S+)")


class RedisServer:
    """One redis-server without persistence."""

    name: ClassVar[str] = "redis"
    title: ClassVar[str] = "Redis"
    purposes: ClassVar[Sequence[str]] = ("clients",)

    def executable(self) -> Path | None:
        """`redis-server` on the PATH, or `valkey-server`, its fork."""
        found = shutil.which("redis-server") or shutil.which("valkey-server")
        return Path(found) if found else None

    def launches(self, executable: Path, folder: Path, ports: Mapping[str, int]) -> Sequence[Launch]:
        """All options are on the command line, so no system-wide configuration file is read."""
        options = {
            "--port": str(ports["clients"]),
            "--bind": LOOPBACK,
            "--dir": str(folder),
            "--save": "",
            "--appendonly": "no",
            "--maxmemory": MEMORY_MAX,
            "--maxmemory-policy": "allkeys-lru",
            "--daemonize": "no",
            # A title would overwrite the environment, which contains the stack's mark.
            "--set-proc-title": "no",
        }
        words = [word for option in options.items() for word in option]
        return [Launch("server", [str(executable), *words], ports["clients"])]

    def answer(self, folder: Path, ports: Mapping[str, int]) -> str | None:
        """The version from INFO, once a PING is answered."""
        try:
            with socket.create_connection((LOOPBACK, ports["clients"]), timeout=ANSWER_WITHIN_S) as connection:
                connection.sendall(b"PING\r\nINFO server\r\nQUIT\r\n")
                answers = b"".join(iter(lambda: connection.recv(4096), b""))
        except OSError:
            return None
        version = _VERSION.search(answers)
        return version[1].decode() if version and answers.startswith(b"+PONG") else None

    def ping(self, folder: Path, ports: Mapping[str, int]) -> Health:
        """It must answer PING."""
        return SERVES if self.answer(folder, ports) else Health("does not answer")

    def urls(self, folder: Path, ports: Mapping[str, int]) -> Mapping[str, str]:
        """Database 0."""
        return {"redis_url": f"redis://{LOOPBACK}:{ports['clients']}/0"}
