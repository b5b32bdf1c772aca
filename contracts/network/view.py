"""The published view of the network: collections `network.shops` and `network.distributors`, owned by `network`."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime

SHOPS = "network.shops"
DISTRIBUTORS = "network.distributors"


@dataclass(frozen=True, slots=True)
class Shop:
    """`_id` is the shop id; `currency` the one its orders are in; unpaid orders are cancelled after the deadline."""

    shop_id: str
    currency: str
    payment_deadline_s: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Tier and activity of a distributor from a moment on."""

    since: datetime
    tier: str
    active: bool


@dataclass(frozen=True, slots=True)
class Distributor:
    """`upline` lists the sponsors, nearest first; `standings` is the history, oldest first, never empty."""

    distributor_id: int
    upline: tuple[int, ...]
    standings: tuple[Standing, ...]
    sponsor_id: int | None = None

    def standing_at(self, moment: datetime) -> Standing:
        """What held at `moment`; before the first standing, the first."""
        index = bisect_right(self.standings, moment, key=lambda standing: standing.since)
        return self.standings[max(index - 1, 0)]
