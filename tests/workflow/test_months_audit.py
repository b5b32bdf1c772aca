"""`verify` recomputes months from the orders alone, and so finds errors that the stored months share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from contracts.commissions import earnings
from contracts.commissions.view import COMMISSIONS, Earned
from contracts.orders.v1 import OrderPaid
from contracts.rules.view import RuleSet
from tests.builders import MARKET, NOW, SELLER, SHOP, TEA, a_refund_line, a_target, refund
from tests.workflow.system import System
from tests.workflow.test_months import (
    CAPPED,
    NEEDS_SALES,
    ON_THE_10TH,
    ON_THE_15TH,
    WEST,
    WEST_SHOP,
    put_rules,
    sell,
    two_markets,
)
from workers.commission_calculation.model import State
from workers.reward_checks.model import Progress

__all__ = ["two_markets"]

NOT_BOOKED = (
    "what was booked by month in CNY is not what was posted; `tributary ledger rebuild --check` names the months"
)
MONTH = f"{SELLER}/2026-11/CNY/{MARKET}"


async def found(system: System) -> list[str]:
    report = await system.verify()
    return [f"{breach.invariant} {breach.about}: {breach.detail}" for breach in report.breaches]


def only_the_stripe_of_capped_orders(documents: Iterable[Mapping[str, object]]) -> Any:
    """Read the stripe of capped orders, and none of the others."""
    return earnings.months_of(document for document in documents if "#" not in str(document["_id"]))


async def change_rules_in_mid_month(system: System, *later: Any) -> None:
    put_rules(system, 1)
    await system.tick(ON_THE_10TH)
    await sell(system, "1001", "500.00")
    put_rules(system, 2, *later, since=ON_THE_15TH)
    await system.tick(ON_THE_15TH)
    await sell(system, "1002", "100.00")


async def test_sales_missing_before_a_condition_are_detected(system: System) -> None:
    with patch("workers.commission_calculation.repository.months_of", only_the_stripe_of_capped_orders):
        await change_rules_in_mid_month(system, NEEDS_SALES)

    breaches = await found(system)

    sentence = "an order at 2026-11-15 09:00 or soon after read 0, but it was at least 50000"
    assert f"I3 earnings/{MONTH}: own sales: {sentence}" in breaches


async def test_a_cap_that_ignores_earlier_payments_is_detected(system: System) -> None:
    with patch("workers.commission_calculation.repository.months_of", only_the_stripe_of_capped_orders):
        await change_rules_in_mid_month(system, CAPPED)

    breaches = await found(system)

    assert any(
        "plan levels in the month: an order at 2026-11-15 09:00 or soon after read 0" in breach for breach in breaches
    )


@pytest.mark.parametrize("plan", [NEEDS_SALES, CAPPED])
async def test_sales_not_counted_under_plain_rules_are_detected(system: System, plan: Any) -> None:
    """A bug: months are counted only under rules that need them."""

    def capped_only(before: Any, after: Any) -> Any:
        return earnings.tallies_of(before, after) if after.rule_version == 2 else ()

    with patch("workers.commission_calculation.model.tallies_of", capped_only):
        await change_rules_in_mid_month(system, plan)

    breaches = await found(system)

    assert f"I3 earnings/{MONTH}: own sales: 10000 is stored, the orders give 60000" in breaches
    assert any("or soon after read 0, but it was" in breach for breach in breaches)


async def test_refunded_sales_that_still_qualify_are_detected(system: System) -> None:
    true_earned = State.earned

    def gross(*arguments: Any) -> Earned:
        earned = true_earned(*arguments)
        refunded = earned.own_refunded_minor or {}
        sales = {seller: earned.own_sales_minor.get(seller, 0) + amount for seller, amount in refunded.items()}
        return replace(earned, own_sales_minor={**earned.own_sales_minor, **sales}, own_refunded_minor=None)

    put_rules(system, 1, NEEDS_SALES)
    await sell(system, "1001", "300.00")
    await system.publish(refund(a_refund_line(TEA, 1), order_id="1001"))
    await system.run_until_idle()
    await system.tick(NOW + timedelta(days=1))
    with patch.object(State, "earned", gross):
        await sell(system, "1002", "10.00")

    breaches = await found(system)

    assert any(
        "refunds of own sales: an order at 2026-11-03 09:00 or soon after read 0" in breach for breach in breaches
    )


async def test_refunds_that_are_never_subtracted_are_detected(system: System) -> None:
    def no_refunds(before: Any, after: Any) -> Any:
        return earnings.tallies_of(before, after) if before is None else ()

    put_rules(system, 1, NEEDS_SALES)
    await sell(system, "1001", "300.00")
    with patch("workers.commission_calculation.model.tallies_of", no_refunds):
        await system.publish(refund(a_refund_line(TEA, 1), order_id="1001"))
        await system.run_until_idle()

    assert await found(system) == [
        f"I3 earnings/{MONTH}: refunds of own sales: 0 is stored, the orders give 30000",
        f"I3 distributor/{SELLER}: {NOT_BOOKED}",
    ]


async def test_a_cap_shared_by_two_markets_is_detected(two_markets: System) -> None:
    def without_market(distributor_id: int, placed_at: Any, currency: str, market: str) -> str:
        return earnings.earnings_key(distributor_id, placed_at, currency, MARKET)

    put_rules(two_markets, 1, CAPPED)
    put_rules(two_markets, 2, CAPPED, market=WEST)
    await sell(two_markets, "1001", "200.00")
    with (
        patch("workers.commission_calculation.repository.earnings_key", without_market),
        patch("workers.commission_calculation.model.earnings_key", without_market),
    ):
        await sell(two_markets, "1001", "200.00", shop_id=WEST_SHOP)

    breaches = await found(two_markets)

    sentence = "plan levels in the month: orders brought it to 3000, but the sum of all is 1000"
    assert f"I3 earnings/{SELLER}/2026-11/CNY/{WEST}: {sentence}" in breaches


async def test_figures_that_fit_no_sequence_of_orders_are_detected(system: System) -> None:
    """Three orders under one cap; the figures that the second was calculated with are changed."""
    put_rules(system, 1, replace(CAPPED, caps=replace(CAPPED.caps, month={"CNY": 1_000_000})))
    for number in ("1001", "1002", "1003"):
        await sell(system, number, "100.00")
    assert await found(system) == []

    stored = system.document(COMMISSIONS, "shop-1/1002")
    stored["earned"]["month_minor"]["levels"] = {str(SELLER): 0}
    system.store.table(COMMISSIONS).put(stored)

    sentence = "no sequence of the orders explains what each of them read on the way to 3000"
    assert await found(system) == [f"I3 earnings/{MONTH}: plan levels in the month: {sentence}"]


async def test_one_of_eight_equal_orders_that_ignored_earlier_payments_is_detected(system: System) -> None:
    """Every step is equal, so only the figures that were read distinguish the orders."""
    put_rules(system, 1, CAPPED)
    true_earned = State.earned

    def nothing_paid(*arguments: Any) -> Earned:
        return replace(true_earned(*arguments), month_minor={"levels": {SELLER: 0}})

    for number in range(8):
        with patch.object(State, "earned", nothing_paid) if number == 2 else nullcontext():
            await sell(system, f"100{number}", "12.00")

    sentence = "no sequence of the orders explains what each of them read on the way to 960"
    assert await found(system) == [f"I3 earnings/{MONTH}: plan levels in the month: {sentence}"]


async def test_a_reward_revoked_by_a_sale_in_another_market_is_detected(two_markets: System) -> None:
    def without_market(distributor_id: int, placed_at: Any, currency: str, market: str) -> str:
        return f"{distributor_id}/{placed_at:%Y-%m}/{currency}/{MARKET}"

    put_rules(two_markets, 1, targets=(a_target("bonus", 10_000),))
    put_rules(two_markets, 2, market=WEST, targets=(a_target("bonus", 99_900),))
    with (
        patch("workers.reward_checks.decide.progress_key", without_market),
        patch("workers.reward_checks.repository.progress_key", without_market),
    ):
        await sell(two_markets, "1001", "100.00")
        await sell(two_markets, "1001", "100.00", shop_id=WEST_SHOP)

    breaches = await found(two_markets)

    assert len(two_markets.events("reward.adjusted.v1")) == 1
    assert f"I7 distributor/{SELLER}: rewards of {MONTH} are [], due are ['bonus']" in breaches
    assert any("paid orders exist, but no progress was counted" in breach for breach in breaches)


@pytest.mark.parametrize("with_targets", [True, False])
async def test_targets_of_the_wrong_rules_are_detected(system: System, with_targets: bool) -> None:
    def by_the_highest_number(self: Progress, order: OrderPaid, rules: Mapping[int, RuleSet]) -> Progress:
        return replace(self, rule_version=max(self.rule_version, order.rule_version))

    targets = (a_target("bonus", 10_000),) if with_targets else ()
    put_rules(system, 7)
    put_rules(system, 3, since=ON_THE_15TH, targets=targets)
    with patch.object(Progress, "with_order", by_the_highest_number):
        await sell(system, "1001", "100.00")
        await system.tick(ON_THE_15TH)
        await sell(system, "1002", "1.00")

    breaches = await found(system)

    assert f"I7 distributor/{SELLER}: rules 7 count for {MONTH}, the orders give 3" in breaches


async def test_a_month_without_room_refuses_a_sale_and_verify_agrees(system: System) -> None:
    room = patch("workers.reward_checks.decide.SALES_MINOR_MAX", 50_000)
    put_rules(system, 1, targets=(a_target(target_minor=40_000),))
    with room, patch("workers.reward_checks.audit.SALES_MINOR_MAX", 50_000):
        await sell(system, "1001", "500.00")
        await sell(system, "1002", "1.00")
        await system.publish(refund(a_refund_line(TEA, 1), order_id="1002"), refund(a_refund_line(TEA, 1)))
        await system.run_until_idle()

        assert system.document("reward_checks.sales", f"{SHOP}/1002") == {
            "_id": f"{SHOP}/1002", "month": MONTH, "net_minor": 100, "counted": False,
            "taken_back_minor": 100, "too_large": True, "released": False,
        }  # fmt: skip
        await system.assert_sound()
    assert await found(system) == [f"I7 order/{SHOP}/1002: is not counted, although {MONTH} has room for it"]
