"""`tributary payouts list` and `show`: where the money is, what was approved, and what was reported."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from contracts.explanation.payout_sentences import payout_sentences
from contracts.explanation.rule_phrases import Language
from contracts.explanation.statement_sentences import amount_text
from contracts.javascript import all_exact
from contracts.payouts.view import PAYOUTS, Batch, Payee, Payout, Report, batch_totals
from infra.adapters.mongo import MongoStore
from infra.cli.actions.listing import minute
from infra.payouts.reading import batch_with, payees_with, payout_with, reports_of, to_payout
from infra.rehearsal.stored_rules import opened
from infra.terminal.environment import EXIT_BREACH, one_sentence_on_failure, refuse, settings_for
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import Grid, Screen

_batch: TypeAdapter[Batch] = TypeAdapter(Batch)
_payout: TypeAdapter[Payout] = TypeAdapter(Payout)
_report: TypeAdapter[Report] = TypeAdapter(Report)


class Filters(NamedTuple):
    """Which payouts to list; None for any."""

    state: str | None = None
    distributor_id: int | None = None
    batch_id: str | None = None


def list_payouts(filters: Filters, lang: Language, last: int, stack: str, *, as_json: bool) -> None:
    async def read() -> tuple[list[Payout], dict[int, Payee]]:
        async with opened(settings_for(stack)) as store:
            where = {name: value for name, value in filters._asdict().items() if value is not None}
            found = [to_payout(one) for one in await store.find(PAYOUTS, where, sort=(("_id", -1),), limit=last)]
            return found, await payees_with(store, [payout.distributor_id for payout in found])

    with one_sentence_on_failure():
        payouts, payees = asyncio.run(read())
    if as_json:
        print_text(_json([_plain(payout) for payout in payouts]))
    elif not payouts:
        print_line("There is no such payout; a statement with a payable amount makes one.")
    else:
        now = datetime.now(UTC)
        for payout in payouts:
            sentences = payout_sentences(payout, payees.get(payout.distributor_id), lang, now)
            print_line(f"{payout.state:14} {payout.payout_id}  {' '.join(sentences)}")


def show(thing: str, lang: Language, stack: str, *, as_json: bool) -> None:
    """A payout's id is that of its statement and has slashes; a batch's has none."""

    async def run() -> None:
        async with opened(settings_for(stack)) as store:
            await (_show_payout(store, thing, lang, as_json) if "/" in thing else _show_batch(store, thing, as_json))

    with one_sentence_on_failure():
        asyncio.run(run())


async def _show_payout(store: MongoStore, payout_id: str, lang: Language, as_json: bool) -> None:
    payout = await payout_with(store, payout_id)
    if payout is None:
        refuse(f"There is no payout {payout_id}; `tributary payouts list` shows all.", EXIT_BREACH)
    reports = await reports_of(store, payout_id)
    if as_json:
        shown = [_report.dump_python(report, mode="json") for report in reports]
        print_text(_json({**_plain(payout), "reports": shown}))
        return
    payees = await payees_with(store, [payout.distributor_id])
    for sentence in payout_sentences(payout, payees.get(payout.distributor_id), lang, datetime.now(UTC)):
        print_line(sentence)
    if payout.attempts:
        table = Grid("attempt", "began", "rail", "account", "key", "reference", "ended")
        for one in payout.attempts:
            method = one.method
            known = (one.key, one.reference or "", one.ended or "")
            table.add_row(str(one.number), minute(one.began_at), method.rail, method.hint, *known)
        Screen().print(table)
    if reports:
        table = Grid("report", "attempt", "outcome", "code", "source", "received", "effect")
        for report in reports:
            what = (str(report.attempt or ""), report.outcome, report.code, report.source)
            table.add_row(report.report, *what, minute(report.received_at), report.effect)
        Screen().print(table)
    if (resolution := payout.resolution) is not None:
        print_line(
            f"{resolution.by} states that attempt {resolution.attempt} is {resolution.outcome}: {resolution.evidence}"
        )


async def _show_batch(store: MongoStore, batch_id: str, as_json: bool) -> None:
    batch = await batch_with(store, batch_id)
    if batch is None:
        refuse(f"There is no batch {batch_id}; propose it with `tributary payouts propose`.", EXIT_BREACH)
    if as_json:
        print_text(_json(_batch.dump_python(batch, mode="json")))
        return
    print_line(f"Batch {batch_id} of market {batch.market}: {batch.state}. Proposed by {batch.proposed_by}.")
    for (rail, currency), (minor, count) in sorted(batch_totals(batch.lines).items()):
        print_line(f"{amount_text(minor, currency)} {currency} by {rail} in {count} payouts.")
    if batch.lines:
        table = Grid("payout", "amount", "currency", "rail", "account")
        for line in batch.lines:
            plan = line.plan
            amount = amount_text(plan.amount_minor, plan.currency)
            table.add_row(line.payout_id, amount, plan.currency, plan.rail, plan.hint)
        Screen().print(table)
    if batch.left_out_count:
        print_line(f"{batch.left_out_count} are left out. The first:")
        for left in batch.left_out:
            print_line(f"  {left.payout_id}: {left.reason}")
    approved = ", ".join(approval.by for approval in batch.approved) or "no one yet"
    print_line(f"It takes {batch.approvals} approvals; approved by {approved}. Digest {batch.digest}.")


def _plain(payout: Payout) -> dict[str, Any]:
    """The payout without sealed values."""
    hidden = {"attempts": {"__all__": {"method": {"holder", "destination"}}}}
    plain: dict[str, Any] = _payout.dump_python(payout, mode="json", exclude=hidden)
    return plain


def _json(value: Any) -> str:
    return json.dumps(all_exact(value), indent=2, ensure_ascii=False)
