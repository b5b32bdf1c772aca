"""The ledger on real servers: what the worker books, what `tributary ledger` shows, and balances rebuilt from it."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from itertools import count
from typing import Any

import aio_pika
import pytest
from pymongo import MongoClient
from typer.testing import CliRunner

from contracts.commissions.earnings import EARNINGS, earnings_id
from contracts.commissions.view import (
    BALANCE_STRIPES,
    BALANCES,
    COMMISSIONS,
    LEDGER,
    Posting,
    balance_id,
    balance_of_stripe,
    balances_of,
)
from contracts.rules.view import RULES, RuleSet
from contracts.settlement.view import BALANCES as SLICES
from contracts.settlement.view import LEDGER as SETTLEMENT_LEDGER
from contracts.settlement.view import Posting as SettlementPosting
from contracts.wire.decision import Decision
from contracts.wire.envelope import EVENTS_EXCHANGE, Payload
from infra.adapters.mongo import MongoStore
from infra.cli.actions import ledger, ledger_sums
from infra.cli.actions.ledger_sums import Compared
from infra.cli.app import app
from infra.ports.store import Document, Increment, SnapshotTooOld, StoreConflict, Transaction
from infra.runtime import roster
from infra.runtime.repository import Codec, run_queries
from tests.builders import (
    KEY,
    MIDDLE,
    NOW,
    SELLER,
    TOP,
    a_refunded_line,
    completed,
    message,
    paid,
    refunded,
    rules,
    tick,
)
from tests.connected.running import Site, command, journal_of, until
from tests.sampling import sampled
from workers.commission_calculation.decide import accrue, start_hold
from workers.commission_calculation.repository import NOTICES, CommissionRepository

IN_A_WEEK = NOW + timedelta(days=7)
ACCOUNTS = 8
"""Held and available of three distributors, pool and breakage of the platform."""


def working(site: Site) -> AbstractAsyncContextManager[Any]:
    """The loops of the commission worker only."""
    return site.loops(roster.load("commission_calculation"))


async def publish(site: Site, *payloads: Payload) -> None:
    """Publish events as the other workers do, and wait until they are handled."""
    events = [message(payload, time=getattr(payload, "at", NOW)) for payload in payloads]
    async with site.channel() as channel:
        exchange = await channel.get_exchange(EVENTS_EXCHANGE, ensure=False)
        for event in events:
            await exchange.publish(aio_pika.Message(event.to_bytes()), event.type)
    wanted = {event.key for event in events}

    async def handled() -> bool:
        records = await site.documents(journal_of("commission_calculation"))
        return wanted <= {item["id"] for record in records for item in record.get("handled", ())}

    await until(handled, what="the worker has handled the events")


async def assert_folded(site: Site) -> None:
    """The stored balances are exactly the sums of the postings."""
    postings = Codec(Posting, key="posting_id")
    stored = balances_of([])
    for document in await site.documents(BALANCES):
        stored.update(balance_of_stripe(document))
    assert stored == balances_of(map(postings.to_entity, await site.documents(LEDGER)))


@pytest.fixture
async def booked(site: Site) -> Site:
    """Two orders: one released and then half refunded, one still held."""
    rule_set = Codec(RuleSet, key="rule_version").to_document(rules())
    await site.store.transact(lambda tx: tx.insert(RULES, [rule_set]))
    async with working(site):
        await publish(site, paid(), paid(order_id="1002"), completed())
        await publish(site, tick(IN_A_WEEK))
        await publish(site, refunded())
    return site


async def test_show_prints_balances_and_their_postings(booked: Site) -> None:
    environment = booked.environment()
    shown = await command("ledger", "show", str(SELLER), "--json", environment=environment)
    table = await command("ledger", "show", str(MIDDLE), environment=environment)
    platform = await command("ledger", "show", "0", "--json", environment=environment)
    unknown = await command("ledger", "show", "77", environment=environment)

    assert shown.code == 0
    assert shown.object["balances"] == {"CNY": {"available": "4.50", "held": "9.00"}}
    assert sorted(
        (posting["order"].removeprefix("shop-1/"), posting["kind"], posting["legs"])
        for posting in shown.object["postings"]
    ) == [
        ("1001", "accrual", {"held": "9.00"}),
        ("1001", "release", {"available": "9.00", "held": "-9.00"}),
        ("1001", "reversal", {"available": "-4.50"}),
        ("1002", "accrual", {"held": "9.00"}),
    ]
    assert platform.object["balances"] == {"CNY": {"breakage": "2.70", "pool": "-27.00"}}
    for words in ("accounts of distributor 2", "reversal", KEY, "-2.25 CNY"):
        assert words in table.out
    assert (unknown.code, unknown.out) == (1, "")
    assert unknown.err == "Nothing was ever posted for distributor 77.\n"


async def test_balances_are_a_fold_of_the_ledger_and_are_rebuilt_from_it(booked: Site) -> None:
    environment = booked.environment()
    checked = await command("ledger", "rebuild", "--check", environment=environment)
    assert (checked.code, checked.out) == (0, f"identical: {ACCOUNTS} accounts\n")

    async def spoil(tx: Transaction) -> None:
        lost, changed, *_ = await tx.find(BALANCES, {"distributor_id": {"$in": [SELLER, MIDDLE]}}, sort=(("_id", 1),))
        await tx.replace(BALANCES, [{"_id": lost["_id"]}, {**changed, "held_minor": 1}])
        await tx.insert(BALANCES, [{"_id": "99/CNY/3", "distributor_id": 99, "currency": "CNY", "held_minor": 5}])

    await booked.store.transact(spoil)
    spoilt = await command("ledger", "rebuild", "--check", environment=environment)
    as_json = await command("ledger", "rebuild", "--check", "--json", environment=environment)
    assert spoilt.code == as_json.code == 1
    assert "held of distributor 99: the balance is 0.05 CNY, the ledger 0.00" in spoilt.out
    assert spoilt.out.endswith("nothing was changed.\n")
    assert as_json.object["differences"][-1] == {
        "distributor_id": 99,
        "currency": "CNY",
        "account": "held",
        "stored": "0.05",
        "ledger": "0.00",
    }

    rebuilt = await command("ledger", "rebuild", "--yes", environment=environment)
    again = await command("ledger", "rebuild", "--yes", "--json", environment=environment)

    assert (rebuilt.code, again.code) == (0, 0)
    assert rebuilt.out.endswith("rebuilt from the ledger.\n")
    assert again.object == {
        "accounts": ACCOUNTS,
        "identical": True,
        "rebuilt": False,
        "differences": [],
        "months_differing": [],
        "slices_differing": [],
    }
    await assert_folded(booked)


async def test_the_sums_of_settlement_are_rebuilt_from_its_ledger(site: Site) -> None:
    closed = f"default/2026-10/{SELLER}/CNY"

    def posting(statement: str, posting_id: str, amount: int) -> SettlementPosting:
        legs = {"available": amount, "commissions": -amount}
        account = f"default/{SELLER}/CNY"
        return SettlementPosting(posting_id, statement, account, SELLER, "CNY", "release", NOW, NOW, legs, "1001", KEY)

    postings = [posting(closed, "a", 300), posting(f"default/2026-11/{SELLER}/CNY", "b", 500)]
    known = {"account": f"default/{SELLER}/CNY", "distributor_id": SELLER, "currency": "CNY"}

    async def store(tx: Transaction) -> None:
        await tx.insert(
            SETTLEMENT_LEDGER, [Codec(SettlementPosting, key="posting_id").to_document(one) for one in postings]
        )
        await tx.insert(SLICES, [{"_id": f"{closed}/{stripe}", **known, "closed": 1} for stripe in range(4)])

    await site.store.transact(store)
    environment = site.environment()
    spoilt = await command("ledger", "rebuild", "--check", environment=environment)
    rebuilt = await command("ledger", "rebuild", "--yes", environment=environment)
    again = await command("ledger", "rebuild", "--check", "--json", environment=environment)

    assert spoilt.code == 1
    assert f"settlement {closed}: the stored sums differ from its ledger" in spoilt.out
    assert rebuilt.out.endswith("2 slices of settlement rebuilt from its ledger.\n")
    assert again.object["slices_differing"] == []
    assert [document.get("closed") for document in await site.documents(SLICES)].count(1) == 4


async def test_the_worker_continues_from_rebuilt_balances(booked: Site) -> None:
    async def lose(tx: Transaction) -> None:
        await tx.replace(BALANCES, [{"_id": document["_id"]} for document in await tx.find(BALANCES, {})])

    await booked.store.transact(lose)
    assert (await command("ledger", "rebuild", "--yes", environment=booked.environment())).code == 0
    async with working(booked):
        whole = a_refunded_line(refunded_quantity=2, refunded="90.00")
        await publish(booked, paid(order_id="1003"), refunded(whole, version=6, refund_id="refund-2"))

    await assert_folded(booked)
    shown = await command("ledger", "show", str(SELLER), "--json", environment=booked.environment())
    assert shown.object["balances"] == {"CNY": {"available": "0.00", "held": "18.00"}}


async def test_nothing_is_rebuilt_while_a_worker_adds_to_the_balances(booked: Site) -> None:
    before = await booked.documents(BALANCES)
    async with working(booked):
        refused = await command("ledger", "rebuild", "--yes", environment=booked.environment())
        checked = await command("ledger", "rebuild", "--check", environment=booked.environment())

    assert (refused.code, refused.out) == (3, "")
    assert refused.err.startswith("1 process(es) of commission_calculation are running")
    assert "ledger rebuild --check" in refused.err
    assert checked.code == 0
    assert await booked.documents(BALANCES) == before


@pytest.mark.parametrize("figures_at_once", [100_000, 2])
async def test_only_a_true_difference_is_found_while_postings_arrive(
    booked: Site, monkeypatch: pytest.MonkeyPatch, figures_at_once: int
) -> None:
    """In one part and in many, with several snapshots."""
    monkeypatch.setattr(ledger_sums, "FIGURES_AT_ONCE", figures_at_once)
    orders = count(5_000)
    done = asyncio.Event()

    async def accrued(tx: Transaction) -> None:
        causes = [message(paid(order_id=str(next(orders)))) for _ in range(50)]
        queries = CommissionRepository.queries(causes)
        repository = await CommissionRepository.load(tx, causes, await run_queries(tx, queries))
        for cause in causes:
            answer = accrue(repository.state_for(cause), cause)
            assert isinstance(answer, Decision)
            repository.keep(answer.state)
        await repository.save(tx)

    async def keep_posting() -> int:
        batches = 0
        while not done.is_set():
            await booked.store.transact(accrued)
            batches += 1
        return batches

    for _ in range(20):
        await booked.store.transact(accrued)
    posting = asyncio.create_task(keep_posting())
    try:
        for _ in range(sampled(2, whole=5)):
            found = await ledger_sums.compare(booked.store, snapshot=True, repair=False)
            assert (found.accounts, found.differing, found.months) == (ACCOUNTS, [], [])
        another_stripe = balance_id(TOP, "CNY", (os.getpid() + 1) % BALANCE_STRIPES)
        increment = Increment(another_stripe, {"held_minor": 1}, {"distributor_id": TOP, "currency": "CNY"})
        await booked.store.transact(lambda tx: tx.add(BALANCES, [increment]))
        month = Increment(earnings_id(f"{TOP}/2026-11/CNY", 0), {"booked_minor": 1}, {})
        await booked.store.transact(lambda tx: tx.add(EARNINGS, [month]))
        found = await ledger_sums.compare(booked.store, snapshot=True, repair=False)
    finally:
        done.set()
        batches = await posting
    assert batches > 5
    [(account, stored, ledger)] = found.differing
    assert (account, stored - ledger, found.months) == ((TOP, "CNY", "held"), 1, [f"{TOP}/2026-11/CNY"])


async def test_a_snapshot_that_is_too_old_is_reported(booked: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with MongoClient[Document](booked.settings.mongodb_url) as client:
        kept = {"setParameter": 1, "minSnapshotHistoryWindowInSeconds": 0}
        before = client.admin.command(kept)["was"]
        try:
            async with booked.store.snapshot() as read:
                await read.find(LEDGER, {}, limit=1)
                for number in range(3):
                    client.admin["written"].insert_one({"number": number})
                    await asyncio.sleep(1)
                with pytest.raises(SnapshotTooOld):
                    await read.find(LEDGER, {}, limit=1)
        finally:
            client.admin.command({**kept, "minSnapshotHistoryWindowInSeconds": before})
            client.admin.drop_collection("written")

    compare = ledger_sums.compare

    async def too_old(store: MongoStore, *, snapshot: bool, repair: bool) -> Compared:
        if snapshot:
            raise SnapshotTooOld("the snapshot is gone")
        return await compare(store, snapshot=snapshot, repair=repair)

    monkeypatch.setattr(ledger, "compare", too_old)
    environment = booked.environment()
    checked = await asyncio.to_thread(CliRunner().invoke, app, ["ledger", "rebuild", "--check"], env=environment)
    assert (checked.exit_code, checked.stdout) == (0, f"identical: {ACCOUNTS} accounts\n")
    async with working(booked):
        refused = await asyncio.to_thread(CliRunner().invoke, app, ["ledger", "rebuild", "--check"], env=environment)
    assert refused.exit_code == 3
    assert "takes longer than MongoDB keeps a snapshot" in refused.stderr


async def test_a_concurrent_accrual_and_notice_see_each_other(booked: Site) -> None:
    """Each was loaded before the other was stored: the second conflicts, is retried, and then sees the first."""
    order, done = message(paid(order_id="1003")), message(completed("1003"))

    async def decided(tx: Transaction, rule: Any, cause: Any, meanwhile: Any = None) -> None:
        repository = await CommissionRepository.load(
            tx, [cause], await run_queries(tx, CommissionRepository.queries([cause]))
        )
        if meanwhile is not None:
            await booked.store.transact(lambda other: decided(other, *meanwhile))
        repository.keep(rule(repository.state_for(cause), cause).state)
        await repository.save(tx)

    with pytest.raises(StoreConflict):
        await booked.store.transact(lambda tx: decided(tx, accrue, order, (start_hold, done)))
    assert [document["_id"] for document in await booked.documents(NOTICES, {"accrued": False})] == ["shop-1/1003"]

    await booked.store.transact(lambda tx: decided(tx, accrue, order))
    [commission] = await booked.documents(COMMISSIONS, {"_id": "shop-1/1003"})
    assert commission["release_at"] == IN_A_WEEK

    later, done = message(paid(order_id="1004")), message(completed("1004"))
    with pytest.raises(StoreConflict):
        await booked.store.transact(lambda tx: decided(tx, start_hold, done, (accrue, later)))
