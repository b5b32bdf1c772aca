"""The published view of commissions and ledger, owned by `commission_calculation`. Amounts in minor units, signed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Literal, get_args

from pydantic import PlainSerializer

from contracts.rules.view import DEFAULT_MARKET, Limit, Reason

COMMISSIONS = "commission_calculation.commissions"
LEDGER = "commission_calculation.ledger"
BALANCES = "commission_calculation.balances"

BALANCE_STRIPES = 8
"""A balance is the sum of this many documents, and a process adds to one of them at a time. Otherwise replicas would
wait for each other at the platform's accounts and at a distributor at the top, whom every batch pays."""

ByDistributor = Annotated[
    Mapping[int, int], PlainSerializer(lambda sums: {str(distributor): sum_ for distributor, sum_ in sums.items()})
]
"""Minor units by distributor; a document's field names are text."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One distributor's share of one line under one plan, with everything needed to recompute it by hand.

    Exact share = base x rate (in millionths), or unit x quantity for a fixed amount; cut to what `limited_by` left,
    then rounded together with the other shares of the line, counting what earlier lines owe: `rounding` is the minor
    unit that this added, or 0.
    `level` is 0 for a team's leader, who need not be in the seller's chain.
    """

    line: int
    product_id: int
    plan: str
    level: int
    distributor_id: int
    tier: str
    base_minor: int
    quantity: int
    rate_ppm: int
    unit_minor: int
    amount_minor: int
    rounding: int
    limited_by: Limit | None = None


@dataclass(frozen=True, slots=True)
class Passed:
    level: int
    distributor_id: int


@dataclass(frozen=True, slots=True)
class Unpaid:
    """The distributors who got nothing from a plan on some lines, and why; no lines means all lines of the order.

    For `no_team` the list is empty.
    """

    plan: str
    reason: Reason
    lines: tuple[int, ...]
    uplines: tuple[Passed, ...]


@dataclass(frozen=True, slots=True)
class Earned:
    """What distributors had earned and sold before this order, as far as its plans need it; stored with the
    commission, so that it can be recomputed.

    `own_sales_minor`: by distributor, the month's net sales before this order, less what was refunded by then,
    which is `own_refunded_minor` (None if nothing was). `day_minor` and `month_minor`: by plan, then distributor, what
    the plan had accrued on the day and in the month of the order; later reversals do not reduce it. Days and months
    are those of the order (`Commission.day`), all in the order's currency and market.
    """

    own_sales_minor: ByDistributor = field(default_factory=dict)
    day_minor: Mapping[str, ByDistributor] = field(default_factory=dict)
    month_minor: Mapping[str, ByDistributor] = field(default_factory=dict)
    own_refunded_minor: ByDistributor | None = None


@dataclass(frozen=True, slots=True)
class LineRefund:
    """A line's net amount and units, and how much of each was refunded so far."""

    line: int
    net_minor: int
    quantity: int
    refunded_minor: int = 0
    refunded_quantity: int = 0


@dataclass(frozen=True, slots=True)
class Reversal:
    """What one refund or cancellation took back: `amounts_minor` has one figure for each entry, in their order."""

    reference: str
    reason: str
    at: datetime
    account: Literal["held", "available"]
    amounts_minor: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AfterSale:
    """Whether customer and shop have an open issue, as of this version of the order, and since when."""

    order_version: int
    open: bool
    since: datetime


@dataclass(frozen=True, slots=True)
class Commission:
    """What an order pays. `entries` are never edited: what was taken back is in `reversals`.

    It is `held` from payment on. `release_at` is set from completion until it is `released`, while no after-sale is
    open; `released_at` is the `release_at` it was released by. `pool_minor` is the sum of `pools_minor`, the pools of
    the lines. `market` is that of the rules. `arithmetic` is what the entries were calculated with, a number that
    `contracts.plans.calculation.ARITHMETIC` explains; commissions of earlier releases have none, and 1 is theirs.
    `placed_on` is the day (ISO date) of `placed_at` in the zone of the rules, or None if that is UTC; an update of the
    zone's rules does not change it.
    """

    key: str
    currency: str
    rule_version: int
    order_version: int
    placed_at: datetime
    accrued_at: datetime
    seller_id: int
    pool_minor: int
    entries: tuple[Entry, ...]
    unpaid: tuple[Unpaid, ...]
    lines: tuple[LineRefund, ...]
    hold_days: int
    earned: Earned = Earned()
    status: Literal["held", "released"] = "held"
    reversals: tuple[Reversal, ...] = ()
    completed_at: datetime | None = None
    release_at: datetime | None = None
    released_at: datetime | None = None
    after_sale: AfterSale | None = None
    pools_minor: tuple[int, ...] = ()
    market: str = DEFAULT_MARKET
    arithmetic: int = 1
    placed_on: str | None = None

    @property
    def day(self) -> date:
        """The day whose caps, and whose month, the order counts in."""
        return self.placed_at.date() if self.placed_on is None else date.fromisoformat(self.placed_on)

    @property
    def shop_and_order(self) -> tuple[str, str]:
        """The two parts of the key; neither contains the slash between them."""
        shop_id, _, order_id = self.key.partition("/")
        return shop_id, order_id

    @property
    def total_minor(self) -> int:
        return sum(entry.amount_minor for entry in self.entries)

    def remaining_minor(self) -> tuple[int, ...]:
        """What each entry is still worth after the reversals."""
        remaining = [entry.amount_minor for entry in self.entries]
        for reversal in self.reversals:
            for index, amount in enumerate(reversal.amounts_minor):
                remaining[index] += amount
        return tuple(remaining)


Account = Literal["held", "available", "pool", "breakage"]
ACCOUNTS: tuple[Account, ...] = get_args(Account)


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a posting; positive is credit. `pool` and `breakage` are the platform's and have no distributor."""

    account: Account
    amount_minor: int
    distributor_id: int = 0


@dataclass(frozen=True, slots=True)
class Posting:
    """An append-only ledger entry, named after the message that caused it. Its legs sum to zero."""

    posting_id: str
    key: str
    currency: str
    posted_at: datetime
    kind: Literal["accrual", "release", "reversal"]
    legs: tuple[Leg, ...]


AccountKey = tuple[int, str, Account]
"""Distributor (0 for the platform), currency and account."""


def balances_of(postings: Iterable[Posting]) -> Counter[AccountKey]:
    """The balances that these postings add up to: the meaning of the ledger. Sums of parts may be added."""
    sums: Counter[AccountKey] = Counter()
    for posting in postings:
        for leg in posting.legs:
            sums[leg.distributor_id, posting.currency, leg.account] += leg.amount_minor
    return sums


def balance_id(distributor_id: int, currency: str, stripe: int) -> str:
    """The key of a document of `BALANCES`."""
    return f"{distributor_id}/{currency}/{stripe}"


def balance_of_stripe(document: Mapping[str, object]) -> Counter[AccountKey]:
    """The balances in one document of `BALANCES`: an amount for each account that ever moved."""
    sums: Counter[AccountKey] = Counter()
    distributor_id, currency = document.get("distributor_id"), document.get("currency")
    for account in ACCOUNTS:
        amount = document.get(f"{account}_minor")
        if isinstance(amount, int) and isinstance(distributor_id, int) and isinstance(currency, str):
            sums[distributor_id, currency, account] = amount
    return sums
