"""Reward events, version 1. `reward.granted.v1` and `reward.revoked.v1` are those of earlier releases."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.fields import Amount, AnyCurrency, Code, DistributorId, RuleVersion, SignedAmount
from contracts.rewards import v2
from contracts.rewards.ids import HeldFirst, MarketOfMonth, Month, RewardId, reward_id
from contracts.subjects import OfDistributor
from contracts.wire.envelope import Event

_SALES = "The month's own net sales by then; twelve nines before the point mean that much or more."


class RewardGranted(OfDistributor, Event, type="reward.granted.v1"):
    """Own sales of the month reached the target; `rule_version` is that of the month's last placed order."""

    distributor_id: DistributorId
    month: Month
    currency: AnyCurrency
    market: MarketOfMonth = None
    reward: Annotated[Code, Field(description="The reward's name in the rules.", examples=["monthly_sales"])]
    target: Annotated[Amount, Field(description="The net sales to reach.", examples=["10000.00"])]
    sales: Annotated[SignedAmount, Field(description=_SALES, examples=["10054.70"])]
    bonus: Annotated[Amount, Field(examples=["200.00"])]
    rule_version: RuleVersion

    def upcast(self) -> v2.RewardGranted:
        return v2.RewardGranted(
            reward_id=reward_id(self.reward, self.distributor_id, self.month, self.currency, self.market),
            distributor_id=self.distributor_id,
            month=self.month,
            currency=self.currency,
            market=self.market,
            kind="sales_target",
            reward=self.reward,
            amount=self.bonus,
            target=self.target,
            sales=self.sales,
            rule_version=self.rule_version,
        )


class RewardRevoked(OfDistributor, Event, type="reward.revoked.v1"):
    """The month's sales fell below the target again, or the target no longer counts."""

    distributor_id: DistributorId
    month: Month
    currency: AnyCurrency
    market: MarketOfMonth = None
    reward: Annotated[Code, Field(description="The reward's name in the rules.", examples=["monthly_sales"])]
    target: Annotated[Amount, Field(description="The net sales to reach.", examples=["10000.00"])]
    sales: Annotated[SignedAmount, Field(description=_SALES, examples=["9945.30"])]
    bonus: Annotated[Amount, Field(examples=["200.00"])]
    rule_version: RuleVersion


class RewardAdjusted(OfDistributor, Event, type="reward.adjusted.v1"):
    """A granted reward is worth `amount` now, and was worth `was`: nothing, if its target is missed or gone."""

    reward_id: RewardId
    distributor_id: DistributorId
    month: Month
    currency: AnyCurrency
    market: MarketOfMonth = None
    reward: Annotated[Code, Field(description="The reward's name in the rules.", examples=["monthly_sales"])]
    amount: Annotated[Amount, Field(description="What it is worth now.", examples=["0.00"])]
    was: Annotated[Amount, Field(description="What it was worth.", examples=["200.00"])]
    reason: Annotated[Code, Field(description="Why.", examples=["target_missed"])]
    sales: Annotated[SignedAmount, Field(description="The month's own net sales by then.", examples=["9945.30"])]
    rule_version: RuleVersion
    held_first: HeldFirst = False


class RewardReleased(OfDistributor, Event, type="reward.released.v1"):
    """Of a granted reward, `amount` is available now, and `was` was before: all of it once the month's sales whose hold
    has ended reach its target, nothing while they do not.
    """

    reward_id: RewardId
    distributor_id: DistributorId
    month: Month
    currency: AnyCurrency
    market: MarketOfMonth = None
    reward: Annotated[Code, Field(description="The reward's name in the rules.", examples=["monthly_sales"])]
    amount: Annotated[Amount, Field(description="What of it is available now.", examples=["200.00"])]
    was: Annotated[Amount, Field(description="What of it was available.", examples=["0.00"])]
    sales: Annotated[
        SignedAmount, Field(description="The month's own net sales whose hold has ended.", examples=["10054.70"])
    ]
    rule_version: RuleVersion
