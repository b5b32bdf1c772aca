"""Servers for the tests of crash points, which declare and delete queues as no other test may expect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from infra.local import Endpoints
from tests.faults.crash_lab import Lab, lab
from tests.servers import LocalStack


@pytest.fixture(scope="session")
def crash_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    servers = LocalStack(tmp_path_factory.mktemp("crash-points"))
    try:
        yield servers.up()
    finally:
        servers.remove()


@pytest.fixture(scope="module")
async def crash_lab(crash_servers: Endpoints) -> AsyncIterator[Lab]:
    async with lab(crash_servers) as opened:
        yield opened
