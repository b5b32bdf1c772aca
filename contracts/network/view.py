"""The published view of the network: shops, distributors and teams, owned by `network`.

What changes over time is kept as a history, oldest first, so that whoever reads can ask as of a date.
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

SPONSORS_PATH = "sponsors.sponsor_id"
"""Where a distributor's document names everyone who ever sponsored them: what a query for a chain follows."""


@dataclass(frozen=True, slots=True)
class Shop:
    """`_id` is the shop id; `currency` the one its orders are in; unpaid orders are cancelled after the deadline.

    `market` says whose rules its orders follow. Orders placed since `history_from`, if given, may be entered late.
    """

    shop_id: str
    currency: str
    payment_deadline_s: int
    market: str = "default"
    history_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Tier and activity of a distributor from a moment on."""

    since: datetime
    tier: str
    active: bool


@dataclass(frozen=True, slots=True)
class Sponsorship:
    """Who sponsors a distributor from a moment on; nobody at the top of the network."""

    since: datetime
    sponsor_id: int | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """Which team a distributor is in from a moment on, if any."""

    since: datetime
    team_id: int | None = None


@dataclass(frozen=True, slots=True)
class Leadership:
    """Who leads a team from a moment on."""

    since: datetime
    leader_id: int


class Dated(Protocol):
    """An entry of a history."""

    @property
    def since(self) -> datetime: ...


D = TypeVar("D", bound=Dated)


def _begun(history: Sequence[D], moment: datetime) -> int:
    """How many entries had begun at `moment`. An entry holds from its very moment."""
    return bisect_right(history, moment, key=lambda entry: entry.since)


def held_at(history: Sequence[D], moment: datetime) -> D:
    """The entry that held at `moment`; before the first, the first. Most histories have no other."""
    return history[0] if len(history) == 1 else history[max(_begun(history, moment) - 1, 0)]


@dataclass(frozen=True, slots=True)
class Distributor:
    """Three histories, oldest first; `standings` and `sponsors` are never empty. `sponsor_id` is the last sponsor's.

    Where several entries have the same moment, the one written last holds.
    """

    distributor_id: int
    standings: tuple[Standing, ...]
    sponsors: tuple[Sponsorship, ...]
    teams: tuple[Membership, ...] = ()
    sponsor_id: int | None = None

    def standing_at(self, moment: datetime) -> Standing:
        """What held at `moment`; before the first standing, the first."""
        return held_at(self.standings, moment)

    def sponsor_at(self, moment: datetime) -> int | None:
        """Who sponsored the distributor at `moment`; before the first sponsorship, the first."""
        return held_at(self.sponsors, moment).sponsor_id

    def team_at(self, moment: datetime) -> int | None:
        """The team that the distributor was in at `moment`; none before the first."""
        begun = _begun(self.teams, moment)
        return self.teams[begun - 1].team_id if begun else None

    def sponsors_from(self, moment: datetime) -> tuple[int, ...]:
        """Everyone who sponsors the distributor at `moment` or at any time after it, as far as is known."""
        reaching = self.sponsors[max(_begun(self.sponsors, moment) - 1, 0) :]
        return tuple(entry.sponsor_id for entry in reaching if entry.sponsor_id is not None)


@dataclass(frozen=True, slots=True)
class Team:
    """`leaders` is the history, oldest first, never empty. A leader need not be a member."""

    team_id: int
    name: str
    leaders: tuple[Leadership, ...]

    def leader_at(self, moment: datetime) -> int:
        """Who led the team at `moment`; before the first leadership, the first."""
        return held_at(self.leaders, moment).leader_id


def chain_at(
    seller_id: int, distributors: Mapping[int, Distributor], moment: datetime, depth_max: int
) -> tuple[int, ...]:
    """The seller and everyone above as of `moment`, nearest first, at most `depth_max` in all.

    KeyError where `distributors` lacks one of them: a chain cut short in silence would underpay.
    """
    chain: list[int] = []
    current: int | None = seller_id
    while current is not None and len(chain) < depth_max:
        chain.append(current)
        current = distributors[current].sponsor_at(moment)
    return tuple(chain)
