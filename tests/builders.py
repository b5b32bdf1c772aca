"""Small builders with defaults, so that a test states only what matters to it.

The world they share: shop-1 sells in CNY; distributor 3 sells, sponsored by 2, who is sponsored by 1; tea (category 7)
and cups (category 8); rules of version 1 that pay 10 %, 5 % and 3 % out of a pool of 20 %. Order 1001 is two teas for
100.00 less 10.00, with 8.00 postage: 98.00 in total.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from contracts.catalog.view import Product
from contracts.clock.v1 import ClockTicked
from contracts.network.view import Distributor, Leadership, Membership, Shop, Sponsorship, Standing, Team
from contracts.orders import v2
from contracts.orders.v1 import (
    ChangeAfterSale,
    OrderAccepted,
    OrderCancelled,
    OrderCompleted,
    OrderLine,
    OrderPaid,
    OrderRefunded,
    OrderShipped,
    RefundedLine,
    RefundLine,
    RefundOrder,
    UpdateStatus,
    Upline,
)
from contracts.orders.view import Line, Sponsor
from contracts.rules.document import RuleDocument
from contracts.rules.terms import digest_of, terms_of
from contracts.rules.v1 import ActivateRules, ApproveRules, DefineMarket, ProposeRules
from contracts.rules.view import Override, RuleSet, SalesTarget, Terms, Unilevel
from contracts.wire.envelope import Message, Payload, derived_id, message_of
from workers.order_intake import model as order_intake
from workers.order_intake.content import fingerprint_of

P = TypeVar("P", bound=Payload)
Payloads = tuple[Payload, ...]

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
JOINED = datetime(2026, 1, 1, tzinfo=UTC)
HALF_AN_HOUR = timedelta(minutes=30)
SHOP = "shop-1"
ORDER = "1001"
KEY = f"{SHOP}/{ORDER}"
TOP, MIDDLE, SELLER = 1, 2, 3
LOGIN = "4f1c0d3a9b7e4c2f8a6d5e4c3b2a1f00"
BY_DISTRIBUTOR = f"api/distributor/{LOGIN}"
TEAM = 12
MARKET = "east"
"""Not the default market: rules for it wait until it is defined."""

TEA, CUP, TEAS, CUPS = 501, 502, 7, 8


def message(
    payload: P, *, id: str | None = None, time: datetime = NOW, received_at: datetime | None = None, **more: str
) -> Message[P]:
    """The payload in its envelope, received when sent. Without a given id, equal payloads get the same id."""
    known = id or derived_id("test", payload.message_type, payload.model_dump_json())
    fields: dict[str, Any] = {"id": known, "source": "test", "type": payload.message_type, "time": time, **more}
    return message_of(type(payload))(**fields, data=payload).received(received_at or time)


# Commands of shops.


def a_placed_line(product_id: int = TEA, quantity: int = 2, amount: str = "100.00", discount: str = "0") -> v2.Line:
    return v2.Line(product_id=product_id, quantity=quantity, amount=Decimal(amount), discount=Decimal(discount))


def place(order_id: str = ORDER, *, lines: Iterable[v2.Line] = (), **fields: Any) -> v2.PlaceOrder:
    given: dict[str, Any] = {"shop_id": SHOP, "distributor_id": SELLER, "shipping": Decimal("8.00"), **fields}
    return v2.PlaceOrder(order_id=order_id, lines=tuple(lines) or (a_placed_line(discount="10.00"),), **given)


def a_rule_document(rates: Iterable[str] = ("0.10", "0.05", "0.03"), **fields: Any) -> RuleDocument:
    """One unilevel plan on a pool of 20 %, for the market that `put_in_force` defines."""
    given = {"title": "Rules", "market": MARKET, "pool_rate": "0.20", **fields}
    return RuleDocument.model_validate(
        {"plans": [{"plan": "unilevel", "name": "levels", "rates": list(rates)}], **given}
    )


def put_in_force(document: RuleDocument | None = None, version: int = 1, effective_from: datetime = JOINED) -> Payloads:
    """The messages that put rules in force: a market that allows three levels, a proposal, approval, activation."""
    document = document or a_rule_document()
    return (
        DefineMarket(market=document.market, levels_paid_max=3),
        ProposeRules(rule_version=version, proposed_by="ann", rules=document),
        ApproveRules(rule_version=version, approved_by="bob", digest=digest_of(terms_of(document))),
        ActivateRules(rule_version=version, activated_by="bob", effective_from=effective_from),
    )


def update(status: str, order_id: str = ORDER) -> UpdateStatus:
    return UpdateStatus.model_validate({"shop_id": SHOP, "order_id": order_id, "status": status})


def refund(*lines: RefundLine, refund_id: str = "refund-1", order_id: str = ORDER) -> RefundOrder:
    """By default one tea, for its share of the price."""
    return RefundOrder(shop_id=SHOP, order_id=order_id, refund_id=refund_id, lines=lines or (a_refund_line(),))


def a_refund_line(
    product_id: int = TEA, quantity: int = 1, amount: str | None = None, line: int | None = None
) -> RefundLine:
    money = None if amount is None else Decimal(amount)
    return RefundLine(product_id=product_id, quantity=quantity, amount=money, line=line)


def after_sale(is_open: bool = True, order_id: str = ORDER) -> ChangeAfterSale:
    return ChangeAfterSale(shop_id=SHOP, order_id=order_id, open=is_open)


def tick(at: datetime = NOW) -> ClockTicked:
    return ClockTicked(at=at, interval_s=10)


# Reference data.


def a_shop(shop_id: str = SHOP, currency: str = "CNY", payment_deadline_s: int = 1800, market: str = "default") -> Shop:
    return Shop(shop_id, currency, payment_deadline_s, market)


def a_standing(since: datetime = JOINED, tier: str = "standard", active: bool = True) -> Standing:
    return Standing(since, tier, active)


def a_distributor(
    distributor_id: int = SELLER,
    sponsor_id: int | None = None,
    *,
    standings: Iterable[Standing] = (),
    moves: Iterable[tuple[datetime, int | None]] = (),
    teams: Iterable[tuple[datetime, int | None]] = (),
) -> Distributor:
    """A distributor who joined below `sponsor_id`; each move is a new sponsor and a time."""
    sponsors = tuple(Sponsorship(since, whom) for since, whom in ((JOINED, sponsor_id), *moves))
    memberships = tuple(Membership(since, team_id) for since, team_id in teams)
    held = tuple(standings) or (a_standing(),)
    return Distributor(distributor_id, held, sponsors, memberships, sponsors[-1].sponsor_id)


def a_team(team_id: int = TEAM, leader_id: int = MIDDLE, *changes: tuple[datetime, int], name: str = "East") -> Team:
    """A team with its first leader; each change is a time and a new leader."""
    leaders = tuple(Leadership(since, whom) for since, whom in ((JOINED, leader_id), *changes))
    return Team(team_id, name, leaders)


def the_chain() -> dict[int, Distributor]:
    return by_id(a_distributor(SELLER, MIDDLE), a_distributor(MIDDLE, TOP), a_distributor(TOP))


def by_id(*distributors: Distributor) -> dict[int, Distributor]:
    return {distributor.distributor_id: distributor for distributor in distributors}


def a_product(product_id: int = TEA, category_id: int = TEAS, active: bool = True) -> Product:
    return Product(product_id, f"product {product_id}", category_id, active)


def rules(
    version: int = 1,
    *,
    rates_ppm: tuple[int, ...] = (100_000, 50_000, 30_000),
    pool_rate_ppm: int = 200_000,
    categories: Mapping[int, tuple[int, ...]] | None = None,
    targets: tuple[SalesTarget, ...] = (),
    effective_from: datetime = JOINED,
) -> RuleSet:
    """Rules in force: one unilevel plan, with other rates for some categories."""
    overrides = tuple(Override(rates, category_id=category_id) for category_id, rates in (categories or {}).items())
    terms = Terms(
        f"rules {version}", "default", pool_rate_ppm, (Unilevel("levels", rates_ppm, overrides),), targets=targets
    )
    return RuleSet(
        version, "active", f"digest {version}", terms, "ann", "bob", activated_by="bob", effective_from=effective_from
    )


def a_target(
    reward: str = "monthly_sales", target_minor: int = 10_000, bonus_minor: int = 500, currency: str = "CNY"
) -> SalesTarget:
    return SalesTarget(reward, currency, target_minor, bonus_minor)


# An order, as order_intake stores it and as its events state it.


def an_order(order_id: str = ORDER, **fields: Any) -> order_intake.Order:
    """The accepted order of the shared world, with the given fields changed."""
    order = order_intake.Order(
        key=f"{SHOP}/{order_id}",
        shop_id=SHOP,
        order_id=order_id,
        fingerprint=fingerprint_of(place(order_id)),
        version=1,
        status="pending",
        distributor_id=SELLER,
        currency="CNY",
        placed_at=NOW,
        lines=(Line(1, TEA, TEAS, 2, 10_000, 1_000),),
        shipping_minor=800,
        tax_minor=0,
        prepaid=False,
        upline=(
            Sponsor(1, SELLER, "standard", True),
            Sponsor(2, MIDDLE, "standard", True),
            Sponsor(3, TOP, "standard", True),
        ),
        rule_version=1,
        payment_deadline_s=1800,
        received_at=None if fields.get("prepaid") else NOW,
    )
    return replace(order, **fields)


def order_state(*orders: order_intake.Order, **fields: Any) -> order_intake.State:
    """The orders and the shared world's reference data."""
    world: dict[str, Any] = {
        "shop": a_shop(),
        "distributors": the_chain(),
        "products": {TEA: a_product(TEA, TEAS), CUP: a_product(CUP, CUPS)},
        "tenures": (rules().tenure,),
    }
    return order_intake.State(orders={order.key: order for order in orders}, **{**world, **fields})


