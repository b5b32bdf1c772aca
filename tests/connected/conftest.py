"""Each test starts on empty servers: same database, no documents; same queues, no messages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.adapters.mongo import MongoStore
from infra.processes import process
from infra.settings import Settings
from tests.connected.running import Site
from tests.servers import LocalStack

DATABASE = "tributary_tests"
RETRY_DELAYS_S = (1, 2)


@pytest.fixture(scope="session")
async def prepared(stack: LocalStack) -> Settings:
    """Settings for the test servers, with everything declared. Declared once, as it takes seconds."""
    endpoints = stack.endpoints
    settings = Settings(
        rabbitmq_url=endpoints.rabbitmq_url,
        mongodb_url=endpoints.mongodb_url,
        redis_url=endpoints.redis_url,
        rabbitmq_management_url=endpoints.rabbitmq_management_url,
        database=DATABASE,
        retry_delays_s=RETRY_DELAYS_S,
    )
    await process.prepare(settings)
    return settings


@pytest.fixture
async def site(prepared: Settings, tmp_path: Path) -> AsyncIterator[Site]:
    store = MongoStore.connect(prepared.mongodb_url, prepared.database)
    site = Site(prepared, tmp_path, store)
    await site.empty()
    yield site
    store.close()


@pytest.fixture(scope="module")
async def shared_site(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One for all tests of a module. Each test has data of its own."""
    store = MongoStore.connect(prepared.mongodb_url, prepared.database)
    site = Site(prepared, tmp_path_factory.mktemp("site"), store)
    await site.empty()
    yield site
    store.close()


@pytest.fixture
def whole_stack(stack: LocalStack) -> LocalStack:
    """All servers run, also after an earlier outage."""
    stack.up()
    return stack
