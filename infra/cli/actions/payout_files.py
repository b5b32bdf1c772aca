"""`tributary payouts reconcile` and `export`: files from a bank, and for its portal."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import typer

from contracts.javascript import all_exact
from contracts.payouts.v1 import ReportPayout
from contracts.payouts.view import PAYOUTS, Payout
from contracts.wire.catalogue import is_refusal
from contracts.wire.envelope import Message, message_of
from infra.adapters.outside.rails.bank_files import FILE_BYTES_MAX, BankFile, BankFileRefused, Unmatched, read_bank_file
from infra.adapters.vault import Opener
from infra.cli.actions.changing import who
from infra.gateway.command_client import CommandClient
from infra.operators.operator import source
from infra.payouts.reading import batch_with, to_payout
from infra.ports.rails import Order
from infra.ports.time import RealTime
from infra.ports.vault import CannotOpen, Opens
from infra.rehearsal.stored_rules import opened
from infra.settings import Settings
from infra.statements.portal import portal_csv
from infra.terminal.environment import EXIT_BREACH, EXIT_USAGE, one_sentence_on_failure, refuse, settings_for
from infra.terminal.printing import print_line, print_text
from infra.vault.master import MasterKeys

_AT_ONCE = 50
_BY_HAND = "manual"


@dataclass(frozen=True, slots=True)
class _Sent:
    """A report of the file, and what became of it: a code, and the sentence of a refusal."""

    report: ReportPayout
    outcome: str
    refusal: str | None = None


def reconcile(file: Path, by: str | None, wait: float, stack: str, *, as_json: bool) -> NoReturn:
    found = _read(file)
    reports = [report.model_copy(update={"by": who(by)}) for report in found.reports]
    with one_sentence_on_failure():
        sent = asyncio.run(_send(settings_for(stack), reports, wait))
    refused = [each for each in sent if each.refusal is not None]
    matched = [each for each in sent if each.refusal is None]
    if as_json:
        result = {
            "ok": not refused and not found.unmatched,
            "kind": found.kind,
            "matched": [_row(each) for each in matched],
            "refused": [_row(each) for each in refused],
            "unmatched": [_entry(one) for one in found.unmatched],
        }
        print_text(json.dumps(all_exact(result), indent=2, ensure_ascii=False))
    else:
        print_line(
            f"{file.name} is a {found.kind}: {len(matched)} matched, {len(found.unmatched)} unmatched, "
            f"{len(refused)} refused."
        )
        for each in matched:
            print_line(f"  {each.report.key}  {each.report.outcome} ({each.report.code}): {each.outcome}")
        for each in refused:
            print_line(f"  {each.report.key}  refused: {each.outcome}: {each.refusal}", err=True)
        for one in found.unmatched:
            at, amount = f"{one.booked_at:%Y-%m-%d}", f"{one.amount} {one.currency}"
            print_line(f"  unmatched ({one.reason}): {at} {one.direction} {amount} {one.reference}", err=True)
    raise typer.Exit(EXIT_BREACH if refused or found.unmatched else 0)


def _read(file: Path) -> BankFile:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            refuse(
                f"{file}: it is larger than {FILE_BYTES_MAX // 1024 // 1024} MiB; ask the bank for parts.", EXIT_USAGE
            )
        return read_bank_file(file.read_bytes())
    except OSError as error:
        refuse(f"{file}: {error.strerror or error}.", EXIT_USAGE)
    except BankFileRefused as error:
        refuse(f"{file}: {error}", EXIT_BREACH)


async def _send(settings: Settings, reports: Sequence[ReportPayout], wait_s: float) -> list[_Sent]:
    """Each report as a command of its own, in the order of the file."""
    client = CommandClient(settings.rabbitmq_url, publish_timeout_s=settings.publish_timeout_s)
    sent: list[_Sent] = []
    try:
        await client.start()
        for start in range(0, len(reports), _AT_ONCE):
            some = reports[start : start + _AT_ONCE]
            sent += await asyncio.gather(*(_publish(client, report, wait_s) for report in some))
    finally:
        await client.stop()
    return sent


async def _publish(client: CommandClient, report: ReportPayout, wait_s: float) -> _Sent:
    key = str(uuid4())
    message: Message[Any] = message_of(ReportPayout)(
        id=key,
        source=source(),
        type=report.message_type,
        time=RealTime().now(),
        subject=report.about(),
        correlationid=key,
        data=report,
    )
    answer = await client.send(message, wait_s=wait_s)
    if answer is None:
        return _Sent(report, "sent")
    refusal = next((event["data"] for event in answer.events if is_refusal(event["type"])), None)
    return _Sent(report, refusal["reason"], refusal["detail"]) if refusal else _Sent(report, answer.outcome)


def _row(sent: _Sent) -> dict[str, Any]:
    report = sent.report
    row = {"key": report.key, "outcome": report.outcome, "code": report.code, "report_id": report.report_id}
    return {**row, "effect": sent.outcome, "detail": sent.refusal}


def _entry(one: Unmatched) -> dict[str, Any]:
    amount = {"amount": str(one.amount), "currency": one.currency, "booked_at": one.booked_at.isoformat()}
    return {"reason": one.reason, "direction": one.direction, "reference": one.reference, **amount}


def export(batch_id: str, output: Path, stack: str) -> None:
    async def run() -> int:
        settings = settings_for(stack)
        async with opened(settings) as store:
            if await batch_with(store, batch_id) is None:
                refuse(f"There is no batch {batch_id}; propose it with `tributary payouts propose`.", EXIT_BREACH)
            found = await store.find(PAYOUTS, {"batch_id": batch_id}, sort=(("_id", 1),))
            by_hand = [payout for payout in map(to_payout, found) if _is_to_be_paid(payout)]
            vault = Opener(store, MasterKeys(settings.master_key_file), RealTime())
            payments = [(payout.live.key, await _order(vault, payout)) for payout in by_hand]
        if not payments:
            refuse(f"Batch {batch_id} has nothing to pay by hand: approve it first, or read its payouts.", EXIT_BREACH)
        _write(output, portal_csv(payments))
        return len(payments)

    with one_sentence_on_failure():
        try:
            count = asyncio.run(run())
        except CannotOpen as error:
            refuse(error.detail, EXIT_BREACH)
    print_line(f"Wrote {count} payments to {output}; delete it once they are made.")


def _is_to_be_paid(payout: Payout) -> bool:
    return payout.state == "sent" and bool(payout.attempts) and payout.live.method.rail == _BY_HAND


async def _order(vault: Opens, payout: Payout) -> Order:
    method, plan = payout.live.method, payout.plan
    if plan is None:
        raise AssertionError(f"{payout.payout_id} was sent without a plan")
    return Order(
        payout_id=payout.payout_id,
        distributor_id=payout.distributor_id,
        amount_minor=plan.amount_minor,
        currency=plan.currency,
        country=method.country,
        remittance=f"Commission {payout.period}",
        holder=await vault.open("holder", payout.distributor_id, method.holder),
        destination=await vault.open("destination", payout.distributor_id, method.destination),
        bank_code=method.bank_code,
    )


def _write(output: Path, content: bytes) -> None:
    """A new file that only its owner can read; an existing one is never overwritten."""
    try:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
    except OSError as error:
        refuse(f"{output}: {error.strerror or error}.", EXIT_USAGE)
