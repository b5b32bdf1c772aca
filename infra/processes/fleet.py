"""Worker processes of one machine: started together, restarted when they die, stopped together.

A process that dies is started again, and then waits for its servers as long as it takes. One that cannot start ends the
fleet instead: it would end in the same way for ever.

FastStream's own `--workers` stops its children one after another; here every child gets SIGTERM at once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from infra.processes.start import EXIT_START_ERROR, StartError, take_port
from infra.telemetry import logs

KILL_AFTER_S = 30
_RESTART_PAUSE_S = 1.0
_RESTART_PAUSE_MAX_S = 30.0
_LONG_LIFE_S = 300.0
_DEATHS_MAX = 16
"""More make no pause longer."""
_WATCH_S = 0.2


@dataclass(slots=True)
class Member:
    """One process: the workers it runs and how often it was restarted."""

    names: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path | None
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    deaths: int = 0
    """Of those that followed one another closely."""
    started_at: float = 0.0
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
        """Start every process. Raises StartError, and starts none, where a port for health is not to be had."""
        self.require_ports()
        for number, names in enumerate(self.groups):
            port = self.health_port + number if self.health_port else 0
            environment = {**self.environment, "TRIBUTARY_HEALTH_PORT": str(port)}
            log = self.logs / f"{'+'.join(names)}-{number}.log" if self.logs else None
            member = Member(tuple(names), environment, log)
            self.members.append(member)
            self._launch(member)

    def require_ports(self) -> None:
        """Before any process consumes. Each takes its own port again, and ends where somebody was quicker."""
        if self.health_port:
            last = self.health_port + len(self.groups) - 1
            option = f"TRIBUTARY_HEALTH_PORT (these processes take {self.health_port} to {last})"
            host = self.environment.get("TRIBUTARY_HEALTH_HOST", "127.0.0.1")
            for port in range(self.health_port, last + 1):
                take_port(host, port, "health and metrics", option).close()

    def watch(self) -> None:
        """Restart what died, with growing pauses, until `stopping` is set."""
        while not self.stopping:
            self.tend()
            time.sleep(_WATCH_S)

    def tend(self) -> None:
        """Look once at every member, and restart the dead whose pause is over; nothing more once `stopping` is set.

        Raises StartError where one cannot start.
        """
        for member in self.members:
            if self.stopping:
                return
            if member.process is None:
                if time.monotonic() >= member.start_at:
                    self._launch(member)
            elif (code := member.process.poll()) is not None:
                if code == EXIT_START_ERROR:
                    raise StartError(self._sentence(member))
                self._plan_restart(member, code)
                member.process = None

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

    def _plan_restart(self, member: Member, code: int) -> None:
        """After a pause that doubles with every death, and is short again after a life that was long."""
        now = time.monotonic()
        member.deaths = 0 if now - member.started_at > _LONG_LIFE_S else member.deaths
        pause_s = min(_RESTART_PAUSE_S * 2**member.deaths, _RESTART_PAUSE_MAX_S)
        member.start_at = now + pause_s
        member.deaths = min(member.deaths + 1, _DEATHS_MAX)
        member.restarts += 1
        self._log("warning", "process_died", member, how=_how(code), restart_in_s=pause_s)

    def _sentence(self, member: Member) -> str:
        """Why it cannot start: its own last line, where that went into a file."""
        who = f"The process of {', '.join(member.names)} cannot start, so all of them end"
        if member.log is None:
            return f"{who}; it has said why above."
        lines = member.log.read_text(errors="replace").splitlines()
        return f"{who}: {lines[-1]}" if lines else f"{who}; its log {member.log} is empty."

    def _launch(self, member: Member) -> None:
        member.started_at = time.monotonic()
        stream: IO[bytes] | None = member.log.open("ab") if member.log else None
        member.process = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", "infra.cli.worker", *member.names, "--together"],
            env=self.environment_of(member),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
        if stream is not None:
            stream.close()
        if member.restarts:
            self._log("info", "process_restarted", member, restarts=member.restarts)

    def environment_of(self, member: Member) -> dict[str, str]:
        own = {"TRIBUTARY_RESTARTS": str(member.restarts), "TRIBUTARY_PARENT_PID": str(os.getpid())}
        if member.restarts:
            # It was able to start before: what it may lack now is a server that is away, and that comes back.
            own["TRIBUTARY_STARTUP_WAIT_S"] = "inf"
        return {**member.environment, **own}

    def _log(self, level: str, event: str, member: Member, **facts: object) -> None:
        """One line, where those of the processes go; with `logs` into a file of its own there."""
        pid = member.process.pid if member.process else None
        file = self.logs / "fleet.log" if self.logs else None
        logs.write_line(file, level, event, workers=list(member.names), pid=pid, **facts)


def _how(code: int) -> str:
    """How a process ended, from its return code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
