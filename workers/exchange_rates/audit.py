"""I17: tables are what their digests name and what another person approved; each follows from the ones before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from contracts.exchange_rates.digests import table_digest
from contracts.exchange_rates.view import SOURCES, TABLES, RateTable, Source, jumps
from infra.auditing.audit import Read, Report
from workers.exchange_rates.model import State
from workers.exchange_rates.repository import to_source, to_table


async def audit(read: Read, report: Report) -> None:
    """All tables in order of time, so that each is compared with what was known before it."""
    state = State()
    async for document in read.stream(TABLES, {}, sort=(("as_of", 1), ("_id", 1))):
        table = to_table(document)
        report.add("I17", f"tables {table.state}")
        for fault in (*_faults_of_table(table), *_faults_of_approval(table, state.sources.get(table.source))):
            report.breach("I17", _about(table.table_id), fault)
        if table.state == "approved":
            state = state.with_newest(table)
    stored = {source.source: source async for source in _sources(read)}
    for name in sorted(state.sources.keys() | stored.keys()):
        due, found = state.sources.get(name), stored.get(name)
        named = due or found
        assert named is not None, "the name is that of one of them"
        detail = f"the newest table of {name} is {due and due.table_id}, its source has {found and found.table_id}"
        report.require(due == found, "I17", _about(named.table_id), detail)


async def _sources(read: Read) -> AsyncIterator[Source]:
    async for document in read.stream(SOURCES, {}):
        yield to_source(document)


def _faults_of_table(table: RateTable) -> Iterator[str]:
    digest = table_digest(
        table.source, table.base, table.as_of, table.rates, table.spread_ppm, confirm_jump=table.confirm_jump
    )
    if digest != table.digest:
        yield "it is not the one that the digest names"
    if (table.state == "proposed") != (table.decided_by is None):
        yield f"it is {table.state}, decided by {table.decided_by or 'no one'}"


def _faults_of_approval(table: RateTable, before: Source | None) -> Iterator[str]:
    if table.state != "approved":
        return
    approver = table.decided_by or ""
    if not approver or approver.casefold() == table.proposed_by.casefold():
        yield f"proposed by {table.proposed_by}, approved by {approver or 'no one'}"
    if before is None:
        return
    if table.base != before.base or table.as_of <= before.as_of:
        yield f"it does not follow {before.table_id}, of {before.as_of.isoformat()} in {before.base}"
    found = tuple(jumps(table.rates, before.last_rates))
    if found != table.jumps or (found and not table.confirm_jump):
        yield f"it jumps by {found}, and {table.jumps} were confirmed"


def _about(table_id: str) -> str:
    return f"exchange-rates/{table_id}"
