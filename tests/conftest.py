"""Real servers for the tests that need them, started once, the first time that one asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.cli.actions.hangup import end_like_ctrl_c
from infra.terminal.environment import leave_exported_addresses
from tests.connected.running import LocalStack


def pytest_configure() -> None:
    """Before any test: whatever a shell has exported, nothing here may reach servers that the tests did not start."""
    leave_exported_addresses("Tests use only servers that they start.")
    # A run that is ended by `timeout` or a closed terminal takes its servers down like one that is interrupted.
    end_like_ctrl_c()


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """RabbitMQ, MongoDB and Redis on ports and in a folder of their own; stopped and removed at the end."""
    servers = LocalStack(tmp_path_factory.mktemp("servers"))
    servers.up()
    try:
        yield servers
    finally:
        servers.remove()
