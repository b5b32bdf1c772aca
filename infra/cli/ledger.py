"""`tributary ledger`: what a distributor's accounts hold and why, and the balances rebuilt from what was posted."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contracts.commissions.earnings import (
    EARNINGS,
    Earnings,
    increments_of,
    key_of,
    months_of,
    tallies_of,
)
from contracts.commissions.view import (
    ACCOUNTS,
    BALANCES,
    COMMISSIONS,
    LEDGER,
    AccountKey,
    Commission,
    Posting,
    balance_id,
    balance_of_stripe,
    balances_of,
)
from contracts.javascript import all_exact
from contracts.money import to_amount
from contracts.rules.view import RULES
from infra.adapters.mongo import MongoStore
from infra.cli.environment import (
    EXIT_BREACH,
    EXIT_ENVIRONMENT,
    AsJson,
    Stack,
    one_sentence_on_failure,
    settings_for,
)
from infra.runtime import broker, roster
from infra.runtime.repository import Codec
from infra.runtime.settings import Settings
from infra.runtime.store import Document

_POSTINGS_AT_ONCE = 500
_DOCUMENTS_AT_ONCE = 1_000
_DIFFERENCES_SHOWN_MAX = 20
_OWNER = LEDGER.partition(".")[0]
"""The worker that alone writes the ledger and its balances."""

_postings = Codec(Posting, key="posting_id")
_commissions = Codec(Commission, key="key")

Difference = tuple[AccountKey, int, int]
"""An account, what is stored for it, and what the ledger comes to."""


def show(
    distributor: Annotated[int, typer.Argument(metavar="DISTRIBUTOR", min=0, help="0 is the platform itself.")],
    last: Annotated[int, typer.Option("--last", min=1, max=10_000, help="How many postings to show.")] = 20,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Show what a distributor's accounts hold, and the postings that touched them last, newest first.

    A negative amount was taken back after it had been released; what is earned later makes up for it. Exits with 1
    where nothing was ever posted.
    """

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
        typer.echo(json.dumps(all_exact(_as_object(distributor, balances, postings)), indent=2))
    elif postings:
        _print_balances(distributor, balances)
        _print_postings(distributor, postings)
    if not postings:
        typer.echo(f"Nothing was ever posted for {_named(distributor)}.", err=True)
        raise typer.Exit(EXIT_BREACH)


def rebuild(
    check: Annotated[bool, typer.Option("--check", help="Only compare; exits with 1 where something differs.")] = False,
    stack: Stack = "default",
    as_json: AsJson = False,
) -> None:
    """Add up the ledger, and write the balances again where any of them is not what the ledger comes to.

    The same for what conditions and caps know of each month, own sales and what each plan paid: that is added up from
    the commissions. An order that was calculated with other figures keeps what it paid.

    Only while no commission worker runs, since what one is about to add would be lost: stop them first. A --check may
    run beside them, but then what it finds may only be a posting that came between its two readings.
    """

    async def run(settings: Settings) -> tuple[int, list[Difference], list[str]]:
        async with _store(settings) as store:
            if not check:
                await _require_quiet(settings)
            ledger = await _of_ledger(store)
            stored = _sum([balance_of_stripe(document) async for document in store.stream(BALANCES, {})])
            differing = _differences(stored, ledger)
            if differing and not check:
                await _replace(store, ledger)
            return len(ledger), differing, await _rebuild_months(store, only_compare=check)

    with one_sentence_on_failure():
        accounts, differing, months = asyncio.run(run(settings_for(stack)))
    if as_json:
        compared = _compared(accounts, differing, rebuilt=bool(differing) and not check)
        typer.echo(json.dumps(all_exact({**compared, "months_differing": months}), indent=2))
    else:
        _print_compared(accounts, differing, rebuilt=not check)
        _print_months(months, rebuilt=not check)
    raise typer.Exit(EXIT_BREACH if check and (differing or months) else 0)


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[MongoStore]:
    store = MongoStore.connect(settings.mongodb_url, settings.database)
    try:
        await store.ping()
        yield store
    finally:
        store.close()


async def _require_quiet(settings: Settings) -> None:
    """End with a sentence while any process consumes what the owner of the ledger consumes."""
    owner = roster.load(_OWNER)
    depths = await broker.depths(settings.rabbitmq_url, [owner.queue_of(handler) for handler in owner.handlers])
    consumers = max((depth.consumers for depth in depths.values() if depth is not None), default=0)
    if consumers:
        print(
            f"{consumers} process(es) of {_OWNER} still run, and would add to the balances meanwhile. Stop them, or "
            "compare only: `tributary ledger rebuild --check`.",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_ENVIRONMENT)


async def _of_ledger(store: MongoStore) -> Counter[AccountKey]:
    """What every account comes to; as many figures are kept as there are accounts, however many postings."""
    sums: Counter[AccountKey] = Counter()
    postings: list[Posting] = []
    async for document in store.stream(LEDGER, {}):
        postings.append(_postings.to_entity(document))
        if len(postings) == _POSTINGS_AT_ONCE:
            sums.update(balances_of(postings))
            postings.clear()
    sums.update(balances_of(postings))
    return sums


