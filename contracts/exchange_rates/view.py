"""The published view of exchange rates, owned by `exchange_rates`. Rates are decimals as text, exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal, NamedTuple

TABLES = "exchange_rates.tables"
SOURCES = "exchange_rates.sources"

RATE_AGE_MAX = timedelta(days=4)
"""Nothing is converted by an older table: a long weekend, and no more."""

JUMP_MAX = Fraction(1, 10)
"""A rate that differs by more from the last known one is taken for a mistake, unless its proposer confirms it."""

SPREAD_MAX_PPM = 50_000
"""A higher spread is a typing error."""

TableState = Literal["proposed", "approved", "rejected"]


class Jumped(NamedTuple):
    currency: str
    before: str
    rate: str


@dataclass(frozen=True, slots=True)
class RateTable:
    """`rates` are what one unit of `base` is worth. Only its state, and who decided, ever change.

    `jumps` are the rates that its proposer confirmed. The users are those of the operating system, if a person acted on
    the command line.
    """

    table_id: str
    source: str
    base: str
    as_of: datetime
    rates: Mapping[str, str]
    spread_ppm: int
    confirm_jump: bool
    digest: str
    state: TableState
    proposed_by: str
    proposed_at: datetime
    proposed_os_user: str | None = None
    jumps: tuple[Jumped, ...] = ()
    decided_by: str | None = None
    decided_at: datetime | None = None
    decided_os_user: str | None = None
    reject_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The newest approved table of a source, and the last rate of every currency that its tables ever had."""

    source: str
    table_id: str
    base: str
    as_of: datetime
    last_rates: Mapping[str, str]


def jumps(rates: Mapping[str, str], last: Mapping[str, str]) -> Iterator[Jumped]:
    """The rates that differ too much from the last known ones, in the order of the table."""
    for currency, rate in rates.items():
        before = last.get(currency)
        if before is not None and abs(Fraction(rate) / Fraction(before) - 1) > JUMP_MAX:
            yield Jumped(currency, before, rate)
