"""`tributary payouts` over real servers: two persons, a bank that returns, its files, and payments by hand."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from contracts.network.view import DISTRIBUTORS
from contracts.wire.envelope import EVENTS_EXCHANGE
from infra.ports.time import RealTime
from infra.runtime import roster
from infra.vault.master import add_key
from tests.bank.mock import MockBank, mock_bank
from tests.builders import message, tick
from tests.connected.running import Ended, Site, command, until

WORKERS = ("settlement", "payee_registry", "payouts", "payout_delivery", "alerting")
ACCOUNT = "DE89370400440532013000"
NO_KEY = "<EndToEndId>NOTPROVIDED</EndToEndId>"


async def run(site: Site, *arguments: str) -> Ended:
    return await command(*arguments, environment=site.environment())


async def done(site: Site, *arguments: str) -> Any:
    ended = await run(site, *arguments, "--json")
    assert ended.code == 0, ended.err + ended.out
    return ended.object


@asynccontextmanager
async def at_work(site: Site, **settings: Any) -> AsyncIterator[Site]:
    """The workers that pay, with a master key of their own, and distributor 42."""
    add_key(site.logs / "master.keys", RealTime().now())
    more = {"master_key_file": str(site.logs / "master.keys"), **settings}
    paying = replace(site, settings=site.settings.model_copy(update=more))
    async with paying.loops(*map(roster.load, WORKERS)):
        await site.store.transact(lambda tx: tx.insert(DISTRIBUTORS, [{"_id": 42}]))
        # The address of a rail is a setting of the process that pays alone.
        yield replace(site, settings=site.settings.model_copy(update={"master_key_file": more["master_key_file"]}))


async def payable(site: Site, rail: str, number: int = 1) -> str:
    """A statement of 150.00 EUR of distributor 42, who is paid this way."""
    method = {"rail": rail, "currency": "EUR", "country": "DE", "holder": "Ann Weber", "account": ACCOUNT}
    (file := site.logs / "method.json").write_text(json.dumps(method))
    await done(site, "payees", "set", "42", str(file), "--by", "ann")
    file.unlink()
    named = ("--distributor", "42", "--currency", "EUR", "--amount", "150.00", "--reason", "goodwill", "--note", "late")
    [proposed] = (await done(site, "settle", "adjust", f"a-{number}", *named, "--by", "ann"))["events"]
    approve = ("settle", "approve-adjustment", f"a-{number}", "--digest", proposed["digest"], "--by", "wei")
    booked = next(event for event in (await done(site, *approve))["events"] if "statement_id" in event)
    period = booked["statement_id"].split("/")[1]
    await done(site, "settle", "close", period, "--distributor", "42", "--by", "ann", "--yes")
    payout_id = str(booked["statement_id"])
    await until(lambda: in_state(site, payout_id, "waiting"), what="the payout waits")
    await until(lambda: has_method(site), what="the method is known")
    return payout_id


async def in_state(site: Site, payout_id: str, state: str) -> bool:
    return bool(await site.documents("payouts.payouts", {"_id": payout_id, "state": state}))


async def has_method(site: Site) -> bool:
    return bool(await site.documents("payouts.payees", {"_id": 42, "method": {"$exists": True}}))


async def sent(site: Site, payout_id: str, batch: str = "batch-1") -> str:
    """Propose, approve and send; the key of the payout."""
    [proposed] = (await done(site, "payouts", "propose", batch, "--by", "ann"))["events"]
    alone = await run(site, "payouts", "approve", batch, "--digest", proposed["digest"][:8], "--by", "ann")
    assert (alone.code, "refused: same_person" in alone.err) == (1, True)
    await done(site, "payouts", "approve", batch, "--digest", proposed["digest"][:8], "--by", "wei")
    event = tick(RealTime().now())
    async with site.channel() as channel:
        exchange = await channel.get_exchange(EVENTS_EXCHANGE, ensure=False)
        await exchange.publish(aio_pika.Message(message(event).to_bytes()), event.message_type)
    await until(lambda: in_state(site, payout_id, "sent"), what="the payout is sent")
    shown = await done(site, "payouts", "show", payout_id)
    return str(shown["attempts"][-1]["key"])


async def test_edge_18_a_file_of_the_bank_pays_and_returns_once(site: Site, tmp_path: Path) -> None:
    with mock_bank() as bank:
        bank.behave("return-later", days=1, reason="AC04")
        async with at_work(site, **bank.settings()) as paying:
            payout_id = await payable(paying, "iso20022")
            key = await sent(paying, payout_id)
            bank.advance(1)
            paid = await reconciled(paying, write(tmp_path, bank, "paid"))
            assert [row["key"] for row in paid["matched"]] == [key]
            assert await in_state(paying, payout_id, "paid")
            bank.advance(5)
            file = write(tmp_path, bank, "returned")
            first, again = await reconciled(paying, file), await reconciled(paying, file)
            assert [row["outcome"] for row in first["matched"]][-1] == "returned"
            assert not again["refused"]
            await until(lambda: in_state(paying, payout_id, "returned"), what="the payout came back")
            shown = await run(paying, "payouts", "show", payout_id)
            assert "came back on" in shown.out
            assert "The account is closed; set another one." in shown.out
            assert ACCOUNT not in shown.out
            reports = await paying.documents("payouts.reports", {"key": key, "source": "file"})
            assert len(reports) == len({report["_id"] for report in reports}) == 2
            alerts = await paying.documents("alerting.alerts", {"_id": "payout-returned/42/EUR"})
            assert [alert["state"] for alert in alerts] == ["open"]


async def reconciled(site: Site, file: Path) -> Any:
    return (await run(site, "payouts", "reconcile", str(file), "--by", "ann", "--json")).object


def write(folder: Path, bank: MockBank, name: str) -> Path:
    """The newest statement that the bank sent and that has entries of ours."""
    statement = next(content for content in reversed(bank.files("camt.053")) if b"EndToEndId" in content)
    file = folder / f"{name}.camt053.xml"
    file.write_bytes(statement)
    return file


async def test_edge_19_what_fits_no_payout_is_listed_and_exits_with_1(site: Site, tmp_path: Path) -> None:
    async with at_work(site) as paying:
        unknown, foreign = entry(f"<EndToEndId>{'0' * 32}</EndToEndId>"), entry(NO_KEY)
        file = tmp_path / "statement.xml"
        file.write_text(STATEMENT.replace("ENTRIES", unknown + foreign))
        ended = await run(paying, "payouts", "reconcile", str(file), "--by", "ann")
        nothing = tmp_path / "nothing.xml"
        nothing.write_text("<html/>")
        wrong = await run(paying, "payouts", "reconcile", str(nothing))

    assert (ended.code, "0 matched, 1 unmatched, 1 refused" in ended.out) == (1, True), ended.out + ended.err
    assert "refused: unknown_key:" in ended.err
    assert "unmatched (no_key): 2026-11-03 DBIT 150.00 EUR" in ended.err
    assert (wrong.code, "neither a pain.002 nor a camt" in wrong.err) == (1, True)


async def test_payments_by_hand_are_exported_and_resolved_by_two_persons(site: Site, tmp_path: Path) -> None:
    file = tmp_path / "payments.csv"
    async with at_work(site) as paying:
        payout_id = await payable(paying, "manual")
        await done(paying, "payouts", "hold", "42", "--reason", "under_review", "--by", "ann")
        held = await run(paying, "payouts", "propose", "batch-0", "--by", "ann")
        await done(paying, "payouts", "release", "42", "--by", "wei")
        key = await sent(paying, payout_id)
        batch = await run(paying, "payouts", "show", "batch-1")
        wrote = await run(paying, "payouts", "export", "batch-1", "--output", str(file))
        twice = await run(paying, "payouts", "export", "batch-1", "--output", str(file))
        listed = await run(paying, "payouts", "list", "--state", "sent", "--lang", "zh")
        stated = (payout_id, "--paid")
        await done(paying, "payouts", "resolve", *stated, "--evidence", "Bank statement, line 7714", "--by", "ann")
        alone = await run(paying, "payouts", "confirm", *stated, "--by", "ann")
        await done(paying, "payouts", "confirm", *stated, "--by", "wei")
        paid = await run(paying, "payouts", "show", payout_id)
        late = await run(paying, "payouts", "reject", "batch-1", "--reason", "late")

    assert (held.code, "refused: nothing_to_pay" in held.err) == (1, True)
    assert "150.00 EUR by manual in 1 payouts." in batch.out
    assert (wrote.code, stat.S_IMODE(file.stat().st_mode)) == (0, 0o600)
    [_, row] = file.read_text("utf-8-sig").splitlines()
    assert row.startswith(f"{key},{payout_id},Ann Weber,{ACCOUNT},")
    assert (twice.code, "exists" in twice.err) == (2, True)
    assert "150.00 EUR 已于" in listed.out
    assert (alone.code, "refused: same_person" in alone.err) == (1, True)
    assert "150.00 EUR was paid by manual on" in paid.out
    assert (late.code, "refused: already_decided" in late.err) == (1, True)


async def test_an_empty_store_says_what_to_do(site: Site) -> None:
    for arguments, sentence in (
        (("show", "batch-1"), "There is no batch batch-1"),
        (("show", "default/1999-01/42/CNY"), "There is no payout default/1999-01/42/CNY"),
        (("resolve", "default/1999-01/42/CNY", "--paid", "--evidence", "x"), "There is no payout"),
        (("approve", "batch-1", "--digest", "0123456789"), "There is no batch batch-1"),
        (("export", "batch-1", "--output", "nowhere.csv"), "There is no batch batch-1"),
    ):
        ended = await run(site, "payouts", *arguments)
        assert (ended.code, sentence in ended.err) == (1, True), ended.err
    assert "There is no such payout" in (await run(site, "payouts", "list")).out


@pytest.mark.parametrize(
    "arguments",
    [("approve", "b", "--digest", "abc"), ("hold", "nobody", "--reason", "x"), ("resolve", "p", "--evidence", "x")],
)
async def test_wrong_usage_ends_with_2(site: Site, arguments: tuple[str, ...]) -> None:
    assert (await run(site, "payouts", *arguments)).code == 2


def entry(reference: str) -> str:
    return (
        '<Ntry><Amt Ccy="EUR">150.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
        "<BookgDt><Dt>2026-11-03</Dt></BookgDt><NtryDtls><TxDtls><Refs>"
        f"{reference}</Refs></TxDtls></NtryDtls></Ntry>"
    )


STATEMENT = (
    '<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>'
    "<GrpHdr><MsgId>m</MsgId><CreDtTm>2026-11-03T20:00:00Z</CreDtTm></GrpHdr>"
    "<Stmt><Id>s</Id><CreDtTm>2026-11-03T20:00:00Z</CreDtTm>ENTRIES</Stmt></BkToCstmrStmt></Document>"
)
