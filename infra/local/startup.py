"""Starting one server: free ports, its processes in order, and the wait until it answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from infra.local import ports as loopback_ports
from infra.local import process
from infra.local.errors import StackError
from infra.local.leftovers import marked
from infra.local.process import POLL_S, ProcessMark
from infra.local.record import ServerRecord
from infra.local.server import Server

ATTEMPTS_MAX = 3
READY_WITHIN_S = 90.0
# How long the former ports may still be taken; clients reconnect to a restarted server there.
FREED_WITHIN_S = 5.0
STOP_WITHIN_S = 30.0
# A node that is stopped during its start may take very long, and it has no data to save yet.
STOP_UNFINISHED_WITHIN_S = 3.0
LOG_MAX_BYTES = 16_000_000


class PortTakenError(Exception):
    """Another process took a port between the choice and the start."""


class StartAbandonedError(StackError):
    """Another server of the stack failed; that failure is reported instead."""


def is_serving(server: Server, entry: ServerRecord) -> bool:
    """Whether the server's own process is running and listens for clients."""
    mark = entry.processes.get("server")
    return (
        mark is not None
        and process.is_running(mark)
        and loopback_ports.is_listening(mark.pid, entry.ports[server.purposes[0]])
    )


def stop_all(entry: ServerRecord) -> bool:
    """Stop the server's processes, the one started last first; True if any was running."""
    within_s = STOP_UNFINISHED_WITHIN_S if entry.version is None else STOP_WITHIN_S
    ran = [process.stop(mark, within_s=within_s) for mark in reversed(list(entry.processes.values()))]
    return any(ran)


@dataclass
class Startup:
    """One start of one server.

    `remember` records every process as soon as it exists, so that the next command finds it even after a `kill -9` of
    this one. `abandoned` ends the wait when the rest of the stack has failed.
    """

    server: Server
    executable: Path
    folder: Path
    remember: Callable[[str, ServerRecord], None]
    abandoned: threading.Event
    _entry: ServerRecord = field(default_factory=ServerRecord, init=False)
    _deadline: float = field(default=0.0, init=False)

    def run(self, former: ServerRecord) -> None:
        """Start, on the former ports if they are free. On StackError, all its processes are stopped."""
        stop_all(former)
        preferred: Mapping[str, int] = former.ports
        loopback_ports.wait_until_free(list(preferred.values()), within_s=FREED_WITHIN_S)
        for _ in range(ATTEMPTS_MAX):
            try:
                self._attempt(loopback_ports.choose(self.server.purposes, preferred))
            except PortTakenError:
                preferred = {}
            else:
                return
        raise StackError(
            f"{self.server.title} found its ports taken {ATTEMPTS_MAX} times in a row; "
            "find with `ss -ltnp` which process takes the free ports of 127.0.0.1, then try again."
        )

    def _attempt(self, ports: Mapping[str, int]) -> None:
        self._entry = ServerRecord(ports=ports)
        self._deadline = time.monotonic() + READY_WITHIN_S
        try:
            version = self._launch()
        except OSError as cause:
            self._undo()
            raise StackError(
                f"{self.server.title} cannot be started from {self.executable} ({cause.strerror}); "
                "install it again, then try again."
            ) from cause
        except BaseException:
            self._undo()
            raise
        self._become(replace(self._entry, version=version))

    def _launch(self) -> str:
        """The version that the server reports once it answers."""
        self.folder.mkdir(exist_ok=True)
        for launch in self.server.launches(self.executable, self.folder, self._entry.ports):
            log = _log(self.folder, launch.role)
            env = {**launch.env, **marked(self.folder.parent)}
            mark = process.start(launch.argv, env=env, folder=self.folder, log=log)
            self._become(replace(self._entry, processes={**self._entry.processes, launch.role: mark}))
            while not loopback_ports.is_listening(mark.pid, launch.port):
                self._wait(mark, log)
        while (version := self.server.answer(self.folder, self._entry.ports)) is None:
            self._wait(mark, log)
        return version

    def _wait(self, mark: ProcessMark, log: Path) -> None:
        if not process.is_running(mark):
            # The ports are checked directly, because each server reports a taken port differently.
            if any(self._is_taken(port) for port in self._entry.ports.values()):
                raise PortTakenError
            raise StackError(
                f"{self.server.title} ended while it was starting; read its log {log}, "
                f"which ends with: {_last_line(log)}"
            )
        if time.monotonic() > self._deadline:
            raise StackError(
                f"{self.server.title} did not answer within {READY_WITHIN_S:.0f} s; "
                f"read its log {log}, and try again when the machine is less busy."
            )
        if self.abandoned.wait(POLL_S):
            raise StartAbandonedError(f"The start of {self.server.title} was given up; try again.")

    def _is_taken(self, port: int) -> bool:
        """Whether another process than this server's own has the port."""
        own = any(loopback_ports.is_listening(mark.pid, port) for mark in self._entry.processes.values())
        return not own and not loopback_ports.is_free(port)

    def _undo(self) -> None:
        stop_all(self._entry)
        self._become(replace(self._entry, processes={}))

    def _become(self, entry: ServerRecord) -> None:
        self._entry = entry
        self.remember(self.server.name, entry)


def _log(folder: Path, role: str) -> Path:
    """The log of a process; a large one is renamed to `.log.1`, and a new one begins."""
    log = folder / f"{role}.log"
    if log.exists() and log.stat().st_size > LOG_MAX_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return log


def _last_line(log: Path) -> str:
    """The last line that is not empty, at most 300 characters of it."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    return next((line[:300] for line in reversed(lines) if line), "nothing at all.")
