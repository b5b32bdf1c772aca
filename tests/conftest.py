"""Real servers for tests, started once, when the first test needs them."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator

import pytest
from xdist.workermanage import NodeManager

from infra.cli.actions.hangup import end_like_ctrl_c
from infra.collector import collect_seldom, start_quickly
from infra.local.leftovers import MARK
from infra.terminal.environment import leave_exported_addresses
from tests import watchdog
from tests.connected import forked
from tests.servers import LocalStack

start_quickly()

ENDING_MAX_S = 60
"""Time for the processes of xdist to stop their servers before they are killed."""


def pytest_configure() -> None:
    """Before any test: ignore exported addresses, so that tests reach only servers that they started."""
    leave_exported_addresses("Tests use only servers that they start.")
    # A run that is ended by `timeout` or a closed terminal stops its servers like an interrupted one.
    end_like_ctrl_c()
    NodeManager.EXIT_TIMEOUT = ENDING_MAX_S


def pytest_collection_finish() -> None:
    """The collected tests and all modules stay to the end, so they are no garbage."""
    collect_seldom()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Ignore interrupts while servers stop; xdist would interrupt a process that needs more than five seconds."""
    if hasattr(session.config, "workerinput"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture(scope="session", autouse=True)
def _watchdog(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> subprocess.Popen[bytes]:
    """However this process ends, nothing that it has started stays."""
    # The watchdog reports when nothing is captured any more.
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        return watchdog.start(tmp_path_factory.getbasetemp(), MARK)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """RabbitMQ, MongoDB and Redis on their own ports and in their own folder; stopped and removed at the end."""
    servers = LocalStack(tmp_path_factory.mktemp("servers"))
    forked.load()
    servers.up()
    try:
        yield servers
    finally:
        servers.remove()
