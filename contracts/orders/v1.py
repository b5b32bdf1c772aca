"""Order messages, version 1. Amounts are decimal strings in the order's currency; net = amount - discount."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.envelope import Command, Event, Timestamp
from contracts.fields import LINES_MAX, Amount, Code, Currency, Id64, OrderId, Quantity, ShopId
from contracts.subjects import OfOrder

UPLINE_DEPTH_MAX = 32
"""How far up a snapshot of the sponsor chain reaches; markets pay three levels at most."""


class PlaceOrder(OfOrder, Command, type="order.place.v1"):
    """The simplest order: one product, in the shop's default currency, paid later."""

    shop_id: ShopId
    order_id: OrderId
    distributor_id: Id64
    product_id: Id64
    quantity: Quantity
    total_price: Amount


class UpdateStatus(OfOrder, Command, type="order.update-status.v1"):
    """The shop tells how far the order is. A step already passed changes nothing."""

    shop_id: ShopId
    order_id: OrderId
    status: Literal["paid", "shipped", "completed", "cancelled"]


class OrderLine(BaseModel):
    """A line as accepted: `line` counts from 1; net = amount - discount is what commissions are based on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    line: int
    product_id: Id64
    category_id: Id64
    quantity: Quantity
    amount: Amount
    discount: Amount
    net: Amount


class Upline(BaseModel):
    """One sponsor above the selling distributor as of the order's `placed_at`; level 1 is the seller."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    level: int
    distributor_id: Id64
    tier: str
    active: bool


class _Snapshot(OfOrder, Event):
    """The whole order as of its time: enough to pay every commission without asking anyone."""

    shop_id: ShopId
    order_id: OrderId
    version: int
    distributor_id: Id64
    currency: Currency
    placed_at: Timestamp
    lines: Annotated[tuple[OrderLine, ...], Field(max_length=LINES_MAX)]
    shipping: Amount
    tax: Amount
    total: Amount
    prepaid: bool
    upline: Annotated[tuple[Upline, ...], Field(max_length=UPLINE_DEPTH_MAX)]
    rule_version: int


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
    detail: str


class StatusRefused(OfOrder, Event, type="order.status-refused.v1"):
    """A status update could not be applied, and why."""

    shop_id: ShopId
    order_id: OrderId
    status: str
    reason: Code
    detail: str


class OrderRejected(OfOrder, Event, type="order.rejected.v1"):
    """An accepted order that ended for want of stock."""

    shop_id: ShopId
    order_id: OrderId
    version: int
    reason: Code
    detail: str


class OrderShipped(OfOrder, Event, type="order.shipped.v1"):
    shop_id: ShopId
    order_id: OrderId
    version: int
    distributor_id: Id64


class OrderCompleted(OfOrder, Event, type="order.completed.v1"):
    """The customer has the goods: the hold period of commissions starts at `completed_at`."""

    shop_id: ShopId
    order_id: OrderId
    version: int
    distributor_id: Id64
    completed_at: Timestamp


class OrderCancelled(OfOrder, Event, type="order.cancelled.v1"):
    """The order ended before completion. `was_paid` says whether commissions had accrued."""

    shop_id: ShopId
    order_id: OrderId
    version: int
    distributor_id: Id64
    currency: Currency
    placed_at: Timestamp
    net_total: Amount
    was_reserved: bool
    was_paid: bool
    was_shipped: bool
    reason: Code
