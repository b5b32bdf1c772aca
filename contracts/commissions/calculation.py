"""What a rule set gives for a sale: pure arithmetic on integers, the meaning of the rules contract.

Each line has a closed pool. A plan's share of it is exact, cut by the plan's minimum and caps and by what the plans
before it left of the pool; all shares of a line are then rounded together, once, by largest remainder.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts.commissions.view import Earned, Entry, Unpaid
from contracts.rules.view import Terms


@dataclass(frozen=True, slots=True)
class SaleLine:
    """`net_minor` is the line's amount less its discount: what commissions are based on."""

    line: int
    product_id: int
    category_id: int
    quantity: int
    net_minor: int


@dataclass(frozen=True, slots=True)
class Earner:
    """An upline, or a team's leader (level 0), with tier and activity as of the order's time."""

    level: int
    distributor_id: int
    tier: str
    active: bool


@dataclass(frozen=True, slots=True)
class Sale:
    """An order as the plans see it. `upline` begins with the seller at level 1 and is ordered by level."""

    currency: str
    lines: tuple[SaleLine, ...]
    upline: tuple[Earner, ...]
    leader: Earner | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`pools_minor` has the pool of each line, in the order of the lines."""

    pools_minor: tuple[int, ...]
    entries: tuple[Entry, ...]
    unpaid: tuple[Unpaid, ...]


def calculate(terms: Terms, sale: Sale, earned: Earned) -> Outcome:
    """Return what everyone gets from a sale, and who gets nothing and why."""
    raise NotImplementedError
