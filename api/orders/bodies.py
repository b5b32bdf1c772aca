"""The request bodies of orders, with examples."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.http.bodies import Body
from contracts.fields import LINES_MAX, Reference
from contracts.orders.v1 import RefundLine


class StatusUpdate(Body):
    status: Literal["paid", "shipped", "completed", "cancelled"]


class NewRefund(Body):
    refund_id: Annotated[Reference | None, Field(description="Your own id of this refund; generated if absent.")] = None
    lines: Annotated[
        list[RefundLine],
        Field(min_length=1, max_length=LINES_MAX, fail_fast=True, examples=[[{"product_id": 1082185, "quantity": 1}]]),
    ]


class AfterSale(Body):
    open: Annotated[bool, Field(strict=True, description="Whether an after-sale case is open from now on.")]


ORDERS_BY_EXAMPLE: Any = {
    "one product": {
        "summary": "One product",
        "value": {
            "shop_id": "shop-367",
            "distributor_id": 40021,
            "product_id": 1082185,
            "quantity": 3,
            "total_price": "59.70",
        },
    },
    "many lines": {
        "summary": "Many lines, with discounts and shipping",
        "value": {
            "shop_id": "shop-367",
            "order_id": "31198459904",
            "distributor_id": 40021,
            "lines": [{"product_id": 1082185, "quantity": 3, "amount": "59.70", "discount": "5.00"}],
            "shipping": "8.00",
            "total": "62.70",
        },
    },
}
