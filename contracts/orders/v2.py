"""Order messages, version 2: many lines, discounts, shipping and tax."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from contracts.envelope import Command, Timestamp
from contracts.fields import LINES_MAX, Amount, Currency, Id64, OrderId, Quantity, ShopId
from contracts.subjects import OfOrder


class Line(BaseModel):
    """`amount` is the line's gross total, not a unit price; net = amount - discount."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product_id: Id64
    quantity: Quantity
    amount: Amount
    discount: Amount = Decimal(0)


class PlaceOrder(OfOrder, Command, type="order.place.v2"):
    """An order. `currency` defaults to the shop's, `placed_at` to the message's time; `total` is checked if given."""

    shop_id: ShopId
    order_id: OrderId
    distributor_id: Id64
    currency: Currency | None = None
    placed_at: Timestamp | None = None
    lines: Annotated[tuple[Line, ...], Field(min_length=1, max_length=LINES_MAX)]
    shipping: Amount = Decimal(0)
    tax: Amount = Decimal(0)
    total: Amount | None = None
    prepaid: bool = False
