"""The published view of rewards: collection `reward_checks.progress`, owned by `reward_checks`. Minor units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contracts.rules.view import DEFAULT_MARKET

PROGRESS = "reward_checks.progress"


@dataclass(frozen=True, slots=True)
class Progress:
    """A distributor's own paid sales of a calendar month, in the zone of the rules, in a currency and market, and the
    granted rewards.

    The targets are those of `rule_version`, the rules of the month's last placed paid order; `placed_at` is its time.
    `amounts_minor` is what each granted reward is worth; rewards granted by earlier releases are not in it, and are
    worth the bonus of the rules.

    `held_minor` is the part of the sales whose commissions are held, and `held` are the granted rewards whose targets
    the other sales do not reach: they are not available yet. What earlier releases counted and granted is not held.
    """

    key: str
    distributor_id: int
    month: str
    currency: str
    sales_minor: int = 0
    rule_version: int = 0
    granted: tuple[str, ...] = ()
    market: str = DEFAULT_MARKET
    placed_at: datetime | None = None
    amounts_minor: Mapping[str, int] = field(default_factory=dict)
    held_minor: int = 0
    held: tuple[str, ...] = ()
