"""The servers of a test process. Light to import, because the root conftest does it for every run."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from infra import local

WAIT_MAX_S = 90.0
LOOK_EVERY_S = 0.02


@dataclass(frozen=True)
class LocalStack:
    """Servers of this test run only."""

    home: Path
    name: str = "tests"

    def up(self) -> local.Endpoints:
        """Start what does not run, with the same data and ports."""
        return local.up(self.name, home=self.home)

    def remove(self) -> None:
        local.down(self.name, home=self.home, remove_data=True)

    @property
    def endpoints(self) -> local.Endpoints:
        found = local.endpoints(self.name, home=self.home)
        assert found is not None, "a server of the test stack does not run"
        return found

    def end(self, server: str, number: signal.Signals) -> None:
        """Signal one server and return when its process is gone."""
        [pid] = [s.pid for s in local.status(self.name, home=self.home) if s.server == server]
        assert pid is not None, f"{server} does not run"
        os.kill(pid, number)
        deadline = time.monotonic() + WAIT_MAX_S
        while any(s.pid for s in local.status(self.name, home=self.home) if s.server == server):
            assert time.monotonic() < deadline, f"{server} is still there"
            time.sleep(LOOK_EVERY_S)
