"""I13 and I14: the sums of every slice are its postings, and every statement is exactly its slice, by its terms.

Ledger, sums and statements are read in the order of their slices, side by side, so memory does not grow with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from contracts.settlement.tax import table_of_version
from contracts.settlement.view import (
    ACCOUNTS,
    BALANCES,
    DEFAULT_TERMS,
    LEDGER,
    PAYOUTS,
    PERIODS,
    SLICE_SUMS,
    STATEMENTS,
    STRIPES,
    TERMS,
    Posting,
    Statement,
    TaxMonth,
    figures_of,
    period_key,
    statement_id,
    sums_of,
)
from infra.auditing.audit import Read, Report
from infra.ports.store import Document
from workers.settlement.audit_payouts import PayoutBooks, names_its_payout
from workers.settlement.audit_terms import faults_by_terms
from workers.settlement.repository import SERIES, to_account, to_period, to_posting, to_statement, to_terms


class Slice(NamedTuple):
    """What one source has of a slice; the ledger also the legs of its close."""

    key: str
    distributor_id: int
    content: Counter[str] | Statement
    close: Mapping[str, int] = {}


@dataclass(slots=True)
class Chain:
    """What the statements of an account add up to so far, by the names of its fields."""

    carried_minor: int = 0
    last_statement: str | None = None
    closed_to: datetime | None = None
    tax: TaxMonth | None = None


async def audit_statements(read: Read, report: Report) -> None:
    """Compare ledger, sums and statements slice by slice; then follow the statements in the order of their numbers."""
    unclosed: dict[str, int] = {}
    payouts = PayoutBooks()
    ledger = _ledger(read, report, payouts)
    async for key, found in _side_by_side(ledger, _sums(read, report), _statements(read, report)):
        _audit_slice(report, key, found)
        is_closed = any(part is not None and isinstance(part.content, Statement) for part in found)
        if not is_closed and not key.partition("/")[2].startswith(f"{PAYOUTS}/"):
            [unclosed[key], *_] = [part.distributor_id for part in found if part is not None]
    await _audit_accounts(read, report, await _audit_chains(read, report, payouts), unclosed, payouts)
    payouts.audit(report)


async def _ledger(read: Read, report: Report, payouts: PayoutBooks) -> AsyncIterator[Slice]:
    key, distributor_id, sums, close = "", 0, Counter[str](), dict[str, int]()
    async for document in read.stream(
        LEDGER, report.among("distributor", "distributor_id", int), sort=(("statement", 1),)
    ):
        posting = to_posting(document)
        _audit_posting(report, posting)
        payouts.add(posting)
        if posting.statement != key:
            if key:
                yield Slice(key, distributor_id, sums, close)
            key, distributor_id, sums, close = posting.statement, posting.distributor_id, Counter(), {}
        for added in sums_of([posting]).values():
            sums.update(added)
        if posting.kind == "close":
            close = dict(posting.legs)
    if key:
        yield Slice(key, distributor_id, sums, close)


async def _sums(read: Read, report: Report) -> AsyncIterator[Slice]:
    key, distributor_id, sums = "", 0, Counter[str]()
    where = report.among("distributor", "distributor_id", int)
    async for document in read.stream(BALANCES, where, sort=(("_id", 1),)):
        slice_ = document["_id"].rpartition("/")[0]
        if slice_ != key:
            if key:
                yield Slice(key, distributor_id, sums)
            key, distributor_id, sums = slice_, document["distributor_id"], Counter()
        sums.update(_amounts(document))
    if key:
        yield Slice(key, distributor_id, sums)


async def _statements(read: Read, report: Report) -> AsyncIterator[Slice]:
    where = report.among("distributor", "distributor_id", int)
    async for document in read.stream(STATEMENTS, where, sort=(("_id", 1),)):
        statement = to_statement(document)
        yield Slice(statement.statement_id, statement.distributor_id, statement)


async def _side_by_side(*sources: AsyncIterator[Slice]) -> AsyncIterator[tuple[str, list[Slice | None]]]:
    """Each slice with what every source has of it; all sources are in the order of their keys."""
    heads = [await anext(source, None) for source in sources]
    while any(heads):
        key = min(head.key for head in heads if head is not None)
        yield key, [head if head is not None and head.key == key else None for head in heads]
        for place, head in enumerate(heads):
            if head is not None and head.key == key:
                heads[place] = await anext(sources[place], None)


def _audit_posting(report: Report, posting: Posting) -> None:
    report.add("I13", "postings")
    about = f"distributor/{posting.distributor_id}"
    if amount := sum(posting.legs.values()):
        report.breach("I13", about, f"posting {posting.posting_id} is off by {amount}")
    market, own = posting.statement.partition("/")[0], f"{posting.distributor_id}/{posting.currency}"
    is_own = posting.statement.endswith(f"/{own}") and posting.account == f"{market}/{own}"
    report.require(is_own, "I13", about, f"posting {posting.posting_id} is in {posting.statement}, of another account")
    detail = f"posting {posting.posting_id} names {posting.order}, {posting.reference}"
    report.require(_names_its_cause(posting), "I13", about, detail)


def _names_its_cause(posting: Posting) -> bool:
    """Whether order and reference are those in the id, which is that of what caused it."""
    of, order = posting.posting_id, posting.order or ""
    match posting.kind:
        case "release":
            return of == f"{order}/release/{posting.distributor_id}" and order.endswith(f"/{posting.reference}")
        case "reversal":
            return of == f"{order}/reversal/{posting.reference}/{posting.distributor_id}"
        case "reward" | "reward_back":
            return of.startswith(f"{posting.reference}/")
        case "adjustment" | "write_off":
            return of == f"adjustment/{posting.reference}"
        case "close":
            return of == f"{posting.statement}/close" == f"{posting.reference}/close"
        case "send" | "paid" | "failed" | "returned" | "fee":
            return names_its_payout(posting)


def _audit_slice(report: Report, key: str, found: list[Slice | None]) -> None:
    ledger, sums, statement = (part.content if part is not None else None for part in found)
    [distributor_id, *_] = [part.distributor_id for part in found if part is not None]
    about = f"distributor/{distributor_id}"
    posted = _without_zeros(ledger) if isinstance(ledger, Counter) else {}
    summed = _without_zeros(sums) if isinstance(sums, Counter) else {}
    closed = summed.pop("closed", 0)
    report.require(posted == summed, "I13", about, f"postings of {key} sum to {posted}, its sums are {summed}")
    due = STRIPES if isinstance(statement, Statement) else 0
    report.require(
        closed == due, "I14", about, f"{closed} of {STRIPES} sums of {key} are marked as closed, due are {due}"
    )
    if isinstance(statement, Statement):
        report.add("I14", "statements")
        for fault in _faults(statement, posted, found[0].close if found[0] is not None else {}):
            report.breach("I14", about, f"statement {key}: {fault}")


def _faults(statement: Statement, posted: dict[str, int], close: Mapping[str, int]) -> list[str]:
    """What a statement states otherwise than its postings and its close, or than its own figures add up to."""
    figures = figures_of([posted])
    stated = {name: getattr(statement, name if name != "postings" else "posting_count") for name in SLICE_SUMS}
    due = {name: getattr(figures, name) for name in SLICE_SUMS}
    found = [
        f"{name} is {stated[name]}, its postings give {due[name]}" for name in SLICE_SUMS if stated[name] != due[name]
    ]
    gross = statement.opening_minor + figures.total_minor
    if statement.gross_minor != gross:
        found.append(f"gross is {statement.gross_minor}, opening and lines give {gross}")
    parts = statement.payable_minor + statement.withheld_minor + statement.fees_minor + statement.carried_minor
    if parts != statement.gross_minor:
        found.append(f"its parts sum to {parts}, gross is {statement.gross_minor}")
    for account, amount in (
        ("payable", statement.payable_minor),
        ("tax", statement.withheld_minor),
        ("fees", statement.fees_minor),
    ):
        if close.get(account, 0) != amount:
            found.append(f"{amount} {account}, its close posts {close.get(account, 0)}")
    if statement.withheld_minor != _withheld_again(statement):
        found.append(f"withheld are {statement.withheld_minor}, the table gives {_withheld_again(statement)}")
    return found


def _withheld_again(statement: Statement) -> int | None:
    """The tax by the table that the statement names; None if there is no such table."""
    withheld = statement.withheld
    if withheld is None:
        return 0
    table = table_of_version(withheld.rule, withheld.version, statement.currency)
    if table is None or withheld.base_minor != statement.gross_minor:
        return None
    due = table.due_minor(withheld.month_gross_minor + withheld.base_minor) - withheld.month_withheld_minor
    return max(due, 0)


async def _audit_chains(read: Read, report: Report, payouts: PayoutBooks) -> dict[str, Chain]:
    """Numbers have no gaps; each statement opens with what the one before carried, follows it in time, counts the tax
    month on, without payouts that came back, and is what its terms give. Returns the chain of each account.
    """
    is_whole = report.only is None or bool(report.ids("settlement"))
    where = {} if is_whole else report.among("distributor", "distributor_id", int)
    terms = {document["_id"]: to_terms(document).terms async for document in read.stream(TERMS, {})}
    periods = {document["_id"]: to_period(document) async for document in read.stream(PERIODS, {})}
    # Read before the statements: a close that runs now adds to both.
    numbered = {document["_id"]: document["last"] async for document in read.stream(SERIES, {})}
    chains: dict[str, Chain] = {}
    last: dict[str, int] = {}
    async for document in read.stream(STATEMENTS, where, sort=(("number", 1),)):
        statement = to_statement(document)
        expected = last.get(statement.market, 0) + 1
        if is_whole and statement.number != expected:
            detail = f"statement {statement.statement_id} has number {statement.number}, the next one is {expected}"
            report.breach("I14", f"settlement/{statement.market}", detail)
        last[statement.market] = statement.number
        period = periods.get(period_key(statement.market, statement.period.partition(".")[0]))
        version = statement.terms_version
        faults = faults_by_terms(statement, period, terms.get(version) if version else DEFAULT_TERMS)
        chain = chains.setdefault(statement.account, Chain())
        for fault in (*faults, *_follow(chain, statement)):
            about = f"distributor/{statement.distributor_id}"
            report.breach("I14", about, f"statement {statement.statement_id}: {fault}")
        chain.tax = payouts.tax_after(statement, chain.tax)
    for market, number in numbered.items() if is_whole else ():
        is_kept = last.get(market, 0) >= number
        report.require(
            is_kept, "I14", f"settlement/{market}", f"{number} numbers are given, {last.get(market, 0)} used"
        )
    return chains


async def _audit_accounts(
    read: Read, report: Report, chains: dict[str, Chain], unclosed: dict[str, int], payouts: PayoutBooks
) -> None:
    """An account is what its statements give, and each slice without a statement is one of its open periods."""
    is_whole = report.only is None or bool(report.ids("settlement"))
    accounts = {} if is_whole else report.among("distributor", "distributor_id", int)
    async for document in read.stream(ACCOUNTS, accounts):
        account = to_account(document)
        payouts.add_account(account)
        chain = chains.pop(account.key, Chain())
        about = f"distributor/{account.distributor_id}"
        for name in Chain.__dataclass_fields__:
            stored, due = getattr(account, name), getattr(chain, name)
            detail = f"account {account.key} has {name} {stored}, its statements give {due}"
            report.require(stored == due, "I14", about, detail)
        due_at = account.open[0].closes_at if account.open else None
        report.require(account.close_at == due_at, "I14", about, f"account {account.key} is not closed at {due_at}")
        for period in account.open:
            unclosed.pop(statement_id(account.market, period.period, account.distributor_id, account.currency), None)
    for key in sorted(chains):
        report.breach("I14", f"distributor/{key.split('/')[1]}", f"account {key} is missing, and has statements")
    for key, distributor_id in sorted(unclosed.items()):
        report.breach("I14", f"distributor/{distributor_id}", f"{key} is neither closed nor open in its account")


def _follow(chain: Chain, statement: Statement) -> list[str]:
    """What contradicts the statement before it."""
    found = []
    if statement.opening_minor != chain.carried_minor:
        found.append(f"opens with {statement.opening_minor}, before it were {chain.carried_minor}")
    if chain.closed_to is not None and statement.starts_at < chain.closed_to:
        found.append(f"begins at {statement.starts_at}, and the one before ends at {chain.closed_to}")
    if (withheld := statement.withheld) is not None:
        month = chain.tax if chain.tax and chain.tax.month == withheld.month else TaxMonth(withheld.month)
        stated, due = (
            (withheld.month_gross_minor, withheld.month_withheld_minor),
            (month.gross_minor, month.withheld_minor),
        )
        if stated != due:
            found.append(f"states {stated} for the tax month, before it were {due}")
        chain.tax = TaxMonth(month.month, due[0] + statement.gross_minor, due[1] + statement.withheld_minor)
    chain.carried_minor = statement.carried_minor
    chain.last_statement = statement.statement_id
    chain.closed_to = statement.ends_at
    return found


def _amounts(document: Document) -> dict[str, int]:
    return {name: amount for name, amount in document.items() if isinstance(amount, int) and name != "distributor_id"}


def _without_zeros(sums: Counter[str]) -> dict[str, int]:
    return {name: amount for name, amount in sorted(sums.items()) if amount}
