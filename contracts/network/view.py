"""The published view of the network: shops, distributors and teams, owned by `network`.

Values that change over time are kept as a history, oldest first, so that readers can query as of a date.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

SHOPS = "network.shops"
DISTRIBUTORS = "network.distributors"
TEAMS = "network.teams"

DISTRIBUTOR_ORDERS_MAX = 500
"""The highest limit of unpaid orders that a shop may set for distributors."""

UNPAID_ORDERS_MAX = 20
UNPAID_UNITS_MAX = 100
"""The limits of a shop that sets none."""

SPONSORS_PATH = "sponsors.sponsor_id"
"""The path of all past and present sponsors in a distributor's document; a query for a chain follows it."""


@dataclass(frozen=True, slots=True)
class Shop:
    """`_id` is the shop id; `currency` that of its orders; unpaid orders are cancelled after the deadline.

    Its orders follow the rules of `market`. Orders placed since `history_from`, if given, may be entered late.
    Distributors may place orders if `distributor_orders`; None means only if it is the default shop of the API. What
    one distributor's unpaid orders hold is limited.
    """

    shop_id: str
    currency: str
    payment_deadline_s: int
    market: str = "default"
    history_from: datetime | None = None
    distributor_orders: bool | None = None
    distributor_unpaid_orders_max: int = UNPAID_ORDERS_MAX
    distributor_unpaid_units_max: int = UNPAID_UNITS_MAX


@dataclass(frozen=True, slots=True)
class Standing:
    """Tier and activity of a distributor from a moment on."""

    since: datetime
    tier: str
    active: bool


@dataclass(frozen=True, slots=True)
class Sponsorship:
    """The sponsor of a distributor from a moment on; None at the top of the network."""

    since: datetime
    sponsor_id: int | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """The team of a distributor from a moment on, if any."""

    since: datetime
    team_id: int | None = None


@dataclass(frozen=True, slots=True)
class Leadership:
    """The leader of a team from a moment on."""

    since: datetime
    leader_id: int


class Dated(Protocol):
    """An entry of a history."""

    @property
    def since(self) -> datetime: ...


D = TypeVar("D", bound=Dated)


def _begun(history: Sequence[D], moment: datetime) -> int:
    """How many entries had begun at `moment`, inclusive."""
    return bisect_right(history, moment, key=lambda entry: entry.since)


def held_at(history: Sequence[D], moment: datetime) -> D:
    """The entry that held at `moment`; before the first, the first. Most histories have only one."""
    return history[0] if len(history) == 1 else history[max(_begun(history, moment) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Distributor:
    """Three histories, oldest first; `standings` and `sponsors` are never empty. `sponsor_id` is the last sponsor's.

    If several entries have the same moment, the one written last holds.
    """

    distributor_id: int
    standings: tuple[Standing, ...]
    sponsors: tuple[Sponsorship, ...]
    teams: tuple[Membership, ...] = ()
    sponsor_id: int | None = None

    def standing_at(self, moment: datetime) -> Standing:
        """The standing at `moment`; before the first, the first."""
        return held_at(self.standings, moment)

    def sponsor_at(self, moment: datetime) -> int | None:
        """The sponsor at `moment`; before the first sponsorship, the first."""
        return held_at(self.sponsors, moment).sponsor_id

    def team_at(self, moment: datetime) -> int | None:
        """The team at `moment`; None before the first."""
        begun = _begun(self.teams, moment)
        return self.teams[begun - 1].team_id if begun else None

    def sponsors_from(self, moment: datetime) -> tuple[int, ...]:
        """Everyone known to sponsor the distributor at `moment` or later."""
        reaching = self.sponsors[max(_begun(self.sponsors, moment) - 1, 0) :]
        return tuple(entry.sponsor_id for entry in reaching if entry.sponsor_id is not None)


@dataclass(frozen=True, slots=True)
class Team:
    """`leaders` is the history, oldest first, never empty. A leader need not be a member."""

    team_id: int
    name: str
    leaders: tuple[Leadership, ...]

    def leader_at(self, moment: datetime) -> int:
        """The leader at `moment`; before the first leadership, the first."""
        return held_at(self.leaders, moment).leader_id


def chain_at(
    seller_id: int, distributors: Mapping[int, Distributor], moment: datetime, depth_max: int
) -> tuple[int, ...]:
    """The seller and everyone above as of `moment`, nearest first, at most `depth_max` in all.

    KeyError if `distributors` lacks one of them: a silently shortened chain would underpay.
    """
    chain: list[int] = []
    current: int | None = seller_id
    while current is not None and len(chain) < depth_max:
        chain.append(current)
        current = distributors[current].sponsor_at(moment)
    return tuple(chain)