def an_upline(*ids: int, inactive: Iterable[int] = ()) -> tuple[Upline, ...]:
    """The seller first, then each one's sponsor."""
    away = set(inactive)
    return tuple(
        Upline(level=level, distributor_id=distributor_id, tier="standard", active=distributor_id not in away)
        for level, distributor_id in enumerate(ids, start=1)
    )


def an_order_line(
    line: int = 1, product_id: int = TEA, *, category_id: int = TEAS, quantity: int = 2, net: str = "90.00"
) -> OrderLine:
    """A line without a discount, so that amount and net are the same."""
    amount = Decimal(net)
    return OrderLine(
        line=line,
        product_id=product_id,
        category_id=category_id,
        quantity=quantity,
        amount=amount,
        discount=Decimal(0),
        net=amount,
    )


def _snapshot(**fields: Any) -> dict[str, Any]:
    discounted = an_order_line().model_copy(update={"amount": Decimal("100.00"), "discount": Decimal("10.00")})
    return {
        "shop_id": SHOP,
        "order_id": ORDER,
        "version": 1,
        "distributor_id": SELLER,
        "currency": "CNY",
        "placed_at": NOW,
        "lines": (discounted,),
        "shipping": Decimal("8.00"),
        "tax": Decimal("0.00"),
        "total": Decimal("98.00"),
        "prepaid": False,
        "upline": an_upline(SELLER, MIDDLE, TOP),
        "rule_version": 1,
        **fields,
    }


