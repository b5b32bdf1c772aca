"""A short version of `make faults`: real orders on real servers, some of the faults, and proof that it can fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from rich.console import Console

from infra.adapters.mongo import MongoStore
from infra.runtime import roster
from tests.faults.nemesis import Nemesis
from tests.faults.nemesis_accounts import account
from tests.faults.nemesis_faults import FAULTS
from tests.sampling import sampled

ORDERS = 60
CUT = sampled(
    ("mixed",),
    whole=("kill-workers", "killer-message", "undecodable-frames", "outside-world", "mixed"),
)
"""`mixed` kills RabbitMQ, MongoDB and workers, freezes others, and cuts the network, all at once."""


@pytest.fixture(scope="module")
async def nemesis(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Nemesis]:
    home = tmp_path_factory.mktemp("nemesis")
    async with Nemesis(ORDERS, quick=True, console=Console(stderr=True), home=home) as running:
        yield running


@pytest.mark.parametrize("name", CUT)
async def test_nothing_is_lost_and_nothing_counts_twice(nemesis: Nemesis, name: str) -> None:
    [fault] = [fault for fault in FAULTS if fault.name == name]
    result = await nemesis.run(fault)
    assert result.breaches == ()
    assert result.recovery_s is not None
    assert result.accounts.outcomes["accepted"] > ORDERS / 2
    assert sum(result.accounts.outcomes.values()) == result.accounts.offered


async def test_a_lost_order_and_a_double_payment_are_detected(nemesis: Nemesis) -> None:
    """Proves that a trial can fail at all."""
    settings = nemesis.bench.settings("proxied", f"nemesis_{CUT[-1].replace('-', '_')}")
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        [posting, *_] = await store.find("commission_calculation.ledger", {}, limit=1)
        await store.transact(lambda tx: tx.insert("commission_calculation.ledger", [{**posting, "_id": "again"}]))
        never_sent = replace(nemesis.stage.order("never-sent"))
        accounts = await account(store, roster.load_all(), [never_sent])
    finally:
        store.close()
    assert [sentence for sentence in accounts.lost if "left no trace" in sentence]
    assert accounts.doubled == [f"accrual of order {posting['key']} was posted 2 times"]
