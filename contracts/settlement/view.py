"""The published view of settlement, owned by `settlement`. Amounts in minor units, signed; positive is credit.

A slice of the ledger is what one distributor has in one market, currency and period. It is named like the statement
that closes it: `market/period/distributor/currency`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from contracts.calendar import PeriodKind, Schedule
from contracts.rules.view import DEFAULT_MARKET, Money
from contracts.settlement.kinds import FIGURE_OF, PostingKind

LEDGER = "settlement.ledger"
BALANCES = "settlement.balances"
ACCOUNTS = "settlement.accounts"
PERIODS = "settlement.periods"
STATEMENTS = "settlement.statements"
TERMS = "settlement.terms"
ADJUSTMENTS = "settlement.adjustments"

STRIPES = 4
"""The sums of a slice are the sum of this many documents, and a process adds to one of them. A close writes all of
them, so that no posting is added to a closed slice unseen.
"""

PAYOUTS = "payouts"
"""Stands for the period in the slice of postings of payouts that give nothing back. No statement closes that slice."""

FeeBearer = Literal["platform", "payee"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How the commissions of a market become statements. Amounts are by currency.

    The period is closed `grace_hours` after its end. What is below `minimum` is carried. `fees` are taken of each
    payable statement if the payee bears them. `approvals` is how many persons beside the proposer approve an adjustment
    or a write-off. A debt may be written off after `write_off_after_days`; never without it.
    """

    market: str = DEFAULT_MARKET
    zone: str = "UTC"
    period: PeriodKind = "month"
    anchor: int = 1
    grace_hours: int = 6
    minimum: Money = field(default_factory=dict)
    tax_rule: str | None = None
    fee_bearer: FeeBearer = "platform"
    fees: Money = field(default_factory=dict)
    approvals: int = 1
    write_off_after_days: int | None = None
    effective_from: datetime | None = None

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.zone, self.period, self.anchor)


DEFAULT_TERMS = Terms()
"""Version 0: the terms of a market without approved ones. No minimum, no tax, no fees."""


@dataclass(frozen=True, slots=True)
class TermsVersion:
    """Terms that a person proposed. Once another person approved them they never change, and hold from `since` on:
    where a period ends, or, where none was open, where the period of their own begins that contained the moment of the
    approval, in which nothing was booked yet.
    """

    terms_version: int
    market: str
    digest: str
    terms: Terms
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    since: datetime | None = None
    proposed_os_user: str | None = None
    approved_os_user: str | None = None


@dataclass(frozen=True, slots=True)
class Period:
    """A period of a market, as it was opened; `_id` is `market/period`. Its instants never change."""

    key: str
    market: str
    period: str
    starts_at: datetime
    ends_at: datetime
    closes_at: datetime
    zone: str
    terms_version: int


@dataclass(frozen=True, slots=True)
class OpenPeriod:
    """A period in which an account has postings and no statement. Off-cycle closes divide it into parts, from 1."""

    period: str
    starts_at: datetime
    ends_at: datetime
    closes_at: datetime
    zone: str
    terms_version: int
    part: int = 1


@dataclass(frozen=True, slots=True)
class TaxMonth:
    """What an account's statements of one calendar month (`2026-11`, of their closes, in the zone of the terms) add up
    to, for withholding.
    """

    month: str
    gross_minor: int = 0
    withheld_minor: int = 0


@dataclass(frozen=True, slots=True)
class Account:
    """A distributor in a market and currency; `_id` is `market/distributor/currency`.

    `open` are the periods without a statement, in order of time; `close_at` is when the first of them closes.
    Everything before `closed_to` is closed. If that lies within a period, an off-cycle close ended its part number
    `part` there. `carried_minor` is the opening of the next statement; what can be had is that and the sums of
    the open slices. `payable_minor` is what statements pay less what payouts sent, `in_payout_minor` is on its way,
    and `paid_minor` was paid and did not come back.
    """

    key: str
    market: str
    distributor_id: int
    currency: str
    open: tuple[OpenPeriod, ...] = ()
    close_at: datetime | None = None
    closed_to: datetime | None = None
    part: int = 0
    carried_minor: int = 0
    payable_minor: int = 0
    tax: TaxMonth | None = None
    negative_since: datetime | None = None
    last_statement: str | None = None
    in_payout_minor: int = 0
    paid_minor: int = 0


