"""Reward events, version 1. A month is the calendar month, in UTC, of the orders' `placed_at`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.envelope import Event
from contracts.fields import Amount, AnyCurrency, Code, DistributorId, RuleVersion, SignedAmount
from contracts.subjects import OfDistributor

Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", examples=["2026-11"])]


class RewardGranted(OfDistributor, Event, type="reward.granted.v1"):
    """Own sales of the month reached the target; `rule_version` is that of the order that crossed it."""

    distributor_id: DistributorId
    month: Month
    currency: AnyCurrency
    reward: Annotated[Code, Field(description="The reward's name in the rules.", examples=["monthly_sales"])]
    target: Annotated[Amount, Field(description="The net sales to reach.", examples=["10000.00"])]
    sales: Annotated[SignedAmount, Field(description="The month's own net sales by then.", examples=["10054.70"])]
    bonus: Annotated[Amount, Field(examples=["200.00"])]
    rule_version: RuleVersion


class RewardRevoked(OfDistributor, Event, type="reward.revoked.v1"):
    """A cancellation took the month's sales below the target again."""

    distributor_id: DistributorId
    month: Month
    currency: AnyCurrency
    reward: Annotated[Code, Field(description="The reward's name in the rules.", examples=["monthly_sales"])]
    target: Annotated[Amount, Field(description="The net sales to reach.", examples=["10000.00"])]
    sales: Annotated[SignedAmount, Field(description="The month's own net sales by then.", examples=["9945.30"])]
    bonus: Annotated[Amount, Field(examples=["200.00"])]
    rule_version: RuleVersion
