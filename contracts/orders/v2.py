"""Order messages, version 2: many lines, discounts, shipping and tax."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from contracts.fields import LINES_MAX, Amount, Currency, DistributorId, OrderId, ProductId, Quantity, ShopId
from contracts.subjects import OfOrder
from contracts.wire.envelope import Command, Timestamp


class Line(BaseModel):
    """`amount` is the line's gross total, not a unit price; net = amount - discount."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product_id: ProductId
    quantity: Quantity
    amount: Annotated[
        Amount, Field(description="The line's total before its discount: all units together, not the price of one.")
    ]
    discount: Annotated[
        Amount,
        Field(
            description="Subtracted from `amount`, at most all of it; commissions are paid on the rest.",
            examples=["5.00"],
        ),
    ] = Decimal(0)


class PlaceOrder(OfOrder, Command, type="order.place.v2", from_shops=True):
    """An order. `currency` defaults to the shop's, `placed_at` to the message's time; `total` is checked if given."""

    shop_id: ShopId
    order_id: OrderId
    distributor_id: DistributorId
    currency: Annotated[Currency | None, Field(description="If absent, the shop's currency.")] = None
    placed_at: Annotated[
        Timestamp | None,
        Field(
            description="When the customer ordered, as RFC 3339 with an offset; if absent, the message's time. "
            "Rules, tiers and sponsors are taken as of then. Never in the future, nor more than 31 days before the "
            "order reaches us, unless its shop may enter history."
        ),
    ] = None
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=LINES_MAX, fail_fast=True)]
    shipping: Annotated[Amount, Field(description="Postage, on which no commission is paid.", examples=["8.00"])] = (
        Decimal(0)
    )
    tax: Annotated[
        Amount, Field(description="Tax on top of the lines, on which no commission is paid.", examples=["0.00"])
    ] = Decimal(0)
    total: Annotated[
        Amount | None,
        Field(
            description="What the customer pays. If given, it must equal the lines' amounts minus their discounts, "
            "plus shipping and tax.",
            examples=["62.70"],
        ),
    ] = None
    prepaid: Annotated[
        StrictBool,
        Field(description="Whether it is paid already: once its stock is reserved, the order needs no status `paid`."),
    ] = False
