"""Stored months: they count orders under all rules, separately for each market, without refunds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.commissions.view import COMMISSIONS
from contracts.network.v1 import RegisterShop
from contracts.rewards.view import PROGRESS
from contracts.rules.terms import digest_of
from contracts.rules.v1 import DefineMarket
from contracts.rules.view import RULES, Caps, Conditions, Plan, RuleSet, SalesTarget, Unilevel
from infra.ports.store import Document
from infra.runtime.repository import Codec
from tests.builders import (
    JOINED,
    MARKET,
    NOW,
    SELLER,
    SHOP,
    TEA,
    a_placed_line,
    a_refund_line,
    a_target,
    place,
    refund,
    rules,
    update,
)
from tests.workflow.system import System

WEST, WEST_SHOP = "west", "shop-2"
ON_THE_10TH, ON_THE_15TH = NOW.replace(day=10), NOW.replace(day=15)

PLAIN = Unilevel("levels", (100_000,))
NEEDS_SALES = Unilevel("levels", (100_000,), conditions=Conditions(own_sales_min={"CNY": 30_000}))
CAPPED = Unilevel("levels", (100_000,), caps=Caps(month={"CNY": 3_000}))


def put_rules(
    system: System,
    version: int,
    *plans: Plan,
    market: str = MARKET,
    since: datetime = JOINED,
    targets: tuple[SalesTarget, ...] = (),
    zone: str = "UTC",
) -> None:
    known = rules(version, targets=targets, effective_from=since)
    terms = replace(known.terms, market=market, plans=plans or (PLAIN,), zone=zone)
    published_rules = replace(known, terms=terms, digest=digest_of(terms))
    system.store.table(RULES).put(Codec(RuleSet, key="rule_version").to_document(published_rules))


async def sell(system: System, order_id: str, amount: str, *, shop_id: str = SHOP, **fields: Any) -> None:
    """A paid order of one tea at the system's present time."""
    line = a_placed_line(TEA, 1, amount)
    await system.publish(place(order_id, lines=[line], shop_id=shop_id, prepaid=True, **fields))
    await system.run_until_idle()


def commission(system: System, order_id: str, shop_id: str = SHOP) -> Document:
    return system.document(COMMISSIONS, f"{shop_id}/{order_id}")


def payouts(system: System, order_id: str, shop_id: str = SHOP) -> list[tuple[int, int]]:
    """The commissions of an order: distributor and amount."""
    entries = commission(system, order_id, shop_id)["entries"]
    return [(entry["distributor_id"], entry["amount_minor"]) for entry in entries]


def months(system: System) -> dict[str, tuple[int, int, list[str]]]:
    """The sales of each month, the rules whose targets count for it, and the granted rewards."""
    documents = system.documents(PROGRESS)
    return {d["_id"]: (d["sales_minor"], d["rule_version"], list(d["granted"])) for d in documents}


@pytest.fixture
async def two_markets(system: System) -> System:
    await system.publish(
        DefineMarket(market=WEST, levels_paid_max=3), RegisterShop(shop_id=WEST_SHOP, currency="CNY", market=WEST)
    )
    await system.run_until_idle()
    return system


class TestAChangeOfRulesInMidMonth:
    @pytest.fixture
    async def sold_before(self, system: System) -> System:
        """500.00 sold on the 10th, under rules that depend neither on own sales nor on earlier payments."""
        put_rules(system, 1)
        await system.tick(ON_THE_10TH)
        await sell(system, "1001", "500.00")
        assert payouts(system, "1001") == [(SELLER, 5_000)]
        return system

    async def test_a_condition_sees_the_sales_of_the_whole_month(self, sold_before: System) -> None:
        put_rules(sold_before, 2, NEEDS_SALES, since=ON_THE_15TH)
        await sold_before.tick(ON_THE_15TH)

        await sell(sold_before, "1002", "10.00")

        assert payouts(sold_before, "1002") == [(SELLER, 100)]
        assert commission(sold_before, "1002")["earned"]["own_sales_minor"] == {str(SELLER): 50_000}
        await sold_before.assert_sound()

    async def test_a_cap_sees_what_was_paid_in_the_whole_month(self, sold_before: System) -> None:
        put_rules(sold_before, 2, CAPPED, since=ON_THE_15TH)
        await sold_before.tick(ON_THE_15TH)

        await sell(sold_before, "1002", "100.00")

        assert payouts(sold_before, "1002") == []
        assert commission(sold_before, "1002")["unpaid"][0]["reason"] == "cap_reached"
        await sold_before.assert_sound()

    async def test_one_batch_sees_the_whole_month(self, system: System) -> None:
        """The paid orders of both rule sets reach the worker together."""
        put_rules(system, 1)
        put_rules(system, 2, NEEDS_SALES, since=ON_THE_15TH)
        await system.tick(ON_THE_15TH)
        for order_id, amount, placed_at in (("1001", "500.00", ON_THE_10TH), ("1002", "10.00", ON_THE_15TH)):
            line = a_placed_line(TEA, 1, amount)
            await system.publish(place(order_id, lines=[line], prepaid=True, placed_at=placed_at))
        await system.run_until_idle()

        assert payouts(system, "1002") == [(SELLER, 100)]
        await system.assert_sound()

    async def test_a_cap_of_a_day_that_begins_at_noon_sees_the_morning(self, system: System) -> None:
        put_rules(system, 1)
        put_rules(
            system,
            2,
            Unilevel("levels", (100_000,), caps=Caps(day={"CNY": 3_000})),
            since=ON_THE_10TH.replace(hour=12),
        )
        await system.tick(ON_THE_10TH)
        await sell(system, "1001", "200.00")
        await system.tick(ON_THE_10TH.replace(hour=13))

        await sell(system, "1002", "200.00")

        assert payouts(system, "1002") == [(SELLER, 1_000)]
        await system.assert_sound()


