"""Events of rewards of the shared world, and of the release that they wait for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from contracts.commissions.v1 import CommissionReleased
from contracts.rewards.ids import reward_id
from contracts.rewards.v1 import RewardAdjusted, RewardReleased
from contracts.rewards.v2 import RewardGranted
from tests.builders import NOW, ORDER, SELLER, SHOP


def a_grant(sales: str, *, bonus: str = "5.00", target: str = "100.00", **fields: Any) -> RewardGranted:
    """The event of a granted target of the shared world, with the given fields changed. The reward is held first."""
    reward, market = fields.pop("reward", "monthly_sales"), fields.get("market")
    known = {"distributor_id": SELLER, "month": "2026-11", "currency": "CNY", "rule_version": 1, "held_first": True}
    return RewardGranted(
        reward_id=reward_id(reward, SELLER, "2026-11", "CNY", market),
        kind="sales_target",
        reward=reward,
        amount=Decimal(bonus),
        target=Decimal(target),
        sales=Decimal(sales),
        **{**known, **fields},
    )


def an_adjustment_of_a_reward(
    sales: str, *, was: str = "5.00", amount: str = "0.00", reason: str = "target_missed", **fields: Any
) -> RewardAdjusted:
    """The event of a reward that is worth something else now."""
    reward, market = fields.pop("reward", "monthly_sales"), fields.get("market")
    known = {"distributor_id": SELLER, "month": "2026-11", "currency": "CNY", "rule_version": 1, "held_first": True}
    return RewardAdjusted(
        reward_id=reward_id(reward, SELLER, "2026-11", "CNY", market),
        reward=reward,
        was=Decimal(was),
        amount=Decimal(amount),
        reason=reason,
        sales=Decimal(sales),
        **{**known, **fields},
    )


def a_release_of_a_reward(
    sales: str, *, amount: str = "5.00", was: str = "0.00", reward: str = "monthly_sales", **fields: Any
) -> RewardReleased:
    """The event of a reward whose available amount is another one now."""
    known = {"distributor_id": SELLER, "month": "2026-11", "currency": "CNY", "rule_version": 1}
    return RewardReleased(
        reward_id=reward_id(reward, SELLER, "2026-11", "CNY", fields.get("market")),
        reward=reward,
        amount=Decimal(amount),
        was=Decimal(was),
        sales=Decimal(sales),
        **{**known, **fields},
    )


def a_release_of_an_order(order_id: str = ORDER) -> CommissionReleased:
    """The end of the hold of an order that earned nothing."""
    return CommissionReleased(
        shop_id=SHOP, order_id=order_id, currency="CNY", total=Decimal(0), shares=(), released_at=NOW
    )
