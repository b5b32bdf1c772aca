"""Commissions of an order, and the ledger postings they make. Amounts in minor units, signed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Self

from contracts.rules.view import RuleSet


@dataclass(frozen=True, slots=True)
class Entry:
    """One distributor's share of one line: base x rate, rounded with its line; `rounding` is the unit it got, or 0."""

    line: int
    product_id: int
    level: int
    distributor_id: int
    base_minor: int
    rate_ppm: int
    amount_minor: int
    rounding: int


@dataclass(frozen=True, slots=True)
class Unpaid:
    level: int
    distributor_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Commission:
    """What an order pays. `entries` are never edited; a reversal is a second set, each entry negated."""

    key: str
    currency: str
    rule_version: int
    order_version: int
    pool_minor: int
    entries: tuple[Entry, ...]
    unpaid: tuple[Unpaid, ...]
    status: Literal["accrued", "reversed"] = "accrued"

    @property
    def total_minor(self) -> int:
        return sum(entry.amount_minor for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a posting: `account` is `held` with a distributor, or `pool`. Positive is credit."""

    account: Literal["held", "pool"]
    amount_minor: int
    distributor_id: int = 0


@dataclass(frozen=True, slots=True)
class Posting:
    """An append-only ledger entry, named after the message that caused it. Its legs sum to zero."""

    posting_id: str
    key: str
    currency: str
    posted_at: datetime
    legs: tuple[Leg, ...]


@dataclass(frozen=True, slots=True)
class Accounts:
    """What one message sees: the commission of its order, the rule sets, and the postings it makes."""

    commissions: Mapping[str, Commission] = field(default_factory=dict)
    rules: Mapping[int, RuleSet] = field(default_factory=dict)
    postings: tuple[Posting, ...] = ()

    def with_commission(self, commission: Commission, posting: Posting) -> Self:
        return replace(
            self,
            commissions={**self.commissions, commission.key: commission},
            postings=(*self.postings, posting),
        )
