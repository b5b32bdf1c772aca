"""Reward events, version 2: what a reward is worth, so that settlement books it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.fields import Amount, AnyCurrency, Code, DistributorId, RuleVersion, SignedAmount
from contracts.rewards.ids import HeldFirst, MarketOfMonth, Month, RewardId
from contracts.subjects import OfDistributor
from contracts.wire.envelope import Event


class RewardGranted(OfDistributor, Event, type="reward.granted.v2"):
    """The month's own sales reached a target: `amount` is granted. The reward was worth nothing before."""

    reward_id: RewardId
    distributor_id: DistributorId
    month: Month
    currency: AnyCurrency
    market: MarketOfMonth = None
    kind: Annotated[Code, Field(description="The kind of reward.", examples=["sales_target"])]
    reward: Annotated[Code, Field(description="The reward's name in the rules.", examples=["monthly_sales"])]
    amount: Annotated[Amount, Field(description="What it is worth.", examples=["200.00"])]
    target: Annotated[Amount, Field(description="The net sales to reach.", examples=["10000.00"])]
    sales: Annotated[SignedAmount, Field(description="The month's own net sales by then.", examples=["10054.70"])]
    rule_version: RuleVersion
    held_first: HeldFirst = False
