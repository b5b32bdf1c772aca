"""`tributary fx`: tables of exchange rates in CSV files, proposed, decided and shown."""

from __future__ import annotations

import asyncio
import csv
import json
from datetime import UTC
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from contracts.exchange_rates.v1 import ApproveRates, PublishRates, RejectRates
from contracts.exchange_rates.view import TABLES, RateTable
from contracts.javascript import all_exact
from contracts.money import to_rate
from infra.cli.actions.changing import change, command_of, moment_given, who, whole_digest
from infra.rehearsal.stored_rules import opened
from infra.statements.rates import table_with, to_table
from infra.terminal.environment import EXIT_BREACH, EXIT_USAGE, one_sentence_on_failure, refuse, settings_for
from infra.terminal.printing import print_line, print_text
from infra.terminal.screen import Grid, Screen

BYTES_MAX = 100_000
"""A table of every currency takes a tenth of it."""

COLUMNS = ["currency", "rate"]

_tables: TypeAdapter[RateTable] = TypeAdapter(RateTable)


class NewTable(NamedTuple):
    """A table as it was typed; its rates are in a file."""

    table_id: str | None
    source: str
    base: str
    as_of: str
    spread: str
    confirm_jump: bool


def publish(file: Path, given: NewTable, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    as_of = moment_given(given.as_of, "--as-of")
    assert as_of is not None, "a time was given"
    table_id = given.table_id or f"{given.source}-{as_of.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    fields = {**given._asdict(), "table_id": table_id, "as_of": as_of}
    change(stack, command_of(PublishRates, **fields, rates=_rates_in(file), proposed_by=who(by)), wait, as_json)


def approve(table_id: str, digest: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    whole = whole_digest(f"table {table_id}", digest, stack, lambda store: table_with(store, table_id))
    change(stack, command_of(ApproveRates, table_id=table_id, digest=whole, approved_by=who(by)), wait, as_json)


def reject(table_id: str, reason: str, by: str | None, wait: float, stack: str, *, as_json: bool) -> None:
    change(stack, command_of(RejectRates, table_id=table_id, reason=reason, rejected_by=who(by)), wait, as_json)


def list_tables(as_of: str | None, last: int, stack: str, *, as_json: bool) -> None:
    moment = moment_given(as_of, "--as-of")

    async def read() -> list[RateTable]:
        async with opened(settings_for(stack)) as store:
            where = {"as_of": {"$lte": moment}} if moment is not None else {}
            newest = (("as_of", -1), ("_id", -1))
            return [to_table(document) for document in await store.find(TABLES, where, sort=newest, limit=last)]

    with one_sentence_on_failure():
        found = asyncio.run(read())
    if as_json:
        print_text(json.dumps(all_exact([_tables.dump_python(one, mode="json") for one in found]), indent=2))
    elif not found:
        print_line("There are no exchange rates; `tributary fx publish` proposes some.")
    else:
        rows = [_row(one) for one in found]
        grid = Grid(*rows[0])
        for row in rows:
            grid.add_row(*row.values())
        Screen().print(grid)


def show(table_id: str, stack: str, *, as_json: bool) -> None:
    async def read() -> RateTable | None:
        async with opened(settings_for(stack)) as store:
            return await table_with(store, table_id)

    with one_sentence_on_failure():
        found = asyncio.run(read())
    if found is None:
        refuse(f"There is no table {table_id}; `tributary fx show` lists them.", EXIT_BREACH)
    if as_json:
        print_text(json.dumps(all_exact(_tables.dump_python(found, mode="json")), indent=2))
        return
    for name, value in _row(found).items():
        print_line(f"{name}: {value}")
    before = {jump.currency: jump.before for jump in found.jumps}
    grid = Grid("currency", f"for 1 {found.base}", "before, if it jumps")
    for currency, rate in found.rates.items():
        grid.add_row(currency, rate, before.get(currency, ""))
    Screen().print(grid)


def _row(table: RateTable) -> dict[str, str]:
    return {
        "table": table.table_id,
        "source": table.source,
        "base": table.base,
        "as of": table.as_of.isoformat(),
        "spread": f"{to_rate(table.spread_ppm):f}",
        "state": table.state,
        "proposed by": table.proposed_by,
        "decided by": table.decided_by or "",
        "digest": table.digest,
    }


def _rates_in(path: Path) -> list[dict[str, Any]]:
    """The lines of the file; the contract checks what they hold."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        refuse(f"{path}: {error.strerror or error}.", EXIT_USAGE)
    except UnicodeDecodeError:
        refuse(f"{path}: it is not valid UTF-8; save it as UTF-8.", EXIT_BREACH)
    if len(content) > BYTES_MAX:
        refuse(f"{path}: it has more than {BYTES_MAX} bytes; a table of exchange rates is smaller.", EXIT_USAGE)
    head, *lines = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines())] or [[]]
    if [name.lower() for name in head] != COLUMNS:
        refuse(f"{path}: begin it with the line `currency,rate`.", EXIT_BREACH)
    for number, row in enumerate(lines, 2):
        if len(row) not in (0, len(COLUMNS)):
            refuse(f"{path}: line {number} has {len(row)} values; write a currency and a rate.", EXIT_BREACH)
    return [dict(zip(COLUMNS, row, strict=True)) for row in lines if row]
