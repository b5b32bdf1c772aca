"""The worker processes of a trial: the real fleet, with access to each process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from infra.processes import forking
from infra.processes.fleet import Fleet, Member
from tests.connected.running import free_ports

READY_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.3
_ANSWER_WITHIN_S = 6.0


class NotReadyError(Exception):
    """A worker process did not get ready in time; the text states what it lacks."""


@dataclass(slots=True)
class TrialFleet(Fleet):
    """`twists` are environment variables by the index of a group; `nemesis_worker` then runs that group.

    Without a twist a process is started as in production. `restart_within_s` bounds the pause before a restart.
    """

    twists: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    restart_within_s: float = 4.0
    peak_kib: dict[str, int] = field(default_factory=dict)

    def start(self) -> None:
        first = free_ports(len(self.groups))
        for number, group in enumerate(self.groups):
            self.add(group, first + number, self.twists.get(number, {}))

    def add(self, names: Sequence[str], port: int = 0, twist: Mapping[str, str] | None = None) -> Member:
        """Start one more process."""
        port = port or free_ports(1)
        environment = {**self.environment, "TRIBUTARY_HEALTH_PORT": str(port), **(twist or {})}
        log = self.logs / f"{'+'.join(names)}-{len(self.members)}.log" if self.logs else None
        member = Member(tuple(names), environment, log)
        self.members.append(member)
        self._launch(member)
        return member

    def retire(self, member: Member) -> None:
        """Let one process finish its batch and end; it is not restarted."""
        self.members.remove(member)
        if member.process is not None and member.process.exitcode is None:
            member.process.terminate()
            member.process.join(40)
            if member.process.exitcode is None:
                member.process.kill()
                member.process.join()

    async def tend_for_ever(self) -> None:
        while not self.stopping:
            self.tend()
            for member in self.members:
                if member.process is None:
                    member.start_at = min(member.start_at, time.monotonic() + self.restart_within_s)
                else:
                    self._note_memory(member)
            await asyncio.sleep(_LOOK_EVERY_S)

    def of(self, worker: str) -> Member:
        return next(member for member in self.members if worker in member.names)

    def send(self, member: Member, number: signal.Signals) -> None:
        if member.process is not None and member.pid is not None and member.process.exitcode is None:
            os.kill(member.pid, number)

    async def until_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Return when every process is ready. Raises NotReadyError."""
        deadline = time.monotonic() + within_s
        waiting = list(self.members)
        lacking = ""
        while waiting:
            lacking = await asyncio.to_thread(self.lacks, waiting[0])
            if not lacking:
                waiting.pop(0)
            elif time.monotonic() > deadline:
                raise NotReadyError(f"{'+'.join(waiting[0].names)} is not ready after {within_s:.0f} s: {lacking}")
            else:
                await asyncio.sleep(_LOOK_EVERY_S)

    def lacks(self, member: Member) -> str:
        """What the process lacks, as its /readyz reports; empty when it is ready."""
        url = f"http://127.0.0.1:{member.environment['TRIBUTARY_HEALTH_PORT']}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=_ANSWER_WITHIN_S):
                return ""
        except urllib.error.HTTPError as refusal:
            return str(json.loads(refusal.read())["lacks"])
        except OSError as error:
            return str(error)

    def _note_memory(self, member: Member) -> None:
        try:
            status = Path(f"/proc/{member.pid or 0}/status").read_text()
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                name = "+".join(member.names)
                self.peak_kib[name] = max(self.peak_kib.get(name, 0), int(line.split()[1]))

    def _process_of(self, member: Member) -> BaseProcess:
        if any(name.startswith("NEMESIS_") for name in member.environment):
            return forking.start("tests.faults.nemesis_worker", member.names, self.environment_of(member), member.log)
        return Fleet._process_of(self, member)
