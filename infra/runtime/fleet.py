"""Worker processes of one machine: started together, restarted when they die, stopped together.

FastStream's own `--workers` stops its children one after another; here every child gets SIGTERM at once.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

KILL_AFTER_S = 30
_RESTART_PAUSE_S = 1.0
_RESTART_PAUSE_MAX_S = 30.0
_WATCH_S = 0.2


@dataclass(slots=True)
class Member:
    """One process: the workers it runs and how often it was restarted."""

    names: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path | None
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    start_at: float = 0.0


@dataclass(slots=True)
class Fleet:
    """`groups` are the worker names of each process; `logs` is a folder, or None for this process's own streams."""

    groups: Sequence[Sequence[str]]
    environment: Mapping[str, str]
    health_port: int = 0
    logs: Path | None = None
    members: list[Member] = field(default_factory=list)
    stopping: bool = False

    def start(self) -> None:
        for number, names in enumerate(self.groups):
            port = self.health_port + number if self.health_port else 0
            environment = {**self.environment, "TRIBUTARY_HEALTH_PORT": str(port)}
            log = self.logs / f"{'+'.join(names)}-{number}.log" if self.logs else None
            member = Member(tuple(names), environment, log)
            self.members.append(member)
            self._launch(member)

    def watch(self) -> None:
        """Restart what died, with growing pauses, until `stopping` is set."""
        while not self.stopping:
            self.tend()
            time.sleep(_WATCH_S)

    def tend(self) -> None:
        """Look once at every member, and restart the dead whose pause is over; nothing more once `stopping` is set."""
        for member in self.members:
            if self.stopping:
                return
            if member.process is None:
                if time.monotonic() >= member.start_at:
                    self._launch(member)
            elif member.process.poll() is not None:
                member.process = None
                pause = min(_RESTART_PAUSE_S * 2**member.restarts, _RESTART_PAUSE_MAX_S)
                member.restarts += 1
                member.start_at = time.monotonic() + pause

    def stop(self) -> None:
        """Ask every process at once to finish its batch and end; kill what has not ended after 30 s."""
        self.stopping = True
        running = [member.process for member in self.members if member.process is not None]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + KILL_AFTER_S
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def pids(self) -> list[int]:
        return [member.process.pid for member in self.members if member.process is not None]

    @property
    def restarts(self) -> int:
        return sum(member.restarts for member in self.members)

    def _launch(self, member: Member) -> None:
        stream: IO[bytes] | None = member.log.open("ab") if member.log else None
        member.process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", "infra.cli.work", *member.names, "--together"],
            env=dict(member.environment),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
        if stream is not None:
            stream.close()
