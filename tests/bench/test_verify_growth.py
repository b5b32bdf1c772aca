"""`verify` passes on a few bulk-loaded live orders, whether a journal record has one message or many."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

from infra.settings import Settings
from tests.bench.run import Bench
from tests.bench.verify_growth import SINGLY, TOGETHER, VerifySizes, verify_growth
from tests.servers import LocalStack


@pytest.mark.full
async def test_bulk_loaded_orders_pass_verify_in_bounded_memory(stack: LocalStack, tmp_path: Path) -> None:
    endpoints = stack.endpoints
    urls = {name: getattr(endpoints, name) for name in ("rabbitmq_url", "mongodb_url", "redis_url")}
    environment = {**os.environ, **{name.upper(): url for name, url in urls.items()}}
    bench = Bench(Settings(**urls, database="test_verify_growth"), environment, tmp_path, lambda *_: None)

    # The copies of one collection begin an hour after those of another.
    with patch("tests.bench.history.time", SimpleNamespace(time=count(1_700_000_000, 3_600).__next__)):
        found = await verify_growth(bench, VerifySizes(pattern=20, stored=(200,)))

    assert [(kind, list(sizes)) for kind, sizes in found.verified.items()] == [(SINGLY, [200]), (TOGETHER, [200])]
    for sizes in found.verified.values():
        assert sizes[200].seconds > 0
        assert 20 < sizes[200].rss_mb < 300
