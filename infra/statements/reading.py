"""Reads statements, their lines, terms, and what is not closed yet. The API and the command line share it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from contracts.settlement.arithmetic import Closing, statement_of, tax_month_after
from contracts.settlement.view import (
    ACCOUNTS,
    ADJUSTMENTS,
    BALANCES,
    DEFAULT_TERMS,
    LEDGER,
    STATEMENTS,
    STRIPES,
    TERMS,
    Account,
    Adjustment,
    Figures,
    OpenPeriod,
    Posting,
    Statement,
    TermsVersion,
    balance_id,
    figures_of,
    statement_id,
)
from infra.ports.store import Document, Reader, Store
from infra.runtime.repository import Codec

_accounts = Codec(Account, key="key")
_adjustments = Codec(Adjustment, key="adjustment_id")
_postings = Codec(Posting, key="posting_id")
_statements = Codec(Statement, key="statement_id")
_terms = Codec(TermsVersion, key="terms_version")
to_account = _accounts.to_entity
to_adjustment = _adjustments.to_entity
to_posting = _postings.to_entity
to_statement = _statements.to_entity
to_terms = _terms.to_entity


class Streams(Reader, Store, Protocol):
    """A store that also reads any number of documents."""


@dataclass(frozen=True, slots=True)
class Coming:
    """A period that is not closed: what its statement would be, with what is booked so far. Its number is 0."""

    period: OpenPeriod
    statement: Statement


@dataclass(frozen=True, slots=True)
class Balance:
    """What a distributor can have in a currency, over all markets: not on a statement yet, and on statements; and what
    of these is on its way, and paid.
    """

    currency: str
    available_minor: int = 0
    payable_minor: int = 0
    in_payout_minor: int = 0
    paid_minor: int = 0


async def statement_with(reader: Reader, key: str) -> Statement | None:
    found = await reader.find(STATEMENTS, {"_id": key}, limit=1)
    return to_statement(found[0]) if found else None


async def terms_with(reader: Reader, version: int) -> TermsVersion | None:
    found = await reader.find(TERMS, {"_id": version}, limit=1)
    return to_terms(found[0]) if found else None


async def adjustment_with(reader: Reader, adjustment_id: str) -> Adjustment | None:
    found = await reader.find(ADJUSTMENTS, {"_id": adjustment_id}, limit=1)
    return to_adjustment(found[0]) if found else None


async def lines_of(store: Streams, key: str) -> AsyncIterator[Posting]:
    """The lines of a statement, or of an open slice, in the order of their ids."""
    async for document in store.stream(LEDGER, {"statement": key}, sort=(("_id", 1),)):
        # The posting of the close itself is no line.
        if document["kind"] != "close":
            yield to_posting(document)


async def accounts_of(reader: Reader, distributor_id: int) -> list[Account]:
    """The accounts of a distributor, one for each market and currency."""
    found = await reader.find(ACCOUNTS, {"distributor_id": distributor_id}, sort=(("_id", 1),))
    return [to_account(document) for document in found]


async def coming_of(reader: Reader, accounts: Sequence[Account], now: datetime) -> list[Coming]:
    """What each open period of these accounts would become when it is due, or now if that is past."""
    figures = await _figures(reader, accounts)
    versions = {period.terms_version for account in accounts for period in account.open}
    documents = await reader.find(TERMS, {"_id": {"$in": sorted(versions)}}) if versions else []
    terms = {known.terms_version: known.terms for known in map(to_terms, documents)}
    coming = []
    for account in accounts:
        after = account
        for period in account.open:
            closing = Closing(max(now, period.closes_at))
            of_slice = figures.get(_slice(account, period), Figures())
            statement = statement_of(
                after, period, of_slice, terms.get(period.terms_version, DEFAULT_TERMS), closing, number=0
            )
            after = replace(after, carried_minor=statement.carried_minor, tax=tax_month_after(statement, after))
            coming.append(Coming(period, statement))
    return coming


async def balances_by_currency(reader: Reader, accounts: Sequence[Account]) -> list[Balance]:
    """What the accounts can have, by currency."""
    figures = await _figures(reader, accounts)
    balances: dict[str, Balance] = {}
    for account in accounts:
        slices = (_slice(account, period) for period in account.open)
        booked = sum(figures.get(slice_, Figures()).total_minor for slice_ in slices)
        known = balances.get(account.currency, Balance(account.currency))
        balances[account.currency] = Balance(
            account.currency,
            known.available_minor + account.carried_minor + booked,
            known.payable_minor + account.payable_minor,
            known.in_payout_minor + account.in_payout_minor,
            known.paid_minor + account.paid_minor,
        )
    return [balances[currency] for currency in sorted(balances)]


def _slice(account: Account, period: OpenPeriod) -> str:
    return statement_id(account.market, period.period, account.distributor_id, account.currency)


async def _figures(reader: Reader, accounts: Sequence[Account]) -> dict[str, Figures]:
    """The sums of every open slice of these accounts."""
    keys = [
        balance_id(_slice(account, period), stripe)
        for account in accounts
        for period in account.open
        for stripe in range(STRIPES)
    ]
    stripes: defaultdict[str, list[Document]] = defaultdict(list)
    for document in await reader.find(BALANCES, {"_id": {"$in": keys}}) if keys else []:
        stripes[str(document["_id"]).rpartition("/")[0]].append(document)
    return {slice_: figures_of(found) for slice_, found in stripes.items()}
