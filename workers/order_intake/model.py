"""An order with this worker's private fields, and the reference data it is checked against. Amounts in minor units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from contracts.catalog.view import Product
from contracts.money import to_amount
from contracts.network.view import Distributor, Shop, Team, chain_at
from contracts.orders import view
from contracts.orders.v1 import UPLINE_DEPTH_MAX, RefundedLine
from contracts.orders.view import SellingTeam, Sponsor
from contracts.rules.view import Tenure
from workers.order_intake.refunds import Requested, as_requested


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund(view.Refund):
    """A refund as booked. `fingerprint` is that of its content; `was_shipped`: the goods had shipped by then. `asked`
    is what it requested, which older documents do not have, and `lines` what it took.
    """

    fingerprint: str
    was_shipped: bool
    asked: tuple[Requested, ...] = ()

    @property
    def amount_minor(self) -> int:
        return sum(part.amount_minor for part in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(view.Order):
    """`due_at` is the payment deadline while the order is unpaid, else None. It counts from the reservation, by our
    clock, since a shop's clock may be wrong and its backlog long.

    `fingerprint` is that of the order's content, so that a repeat is recognised. `placed_by` is the distributor
    who placed it over HTTP, if one did, after the limit that new ones share; once it was the login. `received_at` is
    when it reached us, by our clock; absent if it was prepaid, and in older documents.
    """

    fingerprint: str
    payment_deadline_s: int
    refunds: tuple[Refund, ...] = ()
    placed_by: str | None = None
    received_at: datetime | None = None

    @property
    def place_among_unpaid(self) -> str | None:
        """Its place in the order of receipt while it is unpaid: in a shortage, the last one is cancelled first."""
        if self.status != "pending" or self.prepaid or self.received_at is None:
            return None
        return place_of(self.received_at, self.key)

    @property
    def units(self) -> int:
        return sum(line.quantity for line in self.lines)

    @property
    def is_refunded(self) -> bool:
        """Whether all the money was refunded; for an order that cost nothing, all units."""
        if self.net_minor:
            return self.refunded_minor == self.net_minor
        return not any(line.left_quantity for line in self.lines)

    @property
    def requested(self) -> tuple[Requested, ...]:
        """What all refunds requested."""
        old = (part for refund in self.refunds if not refund.asked for part in refund.lines)
        return (*as_requested(self.lines, old), *(line for refund in self.refunds for line in refund.asked))

    @property
    def was_shipped(self) -> bool:
        """Whether the goods were shipped, even if they came back later."""
        return self.status in ("shipped", "completed") or any(refund.was_shipped for refund in self.refunds)

    @property
    def steps_taken(self) -> frozenset[str]:
        """The steps that a refunded order had taken before it was refunded in full."""
        steps = {"paid": True, "shipped": self.was_shipped, "completed": self.completed_at is not None}
        return frozenset(step for step, is_taken in steps.items() if is_taken)

    def units_of(self, product_id: int) -> int:
        return sum(line.quantity for line in self.lines if line.product_id == product_id)

    def refund(self, refund_id: str) -> Refund | None:
        return next((refund for refund in self.refunds if refund.refund_id == refund_id), None)

    def event_fields(self) -> dict[str, Any]:
        """The fields of every event of the order: its ids, version and seller."""
        return {
            "shop_id": self.shop_id,
            "order_id": self.order_id,
            "version": self.version,
            "distributor_id": self.distributor_id,
        }

    def refunded_lines(self) -> tuple[RefundedLine, ...]:
        """The lines with refunds, with their sums, as in `order.refunded`."""
        return tuple(
            RefundedLine(
                line=line.line,
                product_id=line.product_id,
                quantity=line.quantity,
                net=to_amount(line.net_minor, self.currency),
                refunded_quantity=line.refunded_quantity,
                refunded=to_amount(line.refunded_minor, self.currency),
            )
            for line in self.lines
            if line.refunded_quantity or line.refunded_minor
        )

    def cancellation(self, before: Order) -> dict[str, Any]:
        """The cancelled order in the fields of `order.cancelled`; `before` is the order before the cancellation."""
        return {
            **self.event_fields(),
            "currency": self.currency,
            "placed_at": self.placed_at,
            "net_total": to_amount(self.net_minor, self.currency),
            "was_reserved": before.reserved,
            "was_paid": before.status == "paid",
            "reason": self.reason,
        }

    def refunded(self) -> dict[str, Any]:
        """The newest refund in the fields of `order.refunded`."""
        newest = self.refunds[-1]
        return {
            **self.event_fields(),
            "refund_id": newest.refund_id,
            "currency": self.currency,
            "placed_at": self.placed_at,
            "lines": self.refunded_lines(),
            "amount": to_amount(newest.amount_minor, self.currency),
            "net_total": to_amount(self.net_minor, self.currency),
            "refunded_total": to_amount(self.refunded_minor, self.currency),
            "was_shipped": newest.was_shipped,
            "is_full": self.is_refunded,
        }

    def snapshot(self) -> dict[str, Any]:
        """The whole order in the fields of `order.accepted` and `order.paid`: enough to pay everyone without a query.

        Plain values, so that the event validates all of it at once: a model for each line and upline costs three times
        as much.
        """
        currency = self.currency
        return {
            **self.event_fields(),
            "currency": self.currency,
            "placed_at": self.placed_at,
            "lines": [
                {
                    "line": line.line,
                    "product_id": line.product_id,
                    "category_id": line.category_id,
                    "quantity": line.quantity,
                    "amount": to_amount(line.amount_minor, currency),
                    "discount": to_amount(line.discount_minor, currency),
                    "net": to_amount(line.net_minor, currency),
                }
                for line in self.lines
            ],
            "shipping": to_amount(self.shipping_minor, self.currency),
            "tax": to_amount(self.tax_minor, self.currency),
            "total": to_amount(self.total_minor, self.currency),
            "prepaid": self.prepaid,
            "upline": [
                {"level": up.level, "distributor_id": up.distributor_id, "tier": up.tier, "active": up.active}
                for up in self.upline
            ],
            "team": self.team.event_fields() if self.team is not None else None,
            "rule_version": self.rule_version,
        }

    def becomes(self, **changes: Any) -> Self:
        """The order after one more change."""
        return replace(self, version=self.version + 1, **changes)

    def with_refund(self, refund: Refund) -> Self:
        """The order after one more refund; a full refund ends it."""
        parts = {part.line: part for part in refund.lines}
        lines = tuple(
            replace(
                line,
                refunded_quantity=line.refunded_quantity + parts[line.line].quantity,
                refunded_minor=line.refunded_minor + parts[line.line].amount_minor,
            )
            if line.line in parts
            else line
            for line in self.lines
        )
        after = self.becomes(lines=lines, refunds=(*self.refunds, refund))
        return replace(after, status="refunded") if after.is_refunded else after


def place_of(received_at: datetime, key: str) -> str:
    """The place of an order among those that we received, in UTC: as texts, places sort by time, then by key."""
    return f"{received_at.isoformat(timespec='milliseconds')} {key}"


@dataclass(frozen=True, slots=True)
class Placer:
    """A distributor who places orders, with any login, or all new ones below another: how many unpaid ones there are,
    and how many units they hold. `shares` has both numbers for each of those who share the limit.

    Each order takes the next turn, so that of two concurrent ones one is tried again and counts the other.
    """

    placer: str
    orders: int = 0
    units: int = 0
    turn: int = 0
    shares: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def share_of(self, distributor: str) -> tuple[int, int]:
        return self.shares.get(distributor, (0, 0))

    def with_unpaid(self, distributor: str, units: int) -> Self:
        """With one more order of this distributor; `distributor` is empty where none share the limit."""
        shares = self.shares
        if distributor:
            orders, before = self.share_of(distributor)
            shares = {**shares, distributor: (orders + 1, before + units)}
        return replace(self, orders=self.orders + 1, units=self.units + units, shares=shares)


@dataclass(frozen=True, slots=True)
class State:
    """The data for one message: its order, or the orders that are due or pending, and the reference data it names.

    Distributors and teams may be those of the whole batch: an order looks up its own, as of its time. There is a
    `placer` if a distributor placed the order.
    """

    orders: Mapping[str, Order] = field(default_factory=dict)
    shop: Shop | None = None
    distributors: Mapping[int, Distributor] = field(default_factory=dict)
    teams: Mapping[int, Team] = field(default_factory=dict)
    products: Mapping[int, Product] = field(default_factory=dict)
    tenures: tuple[Tenure, ...] = ()
    placer: Placer | None = None

    def newest_unpaid(self, product_id: int, units: int) -> tuple[list[Order], Order | None]:
        """The first unpaid orders of a product that have at least `units` of it together, and the last order that was
        examined.
        """
        unpaid: list[Order] = []
        last = None
        for last in self.orders.values():
            if last.status == "pending" and not last.prepaid and (ordered := last.units_of(product_id)):
                unpaid.append(last)
                units -= ordered
                if units <= 0:
                    break
        return unpaid, last

    def upline_of(self, seller_id: int, placed_at: datetime) -> tuple[Sponsor, ...]:
        """The seller and everyone above, as of the order's time."""
        chain = []
        for level, distributor_id in enumerate(
            chain_at(seller_id, self.distributors, placed_at, UPLINE_DEPTH_MAX), start=1
        ):
            standing = self.distributors[distributor_id].standing_at(placed_at)
            chain.append(Sponsor(level, distributor_id, standing.tier, standing.active))
        return tuple(chain)

    def team_of(self, seller_id: int, placed_at: datetime) -> SellingTeam | None:
        """The seller's team and its leader, as of the order's time."""
        team_id = self.distributors[seller_id].team_at(placed_at)
        if team_id is None:
            return None
        leader_id = self.teams[team_id].leader_at(placed_at)
        standing = self.distributors[leader_id].standing_at(placed_at)
        return SellingTeam(team_id, leader_id, standing.tier, standing.active)

    def with_placed(self, order: Order, placer: Placer | None) -> Self:
        return replace(self.with_orders(order), placer=placer)

    def with_orders(self, *changed: Order) -> Self:
        return replace(self, orders={**self.orders, **{order.key: order for order in changed}})
