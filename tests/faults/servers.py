"""A local stack whose servers can be killed, stopped and started one at a time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra import local
from infra.local import record
from infra.local.rabbitmq_server import RabbitmqServer

STOP_WITHIN_S = 40.0
CTL_WITHIN_S = 60.0
STABLE_AFTER_S = 10.0
"""RabbitMQ 3.10 may lose the leader of a quorum queue when it is killed right after the queue was declared."""


class ServersError(Exception):
    """A server did not do what was requested within its time."""


@dataclass(slots=True)
class SingleServers:
    """RabbitMQ, MongoDB and Redis, one process each, in a stack of this run only."""

    name: str
    home: Path

    def start(self) -> local.Endpoints:
        """Start what does not run, with the same ports and data. Returns when all answer."""
        return local.up(self.name, home=self.home)

    def kill(self, server: str) -> None:
        self._end(server, signal.SIGKILL)

    def stop(self, server: str) -> None:
        self._end(server, signal.SIGTERM)

    def remove(self) -> None:
        """Stop everything and delete its data."""
        local.down(self.name, home=self.home, remove_data=True)
        shutil.rmtree(self.home / self.name, ignore_errors=True)
        (self.home / f"{self.name}.lock").unlink(missing_ok=True)

    def rabbitmqctl(self, *arguments: str) -> str:
        folder = self.home / self.name / "rabbitmq"
        ports = record.read(self.home / self.name)["rabbitmq"].ports
        return rabbitmqctl(folder, dict(ports), *arguments)

    def versions(self) -> dict[str, str]:
        return {status.server: status.version or "?" for status in local.status(self.name, home=self.home)}

    def _end(self, server: str, number: signal.Signals) -> None:
        pid = self._pid(server)
        if pid is None:
            raise ServersError(f"{server} cannot be ended: it does not run")
        end(pid, number, lambda: self._pid(server) is not None)

    def _pid(self, server: str) -> int | None:
        return next(s.pid for s in local.status(self.name, home=self.home) if s.server == server)


def end(pid: int, number: signal.Signals, is_running: Callable[[], bool]) -> None:
    """Send a signal and return when nothing of the process is left. Raises ServersError.

    The first thread of a killed process may be gone while other threads still hold its files locked. Its entry under
    /proc goes last, so wait for that. `is_running` also collects the exit code of a child.
    """
    os.kill(pid, number)
    deadline = time.monotonic() + STOP_WITHIN_S
    while is_running() or Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            raise ServersError(f"process {pid} still runs {STOP_WITHIN_S:.0f} s after {number.name}")
        time.sleep(0.05)


def rabbitmqctl(folder: Path, ports: dict[str, int], *arguments: str) -> str:
    """Run rabbitmqctl against the node whose data is in `folder`; return its output. Raises ServersError."""
    executable = RabbitmqServer().executable()
    assert executable is not None, "the node could not have been started without its program"
    environment = dict(RabbitmqServer().launches(executable, folder, ports)[-1].env)
    result = subprocess.run(
        [str(executable.with_name("rabbitmqctl")), "--quiet", *arguments],
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CTL_WITHIN_S,
        check=False,
    )
    if result.returncode != 0:
        output = (result.stderr or result.stdout).strip()[-500:]
        raise ServersError(f"rabbitmqctl {' '.join(arguments)} failed: {output}")
    return result.stdout.strip()
