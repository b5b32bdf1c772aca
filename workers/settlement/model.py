"""The data of the rules beside the published view: movements to be booked, and the numbers of statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from contracts.settlement.kinds import OTHER_SIDE, PostingKind
from contracts.settlement.view import (
    DEFAULT_TERMS,
    Account,
    Adjustment,
    Figures,
    Period,
    Posting,
    Statement,
    Terms,
    TermsVersion,
    account_key,
)
from contracts.wire.decision import Decision, NotYet


@dataclass(frozen=True, slots=True)
class Movement:
    """What one distributor gets or loses, before it is known in which period. `posting_id` is its natural key.

    `amount_minor` becomes available. `others` are the other legs, if they are not just the usual other side of it.
    """

    posting_id: str
    kind: PostingKind
    market: str
    distributor_id: int
    currency: str
    amount_minor: int
    effective_at: datetime
    reference: str
    order: str | None = None
    others: Mapping[str, int] | None = None
    follows: str | None = None

    @property
    def account(self) -> str:
        return account_key(self.market, self.distributor_id, self.currency)

    @property
    def legs(self) -> dict[str, int]:
        """The amounts by account, without zeros."""
        legs: dict[str, int] = {"available": self.amount_minor}
        legs |= {OTHER_SIDE[self.kind]: -self.amount_minor} if self.others is None else self.others
        return {name: minor for name, minor in legs.items() if minor}


@dataclass(frozen=True, slots=True)
class Series:
    """The last number of a market's statements. Every close writes it, so closes of a market run one at a time.

    `changes` counts the periods that were opened, the terms that were approved and the write-offs that were booked: of
    two at once, one is run again and sees the other. Otherwise terms could begin within a period that they have not
    seen, and two write-offs could forgive more than the debt.
    """

    market: str
    last: int = 0
    changes: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message: accounts, the periods and terms of their markets, and the figures of slices that it may
    close. `due` are the accounts to close, and `more_due` whether there are others. `booked` are the ids of postings
    that exist, `closed` the statements whose payouts the message is about. `postings` and `statements` are results.
    """

    accounts: Mapping[str, Account] = field(default_factory=dict)
    periods: Mapping[str, Period] = field(default_factory=dict)
    terms: Mapping[int, TermsVersion] = field(default_factory=dict)
    adjustments: Mapping[str, Adjustment] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    figures: Mapping[str, Figures] = field(default_factory=dict)
    booked: frozenset[str] = frozenset()
    closed: Mapping[str, Statement] = field(default_factory=dict)
    due: tuple[str, ...] = ()
    more_due: bool = False
    postings: tuple[Posting, ...] = ()
    statements: tuple[Statement, ...] = ()

    def terms_of(self, version: int) -> Terms:
        """The terms of a version; 0 are the default ones."""
        return self.terms[version].terms if version else DEFAULT_TERMS

    def approved_in(self, market: str) -> list[TermsVersion]:
        """The approved terms of a market in the order in which they begin."""
        approved = [terms for terms in self.terms.values() if terms.market == market and terms.since is not None]
        return sorted(approved, key=lambda terms: (terms.since or terms.proposed_at, terms.terms_version))

    def last_number(self, market: str) -> int:
        known = self.series.get(market)
        return known.last if known else 0

    def with_account(self, account: Account) -> Self:
        return replace(self, accounts={**self.accounts, account.key: account})

    def with_period(self, period: Period) -> Self:
        """The state with a period that was opened now."""
        return replace(self.with_change(period.market), periods={**self.periods, period.key: period})

    def with_terms(self, terms: TermsVersion) -> Self:
        return replace(self, terms={**self.terms, terms.terms_version: terms})

    def with_approved(self, terms: TermsVersion) -> Self:
        return self.with_change(terms.market).with_terms(terms)

    def with_change(self, market: str) -> Self:
        """With a write of the market's series, so that of two changes at once one is run again and sees the other."""
        series = self.series.get(market, Series(market))
        return replace(self, series={**self.series, market: replace(series, changes=series.changes + 1)})

    def with_adjustment(self, adjustment: Adjustment) -> Self:
        return replace(self, adjustments={**self.adjustments, adjustment.adjustment_id: adjustment})

    def with_posting(self, posting: Posting) -> Self:
        return replace(self, postings=(*self.postings, posting), booked=self.booked | {posting.posting_id})

    def with_closed(
        self, accounts: Iterable[Account], statements: Iterable[Statement], postings: Iterable[Posting]
    ) -> Self:
        """The state after these statements; the last number of each market is that of its last statement."""
        statements = tuple(statements)
        numbers = {statement.market: statement.number for statement in statements}
        series = {
            market: replace(self.series.get(market, Series(market)), last=last) for market, last in numbers.items()
        }
        return replace(
            self,
            accounts={**self.accounts, **{account.key: account for account in accounts}},
            series={**self.series, **series},
            statements=(*self.statements, *statements),
            postings=(*self.postings, *postings),
        )


Result = Decision[State] | NotYet[State]
"""What a rule returns."""
