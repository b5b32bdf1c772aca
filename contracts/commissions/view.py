"""The published view of commissions and ledger, owned by `commission_calculation`. Amounts in minor units, signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from contracts.rules.view import Limit, Reason

COMMISSIONS = "commission_calculation.commissions"
LEDGER = "commission_calculation.ledger"
BALANCES = "commission_calculation.balances"


@dataclass(frozen=True, slots=True)
class Entry:
    """One distributor's share of one line under one plan, with everything needed to recompute it by hand.

    Exact share = base x rate (in millionths), or unit x quantity for a fixed amount; cut to what `limited_by` left,
    then rounded together with the other shares of the line: `rounding` is the unit that it got thereby, or 0.
    `level` is 0 for a team's leader, who need not stand in the seller's chain.
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
    """Those who got nothing from a plan on some lines, and why; no lines means all lines of the order.

    For `no_team` there is nobody to list.
    """

    plan: str
    reason: Reason
    lines: tuple[int, ...]
    uplines: tuple[Passed, ...]


@dataclass(frozen=True, slots=True)
class Earned:
    """What distributors had earned and sold before this order, as far as its plans ask for it; kept with the
    commission, so that it can be recomputed.

    `own_sales_minor`: by distributor, the month's net sales before this order. `day_minor` and `month_minor`: by
    plan, then distributor, what the plan had accrued to them on the day and in the month of the order. Days and
    months are those of `placed_at` in UTC; what is reversed later reopens nothing.
    """

    own_sales_minor: Mapping[int, int] = field(default_factory=dict)
    day_minor: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    month_minor: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LineRefund:
    """How much of a line has been given back so far, of how much: net amount and units."""

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
class Commission:
    """What an order pays. `entries` are never edited: what was taken back stands in `reversals`.

    `held` from payment on; `release_at` is known from completion on; `released` once that has come.
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


Account = Literal["held", "available", "in_payout", "paid", "pool", "breakage"]


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
