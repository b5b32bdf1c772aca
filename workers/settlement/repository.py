"""Loads the accounts, periods and terms that a batch names; appends to the ledger and adds to the sums of its slices.

A posting adds to one of the documents of its slice, and a close writes all of them. So of a close and a posting into
the same slice at the same time one is run again, and then sees the other. Nothing is locked.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import ClassVar, Self

from contracts.settlement.v1 import ApproveAdjustment, ApproveTerms, ClosePeriod, ProposeAdjustment, ProposeTerms
from contracts.settlement.view import (
    ACCOUNTS,
    ADJUSTMENTS,
    BALANCES,
    LEDGER,
    PERIODS,
    STATEMENTS,
    STRIPES,
    TERMS,
    Account,
    Adjustment,
    Figures,
    Period,
    Posting,
    Statement,
    TermsVersion,
    account_key,
    balance_id,
    figures_of,
    statement_id,
    sums_of,
)
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Find, Increment, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.settlement.closing import ANY_MARKET
from workers.settlement.consumed import (
    Consumed,
    asked,
    ending_after,
    ids_booked,
    market_due,
    markets_of,
    markets_of_approved,
    moved_by,
    moves,
)
from workers.settlement.model import Series, State
from workers.settlement.movements import movements_of
from workers.settlement.payouts import PayoutEvent

SERIES = "settlement.series"

Due = tuple[tuple[str, ...], bool]
"""The accounts that a message closes, and whether more are due."""

CLOSE_MAX, CLOSE_BYTES_MAX = 500, 4 * 2**20
"""Accounts that one message closes; the next message takes the rest."""

_accounts = Codec(Account, key="key")
_periods = Codec(Period, key="key")
_terms = Codec(TermsVersion, key="terms_version")
_adjustments = Codec(Adjustment, key="adjustment_id")
_series = Codec(Series, key="market")
_postings = Codec(Posting, key="posting_id")
_statements = Codec(Statement, key="statement_id")
to_account = _accounts.to_entity
to_adjustment = _adjustments.to_entity
to_period = _periods.to_entity
to_terms = _terms.to_entity
to_posting = _postings.to_entity
to_statement = _statements.to_entity


class SettlementRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            LEDGER,
            "append-only, balanced postings, by the message or the document that caused them",
            (
                Index((("statement", 1), ("_id", 1)), "the lines of a statement"),
                Index((("distributor_id", 1), ("statement", 1)), "a distributor's postings"),
            ),
        ),
        Collection(
            BALANCES,
            "the sums of a distributor's postings of a period; they are the sums of its stripes, which its close marks",
            (Index((("distributor_id", 1), ("_id", 1)), "a distributor's sums"),),
        ),
        Collection(
            ACCOUNTS,
            "a distributor's account in a market and currency: open periods, and what the last statement carried",
            (
                Index((("close_at", 1), ("_id", 1)), "accounts to be closed"),
                Index((("market", 1), ("close_at", 1), ("_id", 1)), "accounts of a market to be closed"),
                Index((("distributor_id", 1), ("_id", 1)), "a distributor's accounts"),
            ),
        ),
        Collection(
            PERIODS,
            "periods of markets as instants, stored when the first posting arrives",
            (Index((("market", 1), ("ends_at", 1)), "the period of a time"),),
        ),
        Collection(
            STATEMENTS,
            "closed statements; they never change",
            (
                Index((("distributor_id", 1), ("closed_at", 1), ("_id", 1)), "a distributor's statements"),
                Index((("market", 1), ("period", 1), ("_id", 1)), "the statements of a period"),
                Index((("number", 1), ("_id", 1)), "statements in the order of their numbers"),
            ),
        ),
        Collection(TERMS, "terms of settlement by version", (Index((("market", 1),), "the terms of a market"),)),
        Collection(
            ADJUSTMENTS,
            "adjustments and write-offs, by the proposer's id",
            (Index((("distributor_id", 1), ("_id", 1)), "a distributor's adjustments"),),
        ),
        Collection(
            SERIES, "the last number of each market's statements, and a count of its new periods, terms and write-offs"
        ),
    )

    def __init__(
        self,
        *,
        accounts: Loaded[str, Account],
        periods: Loaded[str, Period],
        terms: Loaded[int, TermsVersion],
        adjustments: Loaded[str, Adjustment],
        series: Loaded[str, Series],
        figures: dict[str, Figures],
        booked: Iterable[str],
        due: Mapping[str | None, Due],
        closed: Mapping[str, Statement],
    ) -> None:
        self._accounts = accounts
        self._periods = periods
        self._terms = terms
        self._adjustments = adjustments
        self._series = series
        self._figures = figures
        self._booked = set(booked)
        self._due = due
        self._closed = closed
        self._postings: list[Posting] = []
        self._statements: list[Statement] = []

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        """All messages have one type, as those of a queue do."""
        data = [message.data for message in messages]
        movements = [movement for message in messages if moves(message) for movement in movements_of(message)]
        earliest = [movement.effective_at for movement in movements]
        closes = [d for d in data if isinstance(d, ClosePeriod)]
        markets = {movement.market for movement in movements} | {d.market for d in closes}
        versions = [d.terms_version for d in data if isinstance(d, ProposeTerms | ApproveTerms)]
        distributors = {d.distributor_id for d in closes if d.distributor_id is not None}
        payouts = [d for d in data if isinstance(d, PayoutEvent)]
        booked = with_ids(LEDGER, (key for message in messages for key in ids_booked(message)))
        return {
            "booked": Find(booked.collection, booked.where, fields=("_id",)),
            "accounts": Find(ACCOUNTS, {"distributor_id": {"$in": sorted(distributors)}})
            if distributors
            else with_ids(ACCOUNTS, (movement.account for movement in movements)),
            "terms": with_ids(TERMS, versions) if versions else Find(TERMS, {"market": {"$in": sorted(markets)}}),
            "periods": Find(PERIODS, {"market": {"$in": sorted(markets)}, **ending_after(earliest)}),
            "series": with_ids(SERIES, sorted(markets)),
            "adjustments": with_ids(
                ADJUSTMENTS, (d.adjustment_id for d in data if isinstance(d, ProposeAdjustment | ApproveAdjustment))
            ),
            "statements": with_ids(STATEMENTS, (d.payout_id for d in payouts)),
        }

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        """What is due, or what adjustments, terms and payouts concern, takes further queries."""
        accounts = _accounts.by_key(found["accounts"])
        periods = _periods.by_key(found["periods"])
        terms = _terms.by_key(found["terms"])
        series = _series.by_key(found["series"])
        adjustments = _adjustments.by_key(found["adjustments"])
        statements = _statements.by_key(found["statements"])
        due = await _due(tx, messages, accounts)
        if due:
            versions = {period.terms_version for account in accounts.values() for period in account.open} - {0}
            terms |= await _terms.fetch(tx, TERMS, versions)
            series |= await _series.fetch(tx, SERIES, {account.market for account in accounts.values()})
        if adjustments:
            accounts |= await _accounts_of(tx, adjustments.values())
        if statements:
            moved = {key for message in messages for key in moved_by(message, statements)}
            accounts |= await _accounts.fetch(tx, ACCOUNTS, moved)
        # Adjustments are booked now, payouts at their time; terms that are approved begin after every period.
        current = ending_after(message.received_at for message in messages)
        sent = ending_after(message.time for message in messages)
        for markets, of_periods in (
            (markets_of(adjustments.values()), current),
            (markets_of_approved(messages, terms), {}),
            (markets_of(statements.values()), sent),
        ):
            if markets:
                more_terms, more_periods, more_series = await _of_markets(tx, markets, of_periods)
                terms, periods, series = terms | more_terms, periods | more_periods, series | more_series
        needs_figures = bool(due or adjustments) or any(isinstance(m.data, ClosePeriod) for m in messages)
        return cls(
            accounts=Loaded(accounts),
            periods=Loaded(periods),
            terms=Loaded(terms),
            adjustments=Loaded(adjustments),
            series=Loaded(series),
            figures=await _figures(tx, accounts.values()) if needs_figures else {},
            booked=(document["_id"] for document in found["booked"]),
            due=due,
            closed=statements,
        )

    def state_for(self, message: Message[Consumed]) -> State:
        due, more_due = self._due.get(market_due(message.data), ((), False))
        keys = due or moved_by(message, self._closed) or self._keys_named(message.data)
        return State(
            accounts=self._accounts.pick(keys),
            periods=self._periods.all(),
            terms=self._terms.all(),
            adjustments=self._adjustments.all(),
            series=self._series.all(),
            figures=self._figures,
            booked=frozenset(self._booked.intersection(ids_booked(message))),
            closed=self._closed,
            due=due,
            more_due=more_due,
        )

    def _keys_named(self, data: Consumed) -> list[str]:
        """The accounts that a command names."""
        if isinstance(data, ClosePeriod):
            accounts = self._accounts.all().values()
            named = (a for a in accounts if a.market == data.market and a.distributor_id == data.distributor_id)
            return sorted(account.key for account in named)
        return [*self._accounts.all()] if isinstance(data, ApproveAdjustment) else []

    def keep(self, state: State) -> None:
        self._accounts.keep(state.accounts)
        self._periods.keep(state.periods)
        self._terms.keep(state.terms)
        self._adjustments.keep(state.adjustments)
        self._series.keep(state.series)
        self._postings.extend(state.postings)
        self._statements.extend(state.statements)
        self._booked.update(posting.posting_id for posting in state.postings)
        if self._adjustments.changed:
            self._count(state.postings)

    def _count(self, postings: Iterable[Posting]) -> None:
        """Add postings to the figures, which the next adjustment of the batch reads."""
        changed = {slice_: Counter(asdict(self._figures.get(slice_, Figures()))) for slice_ in sums_of(postings)}
        for slice_, sums in sums_of(postings).items():
            changed[slice_].update(sums)
        self._figures = {**self._figures, **{slice_: figures_of([sums]) for slice_, sums in changed.items()}}

    async def save(self, tx: Transaction) -> None:
        await _terms.save(tx, TERMS, self._terms)
        await _adjustments.save(tx, ADJUSTMENTS, self._adjustments)
        await _periods.save(tx, PERIODS, self._periods)
        await _accounts.save(tx, ACCOUNTS, self._accounts)
        await _series.save(tx, SERIES, self._series)
        await tx.insert(LEDGER, [_postings.to_document(posting) for posting in self._postings])
        await tx.insert(STATEMENTS, [_statements.to_document(statement) for statement in self._statements])
        await tx.add(BALANCES, list(_increments(self._postings, self._statements)))


async def _due(
    tx: Transaction, messages: Sequence[Message[Consumed]], accounts: dict[str, Account]
) -> dict[str | None, Due]:
    """The accounts to close for each market that is asked for, which are added to `accounts`. Each has a period that is
    over: otherwise those whose first one is not would take the places of others.
    """
    latest: dict[str, tuple[datetime, datetime]] = {}
    for market, *times in filter(None, map(asked, messages)):
        known = latest.get(market, times)
        latest[market] = max(times[0], known[0]), max(times[1], known[1])
    due: dict[str | None, Due] = {}
    for market, (due_at, now) in sorted(latest.items()):
        where: dict[str, object] = {"close_at": {"$lte": due_at}, "open.ends_at": {"$lte": now}}
        where |= {} if market == ANY_MARKET else {"market": market}
        documents, more = await tx.find_some(
            ACCOUNTS,
            where,
            sort=(("close_at", 1), ("_id", 1)),
            limit=max(CLOSE_MAX // len(latest), 1),
            bytes_max=CLOSE_BYTES_MAX,
        )
        found = _accounts.by_key(documents)
        accounts |= found
        due[market] = (tuple(found), more)
    return due


async def _figures(tx: Transaction, accounts: Iterable[Account]) -> dict[str, Figures]:
    """The sums of every open slice of these accounts."""
    slices = [
        statement_id(account.market, period.period, account.distributor_id, account.currency)
        for account in accounts
        for period in account.open
    ]
    query = with_ids(BALANCES, (balance_id(slice_, stripe) for slice_ in slices for stripe in range(STRIPES)))
    stripes: defaultdict[str, list[Mapping[str, object]]] = defaultdict(list)
    for document in [] if query.is_idle else await query.run(tx):
        stripes[document["_id"].rpartition("/")[0]].append(document)
    return {slice_: figures_of(found) for slice_, found in stripes.items()}


async def _accounts_of(tx: Transaction, adjustments: Iterable[Adjustment]) -> dict[str, Account]:
    keys = {account_key(each.market, each.distributor_id, each.currency) for each in adjustments}
    return await _accounts.fetch(tx, ACCOUNTS, keys)


async def _of_markets(
    tx: Transaction, markets: Sequence[str], of_periods: Mapping[str, object]
) -> tuple[dict[int, TermsVersion], dict[str, Period], dict[str, Series]]:
    """The terms and series of these markets, and their periods that meet a further condition."""
    where = {"market": {"$in": list(markets)}}
    return (
        _terms.by_key(await tx.find(TERMS, where)),
        _periods.by_key(await tx.find(PERIODS, {**where, **of_periods})),
        await _series.fetch(tx, SERIES, markets),
    )


def _increments(postings: Iterable[Posting], statements: Iterable[Statement]) -> Iterable[Increment]:
    """A posting adds to the stripe of its process; a statement marks all stripes of its slice."""
    postings, own = list(postings), os.getpid() % STRIPES
    amounts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    whose: dict[str, Posting | Statement] = {posting.statement: posting for posting in postings}
    for slice_, sums in sums_of(postings).items():
        amounts[balance_id(slice_, own)].update(sums)
    for statement in statements:
        whose[statement.statement_id] = statement
        for stripe in range(STRIPES):
            amounts[balance_id(statement.statement_id, stripe)]["closed"] = 1
    for key, added in sorted(amounts.items()):
        of = whose[key.rpartition("/")[0]]
        fixed = {"account": of.account, "distributor_id": of.distributor_id, "currency": of.currency}
        yield Increment(key, added, fixed)
