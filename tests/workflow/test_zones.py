"""Zones: an order counts on the day of its rules, and a lot ends at the midnight of its product."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from contracts.commissions.view import COMMISSIONS
from contracts.rules.view import Caps, Unilevel
from tests.builders import MARKET, NOW, SELLER, TEA, a_target, refund
from tests.stock_builders import receive
from tests.workflow.system import System
from tests.workflow.test_months import WEST, WEST_SHOP, commission, months, payouts, put_rules, sell, two_markets

__all__ = ["two_markets"]

SHANGHAI, LOS_ANGELES = "Asia/Shanghai", "America/Los_Angeles"
LAST_OF_NOVEMBER = datetime.fromisoformat("2026-11-30T15:59:59+00:00")
FIRST_OF_DECEMBER = LAST_OF_NOVEMBER + timedelta(seconds=1)
CAPPED_A_DAY = Unilevel("levels", (100_000,), caps=Caps(day={"CNY": 3_000}))


def earnings(system: System) -> list[str]:
    return sorted(d["_id"].partition("#")[0] for d in system.documents("commission_calculation.earnings"))


async def test_case_24_midnight_in_the_zone_of_the_rules_ends_a_month(system: System) -> None:
    target = a_target("monthly", 50_000, 2_000)
    put_rules(system, 1, CAPPED_A_DAY, zone=SHANGHAI, targets=(target,))
    await system.tick(LAST_OF_NOVEMBER)
    await sell(system, "1001", "400.00")
    await system.tick(FIRST_OF_DECEMBER)
    await sell(system, "1002", "300.00")

    assert [commission(system, order)["placed_on"] for order in ("1001", "1002")] == ["2026-11-30", "2026-12-01"]
    assert payouts(system, "1001") == [(SELLER, 3_000)]
    assert payouts(system, "1002") == [(SELLER, 3_000)]
    assert {key.split("/")[1]: sales for key, (sales, *_) in months(system).items()} == {
        "2026-11": 40_000,
        "2026-12": 30_000,
    }
    assert system.events("reward.granted.v2") == []
    await system.assert_sound()


async def test_verify_finds_a_month_that_was_counted_in_utc(system: System) -> None:
    put_rules(system, 1, CAPPED_A_DAY, zone=SHANGHAI)
    await system.tick(FIRST_OF_DECEMBER)
    with patch("workers.commission_calculation.decide.local_date", lambda moment, _: moment.date()):
        await sell(system, "1001", "400.00")

    found = [f"{breach.invariant} {breach.about}" for breach in (await system.verify()).breaches]

    assert f"I3 earnings/{SELLER}/2026-12/CNY/{MARKET}" in found
    assert f"I3 earnings/{SELLER}/2026-11/CNY/{MARKET}" in found


async def test_a_day_goes_on_where_utc_has_a_new_one(system: System) -> None:
    put_rules(system, 1, CAPPED_A_DAY, zone=LOS_ANGELES)
    await system.tick(NOW.replace(hour=23))
    await sell(system, "1001", "200.00")
    await system.tick(NOW.replace(hour=1) + timedelta(days=1))
    await sell(system, "1002", "200.00")

    assert payouts(system, "1001") == [(SELLER, 2_000)]
    assert payouts(system, "1002") == [(SELLER, 1_000)]
    await system.assert_sound()


async def test_markets_of_different_zones_are_checked_side_by_side(two_markets: System) -> None:
    """Around the end of a month their orders alternate between two months."""
    system = two_markets
    put_rules(system, 1, CAPPED_A_DAY, zone=SHANGHAI)
    put_rules(system, 2, CAPPED_A_DAY, market=WEST, zone=LOS_ANGELES)
    await system.tick(FIRST_OF_DECEMBER)
    for number in range(12):
        await system.tick(FIRST_OF_DECEMBER + timedelta(hours=3 * number))
        await sell(system, f"10{number:02}", "40.00")
        await sell(system, f"20{number:02}", "40.00", shop_id=WEST_SHOP)

    of_west = [commission(system, f"20{number:02}", WEST_SHOP)["placed_on"] for number in range(12)]
    assert of_west == ["2026-11-30"] * 6 + ["2026-12-01"] * 6
    await system.assert_sound()


async def test_a_change_of_zone_counts_from_the_rules_it_came_with(system: System) -> None:
    put_rules(system, 1, CAPPED_A_DAY)
    put_rules(system, 2, CAPPED_A_DAY, zone=SHANGHAI, since=FIRST_OF_DECEMBER)
    await system.tick(LAST_OF_NOVEMBER)
    await sell(system, "1001", "100.00")
    await system.tick(FIRST_OF_DECEMBER)
    await sell(system, "1002", "100.00")
    await system.publish(refund(order_id="1001"), refund(order_id="1002"))
    await system.run_until_idle()

    assert [d.get("placed_on") for d in system.documents(COMMISSIONS)] == [None, "2026-12-01"]
    assert {key.split("/")[1] for key in earnings(system)} == {"2026-11", "2026-12"}
    await system.assert_sound()


@pytest.mark.parametrize(
    ("zone", "ends_at"),
    [
        ("UTC", "2026-11-05T23:59+00:00"),
        (SHANGHAI, "2026-11-05T15:59+00:00"),
        (LOS_ANGELES, "2026-11-06T07:59+00:00"),
    ],
)
async def test_a_lot_ends_with_its_last_day_in_the_zone_of_the_product(system: System, zone: str, ends_at: str) -> None:
    lot: dict[str, Any] = {"batch_id": "soon", "expiry_date": "2026-11-05", "zone": zone}
    await system.publish(receive("r-soon", TEA, 20, **lot))
    await system.run_until_idle()
    last_minute = datetime.fromisoformat(ends_at)

    await system.tick(last_minute)
    await system.run_until_idle()
    assert system.events("stock.expired.v1") == []
    await system.assert_sound()
    await system.tick(last_minute + timedelta(minutes=1))
    await system.run_until_idle()

    [expired] = system.events("stock.expired.v1")
    assert expired["data"]["units"] == 20
    await system.assert_sound()
