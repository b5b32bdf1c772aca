"""Orders, as shown. Amounts are decimal strings in the order's currency."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from api.access.scope import orders_filter
from api.http.ids import ShownId
from api.http.paging import Sorting, page_of
from api.http.problems import Problem
from api.identity.principal import Principal
from api.storage.protocols import Documents
from contracts.money import to_amount
from contracts.orders.view import LISTS, ORDERS, Line, Order, Refund, Status, number_list
from contracts.subjects import order_key
from infra.operators.timeline import Step, Timeline
from infra.ports.store import Document
from infra.runtime.repository import Codec

NEWEST = Sorting("placed_at", datetime, -1)

_orders = Codec(Order, key="key")

Money = str


class LineView(BaseModel):
    model_config = ConfigDict(title="OrderLine")

    line: int = Field(examples=[1])
    product_id: ShownId = Field(examples=[1082185])
    category_id: ShownId = Field(examples=[7])
    quantity: int = Field(examples=[3])
    amount: Money = Field(description="The line's total before its discount.", examples=["59.70"])
    discount: Money = Field(examples=["5.00"])
    net: Money = Field(description="amount - discount.", examples=["54.70"])
    refunded_quantity: int = Field(examples=[0])
    refunded: Money = Field(examples=["0.00"])


class RefundedPart(BaseModel):
    line: int = Field(examples=[1])
    quantity: int = Field(examples=[1])
    amount: Money = Field(examples=["18.23"])


class RefundView(BaseModel):
    model_config = ConfigDict(title="OrderRefund")

    refund_id: str = Field(examples=["refund-0042"])
    at: datetime
    amount: Money = Field(examples=["18.23"])
    lines: list[RefundedPart]


class SponsorView(BaseModel):
    model_config = ConfigDict(title="OrderUpline")

    level: int = Field(description="1 is the seller.", examples=[1])
    distributor_id: ShownId = Field(examples=[40021])
    tier: str = Field(examples=["standard"])
    active: bool


class StepView(BaseModel):
    """One message, handled by one worker."""

    model_config = ConfigDict(title="OrderStep")

    at: datetime
    worker: str = Field(examples=["order_intake"])
    type: str = Field(examples=["order.place.v2"])
    outcome: str = Field(description="The outcome, as a code.", examples=["accepted"])
    emitted: list[str] = Field(description="The types of the events that it caused.", examples=[["order.accepted.v1"]])


class OrderView(BaseModel):
    model_config = ConfigDict(title="Order")

    shop_id: str = Field(examples=["shop-367"])
    order_id: str = Field(examples=["31198459904"])
    status: Status = Field(examples=["paid"])
    reason: str | None = Field(description="The reason of a rejection or cancellation.", examples=[None])
    version: int = Field(description="Grows by one with each change; it is in the ETag.", examples=[3])
    distributor_id: ShownId = Field(description="The seller.", examples=[40021])
    currency: str = Field(examples=["CNY"])
    placed_at: datetime
    due_at: datetime | None = Field(description="When an unpaid order is cancelled.", examples=[None])
    paid_at: datetime | None
    completed_at: datetime | None = Field(examples=[None])
    reserved: bool = Field(description="Whether the stock is reserved.")
    prepaid: bool = Field(examples=[False])
    after_sale_open: bool = Field(description="While open, no commission is released.", examples=[False])
    lines: list[LineView]
    shipping: Money = Field(examples=["8.00"])
    tax: Money = Field(examples=["0.00"])
    total: Money = Field(examples=["62.70"])
    refunded_total: Money = Field(examples=["0.00"])
    refunds: list[RefundView] = Field(examples=[[]])
    upline: list[SponsorView] = Field(
        description="The seller and their upline, as of the order's time. A distributor sees it up to themselves, a "
        "shop only the seller."
    )
    rule_version: int = Field(examples=[1])


class OrderWithTimeline(OrderView):
    model_config = ConfigDict(title="OrderWithTimeline")

    timeline: list[StepView] | None = Field(
        description="Its history, oldest first, at most the newest 500 steps; null unless requested."
    )
    timeline_complete: bool | None = Field(
        default=None, description="False if there are older steps; null unless requested.", examples=[True]
    )


async def find_order(store: Documents, principal: Principal, order_id: str, shop_id: str | None) -> Order:
    """The order, by shop and order id, or by the order id alone where that is unique.

    Raises Problem not_found, also for an order beyond reach, and ambiguous_order.
    """
    shop_id = shop_id or principal.shop_id
    within_reach = orders_filter(principal)
    if shop_id is not None:
        found = await store.find(ORDERS, {"$and": [{"_id": order_key(shop_id, order_id)}, within_reach]}, limit=1)
    else:
        listed = [{LISTS: number_list(order_id)}, within_reach]
        found, others = await page_of(store, ORDERS, NEWEST, listed=listed, cursor=None, limit=1)
        if others is not None:
            raise Problem("ambiguous_order")
    if not found:
        raise Problem("not_found")
    return order_of(found[0])


def order_of(document: Document) -> Order:
    return _orders.to_entity(document)


def order_view(order: Order, principal: Principal) -> OrderView:
    return OrderView(**_fields(order, principal))


def size_of(order: Order) -> int:
    """How many lines it has, those of its refunds included: what its view costs."""
    return len(order.lines) + sum(len(refund.lines) for refund in order.refunds)


def parts_of(document: Document) -> int:
    """As `size_of`, of an order that is not read yet."""
    return len(document["lines"]) + sum(len(refund["lines"]) for refund in document.get("refunds", ()))


def order_with_timeline(order: Order, principal: Principal, timeline: Timeline | None) -> OrderWithTimeline:
    if timeline is None:
        return OrderWithTimeline(**_fields(order, principal), timeline=None)
    steps = _step_views(timeline.steps)
    return OrderWithTimeline(**_fields(order, principal), timeline=steps, timeline_complete=timeline.complete)


def _step_views(steps: Iterable[Step]) -> list[StepView]:
    """Only types and outcomes, so that it does not reveal others' earnings."""
    return [
        StepView(
            at=step.at,
            worker=step.worker,
            type=step.type,
            outcome=step.outcome,
            emitted=[message["type"] for message in step.emitted],
        )
        for step in steps
    ]


