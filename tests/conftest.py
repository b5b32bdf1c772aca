"""Real servers for the tests that need them, started once, the first time that one asks."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from xdist.workermanage import NodeManager

from infra.cli.actions.hangup import end_like_ctrl_c
from infra.terminal.environment import leave_exported_addresses
from tests.connected.running import LocalStack

ENDING_MAX_S = 60
"""How long the processes of xdist have to take their servers down before they are killed."""


def pytest_configure() -> None:
    """Before any test: whatever a shell has exported, nothing here may reach servers that the tests did not start."""
    leave_exported_addresses("Tests use only servers that they start.")
    # A run that is ended by `timeout` or a closed terminal takes its servers down like one that is interrupted.
    end_like_ctrl_c()
    NodeManager.EXIT_TIMEOUT = ENDING_MAX_S


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The servers are taken down now; xdist would interrupt a process that needs more than five seconds for it."""
    if hasattr(session.config, "workerinput"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """RabbitMQ, MongoDB and Redis on ports and in a folder of their own; stopped and removed at the end."""
    servers = LocalStack(tmp_path_factory.mktemp("servers"))
    servers.up()
    try:
        yield servers
    finally:
        servers.remove()