@dataclass(frozen=True, slots=True)
class Posting:
    """An append-only entry of the ledger. Its legs, amounts by account, sum to zero.

    `statement` names its slice. `late_from` is the period to which it would belong, if that was closed. `reference`
    is the refund, reward, adjustment or statement that it is of; a payout has the id of its statement. `follows` is the
    last statement of that account when the payout came back: the next one counts its tax month without it.
    """

    posting_id: str
    statement: str
    account: str
    distributor_id: int
    currency: str
    kind: PostingKind
    effective_at: datetime
    posted_at: datetime
    legs: Mapping[str, int]
    reference: str
    order: str | None = None
    late_from: str | None = None
    follows: str | None = None

    @property
    def amount_minor(self) -> int:
        """What it adds to the distributor's available amount."""
        return self.legs.get("available", 0)


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums of a slice that its statement states. `late_minor` is part of the other six."""

    released_minor: int = 0
    reversed_minor: int = 0
    rewards_minor: int = 0
    adjustments_minor: int = 0
    written_off_minor: int = 0
    returned_minor: int = 0
    late_minor: int = 0
    postings: int = 0

    @property
    def total_minor(self) -> int:
        return (
            self.released_minor
            + self.reversed_minor
            + self.rewards_minor
            + self.adjustments_minor
            + self.written_off_minor
            + self.returned_minor
        )


@dataclass(frozen=True, slots=True)
class Withheld:
    """How much tax was withheld, with everything needed to recompute it: `base_minor` is the gross of this statement,
    `month_gross_minor` and `month_withheld_minor` what earlier statements of the tax month add up to.
    """

    rule: str
    version: str
    month: str
    base_minor: int
    month_gross_minor: int
    month_withheld_minor: int
    amount_minor: int


Outcome = Literal["payable", "nothing", "below_minimum", "carried_negative"]


@dataclass(frozen=True, slots=True)
class Statement:
    """What a distributor earned in a period; never changes.

    Opening + released + reversed + rewards + adjustments + written off + returned = gross = payable + withheld + fees +
    carried. `returned_minor` is what payouts did not bring, with what was withheld of it. `late_minor` is the part of
    the lines that belongs to earlier periods. `number` counts the statements of a market. `by` is the person who closed
    it by hand; None for the clock.
    """

    statement_id: str
    market: str
    period: str
    distributor_id: int
    currency: str
    account: str
    number: int
    starts_at: datetime
    ends_at: datetime
    zone: str
    closed_at: datetime
    terms_version: int
    opening_minor: int
    released_minor: int
    reversed_minor: int
    rewards_minor: int
    adjustments_minor: int
    written_off_minor: int
    late_minor: int
    gross_minor: int
    withheld_minor: int
    fees_minor: int
    payable_minor: int
    carried_minor: int
    minimum_minor: int
    outcome: Outcome
    posting_count: int
    returned_minor: int = 0
    withheld: Withheld | None = None
    is_final: bool = False
    by: str | None = None
    os_user: str | None = None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A correction by hand, or a debt that is written off, by its proposer's own id. `statement` is that of its
    posting, once enough persons approved it.
    """

    adjustment_id: str
    kind: Literal["adjustment", "write_off"]
    market: str
    distributor_id: int
    currency: str
    amount_minor: int
    reason: str
    note: str
    digest: str
    proposed_by: str
    proposed_at: datetime
    approved_by: tuple[str, ...] = ()
    booked_at: datetime | None = None
    statement: str | None = None
    proposed_os_user: str | None = None
    approved_os_users: tuple[str, ...] = ()


def account_key(market: str, distributor_id: int, currency: str) -> str:
    return f"{market}/{distributor_id}/{currency}"


def period_key(market: str, period: str) -> str:
    return f"{market}/{period}"


def statement_id(market: str, period: str, distributor_id: int, currency: str) -> str:
    """The id of a statement, and of the slice of the ledger that it closes."""
    return f"{market}/{period}/{distributor_id}/{currency}"


def balance_id(statement: str, stripe: int) -> str:
    """The key of a document of `BALANCES`."""
    return f"{statement}/{stripe}"


def sums_of(postings: Iterable[Posting]) -> dict[str, Counter[str]]:
    """What postings add to the documents of `BALANCES`, by slice: the meaning of the ledger. Sums of parts may be
    added.

    An amount for each account (`in_available_minor`), the figures of `Figures`, and the number of `postings`, in which
    the posting of the close itself does not count.
    """
    sums: dict[str, Counter[str]] = {}
    for posting in postings:
        slice_ = sums.setdefault(posting.statement, Counter())
        for account, amount in posting.legs.items():
            slice_[f"in_{account}_minor"] += amount
        if posting.kind == "close":
            continue
        slice_[FIGURE_OF[posting.kind]] += posting.amount_minor
        slice_["postings"] += 1
        if posting.late_from is not None:
            slice_["late_minor"] += posting.amount_minor
    return sums


SLICE_SUMS = (*Figures.__dataclass_fields__,)


def figures_of(stripes: Iterable[Mapping[str, object]]) -> Figures:
    """The figures of a slice from its documents of `BALANCES`."""
    sums: Counter[str] = Counter()
    for stripe in stripes:
        for name in SLICE_SUMS:
            amount = stripe.get(name)
            if isinstance(amount, int):
                sums[name] += amount
    return Figures(**sums)