def plain(order: Order) -> dict[str, Any]:
    """The state of the order, for the audit log."""
    return {"status": order.status, "version": order.version, "after_sale_open": order.after_sale_open}


def _fields(order: Order, principal: Principal) -> dict[str, Any]:
    def money(minor: int) -> str:
        return format(to_amount(minor, order.currency), "f")

    return {
        "shop_id": order.shop_id,
        "order_id": order.order_id,
        "status": order.status,
        "reason": order.reason,
        "version": order.version,
        "distributor_id": order.distributor_id,
        "currency": order.currency,
        "placed_at": order.placed_at,
        "due_at": order.due_at,
        "paid_at": order.paid_at,
        "completed_at": order.completed_at,
        "reserved": order.reserved,
        "prepaid": order.prepaid,
        "after_sale_open": order.after_sale_open,
        "lines": [_line(line, money) for line in order.lines],
        "shipping": money(order.shipping_minor),
        "tax": money(order.tax_minor),
        "total": money(order.total_minor),
        "refunded_total": money(order.refunded_minor),
        "refunds": [_refund(refund, money) for refund in order.refunds],
        "upline": _upline(order, principal),
        "rule_version": order.rule_version,
    }


def _line(line: Line, money: Any) -> LineView:
    return LineView(
        line=line.line,
        product_id=line.product_id,
        category_id=line.category_id,
        quantity=line.quantity,
        amount=money(line.amount_minor),
        discount=money(line.discount_minor),
        net=money(line.net_minor),
        refunded_quantity=line.refunded_quantity,
        refunded=money(line.refunded_minor),
    )


def _refund(refund: Refund, money: Any) -> RefundView:
    return RefundView(
        refund_id=refund.refund_id,
        at=refund.at,
        amount=money(sum(part.amount_minor for part in refund.lines)),
        lines=[
            RefundedPart(line=part.line, quantity=part.quantity, amount=money(part.amount_minor))
            for part in refund.lines
        ],
    )


def _upline(order: Order, principal: Principal) -> list[SponsorView]:
    """The part of the upline that the principal may see, up to themselves."""
    last = len(order.upline)
    if principal.kind == "shop":
        last = 1
    elif principal.kind == "distributor":
        last = next((up.level for up in order.upline if up.distributor_id == principal.distributor_id), 1)
    return [
        SponsorView(level=up.level, distributor_id=up.distributor_id, tier=up.tier, active=up.active)
        for up in order.upline
        if up.level <= last
    ]