class TestRefundedOwnSales:
    @pytest.fixture
    async def sold(self, system: System) -> System:
        put_rules(system, 1, NEEDS_SALES)
        await sell(system, "1001", "290.00")
        return system

    async def test_sales_without_a_refund_qualify(self, sold: System) -> None:
        await sell(sold, "1002", "10.00")

        assert payouts(sold, "1002") == [(SELLER, 100)]

    async def test_a_refund_subtracts(self, sold: System) -> None:
        await sold.publish(refund(a_refund_line(TEA, 0, "0.01"), order_id="1001"))
        await sold.run_until_idle()

        await sell(sold, "1002", "10.00")

        assert payouts(sold, "1002") == []
        earned = commission(sold, "1002")["earned"]
        assert earned["own_sales_minor"] == {str(SELLER): 28_999}
        assert earned["own_refunded_minor"] == {str(SELLER): 1}
        await sold.assert_sound()

    async def test_a_cancellation_subtracts(self, sold: System) -> None:
        await sold.publish(update("cancelled", "1001"))
        await sold.run_until_idle()

        await sell(sold, "1002", "299.99")

        assert payouts(sold, "1002") == []
        await sold.assert_sound()

    async def test_a_cancellation_does_not_reopen_a_cap(self, system: System) -> None:
        put_rules(system, 1, CAPPED)
        await sell(system, "1001", "300.00")
        await system.publish(update("cancelled", "1001"))
        await system.run_until_idle()

        await sell(system, "1002", "300.00")

        assert payouts(system, "1002") == []
        await system.assert_sound()


class TestMarkets:
    async def test_a_reward_is_not_revoked_by_a_sale_in_another_market(self, two_markets: System) -> None:
        put_rules(two_markets, 1, targets=(a_target("bonus", 10_000),))
        put_rules(two_markets, 2, market=WEST, targets=(a_target("bonus", 99_900),))

        await sell(two_markets, "1001", "100.00")
        await sell(two_markets, "1001", "100.00", shop_id=WEST_SHOP)

        month = f"{SELLER}/2026-11/CNY"
        assert months(two_markets) == {
            f"{month}/{MARKET}": (10_000, 1, ["bonus"]),
            f"{month}/{WEST}": (10_000, 2, []),
        }
        assert two_markets.events("reward.adjusted.v1") == []
        assert [event["data"]["market"] for event in two_markets.events("reward.granted.v2")] == [MARKET]
        await two_markets.assert_sound()

    async def test_a_refund_counts_in_the_market_of_its_order(self, two_markets: System) -> None:
        put_rules(two_markets, 1, targets=(a_target("bonus", 10_000),))
        put_rules(two_markets, 2, market=WEST, targets=(a_target("bonus", 10_000),))
        await sell(two_markets, "1001", "100.00")
        await sell(two_markets, "1001", "100.00", shop_id=WEST_SHOP)

        await two_markets.publish(refund(a_refund_line(TEA, 0, "1.00"), order_id="1001"))
        await two_markets.run_until_idle()

        month = f"{SELLER}/2026-11/CNY"
        assert months(two_markets) == {
            f"{month}/{MARKET}": (9_900, 1, []),
            f"{month}/{WEST}": (10_000, 2, ["bonus"]),
        }
        await two_markets.assert_sound()

    async def test_plans_of_the_same_name_do_not_share_a_cap(self, two_markets: System) -> None:
        put_rules(two_markets, 1, CAPPED)
        put_rules(two_markets, 2, CAPPED, market=WEST)

        await sell(two_markets, "1001", "300.00")
        await sell(two_markets, "1001", "300.00", shop_id=WEST_SHOP)

        assert payouts(two_markets, "1001") == payouts(two_markets, "1001", WEST_SHOP) == [(SELLER, 3_000)]
        await two_markets.assert_sound()

    async def test_sales_in_another_market_do_not_qualify(self, two_markets: System) -> None:
        put_rules(two_markets, 1, NEEDS_SALES)
        put_rules(two_markets, 2, market=WEST)
        await sell(two_markets, "1001", "300.00", shop_id=WEST_SHOP)

        await sell(two_markets, "1001", "10.00")

        assert payouts(two_markets, "1001") == []
        await two_markets.assert_sound()


class TestWhichTargetsCount:
    async def test_the_rules_of_the_last_placed_order_count_and_not_the_highest_number(self, system: System) -> None:
        put_rules(system, 7, since=JOINED + timedelta(days=1), targets=(a_target("old", 10_000),))
        put_rules(system, 3, since=ON_THE_15TH, targets=(a_target("new", 10_000),))
        await sell(system, "1001", "100.00")
        await system.tick(ON_THE_15TH)

        await sell(system, "1002", "1.00")

        [month] = months(system).values()
        assert month == (10_100, 3, ["new"])
        await system.assert_sound()

    async def test_the_sequence_of_payments_does_not_matter(self, system: System) -> None:
        put_rules(system, 7, since=JOINED + timedelta(days=1), targets=(a_target("old", 10_000),))
        put_rules(system, 3, since=ON_THE_15TH, targets=(a_target("new", 10_000),))
        await system.tick(ON_THE_15TH)
        await sell(system, "1002", "1.00")

        await sell(system, "1001", "100.00", placed_at=ON_THE_10TH)

        [month] = months(system).values()
        assert month == (10_100, 3, ["new"])
        await system.assert_sound()
