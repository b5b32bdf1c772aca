"""The fixed data of a run: shops, distributors, rules, and how wrong clocks may be."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tests import builders
from tests.builders import CUPS

START = builders.NOW.replace(hour=23, minute=40)
"""Shortly before midnight, so that a day ends in every run."""

GOOD_UNTIL = (START + timedelta(days=3)).date().isoformat()
"""The expiry date of a lot that counts today, but no longer tomorrow."""

UNPAID_MAX = 2
"""How many unpaid orders of a distributor each shop allows."""

SHOPS = {"shop-1": "CNY", "shop-2": "USD", "shop-3": "CNY"}
READERS = frozenset(("shop-1", "shop-3"))
"""The shops that read events of their orders."""

WEST, IN_WEST = "west", 3
"""The market of shop-3. Its rules, with plans of the same names, are rule set 3."""
SPONSORS: Mapping[int, int | None] = {1: None, 2: 1, 3: 2, 4: 1}
TIERS: Mapping[int, str] = {1: "gold", 2: "silver", 3: "silver", 4: "standard"}
TEAM, LEADER, MEMBERS = 7, 1, (3, 4)
POISON, STUMBLING = "poison", "stumbling"
"""Orders whose rule ends the process, or raises."""

PAYMENT_DEADLINE_S = 600
TRAFFIC_S = 150
"""How long the outside world sends messages."""

OURS_WRONG_MAX = timedelta(hours=1)
"""How wrong the clocks of our own machines may be."""

SENT = START - OURS_WRONG_MAX
"""A valid time on a sender's clock: no machine of ours takes it for the future."""

SKEWS = (timedelta(hours=-5), timedelta(days=-200), timedelta(days=30), timedelta(days=30_000))


def _document(version: int) -> dict[str, Any]:
    """Version 2 has other rates, a hold of a day, which is longer than a run, and month conditions that did not hold
    when the month began. Version 3 is for another market, in another zone.
    """
    levels = ["0.12", "0.055"] if version == 2 else ["0.10", "0.05", "0.03"]
    of_month = [] if version == 1 else [{"per": "month", "currency": "CNY", "amount": "10.00"}]
    sellers = {} if version == 1 else {"own_sales_min": [{"currency": "CNY", "amount": "60.00"}]}
    return {
        "title": f"rules {version}",
        "market": WEST if version == IN_WEST else "default",
        "zone": "America/Los_Angeles" if version == IN_WEST else "UTC",
        "pool_rate": "0.21",
        "hold_days": 1 if version == 2 else 0,
        "plans": [
            {
                "plan": "unilevel",
                "name": "levels",
                "rates": levels,
                "overrides": [{"category_id": CUPS, "rates": ["0.081", "0.037"]}],
                "caps": [{"per": "order", "currency": "CNY", "amount": "9.00"}, *of_month],
                "compression": version == 2,
            },
            {
                "plan": "differential",
                "name": "steps",
                "rates": {"silver": "0.007", "gold": "0.013"},
                "peer_rate": "0.002",
                "levels_max": 3,
            },
            {"plan": "team_bonus", "name": "team", "rate": "0.011", "conditions": sellers},
            {
                "plan": "fixed",
                "name": "units",
                "amounts": [{"currency": currency, "levels": ["0.40", "0.15"]} for currency in ("CNY", "USD")],
            },
        ],
        "targets": [
            {"reward": "monthly_sales", "currency": currency, "target": target, "bonus": "5.00"}
            for currency, target in (("CNY", "120.00"), ("USD", "200.00"))
        ],
    }


RULES: Mapping[int, dict[str, Any]] = {version: _document(version) for version in (1, 2, IN_WEST)}
