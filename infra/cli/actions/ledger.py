"""`tributary ledger`: the balances of a distributor's accounts, their postings, and a rebuild of the balances."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import typer
from rich.markup import escape

from contracts.commissions.view import (
    ACCOUNTS,
    BALANCES,
    LEDGER,
    AccountKey,
    Posting,
    balance_of_stripe,
)
from contracts.javascript import all_exact
from contracts.money import to_amount
from contracts.settlement.view import LEDGER as SETTLEMENT_LEDGER
from infra.adapters.mongo import MongoStore
from infra.cli.actions.ledger_quiet import require_stopped
from infra.cli.actions.ledger_sums import Compared, Difference, compare
from infra.cli.actions.operating import note_change
from infra.local.progress_notes import progress_notes
from infra.ports.store import SnapshotTooOld
from infra.runtime.repository import Codec
from infra.settings import Settings
from infra.terminal.environment import (
    EXIT_BREACH,
    agree,
    one_sentence_on_failure,
    settings_for,
)
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import Grid, Screen, print_note

_DIFFERENCES_SHOWN_MAX = 20
_OWNERS = (LEDGER.partition(".")[0], SETTLEMENT_LEDGER.partition(".")[0])
"""The only workers that write the ledgers and their balances."""

_postings = Codec(Posting, key="posting_id")
_WOULD_CHANGE = (
    "and would change the balances meanwhile. Stop them, or only compare: `tributary ledger rebuild --check`."
)
_TOO_OLD = (
    "and the comparison takes longer than MongoDB keeps a snapshot, 300 s by default. Stop them, or raise MongoDB's "
    "minSnapshotHistoryWindowInSeconds, and run the command again."
)


def show(distributor: int, last: int, stack: str, *, as_json: bool) -> None:
    async def look(settings: Settings) -> tuple[Counter[AccountKey], list[Posting]]:
        async with _store(settings) as store:
            stored = await store.find(BALANCES, {"distributor_id": distributor})
            found = await store.find(
                LEDGER, {"legs.distributor_id": distributor}, sort=(("posted_at", -1),), limit=last
            )
            return _sum(map(balance_of_stripe, stored)), [_postings.to_entity(document) for document in found]

    with one_sentence_on_failure():
        balances, postings = asyncio.run(look(settings_for(stack)))
    if as_json:
        print_text(json.dumps(all_exact(_as_object(distributor, balances, postings)), indent=2))
    elif postings:
        _print_balances(distributor, balances)
        _print_postings(distributor, postings)
    if not postings:
        print_line(f"Nothing was ever posted for {_named(distributor)}.", err=True)
        raise typer.Exit(EXIT_BREACH)


def rebuild(stack: str, *, check: bool, yes: bool, as_json: bool) -> None:
    async def run(settings: Settings) -> Compared:
        async with _store(settings) as store:
            if not check:
                await require_stopped(settings, _OWNERS, _WOULD_CHANGE)
                # Before and after: a rebuild that was killed in between has its entry too.
                await note_change(settings, "ledger.rebuild-begun", "ledger", {})
                found = await compare(store, snapshot=False, repair=True)
                counts = {"accounts": len(found.differing), "months": len(found.months), "slices": len(found.slices)}
                await note_change(settings, "ledger.rebuilt", "ledger", counts)
                return found
            try:
                return await compare(store, snapshot=True, repair=False)
            except SnapshotTooOld:
                await require_stopped(settings, _OWNERS, _TOO_OLD)
                return await compare(store, snapshot=False, repair=False)

    if not check:
        agree("overwrite the balances and months that differ from the ledger", yes=yes)
    with one_sentence_on_failure(), progress_notes(print_note):
        found = asyncio.run(run(settings_for(stack)))
    accounts, differing, months, slices = found.accounts, found.differing, found.months, found.slices
    if as_json:
        compared = _compared(accounts, differing, rebuilt=bool(differing) and not check)
        print_text(
            json.dumps(all_exact({**compared, "months_differing": months, "slices_differing": slices}), indent=2)
        )
    else:
        _print_compared(accounts, differing, rebuilt=not check)
        _print_months(months, rebuilt=not check)
        _print_slices(slices, rebuilt=not check)
    raise typer.Exit(EXIT_BREACH if check and (differing or months or slices) else 0)


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[MongoStore]:
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await store.ping()
        yield store
    finally:
        store.close()


def _sum(parts: Iterable[Counter[AccountKey]]) -> Counter[AccountKey]:
    sums: Counter[AccountKey] = Counter()
    for part in parts:
        sums.update(part)
    return sums


def _compared(accounts: int, differing: Sequence[Difference], *, rebuilt: bool) -> dict[str, Any]:
    return {
        "accounts": accounts,
        "identical": not differing,
        "rebuilt": rebuilt,
        "differences": [
            {
                "distributor_id": distributor_id,
                "currency": currency,
                "account": account,
                "stored": _amount(stored, currency),
                "ledger": _amount(posted, currency),
            }
            for (distributor_id, currency, account), stored, posted in differing
        ],
    }


def _print_compared(accounts: int, differing: Sequence[Difference], *, rebuilt: bool) -> None:
    if not differing:
        print_line(f"identical: {accounts} accounts")
        return
    for (distributor_id, currency, account), stored, posted in differing[:_DIFFERENCES_SHOWN_MAX]:
        print_line(
            f"{account} of {_named(distributor_id)}: the balance is {_amount(stored, currency)} {currency}, "
            f"the ledger {_amount(posted, currency)}"
        )
    if len(differing) > _DIFFERENCES_SHOWN_MAX:
        print_line(f"… and {len(differing) - _DIFFERENCES_SHOWN_MAX} more.")
    result = "rebuilt from the ledger" if rebuilt else "differ; nothing was changed"
    print_line(f"{len(differing)} of {accounts} accounts {result}.")


def _print_months(differing: Sequence[str], *, rebuilt: bool) -> None:
    for key in differing[:_DIFFERENCES_SHOWN_MAX]:
        print_line(f"month {key}: the stored figures differ from the commissions")
    if differing:
        result = "rebuilt from the commissions" if rebuilt else "differ; nothing was changed"
        print_line(f"{len(differing)} distributor months {result}.")


def _print_slices(differing: Sequence[str], *, rebuilt: bool) -> None:
    for key in differing[:_DIFFERENCES_SHOWN_MAX]:
        print_line(f"settlement {key}: the stored sums differ from its ledger")
    if differing:
        result = "rebuilt from its ledger" if rebuilt else "differ; nothing was changed"
        print_line(f"{len(differing)} slices of settlement {result}.")


def _print_balances(distributor: int, balances: Mapping[AccountKey, int]) -> None:
    names = [name for name in ACCOUNTS if any(account == name for _, _, account in balances)]
    table = Grid("currency", title=f"accounts of {_named(distributor)}", title_justify="left")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for currency in sorted({currency for _, currency, _ in balances}):
        table.add_row(currency, *(_amount(balances.get((distributor, currency, name), 0), currency) for name in names))
    Screen().print(table)


def _print_postings(distributor: int, postings: Sequence[Posting]) -> None:
    table = Grid("posted", "what", "order", "account", title=f"last {len(postings)} postings", title_justify="left")
    table.add_column("amount", justify="right")
    for posting in postings:
        for leg in posting.legs:
            if leg.distributor_id == distributor:
                amount = f"{_amount(leg.amount_minor, posting.currency)} {posting.currency}"
                account = leg.account.replace("_", " ")
                table.add_row(
                    f"{posting.posted_at:%Y-%m-%d %H:%M:%S}", posting.kind, escape(posting.key), account, amount
                )
    Screen().print(table)


def _as_object(distributor: int, balances: Mapping[AccountKey, int], postings: Sequence[Posting]) -> dict[str, Any]:
    by_currency: dict[str, dict[str, str]] = {}
    for (_, currency, account), amount in sorted(balances.items()):
        by_currency.setdefault(currency, {})[account] = _amount(amount, currency)
    return {
        "distributor_id": distributor,
        "balances": by_currency,
        "postings": [
            {
                "posting_id": posting.posting_id,
                "posted_at": posting.posted_at.isoformat(),
                "kind": posting.kind,
                "order": posting.key,
                "currency": posting.currency,
                "legs": {
                    leg.account: _amount(leg.amount_minor, posting.currency)
                    for leg in posting.legs
                    if leg.distributor_id == distributor
                },
            }
            for posting in postings
        ],
    }


def _amount(minor: int, currency: str) -> str:
    return format(to_amount(minor, currency), "f")


def _named(distributor: int) -> str:
    return f"distributor {distributor}" if distributor else "the platform"
