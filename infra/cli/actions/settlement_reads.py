"""`tributary settle preview` and `terms`, `tributary statements`: what is owed, when, and on which statement."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from contracts.explanation.rule_phrases import Language
from contracts.explanation.statement_sentences import (
    LineTotals,
    StatementMismatch,
    StatementWords,
    amount_text,
    time_left_sentence,
)
from contracts.javascript import all_exact
from contracts.settlement.view import ACCOUNTS, STATEMENTS, TERMS, Account, OpenPeriod, Posting, Statement, TermsVersion
from infra.adapters.mongo import MongoStore
from infra.auditing.audit import together
from infra.ports.time import RealTime
from infra.rehearsal.stored_rules import opened
from infra.statements.reading import (
    Coming,
    accounts_of,
    coming_of,
    lines_of,
    statement_with,
    to_account,
    to_statement,
    to_terms,
)
from infra.statements.sheet import Form, sheet_of, written
from infra.terminal.environment import EXIT_BREACH, one_sentence_on_failure, refuse, settings_for
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import Grid, Screen

_AT_ONCE = 500
_statement: TypeAdapter[Statement] = TypeAdapter(Statement)
_posting: TypeAdapter[Posting] = TypeAdapter(Posting)
_terms: TypeAdapter[TermsVersion] = TypeAdapter(TermsVersion)


class Filters(NamedTuple):
    """Which statements to list; None for any."""

    distributor_id: int | None = None
    market: str | None = None
    period: str | None = None
    currency: str | None = None
    outcome: str | None = None


@dataclass(slots=True)
class _Sum:
    accounts: int = 0
    gross_minor: int = 0
    payable_minor: int = 0


def preview(distributor: int | None, market: str, lang: Language, stack: str, *, as_json: bool) -> None:
    async def read() -> None:
        async with opened(settings_for(stack)) as store:
            if distributor is None:
                await _preview_market(store, market, lang, as_json=as_json)
            else:
                coming = await coming_of(store, await accounts_of(store, distributor), RealTime().now())
                _show_coming(coming, lang, as_json=as_json)

    with one_sentence_on_failure():
        asyncio.run(read())


def _show_coming(coming: list[Coming], lang: Language, *, as_json: bool) -> None:
    if as_json:
        plain = [_statement.dump_python(one.statement, mode="json") for one in coming]
        print_text(json.dumps(all_exact(plain), indent=2, ensure_ascii=False))
        return
    if not coming:
        print_line("Nothing is open; `tributary statements list` shows what was closed.")
    for one in coming:
        words = StatementWords(one.statement, lang)
        print_line(time_left_sentence(one.statement.market, one.period, lang, RealTime().now()))
        _print_figures(words)
        for sentence in (*words.sums(), *words.sentences_so_far()):
            print_line(sentence)


async def _preview_market(store: MongoStore, market: str, lang: Language, *, as_json: bool) -> None:
    """The sums of what is open, by period, currency and outcome."""
    now = RealTime().now()
    sums: defaultdict[tuple[str, str, str], _Sum] = defaultdict(_Sum)
    periods: dict[str, OpenPeriod] = {}
    async for accounts in together(_open_accounts(store, market), _AT_ONCE):
        for one in await coming_of(store, accounts, now):
            statement = one.statement
            periods.setdefault(statement.period, one.period)
            found = sums[statement.period, statement.currency, statement.outcome]
            found.accounts += 1
            found.gross_minor += statement.gross_minor
            found.payable_minor += statement.payable_minor
    rows = [
        {
            "period": period,
            "currency": currency,
            "outcome": outcome,
            "accounts": found.accounts,
            "gross": amount_text(found.gross_minor, currency),
            "payable": amount_text(found.payable_minor, currency),
        }
        for (period, currency, outcome), found in sorted(sums.items())
    ]
    if as_json:
        print_text(json.dumps(all_exact(rows), indent=2))
        return
    if not rows:
        print_line(f"Nothing is open in market {market}; `tributary statements list` shows what was closed.")
        return
    for _, period in sorted(periods.items()):
        print_line(time_left_sentence(market, period, lang, now))
    _print_rows(rows)


async def _open_accounts(store: MongoStore, market: str) -> AsyncIterator[Account]:
    async for document in store.stream(ACCOUNTS, {"market": market}):
        account = to_account(document)
        if account.open:
            yield account


def list_terms(market: str | None, stack: str, *, as_json: bool) -> None:
    async def read() -> list[TermsVersion]:
        async with opened(settings_for(stack)) as store:
            where = {"market": market} if market else {}
            return [to_terms(document) for document in await store.find(TERMS, where, sort=(("_id", 1),))]

    with one_sentence_on_failure():
        found = asyncio.run(read())
    if as_json:
        plain = [_terms.dump_python(one, mode="json") for one in found]
        print_text(json.dumps(all_exact(plain), indent=2, ensure_ascii=False))
    elif not found:
        print_line(
            "There are no terms; months in UTC, without minimum, tax and fees. `tributary settle propose-terms`."
        )
    else:
        _print_rows([_terms_row(one) for one in found])


def _terms_row(version: TermsVersion) -> dict[str, Any]:
    terms = version.terms
    minimum = ", ".join(f"{amount_text(minor, currency)} {currency}" for currency, minor in terms.minimum.items())
    return {
        "version": version.terms_version,
        "market": version.market,
        "period": f"{terms.period} {terms.anchor}",
        "zone": terms.zone,
        "minimum": minimum,
        "tax": terms.tax_rule or "",
        "since": version.since.isoformat() if version.since else "not approved",
        "proposed by": version.proposed_by,
        "approved by": version.approved_by or "",
        "digest": version.digest,
    }


def list_statements(filters: Filters, last: int, stack: str, *, as_json: bool) -> None:
    async def read() -> list[Statement]:
        async with opened(settings_for(stack)) as store:
            where = {name: value for name, value in filters._asdict().items() if value is not None}
            newest = "closed_at" if filters.distributor_id is not None else "number"
            sort = ((newest, -1), ("_id", -1))
            return [to_statement(one) for one in await store.find(STATEMENTS, where, sort=sort, limit=last)]

    with one_sentence_on_failure():
        found = asyncio.run(read())
    if as_json:
        plain = [_statement.dump_python(one, mode="json") for one in found]
        print_text(json.dumps(all_exact(plain), indent=2, ensure_ascii=False))
    elif not found:
        print_line(
            "There is no such statement; `tributary settle preview` shows what is not closed yet, and until when."
        )
    else:
        _print_rows([_summary(one) for one in found])


def _summary(statement: Statement) -> dict[str, Any]:
    names = ("opening", "gross", "withheld", "fees", "payable", "carried")
    amounts = {name: amount_text(getattr(statement, f"{name}_minor"), statement.currency) for name in names}
    return {"no.": statement.number, "statement": statement.statement_id, **amounts, "outcome": statement.outcome}


def show(statement_id: str, lang: Language, files: dict[Form, Path], stack: str, *, as_json: bool) -> None:
    async def run() -> None:
        async with opened(settings_for(stack)) as store:
            statement = await statement_with(store, statement_id)
            if statement is None:
                refuse(f"There is no statement {statement_id}; `tributary statements list` shows all.", EXIT_BREACH)
            for form, path in files.items():
                await _write(store, statement, form, lang, path)
            if as_json:
                lines = [_posting.dump_python(line, mode="json") async for line in lines_of(store, statement_id)]
                plain = {**_statement.dump_python(statement, mode="json"), "lines": lines}
                print_text(json.dumps(all_exact(plain), indent=2, ensure_ascii=False))
            elif not files:
                await _print_statement(store, statement, lang)

    with one_sentence_on_failure():
        try:
            asyncio.run(run())
        except StatementMismatch as error:
            refuse(f"{error}.", EXIT_BREACH)


async def _write(store: MongoStore, statement: Statement, form: Form, lang: Language, path: Path) -> None:
    """Write the file beside its place first, so that an incomplete one is never there."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            async for part in written(
                sheet_of(statement, form, lang), statement, lines_of(store, statement.statement_id)
            ):
                file.write(part)
        unfinished.replace(path)
    except OSError as error:
        refuse(f"{path}: {error.strerror or error}.")
    finally:
        unfinished.unlink(missing_ok=True)
    print_line(f"Wrote {path}.")


async def _print_statement(store: MongoStore, statement: Statement, lang: Language) -> None:
    words, totals = StatementWords(statement, lang), LineTotals()
    table = Grid(*words.columns())
    async for posting in lines_of(store, statement.statement_id):
        totals.add(posting)
        table.add_row(*words.line(posting))
    totals.check(statement)
    for text in (words.title(), *words.heading()):
        print_line(text)
    _print_figures(words)
    for text in (*words.sums(), *words.sentences()):
        print_line(text)
    if totals.lines:
        Screen().print(table)


def _print_figures(words: StatementWords) -> None:
    table = Grid("", "", show_header=False)
    for name, amount in words.figures():
        table.add_row(name, amount)
    Screen().print(table)


def _print_rows(rows: list[dict[str, Any]]) -> None:
    table = Grid(*rows[0])
    for row in rows:
        table.add_row(*map(str, row.values()))
    Screen().print(table)
