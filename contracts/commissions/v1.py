"""Commission events, version 1. Amounts are decimal strings in the order's currency."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictInt, TypeAdapter

from contracts.commissions import view
from contracts.fields import (
    Amount,
    AnyCurrency,
    Code,
    DistributorId,
    LineNumber,
    MarketName,
    OrderId,
    OrderVersion,
    ProductId,
    Quantity,
    Rate,
    RuleVersion,
    ShopId,
    SignedAmount,
)
from contracts.money import to_amount, to_rate
from contracts.subjects import OfOrder
from contracts.wire.envelope import Event, Timestamp

EarnerLevel = Annotated[
    StrictInt,
    Field(
        description="1 is the seller, 2 the seller's sponsor, and so on; 0 is the leader of the seller's team.",
        examples=[1],
    ),
]
MarketOfRules = Annotated[
    MarketName | None, Field(description="The market of the order's rules. Absent for the default market.")
]
PlanName = Annotated[str, Field(description="The plan's name in the rules.", examples=["levels"])]


class Entry(BaseModel):
    """One distributor's share of one order line under one plan, with everything needed to recompute it by hand.

    The exact share is base x rate, or unit x quantity for a fixed amount, cut to what `limited_by` left; it is rounded
    together with the other shares of the line: `rounding` is the minor unit that this added, or 0.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    line: LineNumber
    product_id: ProductId
    plan: PlanName
    level: EarnerLevel
    distributor_id: DistributorId
    tier: Annotated[str, Field(description="The distributor's tier as of the order.", examples=["standard"])]
    base: Annotated[Amount, Field(description="The line's net.", examples=["54.70"])]
    rate: Annotated[Rate | None, Field(description="Absent for a fixed amount.", examples=["0.05"])] = None
    unit: Annotated[Amount | None, Field(description="The amount per unit, if it is fixed.", examples=["0.50"])] = None
    quantity: Annotated[Quantity | None, Field(description="The units of a fixed amount.", examples=[3])] = None
    amount: Annotated[SignedAmount, Field(examples=["2.74"])]
    rounding: Annotated[
        StrictInt, Field(description="Minor units that rounding the shares together added to this one.", examples=[1])
    ]
    limited_by: Annotated[
        Code | None,
        Field(description="The cap that cut the share: entry, order, day, month or pool.", examples=["month"]),
    ] = None


class Passed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    level: EarnerLevel
    distributor_id: DistributorId


class Unpaid(BaseModel):
    """The distributors who got nothing from a plan, and why; no lines means all lines of the order."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    plan: PlanName
    reason: Annotated[Code, Field(examples=["inactive"])]
    lines: tuple[LineNumber, ...] = ()
    uplines: tuple[Passed, ...]


_ENTRIES = TypeAdapter(tuple[Entry, ...])
_UNPAID = TypeAdapter(tuple[Unpaid, ...])


def message_entries(entries: Iterable[view.Entry], currency: str) -> tuple[Entry, ...]:
    """The entries in the form of the event. Amounts are cached: a big order has hundreds of entries, few amounts."""
    amounts: dict[int, Decimal] = {}
    rates: dict[int, Decimal] = {}

    def amount(minor: int) -> Decimal:
        return amounts.get(minor) or amounts.setdefault(minor, to_amount(minor, currency))

    def rate(ppm: int) -> Decimal:
        return rates.get(ppm) or rates.setdefault(ppm, to_rate(ppm))

    return _ENTRIES.validate_python(
        [
            {
                "line": entry.line,
                "product_id": entry.product_id,
                "plan": entry.plan,
                "level": entry.level,
                "distributor_id": entry.distributor_id,
                "tier": entry.tier,
                "base": amount(entry.base_minor),
                "amount": amount(entry.amount_minor),
                "rounding": entry.rounding,
                "limited_by": entry.limited_by,
                **(
                    {"unit": amount(entry.unit_minor), "quantity": entry.quantity}
                    if entry.unit_minor
                    else {"rate": rate(entry.rate_ppm)}
                ),
            }
            for entry in entries
        ]
    )


def message_unpaid(unpaid: Iterable[view.Unpaid]) -> tuple[Unpaid, ...]:
    """The unpaid in the form of the event."""
    return _UNPAID.validate_python(
        [
            {
                "plan": group.plan,
                "reason": group.reason,
                "lines": group.lines,
                "uplines": [{"level": up.level, "distributor_id": up.distributor_id} for up in group.uplines],
            }
            for group in unpaid
        ]
    )


class CommissionAccrued(OfOrder, Event, type="commission.accrued.v1"):
    """Commissions are earned, and held until the hold period ends, which starts at completion."""

    shop_id: ShopId
    order_id: OrderId
    order_version: OrderVersion
    currency: AnyCurrency
    rule_version: RuleVersion
    pool: Annotated[Amount, Field(description="The most that the order may pay in all.", examples=["10.94"])]
    total: Annotated[Amount, Field(description="The sum of the entries.", examples=["2.74"])]
    entries: tuple[Entry, ...]
    unpaid: tuple[Unpaid, ...]
    hold_days: Annotated[StrictInt, Field(description="Days from completion to release.", examples=[7])]


class Share(BaseModel):
    """The sum of one distributor's entries of an order."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    distributor_id: DistributorId
    amount: SignedAmount


class CommissionReleased(OfOrder, Event, type="commission.released.v1"):
    """The hold period is over: what the order still pays is available to the distributors."""

    shop_id: ShopId
    order_id: OrderId
    currency: AnyCurrency
    total: SignedAmount
    shares: tuple[Share, ...]
    released_at: Annotated[Timestamp, Field(description="When the hold period ended.")]
    market: MarketOfRules = None


class ReversedEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    line: LineNumber
    plan: PlanName
    level: EarnerLevel
    distributor_id: DistributorId
    amount: Annotated[SignedAmount, Field(examples=["-1.37"])]


class CommissionReversed(OfOrder, Event, type="commission.reversed.v1"):
    """Commissions are taken back by new, negative entries; no written entry is edited."""

    shop_id: ShopId
    order_id: OrderId
    currency: AnyCurrency
    reference: Annotated[
        str, Field(description="The refund's id; `cancelled` for a cancellation.", examples=["refund-0042"])
    ]
    account: Annotated[Code, Field(description="`held`, or `available` if it had been released.", examples=["held"])]
    total: Annotated[SignedAmount, Field(description="The sum of the entries, negative.", examples=["-1.37"])]
    entries: Annotated[tuple[ReversedEntry, ...], Field(description="The entries that change.")]
    reason: Annotated[Code, Field(examples=["order_refunded"])]
    market: MarketOfRules = None
