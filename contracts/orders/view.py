"""The published view of orders: collection `order_intake.orders`, owned by `order_intake`. Amounts in minor units.

It has an order's content and status; the owner's private fields are not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

ORDERS = "order_intake.orders"
ORDERS_JOURNAL = "journal.order_intake"
"""The journal that has refusals of orders, while journals are kept: a refused order is not stored."""

Status = Literal["pending", "paid", "shipped", "completed", "rejected", "cancelled", "refunded"]
STATUSES: tuple[Status, ...] = get_args(Status)

MAYBE_PAID: tuple[Status, ...] = ("paid", "shipped", "completed", "refunded", "cancelled")
"""The possible statuses of an order that was paid; a cancelled one need not have been."""

LISTS = "lists"
"""The field with the lists that an order is on: by shop, by seller, by each upline as of its time, by status, and by
its own number. One index on it and `placed_at` serves all of them, newest first: further indexes would slow down
every change of an order.
"""


def shop_list(shop_id: str) -> str:
    return f"shop/{shop_id}"


def seller_list(distributor_id: int) -> str:
    return f"seller/{distributor_id}"


def downline_list(distributor_id: int) -> str:
    """The orders of the distributor and of everyone below."""
    return f"downline/{distributor_id}"


def status_list(status: Status) -> str:
    return f"status/{status}"


def number_list(order_id: str) -> str:
    """The orders with this number, in any shop."""
    return f"number/{order_id}"


def unpaid_list(placer: str) -> str:
    """The unpaid orders that this distributor has placed, with any login."""
    return f"unpaid/{placer}"


@dataclass(frozen=True, slots=True)
class Line:
    """`line` counts from 1; net = amount - discount, both totals of the line; refunded is the sum of all refunds."""

    line: int
    product_id: int
    category_id: int
    quantity: int
    amount_minor: int
    discount_minor: int
    refunded_quantity: int = 0
    refunded_minor: int = 0

    @property
    def net_minor(self) -> int:
        return self.amount_minor - self.discount_minor

    @property
    def left_quantity(self) -> int:
        return self.quantity - self.refunded_quantity

    @property
    def left_minor(self) -> int:
        return self.net_minor - self.refunded_minor


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The part of a refund that came from one line."""

    line: int
    quantity: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Refund:
    refund_id: str
    at: datetime
    lines: tuple[GivenBack, ...]


@dataclass(frozen=True, slots=True)
class Sponsor:
    """One upline as of the order's time; level 1 is the seller."""

    level: int
    distributor_id: int
    tier: str
    active: bool


@dataclass(frozen=True, slots=True)
class SellingTeam:
    """The seller's team and its leader, as of the order's time."""

    team_id: int
    leader_id: int
    leader_tier: str
    leader_active: bool

    def event_fields(self) -> dict[str, Any]:
        """The team as fields of events."""
        return {
            "team_id": self.team_id,
            "leader_id": self.leader_id,
            "leader_tier": self.leader_tier,
            "leader_active": self.leader_active,
        }


@dataclass(frozen=True, slots=True)
class Order:
    """`_id` is the key, shop and order id. `version` grows by one with every change."""

    key: str
    shop_id: str
    order_id: str
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
    due_at: datetime | None = None
    reserved: bool = False
    paid_at: datetime | None = None
    completed_at: datetime | None = None
    reason: str | None = None
    refunds: tuple[Refund, ...] = ()
    after_sale_open: bool = False
    team: SellingTeam | None = None

    @property
    def earners(self) -> frozenset[int]:
        """Everyone to whom the order may pay: the seller, those above as of its time, and the leader of the team."""
        upline = {up.distributor_id for up in self.upline}
        return frozenset(upline | {self.team.leader_id} if self.team is not None else upline)

    @property
    def net_minor(self) -> int:
        return sum(line.net_minor for line in self.lines)

    @property
    def refunded_minor(self) -> int:
        return sum(line.refunded_minor for line in self.lines)

    @property
    def total_minor(self) -> int:
        return self.net_minor + self.shipping_minor + self.tax_minor
