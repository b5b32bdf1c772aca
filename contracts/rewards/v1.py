"""Reward events, version 1. A month is the calendar month, in UTC, of the orders' `placed_at`, in one market."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.fields import Amount, AnyCurrency, Code, DistributorId, MarketName, RuleVersion, SignedAmount
from contracts.subjects import OfDistributor
from contracts.wire.envelope import Event

Month = Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$", examples=["2026-11"])]

MarketOfMonth = Annotated[
    MarketName | None, Field(description="The market whose sales and targets count. Absent for the default market.")
]
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
