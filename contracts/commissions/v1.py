"""Commission events, version 1. Amounts are decimal strings in the order's currency."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from contracts.envelope import Event
from contracts.fields import Amount, Code, Currency, Id64, OrderId, Rate, ShopId, SignedAmount
from contracts.subjects import OfOrder


class Entry(BaseModel):
    """One distributor's share of one order line, with everything needed to recompute it by hand.

    amount = base x rate, rounded together with the other levels of the line: `rounding` is amount minus the
    exact share's floor, in minor units (0 or 1).
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    line: int
    product_id: Id64
    level: int
    distributor_id: Id64
    base: Amount
    rate: Rate
    amount: SignedAmount
    rounding: int


class Unpaid(BaseModel):
    """An upline that got nothing, and why."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    level: int
    distributor_id: Id64
    reason: Code


class CommissionAccrued(OfOrder, Event, type="commission.accrued.v1"):
    """Earned and held; paid out only after the hold period that starts at completion."""

    shop_id: ShopId
    order_id: OrderId
    order_version: int
    currency: Currency
    rule_version: int
    pool: Amount
    total: Amount
    entries: tuple[Entry, ...]
    unpaid: tuple[Unpaid, ...]


class CommissionReversed(OfOrder, Event, type="commission.reversed.v1"):
    """Taken back by new, negative entries; nothing that was written is edited."""

    shop_id: ShopId
    order_id: OrderId
    order_version: int
    currency: Currency
    total: SignedAmount
    entries: tuple[Entry, ...]
    reason: Code
