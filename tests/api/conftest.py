"""One API and its workers for all tests of this folder, on one database: each test creates its own data."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from infra.adapters.mongo import MongoStore
from infra.ports.time import RealTime
from infra.processes import process
from infra.runtime import roster
from infra.settings import Settings
from infra.vault.master import add_key
from tests.api.front import Front, lines_of, serving
from tests.api.rails import rail_settings
from tests.connected.running import Site
from tests.servers import LocalStack

DATABASE = "tributary_api_tests"


@pytest.fixture(scope="package")
async def site(stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    endpoints, folder = stack.endpoints, tmp_path_factory.mktemp("api")
    master_keys = tmp_path_factory.mktemp("keys") / "master.keys"
    add_key(master_keys, RealTime().now())
    settings = Settings(
        rabbitmq_url=endpoints.rabbitmq_url,
        mongodb_url=endpoints.mongodb_url,
        redis_url=endpoints.redis_url,
        database=DATABASE,
        retry_delays_s=(1, 2),
        delivery_secret=SecretStr("a delivery secret for the tests, long enough"),
        master_key_file=str(master_keys),
        outside_allowed=("127.0.0.0/8",),
        shops_outside_allowed=("127.0.0.0/8",),
        **rail_settings(folder),
    )
    await process.prepare(settings)
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    site = Site(settings, folder, store)
    await site.empty()
    yield site
    store.close()


@pytest.fixture(scope="package")
async def front(site: Site) -> AsyncIterator[Front]:
    """The API and every worker, stopped before other tests use the same queues. No secret may be in its log."""
    async with site.loops(*roster.load_all()), serving(site, site.logs) as front:
        yield front
    log = front.log.read_text()
    assert lines_of(front.log)
    assert [secret for secret in front.secrets_seen if secret in log] == []


@pytest.fixture
async def client(front: Front) -> AsyncIterator[httpx.AsyncClient]:
    async with front.client() as client:
        yield client
