"""Order messages, version 1. Amounts are decimal strings in the order's currency; net = amount - discount."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.envelope import Command, Event, Timestamp
from contracts.fields import (
    LINES_MAX,
    Amount,
    CategoryId,
    Code,
    Currency,
    Detail,
    DistributorId,
    Level,
    LineNumber,
    OrderId,
    OrderVersion,
    ProductId,
    Quantity,
    RuleVersion,
    ShopId,
)
from contracts.subjects import OfOrder

UPLINE_DEPTH_MAX = 10
"""How far up a snapshot of the sponsor chain reaches; markets pay three levels at most."""


class PlaceOrder(OfOrder, Command, type="order.place.v1"):
    """The simplest order: one product, in the shop's default currency, paid later."""

    shop_id: ShopId
    order_id: OrderId
    distributor_id: DistributorId
    product_id: ProductId
    quantity: Quantity
    total_price: Annotated[
        Amount, Field(description="What the customer pays for all units together, not the price of one.")
    ]


class UpdateStatus(OfOrder, Command, type="order.update-status.v1"):
    """The shop tells how far the order is. A step already passed changes nothing."""

    shop_id: ShopId
    order_id: OrderId
    status: Annotated[
        Literal["paid", "shipped", "completed", "cancelled"],
        Field(
            description="How far the order is. One that comes before its predecessor waits for it; `completed` means "
            "that the customer has the goods, and starts the hold period of the commissions."
        ),
    ]


class OrderLine(BaseModel):
    """A line as accepted: `line` counts from 1; net = amount - discount is what commissions are based on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    line: LineNumber
    product_id: ProductId
    category_id: CategoryId
    quantity: Quantity
    amount: Annotated[Amount, Field(description="The line's total before its discount.")]
    discount: Annotated[Amount, Field(description="Taken off the line's amount.", examples=["5.00"])]
    net: Annotated[Amount, Field(description="amount - discount: what commissions are based on.", examples=["54.70"])]


class Upline(BaseModel):
    """One sponsor above the selling distributor as of the order's `placed_at`; level 1 is the seller."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    level: Level
    distributor_id: DistributorId
    tier: Annotated[str, Field(description="The distributor's tier at the time.", examples=["standard"])]
    active: Annotated[bool, Field(description="Whether the distributor could earn at the time.", examples=[True])]


class _Snapshot(OfOrder, Event):
    """The whole order as of its time: enough to pay every commission without asking anyone."""

    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    distributor_id: DistributorId
    currency: Currency
    placed_at: Annotated[Timestamp, Field(description="When the customer ordered: rules and sponsors are as of then.")]
    lines: Annotated[tuple[OrderLine, ...], Field(max_length=LINES_MAX)]
    shipping: Annotated[Amount, Field(examples=["8.00"])]
    tax: Annotated[Amount, Field(examples=["0.00"])]
    total: Annotated[Amount, Field(description="Net of all lines, plus shipping and tax.", examples=["62.70"])]
    prepaid: bool
    upline: Annotated[tuple[Upline, ...], Field(max_length=UPLINE_DEPTH_MAX)]
    rule_version: RuleVersion


class OrderAccepted(_Snapshot, type="order.accepted.v1"):
    """The order stands; its stock is not reserved yet."""


class OrderPaid(_Snapshot, type="order.paid.v1"):
    """The order is paid and its stock reserved: commissions accrue from here."""

    paid_at: Timestamp


class OrderRefused(OfOrder, Event, type="order.refused.v1"):
    """The order was not taken. `reason` is a code; `detail` a sentence that names the field and the rule."""

    shop_id: ShopId
    order_id: OrderId
    reason: Code
    detail: Detail


class StatusRefused(OfOrder, Event, type="order.status-refused.v1"):
    """A status update could not be applied, and why."""

    shop_id: ShopId
    order_id: OrderId
    status: Annotated[str, Field(description="The status that was asked for.", examples=["shipped"])]
    reason: Code
    detail: Detail


class OrderRejected(OfOrder, Event, type="order.rejected.v1"):
    """An accepted order that ended for want of stock."""

    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    reason: Code
    detail: Detail


class OrderShipped(OfOrder, Event, type="order.shipped.v1"):
    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    distributor_id: DistributorId


class OrderCompleted(OfOrder, Event, type="order.completed.v1"):
    """The customer has the goods: the hold period of commissions starts at `completed_at`."""

    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    distributor_id: DistributorId
    completed_at: Annotated[Timestamp, Field(description="When the hold period of the commissions starts.")]


class OrderCancelled(OfOrder, Event, type="order.cancelled.v1"):
    """The order ended before completion. `was_paid` says whether commissions had accrued."""

    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    distributor_id: DistributorId
    currency: Currency
    placed_at: Timestamp
    net_total: Annotated[Amount, Field(description="The net of all lines.", examples=["54.70"])]
    was_reserved: bool
    was_paid: bool
    reason: Code
