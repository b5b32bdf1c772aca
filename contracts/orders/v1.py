"""Order messages, version 1. Amounts are decimal strings in the order's currency; net = amount - discount."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt

from contracts.fields import (
    GIVEN_MAX,
    LINES_MAX,
    QUANTITY_MAX,
    Amount,
    AnyCurrency,
    CategoryId,
    Code,
    Detail,
    DistributorId,
    Level,
    LineNumber,
    OrderId,
    OrderVersion,
    ProductId,
    Quantity,
    Reference,
    RuleVersion,
    ShopId,
)
from contracts.orders import v2
from contracts.subjects import OfOrder, OfProduct
from contracts.wire.envelope import Command, Event, Refusal, Timestamp

UPLINE_DEPTH_MAX = 30
"""The depth of a snapshot of the sponsor chain: ten paid levels, with room for uplines who are passed over."""

UNPAID_MAX = 500
"""Orders examined for one request for reserved units; the next request takes the rest."""


class PlaceOrder(OfOrder, Command, type="order.place.v1", from_shops=True):
    """The simplest order: one product, in the shop's default currency, paid later."""

    shop_id: ShopId
    order_id: OrderId
    distributor_id: DistributorId
    product_id: ProductId
    quantity: Quantity
    total_price: Annotated[
        Amount, Field(description="What the customer pays for all units together, not the price of one.")
    ]

    older_names: ClassVar[Mapping[str, str]] = {
        "lines.0.product_id": "product_id",
        "lines.0.quantity": "quantity",
        "lines.0.amount": "total_price",
        "lines": "total_price",
        "total": "total_price",
    }

    def upcast(self) -> v2.PlaceOrder:
        return v2.PlaceOrder(
            shop_id=self.shop_id,
            order_id=self.order_id,
            distributor_id=self.distributor_id,
            lines=(v2.Line(product_id=self.product_id, quantity=self.quantity, amount=self.total_price),),
            total=self.total_price,
        )


class UpdateStatus(OfOrder, Command, type="order.update-status.v1", from_shops=True):
    """The shop reports the order's progress. A step that was already taken changes nothing."""

    shop_id: ShopId
    order_id: OrderId
    status: Annotated[
        Literal["paid", "shipped", "completed", "cancelled"],
        Field(
            description="The step that the order has reached. A step that arrives before its predecessor waits for it; "
            "`completed` means that the customer has the goods, and starts the hold period of the commissions."
        ),
    ]


class RefundLine(BaseModel):
    """The refund of one product. A product on several lines is taken from `line`, or from the lines in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product_id: ProductId
    quantity: Annotated[
        int,
        Field(
            strict=True,
            ge=0,
            le=QUANTITY_MAX,
            description="Units that come back; 0 if only money is refunded.",
            examples=[1],
        ),
    ]
    amount: Annotated[
        Amount | None,
        Field(
            description="Money refunded for them, out of the line's net. If absent, the units' share of the net, at "
            "most what is left.",
            examples=["27.35"],
        ),
    ] = None
    line: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=LINES_MAX)] | None,
        Field(description="The line of the order, from 1, if the product is on several.", examples=[1]),
    ] = None


class RefundOrder(OfOrder, Command, type="order.refund.v1", from_shops=True):
    """The customer got money back for a paid order. `refund_id` makes the same refund count once.

    Commissions are taken back in proportion, from every level and plan; a line refunded in full keeps none.
    """

    shop_id: ShopId
    order_id: OrderId
    refund_id: Reference
    lines: Annotated[tuple[RefundLine, ...], Field(min_length=1, max_length=LINES_MAX, fail_fast=True)]


class ChangeAfterSale(OfOrder, Command, type="order.after-sale.v1", from_shops=True):
    """The customer and the shop opened an issue, or closed it. While it is open, no commission is released."""

    shop_id: ShopId
    order_id: OrderId
    open: Annotated[bool, Field(strict=True, description="Whether an issue is open from now on.", examples=[True])]


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
    active: Annotated[StrictBool, Field(description="Whether the distributor was active at the time.", examples=[True])]


class Team(BaseModel):
    """The seller's team and its leader, as of the order's `placed_at`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    team_id: Annotated[StrictInt, Field(examples=[12])]
    leader_id: DistributorId
    leader_tier: Annotated[str, Field(description="The leader's tier at the time.", examples=["gold"])]
    leader_active: Annotated[
        StrictBool, Field(description="Whether the leader was active at the time.", examples=[True])
    ]


