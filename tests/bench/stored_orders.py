"""Real baskets as the documents that workers would store: paid orders, some refunded, and their commissions.

A year of them is loaded in a few minutes, without a broker, to measure how long reading them takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any

from contracts.commissions.view import Commission, Earned, LineRefund, Reversal
from contracts.orders.view import downline_list
from contracts.plans.calculation import ARITHMETIC, calculate
from contracts.plans.reversal import left_of
from contracts.plans.sale import Earner, Sale, SaleLine
from contracts.rules.view import Caps, Conditions, Override, RuleSet, TeamBonus, Terms, Unilevel
from infra.demo.baskets import Basket, products
from infra.ports.store import Document
from infra.runtime.repository import Codec
from tests.oracle.worlds import Network

CURRENCY = "USD"
RULE_VERSION = 1
TERMS = Terms(
    "Today",
    "default",
    120_000,
    (
        Unilevel(
            "direct",
            (50_000, 20_000, 10_000),
            overrides=tuple(Override((80_000, 20_000), category_id=category) for category in (20, 40, 60)),
            conditions=Conditions(active=True),
            caps=Caps(order={CURRENCY: 500}),
        ),
        TeamBonus("team", 10_000),
    ),
)
_UNPAID, _CANCELLED, _REFUNDED = 0.05, 0.02, 0.08

_commissions = Codec(Commission, key="key")
_rules = Codec(RuleSet, key="rule_version")


def rules_document(baskets: Sequence[Basket]) -> Document:
    """The rule set of all orders, in force from the first order on."""
    founder = RuleSet(RULE_VERSION, "active", "0" * 64, TERMS, "li.na", "wang.wei", "li.na", baskets[0].placed_at)
    return _rules.to_document(founder)


def stored(baskets: Iterable[Basket], *, seed: int = 4) -> Iterator[tuple[Document, Document | None]]:
    """Yield each basket as an order's document, and its commission's where it was paid."""
    dice = Random(seed)
    network = Network(400, seed)
    categories = {product.product_id: product.category_id for product in products()}
    for basket in baskets:
        if basket.orderable:
            order = _order(network.order(basket, CURRENCY, categories), basket, dice)
            yield order, _commission(order) if "paid_at" in order else None


def _order(placed: Mapping[str, Any], basket: Basket, dice: Random) -> Document:
    drawn = dice.random()
    status = "completed"
    if drawn < _UNPAID:
        status = "pending"
    elif drawn < _UNPAID + _CANCELLED:
        status = "cancelled"
    lines = []
    for line, bought in zip(placed["lines"], basket.lines, strict=True):
        discount_minor = int(bought.discount.scaleb(2))
        amounts = {"amount_minor": line["net_minor"] + discount_minor, "discount_minor": discount_minor}
        named = {name: line[name] for name in ("line", "product_id", "category_id", "quantity")}
        lines.append({**named, **amounts, "refunded_quantity": 0, "refunded_minor": 0})
    if status == "completed" and dice.random() < _REFUNDED:
        back = dice.choice(lines)
        back["refunded_quantity"] = dice.randint(1, back["quantity"])
        net_minor = back["amount_minor"] - back["discount_minor"]
        back["refunded_minor"] = net_minor * back["refunded_quantity"] // back["quantity"]
    leader = placed["leader"]
    order: Document = {
        "_id": placed["key"],
        "shop_id": basket.shop_id,
        "order_id": basket.basket_id,
        "fingerprint": "f" * 36,
        "version": 4,
        "status": status,
        "distributor_id": placed["chain"][0]["distributor_id"],
        "currency": CURRENCY,
        "placed_at": basket.placed_at,
        "lines": lines,
        "shipping_minor": 0,
        "tax_minor": 0,
        "prepaid": True,
        "upline": [{"level": level, **person} for level, person in enumerate(placed["chain"], start=1)],
        "rule_version": RULE_VERSION,
        "payment_deadline_s": 1800,
        "reserved": True,
        "lists": [downline_list(person["distributor_id"]) for person in placed["chain"]],
        "refunds": [],
        "after_sale_open": False,
    }
    if leader is not None:
        team = {"leader_id": leader["distributor_id"], "leader_tier": leader["tier"], "leader_active": leader["active"]}
        order["team"] = {"team_id": 1, **team}
    if status != "pending":
        order["paid_at"] = basket.placed_at + timedelta(minutes=1)
    return order


def sale_of(order: Document) -> Sale:
    lines = tuple(
        SaleLine(x["line"], x["product_id"], x["category_id"], x["quantity"], x["amount_minor"] - x["discount_minor"])
        for x in order["lines"]
    )
    team = order.get("team")
    leader = Earner(0, team["leader_id"], team["leader_tier"], team["leader_active"]) if team else None
    return Sale(order["currency"], lines, tuple(Earner(**up) for up in order["upline"]), leader)


def _commission(order: Document) -> Document:
    sale = sale_of(order)
    outcome = calculate(TERMS, sale, Earned())
    refunds = tuple(
        LineRefund(line.line, line.net_minor, line.quantity, document["refunded_minor"], document["refunded_quantity"])
        if order["status"] != "cancelled"
        else LineRefund(line.line, line.net_minor, line.quantity, line.net_minor, line.quantity)
        for line, document in zip(sale.lines, order["lines"], strict=True)
    )
    left = left_of(outcome.entries, outcome.pools_minor, refunds, ARITHMETIC)
    amounts = tuple(minor - entry.amount_minor for minor, entry in zip(left, outcome.entries, strict=True))
    at = order["paid_at"]
    reversal = Reversal("refund-1", "order_refunded", at, "held", amounts)
    return _commissions.to_document(
        Commission(
            key=order["_id"],
            currency=order["currency"],
            rule_version=RULE_VERSION,
            order_version=2,
            placed_at=order["placed_at"],
            accrued_at=at,
            seller_id=order["distributor_id"],
            pool_minor=sum(outcome.pools_minor),
            pools_minor=outcome.pools_minor,
            entries=outcome.entries,
            unpaid=outcome.unpaid,
            lines=refunds,
            hold_days=7,
            reversals=(reversal,) if any(amounts) else (),
        )
    )
