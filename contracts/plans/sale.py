"""A sale as the plans see it: what was sold, and who may earn from it. Amounts in minor units."""

from __future__ import annotations

from dataclasses import dataclass


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