async def _replace(store: MongoStore, ledger: Counter[AccountKey]) -> None:
    """Write each balance into its first stripe and empty the others, so that their sum is the fold of the ledger."""
    documents: dict[str, Document] = {}
    async for document in store.stream(BALANCES, {}, fields=("_id",)):
        documents[document["_id"]] = {"_id": document["_id"], **_named_by(document["_id"])}
    for (distributor_id, currency, account), amount in ledger.items():
        key = balance_id(distributor_id, currency, 0)
        balance = documents.setdefault(key, {"_id": key, **_named_by(key)})
        balance[f"{account}_minor"] = amount
    waiting = iter(documents.values())
    while chunk := list(islice(waiting, _DOCUMENTS_AT_ONCE)):
        await store.transact(lambda tx, chunk=chunk: tx.replace(BALANCES, chunk))  # type: ignore[misc]


async def _rebuild_months(store: MongoStore, *, only_compare: bool) -> list[str]:
    """Return the months that are not what the commissions come to, and write each of those into its first stripe.

    The market is that of the rules: commissions of other markets than the default one may be older than their `market`.
    """
    markets = {
        rules["_id"]: rules["terms"]["market"] for rules in await store.find(RULES, {}, fields=("terms.market",))
    }
    months: dict[str, Counter[str]] = {}
    async for document in store.stream(COMMISSIONS, {}):
        commission = _commissions.to_entity(document)
        of_market = replace(commission, market=markets.get(commission.rule_version, commission.market))
        for key, amounts in increments_of(tallies_of(None, of_market)).items():
            months.setdefault(key, Counter()).update(amounts)
    stored: dict[str, list[Document]] = {}
    async for document in store.stream(EARNINGS, {}):
        stored.setdefault(key_of(document), []).append(document)
    wanted = {key: _month_document(key, amounts) for key, amounts in months.items()}
    differing = [
        key
        for key in sorted(wanted.keys() | stored.keys())
        if _month(stored.get(key, ())) != _month([wanted[key]] if key in wanted else ())
    ]
    for start in range(0, 0 if only_compare else len(differing), _DOCUMENTS_AT_ONCE):
        some = differing[start : start + _DOCUMENTS_AT_ONCE]
        documents = [{"_id": document["_id"]} for key in some for document in stored.get(key, ())]
        documents = [d for d in documents if d["_id"] not in wanted] + [wanted[key] for key in some if key in wanted]
        await store.transact(lambda tx, documents=documents: tx.replace(EARNINGS, documents))  # type: ignore[misc]
    return differing


def _month(documents: Iterable[Document]) -> Earnings:
    return next(iter(months_of(documents).values()), Earnings())


def _month_document(key: str, amounts: Mapping[str, int]) -> Document:
    document: Document = {"_id": key}
    for path, amount in amounts.items():
        *way, name = path.split(".")
        place = document
        for step in way:
            place = place.setdefault(step, {})
        place[name] = amount
    return document


def _named_by(key: str) -> Document:
    """Whose a balance is, by its key; nobody's where no worker would have written such a key."""
    match key.split("/"):
        case [distributor_id, currency, _] if distributor_id.isdecimal():
            return {"distributor_id": int(distributor_id), "currency": currency}
        case _:
            return {}


def _sum(parts: Iterable[Counter[AccountKey]]) -> Counter[AccountKey]:
    sums: Counter[AccountKey] = Counter()
    for part in parts:
        sums.update(part)
    return sums


def _differences(stored: Mapping[AccountKey, int], ledger: Mapping[AccountKey, int]) -> list[Difference]:
    accounts = sorted(stored.keys() | ledger.keys())
    pairs = [(account, stored.get(account, 0), ledger.get(account, 0)) for account in accounts]
    return [pair for pair in pairs if pair[1] != pair[2]]


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
        typer.echo(f"identical: {accounts} accounts")
        return
    for (distributor_id, currency, account), stored, posted in differing[:_DIFFERENCES_SHOWN_MAX]:
        typer.echo(
            f"{account} of {_named(distributor_id)}: the balance says {_amount(stored, currency)} {currency}, "
            f"the ledger {_amount(posted, currency)}"
        )
    if len(differing) > _DIFFERENCES_SHOWN_MAX:
        typer.echo(f"… and {len(differing) - _DIFFERENCES_SHOWN_MAX} more.")
    what = "put right by the ledger" if rebuilt else "differ; nothing was changed"
    typer.echo(f"{len(differing)} of {accounts} accounts {what}.")


def _print_months(differing: Sequence[str], *, rebuilt: bool) -> None:
    for key in differing[:_DIFFERENCES_SHOWN_MAX]:
        typer.echo(f"month {key}: what is remembered is not what the commissions come to")
    if differing:
        what = "put right by the commissions" if rebuilt else "differ; nothing was changed"
        typer.echo(f"{len(differing)} distributor months {what}.")


def _print_balances(distributor: int, balances: Mapping[AccountKey, int]) -> None:
    names = [name for name in ACCOUNTS if any(account == name for _, _, account in balances)]
    table = Table("currency", title=f"accounts of {_named(distributor)}", title_justify="left")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for currency in sorted({currency for _, currency, _ in balances}):
        table.add_row(currency, *(_amount(balances.get((distributor, currency, name), 0), currency) for name in names))
    Console().print(table)


def _print_postings(distributor: int, postings: Sequence[Posting]) -> None:
    table = Table("posted", "what", "order", "account", title=f"last {len(postings)} postings", title_justify="left")
    table.add_column("amount", justify="right")
    for posting in postings:
        for leg in posting.legs:
            if leg.distributor_id == distributor:
                amount = f"{_amount(leg.amount_minor, posting.currency)} {posting.currency}"
                account = leg.account.replace("_", " ")
                table.add_row(
                    f"{posting.posted_at:%Y-%m-%d %H:%M:%S}", posting.kind, escape(posting.key), account, amount
                )
    Console().print(table)


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
