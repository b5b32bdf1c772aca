"""An order as this worker knows it, and the reference data an order is checked against. Amounts in minor units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, Self

from contracts.catalog.view import Product
from contracts.money import to_amount
from contracts.network.view import Distributor, Shop
from contracts.orders.v1 import OrderLine, Upline
from contracts.rules.view import RuleSet

Status = Literal["pending", "paid", "shipped", "completed", "rejected", "cancelled"]


@dataclass(frozen=True, slots=True)
class Line:
    """`line` counts from 1; net = amount - discount, both totals of the line."""

    line: int
    product_id: int
    category_id: int
    quantity: int
    amount_minor: int
    discount_minor: int

    @property
    def net_minor(self) -> int:
        return self.amount_minor - self.discount_minor


@dataclass(frozen=True, slots=True)
class Sponsor:
    """One upline as of the order's time; level 1 is the seller."""

    level: int
    distributor_id: int
    tier: str
    active: bool


@dataclass(frozen=True, slots=True)
class Order:
    """`version` grows by one with every change. `due_at` is the payment deadline while it matters, else None: it
    counts from the reservation, by our clock, since a shop's clock may be wrong and its backlog long.

    `fingerprint` is what the shop sent, condensed: the same order again has the same, another one has not.
    """

    key: str
    shop_id: str
    order_id: str
    fingerprint: str
    version: int
    status: Status
    distributor_id: int
    currency: str
    placed_at: datetime
    lines: tuple[Line, ...]
    shipping_minor: int
    tax_minor: int
    prepaid: bool
    upline: tuple[Sponsor, ...]
    rule_version: int
    payment_deadline_s: int
    due_at: datetime | None = None
    reserved: bool = False
    paid_at: datetime | None = None
    completed_at: datetime | None = None
    reason: str | None = None

    @property
    def net_minor(self) -> int:
        return sum(line.net_minor for line in self.lines)

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.shipping_minor + self.tax_minor

    def snapshot(self) -> dict[str, Any]:
        """The whole order in the fields of `order.accepted` and `order.paid`: enough to pay everyone without asking."""
        return {
            "shop_id": self.shop_id,
            "order_id": self.order_id,
            "version": self.version,
            "distributor_id": self.distributor_id,
            "currency": self.currency,
            "placed_at": self.placed_at,
            "lines": tuple(
                OrderLine(
                    line=line.line,
                    product_id=line.product_id,
                    category_id=line.category_id,
                    quantity=line.quantity,
                    amount=to_amount(line.amount_minor, self.currency),
                    discount=to_amount(line.discount_minor, self.currency),
                    net=to_amount(line.net_minor, self.currency),
                )
                for line in self.lines
            ),
            "shipping": to_amount(self.shipping_minor, self.currency),
            "tax": to_amount(self.tax_minor, self.currency),
            "total": to_amount(self.total_minor, self.currency),
            "prepaid": self.prepaid,
            "upline": tuple(
                Upline(level=up.level, distributor_id=up.distributor_id, tier=up.tier, active=up.active)
                for up in self.upline
            ),
            "rule_version": self.rule_version,
        }

    def becomes(self, **changes: Any) -> Self:
        """The order after one more change."""
        return replace(self, version=self.version + 1, **changes)


@dataclass(frozen=True, slots=True)
class Desk:
    """What one message sees: its order, or the orders that are due, and the reference data it names."""

    orders: Mapping[str, Order] = field(default_factory=dict)
    shop: Shop | None = None
    distributors: Mapping[int, Distributor] = field(default_factory=dict)
    products: Mapping[int, Product] = field(default_factory=dict)
    rules: tuple[RuleSet, ...] = ()

    def with_orders(self, *changed: Order) -> Self:
        return replace(self, orders={**self.orders, **{order.key: order for order in changed}})
