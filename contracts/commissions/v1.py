"""Commission events, version 1. Amounts are decimal strings in the order's currency."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.envelope import Event
from contracts.fields import (
    Amount,
    Code,
    Currency,
    DistributorId,
    Level,
    LineNumber,
    OrderId,
    OrderVersion,
    ProductId,
    Rate,
    RuleVersion,
    ShopId,
    SignedAmount,
)
from contracts.subjects import OfOrder


class Entry(BaseModel):
    """One distributor's share of one order line, with everything needed to recompute it by hand.

    amount = base x rate, rounded together with the other levels of the line: `rounding` is amount minus the
    exact share's floor, in minor units (0 or 1).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    line: LineNumber
    product_id: ProductId
    level: Level
    distributor_id: DistributorId
    base: Annotated[Amount, Field(description="The line's net.", examples=["54.70"])]
    rate: Rate
    amount: Annotated[SignedAmount, Field(description="Negative in a reversal.", examples=["2.74"])]
    rounding: Annotated[
        int, Field(description="Minor units that rounding the levels together added to this one.", examples=[1])
    ]


class Unpaid(BaseModel):
    """An upline that got nothing, and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    level: Annotated[Level, Field(examples=[2])]
    distributor_id: Annotated[DistributorId, Field(examples=[40007])]
    reason: Annotated[Code, Field(examples=["inactive"])]


class CommissionAccrued(OfOrder, Event, type="commission.accrued.v1"):
    """Earned and held; paid out only after the hold period that starts at completion."""

    shop_id: ShopId
    order_id: OrderId
    order_version: OrderVersion
    currency: Currency
    rule_version: RuleVersion
    pool: Annotated[Amount, Field(description="The most that the order may pay in all.", examples=["10.94"])]
    total: Annotated[Amount, Field(description="The sum of the entries.", examples=["2.74"])]
    entries: tuple[Entry, ...]
    unpaid: tuple[Unpaid, ...]


class CommissionReversed(OfOrder, Event, type="commission.reversed.v1"):
    """Taken back by new, negative entries; nothing that was written is edited."""

    shop_id: ShopId
    order_id: OrderId
    order_version: OrderVersion
    currency: Currency
    total: Annotated[SignedAmount, Field(description="The sum of the entries, negative.", examples=["-2.74"])]
    entries: tuple[Entry, ...]
    reason: Annotated[Code, Field(examples=["order_cancelled"])]
