"""A MongoDB replica set of three members on the loopback address, whose primary can be killed or made to step down."""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from infra.local import ports, process
from infra.local.mongodb_server import REPLICA_SET, MongodbServer
from infra.local.process import ProcessMark
from tests.faults.servers import ServersError, end

_MEMBERS = 3
_READY_WITHIN_S = 60.0
_ANSWER_WITHIN_MS = 2_000
_STEP_DOWN_TRIES = 4
_NO_MEMBER_CAUGHT_UP = 262
"""The error code of a primary that found no member able to take over in time."""
ELECTION_TIMEOUT_MS = 3_000
"""How long the other members wait for a silent primary; ten seconds by default."""


@dataclass(slots=True)
class ReplicaSet:
    """Members by port. A killed member keeps its data and its port."""

    folder: Path
    _marks: dict[int, ProcessMark] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return bool(self._marks)

    @property
    def url(self) -> str:
        members = ",".join(f"127.0.0.1:{port}" for port in self._marks)
        return f"mongodb://{members}/?replicaSet={REPLICA_SET}"

    def start(self) -> None:
        for port in ports.choose([f"member-{n}" for n in range(_MEMBERS)], {}).values():
            self.start_member(port)
        first, *_ = self._marks
        self._wait(lambda: self._hello(first) is not None, f"the member on port {first} answers")
        members = [{"_id": n, "host": f"127.0.0.1:{port}"} for n, port in enumerate(self._marks)]
        settings = {"electionTimeoutMillis": ELECTION_TIMEOUT_MS, "heartbeatIntervalMillis": 500}
        for port in self._marks:
            self._wait(lambda port=port: self._hello(port) is not None, f"the member on port {port} answers")
        with self._client(first) as client:
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members, "settings": settings})
        self._wait(lambda: self.primary() is not None and self.healthy(), "the replica set has a primary")

    def start_member(self, port: int) -> None:
        executable = MongodbServer().executable()
        assert executable is not None, "the single server could not have been started without its program"
        folder = self.folder / f"member-{port}"
        folder.mkdir(parents=True, exist_ok=True)
        [launch] = MongodbServer().launches(executable, folder, {"clients": port})
        environment = {**os.environ, **launch.env}
        self._marks[port] = process.start(launch.argv, env=environment, folder=folder, log=folder / "server.log")

    def primary(self) -> int | None:
        """The port of the member that takes writes, or None during an election."""
        for port in self._marks:
            hello = self._hello(port)
            if hello is not None and hello.get("isWritablePrimary"):
                return port
        return None

    def healthy(self) -> bool:
        """Whether every member is primary or secondary."""
        hellos = [self._hello(port) for port in self._marks]
        return all(h is not None and (h.get("isWritablePrimary") or h.get("secondary")) for h in hellos)

    def kill(self, port: int) -> None:
        mark = self._marks[port]
        end(mark.pid, signal.SIGKILL, lambda: process.is_running(mark))

    def step_down(self, port: int) -> None:
        """Make the primary step down for half a minute, as soon as another member has caught up.

        A killed member may take a while to catch up under load, and the third one counts only once its vote is
        known; until then the primary refuses.
        """
        for tries_left in reversed(range(_STEP_DOWN_TRIES)):
            try:
                with self._client(port) as client:
                    client.admin.command("replSetStepDown", 30, secondaryCatchUpPeriodSecs=15)
                return
            except PyMongoError as error:
                if not (tries_left and isinstance(error, OperationFailure) and error.code == _NO_MEMBER_CAUGHT_UP):
                    raise ServersError(f"the primary did not step down: {error}") from error

    def wait_for_primary(self, *, other_than: int) -> int:
        self._wait(lambda: self.primary() not in (None, other_than), "another member is primary")
        primary = self.primary()
        assert primary is not None, "a primary was found"
        return primary

    def wait_until_healthy(self) -> None:
        self._wait(self.healthy, "every member is primary or secondary again")

    def remove(self) -> None:
        for mark in self._marks.values():
            process.stop(mark, within_s=15.0)
        self._marks.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _hello(self, port: int) -> dict[str, Any] | None:
        try:
            with self._client(port) as client:
                return client.admin.command("hello")
        except PyMongoError:
            return None

    def _client(self, port: int) -> MongoClient[dict[str, Any]]:
        return MongoClient(
            f"127.0.0.1:{port}",
            directConnection=True,
            serverSelectionTimeoutMS=_ANSWER_WITHIN_MS,
            socketTimeoutMS=30_000,
        )

    def _wait(self, holds: Any, what: str) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while not holds():
            if time.monotonic() > deadline:
                raise ServersError(f"not reached in {_READY_WITHIN_S:.0f} s: {what}; logs are in {self.folder}")
            time.sleep(0.1)
