"""Bulk-loaded accounts are those of the worker; a small close is measured, killed, and right in the end."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from contracts.settlement.view import ACCOUNTS, BALANCES, LEDGER, PERIODS
from infra.settings import Settings
from tests.bench import report_closing
from tests.bench.closing import Beside, Closed, ClosingFindings, ClosingSizes, closing
from tests.bench.closing_accounts import POSTINGS, add_accounts, releases
from tests.bench.history import distributor_id
from tests.bench.run import Bench
from tests.servers import LocalStack
from tests.workflow.system import System

BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
OF_SETTLEMENT = (LEDGER, BALANCES, ACCOUNTS, PERIODS)


async def test_bulk_loaded_accounts_are_those_of_the_worker_and_pass_its_audits() -> None:
    bulk, system = System(), System()
    await add_accounts(bulk.store, 7, BEGIN)
    for message in releases([distributor_id(number) for number in range(7)], BEGIN):
        await system.send(message)
    await system.run_until_idle()

    assert len(bulk.store.table(LEDGER).documents) == 7 * POSTINGS
    for name in OF_SETTLEMENT:
        assert bulk.store.table(name).documents == system.store.table(name).documents, name
    found = {breach.invariant for breach in (await bulk.verify()).breaches}
    assert not {"I12", "I13", "I14"} & found
    assert "I12" in {breach.invariant for breach in (await system.verify()).breaches}, "no commissions hand these over"


@pytest.mark.full
async def test_a_small_close_is_measured_alone_and_beside_orders(stack: LocalStack, tmp_path: Path) -> None:
    endpoints = stack.endpoints
    urls = {name: getattr(endpoints, name) for name in ("rabbitmq_url", "mongodb_url", "redis_url")}
    environment = {**os.environ, **{name.upper(): url for name, url in urls.items()}}
    bench = Bench(Settings(**urls, database="test_closing"), environment, tmp_path, lambda *_: None)

    found = await closing(bench, ClosingSizes(accounts=(3_000,), orders_alone=60))

    for closed in (found.alone[3_000], found.beside[3_000].closed):
        assert closed.accounts_per_s > 0
        assert closed.cpu_s > 0
        assert 20 < closed.rss_mb < 300
    assert found.beside[3_000].orders_per_s_before > 0
    assert "process_restarted" in (tmp_path / "fleet.log").read_text()


def test_the_report_compares_rates_of_orders_and_processor_time_of_accounts() -> None:
    small, large = Closed(1_000, 2.0, 0.5, 1.0, 90.0), Closed(10_000, 20.0, 6.0, None, 95.0)
    found = ClosingFindings({1_000: small, 10_000: large})
    found.beside = {accounts: Beside(closed, 1_000.0, 850.0) for accounts, closed in found.alone.items()}
    printed = io.StringIO()
    report_closing.show(Console(file=printed, width=120), found)
    assert "1,000 to 850" in printed.getvalue()
    fields = json.loads(json.dumps(report_closing.as_object(found)))
    assert fields["growth"] == pytest.approx(1.2)
    assert fields["closing"]["1000"]["alone"]["settlement_us_per_account"] == 500
    assert fields["closing"]["10000"]["beside_orders"]["fall"] == pytest.approx(0.15)
    assert fields["closing"]["10000"]["alone"]["mongodb_us_per_account"] is None
