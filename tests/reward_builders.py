"""Months and events of rewards of the shared world, and the release that they wait for."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from contracts.commissions.v1 import CommissionReleased
from contracts.rewards.ids import reward_id
from contracts.rewards.v1 import RewardAdjusted, RewardReleased
from contracts.rewards.v2 import RewardGranted
from contracts.rules.view import RuleSet
from tests.builders import NOW, ORDER, SELLER, SHOP
from workers.reward_checks.model import Progress, Sale, State

MONTH = f"{SELLER}/2026-11/CNY"


def reward_state(*months: Progress, sales: tuple[Sale, ...] = (), rule_sets: tuple[RuleSet, ...]) -> State:
    return State(
        {month.key: month for month in months},
        {known.rule_version: known for known in rule_sets},
        {sale.key: sale for sale in sales},
    )


def a_month(
    sales_minor: int,
    *granted: str,
    rule_version: int = 1,
    placed_at: datetime = NOW,
    held_minor: int | None = None,
    held: tuple[str, ...] | None = None,
) -> Progress:
    """A month whose commissions and rewards are all held, if nothing else is given. Each reward is worth 5.00."""
    return Progress(
        MONTH,
        SELLER,
        "2026-11",
        "CNY",
        sales_minor,
        rule_version,
        granted,
        placed_at=placed_at,
        amounts_minor=dict.fromkeys(granted, 500),
        held_minor=sales_minor if held_minor is None else held_minor,
        held=granted if held is None else held,
    )


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
