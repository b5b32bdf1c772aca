"""Worker processes of one machine: started together, restarted when they die, stopped together.

A process that dies is restarted, and then waits for its servers without limit. A process that cannot start ends the
fleet instead: every restart would fail in the same way.

FastStream's own `--workers` stops its children one after another; here every child gets SIGTERM at once.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from infra.processes import forking
from infra.processes.start import EXIT_START_ERROR, StartError, take_port
from infra.telemetry import logs

KILL_AFTER_S = 30
_RESTART_PAUSE_S = 1.0
_RESTART_PAUSE_MAX_S = 30.0
_LONG_LIFE_S = 300.0
_DEATHS_MAX = 16
"""The pause no longer grows after this many."""
_WATCH_S = 0.2
_FOR_EVER_S = "1000000000"


@dataclass(slots=True)
class Member:
    """One process: the workers it runs and how often it was restarted."""

    names: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path | None
    process: BaseProcess | None = None
    restarts: int = 0
    deaths: int = 0
    """Deaths in quick succession."""
    started_at: float = 0.0
    start_at: float = 0.0

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None else None


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
        """Start every process. Raises StartError, and starts none, if a health port is not available."""
        self.require_ports()
        for number, names in enumerate(self.groups):
            port = self.health_port + number if self.health_port else 0
            environment = {**self.environment, "TRIBUTARY_HEALTH_PORT": str(port)}
            log = self.logs / f"{'+'.join(names)}-{number}.log" if self.logs else None
            member = Member(tuple(names), environment, log)
            self.members.append(member)
            self._launch(member)

    def require_ports(self) -> None:
        """Check the ports before any process consumes. Each process takes its own later, and ends if it is gone."""
        if self.health_port:
            last = self.health_port + len(self.groups) - 1
            option = f"TRIBUTARY_HEALTH_PORT (these processes take {self.health_port} to {last})"
            host = self.environment.get("TRIBUTARY_HEALTH_HOST", "127.0.0.1")
            for port in range(self.health_port, last + 1):
                take_port(host, port, "health and metrics", option).close()

    def watch(self) -> None:
        """Restart processes that died, with growing pauses, until `stopping` is set."""
        while not self.stopping:
            self.tend()
            time.sleep(_WATCH_S)

    def tend(self) -> None:
        """Check every member once, and restart dead ones whose pause is over; do nothing once `stopping` is set.

        Raises StartError if one cannot start.
        """
        for member in self.members:
            if self.stopping:
                return
            if member.process is None:
                if time.monotonic() >= member.start_at:
                    self._launch(member)
            elif (code := member.process.exitcode) is not None:
                if code == EXIT_START_ERROR:
                    raise StartError(self._start_error(member))
                self._plan_restart(member, code)
                member.process = None

    def stop(self) -> None:
        """Tell all processes at once to finish their batch and end; kill those that have not ended after 30 s."""
        self.stopping = True
        running = [member.process for member in self.members if member.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + KILL_AFTER_S
        for process in running:
            process.join(max(0.1, deadline - time.monotonic()))
            if process.exitcode is None:
                process.kill()
                process.join()

    @property
    def pids(self) -> list[int]:
        return [member.pid for member in self.members if member.pid is not None]

    @property
    def restarts(self) -> int:
        return sum(member.restarts for member in self.members)

    def _plan_restart(self, member: Member, code: int) -> None:
        """The pause doubles with every death, and is short again after a long run."""
        now = time.monotonic()
        member.deaths = 0 if now - member.started_at > _LONG_LIFE_S else member.deaths
        pause_s = min(_RESTART_PAUSE_S * 2**member.deaths, _RESTART_PAUSE_MAX_S)
        member.start_at = now + pause_s
        member.deaths = min(member.deaths + 1, _DEATHS_MAX)
        member.restarts += 1
        self._log("warning", "process_died", member, how=_cause_of_death(code), restart_in_s=pause_s)

    def _start_error(self, member: Member) -> str:
        """Why it cannot start: the last line of its log file, if it has one."""
        problem = f"The process of {', '.join(member.names)} cannot start, so all processes end"
        if member.log is None:
            return f"{problem}; see the error above."
        lines = member.log.read_text(errors="replace").splitlines()
        return f"{problem}: {lines[-1]}" if lines else f"{problem}; its log {member.log} is empty."

    def _launch(self, member: Member) -> None:
        member.started_at = time.monotonic()
        member.process = self._process_of(member)
        if member.restarts:
            self._log("info", "process_restarted", member, restarts=member.restarts)

    def _process_of(self, member: Member) -> BaseProcess:
        arguments = [*member.names, "--together"]
        return forking.start("infra.cli.worker", arguments, self.environment_of(member), member.log)

    def environment_of(self, member: Member) -> dict[str, str]:
        own = {"TRIBUTARY_RESTARTS": str(member.restarts)}
        if member.restarts:
            # It started before, so it can only lack a server that is away, and that comes back.
            own["TRIBUTARY_STARTUP_WAIT_S"] = _FOR_EVER_S
        return {**member.environment, **own}

    def _log(self, level: str, event: str, member: Member, **fields: object) -> None:
        """One line in the log of this process, or in `fleet.log` if there is a log folder."""
        file = self.logs / "fleet.log" if self.logs else None
        logs.write_line(file, level, event, workers=list(member.names), pid=member.pid, **fields)


def _cause_of_death(code: int) -> str:
    """How a process ended, by its return code."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