_ORDER = ("shop_id", "order_id", "version")
_REFUSAL = ("shop_id", "order_id", "reason", "detail", "given_order_id")
_SNAPSHOT = (
    *_ORDER,
    *("distributor_id", "currency", "placed_at", "lines", "shipping", "tax", "total", "prepaid", "upline"),
    "rule_version",
)
"""What the order's shop reads, over the broker as over HTTP: nothing of the network above the seller."""


class _Snapshot(OfOrder, Event):
    """The whole order as of its time: enough to calculate every commission without a query.

    The copy for its shop has the seller alone as upline, and no team.
    """

    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    distributor_id: DistributorId
    currency: AnyCurrency
    placed_at: Annotated[Timestamp, Field(description="When the customer ordered; rules and sponsors are as of then.")]
    lines: Annotated[tuple[OrderLine, ...], Field(max_length=LINES_MAX)]
    shipping: Annotated[Amount, Field(examples=["8.00"])]
    tax: Annotated[Amount, Field(examples=["0.00"])]
    total: Annotated[Amount, Field(description="Net of all lines, plus shipping and tax.", examples=["62.70"])]
    prepaid: StrictBool
    upline: Annotated[tuple[Upline, ...], Field(max_length=UPLINE_DEPTH_MAX)]
    team: Annotated[Team | None, Field(description="Absent if the seller was in no team.")] = None
    rule_version: RuleVersion

    @classmethod
    def for_shop(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        return super().for_shop(data) | {"upline": [up for up in data["upline"] if up["level"] == 1]}


class OrderAccepted(_Snapshot, type="order.accepted.v1", shop_reads=_SNAPSHOT):
    """The order was accepted; its stock is not reserved yet."""


class OrderPaid(_Snapshot, type="order.paid.v1", shop_reads=(*_SNAPSHOT, "paid_at")):
    """The order is paid and its stock reserved: commissions accrue."""

    paid_at: Timestamp


GivenOrderId = Annotated[
    str | None,
    Field(
        max_length=GIVEN_MAX,
        description="The order id as it was sent, cut to 256 characters, if it is not a valid one. `order_id` is then "
        "derived from it.",
        examples=["订单 31198459904"],
    ),
]


class OrderRefused(OfOrder, Refusal, type="order.refused.v1", shop_reads=_REFUSAL):
    """The order was not accepted. `reason` is a code; `detail` a sentence that names the field and the rule."""

    shop_id: ShopId
    order_id: OrderId
    reason: Code
    detail: Detail
    given_order_id: GivenOrderId = None


class StatusRefused(OfOrder, Refusal, type="order.status-refused.v1", shop_reads=(*_REFUSAL, "status")):
    """A status update could not be applied, and why."""

    shop_id: ShopId
    order_id: OrderId
    status: Annotated[str, Field(description="The requested status.", examples=["shipped"])]
    reason: Code
    detail: Detail
    given_order_id: GivenOrderId = None


class OrderRejected(OfOrder, Event, type="order.rejected.v1", shop_reads=(*_ORDER, "reason", "detail")):
    """An accepted order ended because its stock is short."""

    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    reason: Code
    detail: Detail


class OrderShipped(OfOrder, Event, type="order.shipped.v1", shop_reads=(*_ORDER, "distributor_id")):
    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    distributor_id: DistributorId


class OrderCompleted(OfOrder, Event, type="order.completed.v1", shop_reads=(*_ORDER, "distributor_id", "completed_at")):
    """The customer has the goods: the hold period of commissions starts at `completed_at`."""

    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    distributor_id: DistributorId
    completed_at: Annotated[Timestamp, Field(description="When the hold period of the commissions starts.")]


class OrderCancelled(
    OfOrder,
    Event,
    type="order.cancelled.v1",
    shop_reads=(
        *_ORDER,
        *("distributor_id", "currency", "placed_at", "net_total", "was_reserved", "was_paid", "reason"),
    ),
):
    """The order ended before completion. `was_paid`: commissions had accrued."""

    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    distributor_id: DistributorId
    currency: AnyCurrency
    placed_at: Timestamp
    net_total: Annotated[Amount, Field(description="The net of all lines.", examples=["54.70"])]
    was_reserved: StrictBool
    was_paid: StrictBool
    reason: Code


class UnpaidCancelled(OfProduct, Event, type="order.unpaid-cancelled.v1"):
    """The answer to `stock.release-requested`: the unpaid orders that were cancelled, the newest first.

    Each of them has an `order.cancelled` of its own. `last_order` is where the search ended, and the next request
    continues after it; absent if no order is left.
    """

    product_id: ProductId
    request: Annotated[StrictInt, Field(description="The number of the answered request.", examples=[1])]
    orders: Annotated[
        tuple[Annotated[str, Field(examples=["shop-367/31198459904"])], ...],
        Field(max_length=UNPAID_MAX, description="The orders, by shop and order id."),
    ]
    last_placed_at: Annotated[Timestamp | None, Field(description="When the last examined order was placed.")] = None
    last_order: Annotated[
        str | None,
        Field(description="The last examined order, by shop and order id.", examples=["shop-367/31198459904"]),
    ] = None


class RefundedLine(BaseModel):
    """A line of a refunded order, as it stands after the refund: all refunds of the line together."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    line: LineNumber
    product_id: ProductId
    quantity: Annotated[StrictInt, Field(description="Units ordered.", examples=[3])]
    net: Annotated[Amount, Field(description="The line's net as ordered.", examples=["54.70"])]
    refunded_quantity: Annotated[StrictInt, Field(description="Units refunded, this refund included.", examples=[1])]
    refunded: Annotated[Amount, Field(description="Money refunded, this refund included.", examples=["27.35"])]


class OrderRefunded(
    OfOrder,
    Event,
    type="order.refunded.v1",
    shop_reads=(
        *_ORDER,
        *("refund_id", "distributor_id", "currency", "placed_at", "lines", "amount", "net_total", "refunded_total"),
        *("was_shipped", "is_full"),
    ),
):
    """A refund was booked. All refunded lines are listed with their sums, so an older event adds nothing."""

    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    refund_id: Reference
    distributor_id: DistributorId
    currency: AnyCurrency
    placed_at: Timestamp
    lines: Annotated[tuple[RefundedLine, ...], Field(max_length=LINES_MAX)]
    amount: Annotated[Amount, Field(description="The money of this refund.", examples=["27.35"])]
    net_total: Annotated[Amount, Field(description="The net of all lines as ordered.", examples=["54.70"])]
    refunded_total: Annotated[Amount, Field(description="The money of all refunds together.", examples=["27.35"])]
    was_shipped: Annotated[StrictBool, Field(description="Whether the goods had shipped; if not, they stay in stock.")]
    is_full: Annotated[
        StrictBool,
        Field(
            description="Whether all the money was refunded; for an order that cost nothing, all units.",
            examples=[False],
        ),
    ]


class RefundRefused(OfOrder, Refusal, type="order.refund-refused.v1", shop_reads=(*_REFUSAL, "refund_id")):
    """A refund could not be booked, and why."""

    shop_id: ShopId
    order_id: OrderId
    refund_id: Annotated[str, Field(examples=["refund-0042"])]
    reason: Code
    detail: Detail
    given_order_id: GivenOrderId = None


class AfterSaleChanged(OfOrder, Event, type="order.after-sale-changed.v1", shop_reads=(*_ORDER, "open")):
    shop_id: ShopId
    order_id: OrderId
    version: OrderVersion
    open: Annotated[StrictBool, Field(description="While open, commissions stay held.")]


class AfterSaleRefused(OfOrder, Refusal, type="order.after-sale-refused.v1", shop_reads=_REFUSAL):
    shop_id: ShopId
    order_id: OrderId
    reason: Code
    detail: Detail
    given_order_id: GivenOrderId = None