def accepted(**fields: Any) -> OrderAccepted:
    return OrderAccepted(**_snapshot(**fields))


def paid(**fields: Any) -> OrderPaid:
    return OrderPaid(**{"paid_at": NOW, **_snapshot(**fields)})


def shipped(order_id: str = ORDER, version: int = 4) -> OrderShipped:
    return OrderShipped(shop_id=SHOP, order_id=order_id, version=version, distributor_id=SELLER)


def completed(order_id: str = ORDER, version: int = 5, completed_at: datetime = NOW) -> OrderCompleted:
    return OrderCompleted(
        shop_id=SHOP, order_id=order_id, version=version, distributor_id=SELLER, completed_at=completed_at
    )


def cancelled(order_id: str = ORDER, **fields: Any) -> OrderCancelled:
    given: dict[str, Any] = {
        "shop_id": SHOP,
        "version": 4,
        "distributor_id": SELLER,
        "currency": "CNY",
        "placed_at": NOW,
        "net_total": Decimal("90.00"),
        "was_reserved": True,
        "was_paid": True,
        "reason": "cancelled_by_shop",
        **fields,
    }
    return OrderCancelled(order_id=order_id, **given)


def refunded(*lines: RefundedLine, order_id: str = ORDER, **fields: Any) -> OrderRefunded:
    """By default one of two teas, for half of 90.00, before they were shipped. Lines have the sums of all refunds."""
    lines = lines or (a_refunded_line(),)
    total = sum((line.refunded for line in lines), Decimal("0.00"))
    given: dict[str, Any] = {
        "shop_id": SHOP,
        "version": 4,
        "refund_id": "refund-1",
        "distributor_id": SELLER,
        "currency": "CNY",
        "placed_at": NOW,
        "amount": total,
        "net_total": Decimal("90.00"),
        "refunded_total": total,
        "was_shipped": False,
        "is_full": False,
        **fields,
    }
    return OrderRefunded(order_id=order_id, lines=lines, **given)


def a_refunded_line(
    line: int = 1, product_id: int = TEA, *, refunded_quantity: int = 1, refunded: str = "45.00", **fields: Any
) -> RefundedLine:
    given: dict[str, Any] = {"quantity": 2, "net": Decimal("90.00"), **fields}
    return RefundedLine(
        line=line, product_id=product_id, refunded_quantity=refunded_quantity, refunded=Decimal(refunded), **given
    )


# Stock, as stock_reservation stores it and as its events state it.
