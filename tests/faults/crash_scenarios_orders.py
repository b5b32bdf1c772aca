"""Scenarios of the workers that carry an order: taking it, its stock, its commissions, its rewards."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from contracts.catalog.view import PRODUCTS, Product
from contracts.network.view import DISTRIBUTORS, SHOPS, Distributor, Shop
from contracts.orders import v1
from contracts.rules.view import RULES, RuleSet
from infra.runtime.store import Document
from tests.builders import (
    CUP,
    CUPS,
    MIDDLE,
    NOW,
    SELLER,
    SHOP,
    TEA,
    a_distributor,
    a_placed_line,
    a_product,
    a_shop,
    a_target,
    accepted,
    adjust,
    an_order,
    an_order_line,
    cancelled,
    paid,
    place,
    receive,
    reserved,
    rules,
    shipped,
    short,
    the_chain,
    tick,
    update,
)
from tests.faults.crash_scenario import LATER, MESSAGE_BYTES_MAX, Scenario, documents, garbled, noise, say
from workers.order_intake.model import Order
from workers.order_intake.repository import ORDERS

ORPHAN = 9
"""A distributor whose sponsor the view lacks: a rule that meets it raises."""


def rule_sets(*published: RuleSet) -> list[Document]:
    return documents(RuleSet, "rule_version", *published)


def taking_orders() -> Scenario:
    order = place("1", lines=[a_placed_line()])
    bare = v1.PlaceOrder(
        shop_id=SHOP, order_id="3", distributor_id=SELLER, product_id=CUP, quantity=1, total_price=Decimal("12.50")
    )
    return Scenario(
        "order_intake",
        (
            (
                say(order),
                say(order),
                say(order, again=1),
                say(place("1", shipping=Decimal(1))),
                say(place("2", prepaid=True)),
                say(bare),
                say(place("unknown-product", lines=[a_placed_line(99)])),
                say(place("raises", distributor_id=ORPHAN)),
                garbled(order.message_type, shop_id=SHOP, order_id="garbled"),
                noise(order.message_type),
                noise(order.message_type, MESSAGE_BYTES_MAX + 1),
            ),
            (say(place("4")),),
        ),
        frozenset(["accepted", "duplicate", "refused"]),
        {
            SHOPS: documents(Shop, "shop_id", a_shop()),
            DISTRIBUTORS: documents(Distributor, "distributor_id", *the_chain().values(), a_distributor(ORPHAN, 8)),
            PRODUCTS: documents(Product, "product_id", a_product(), a_product(CUP, CUPS)),
            RULES: rule_sets(rules()),
        },
        dead=3,
    )


def lives_of_orders() -> Scenario:
    """Seven orders that were accepted, from there on."""
    teas = (TEA, "default", 2)
    taken = {number: an_order(number, prepaid=number == "7") for number in "1234567"}
    taken |= {number: an_order(number, reserved=True, due_at=LATER, version=2) for number in "12"}
    return Scenario(
        "order_intake",
        (
            (
                say(update("shipped", "1")),
                say(update("paid", "1")),
                say(update("paid", "6")),
                say(update("cancelled", "2")),
                say(update("paid", "never-placed")),
                garbled("order.update-status.v1", shop_id=SHOP, order_id="1", status="paid"),
            ),
            (
                say(reserved(teas, order_id="3")),
                say(reserved(teas, order_id="4"), time=NOW + timedelta(seconds=1)),
                say(reserved(teas, order_id="6")),
                say(reserved(teas, order_id="7")),
                say(reserved(teas, order_id="never-placed")),
                say(short((TEA, 2, 0), order_id="5")),
                say(short((TEA, 2, 0), order_id="never-placed")),
            ),
            (say(update("completed", "1")), say(update("shipped", "5"))),
            (say(tick(LATER)), say(tick(LATER))),
            (say(tick(LATER + timedelta(seconds=10))),),
        ),
        frozenset(
            (
                *("reserved", "paid", "rejected", "shipped", "completed", "payment_noted"),
                *("cancelled", "cancelled_overdue", "nothing_due", "refused"),
            )
        ),
        {ORDERS: documents(Order, "key", *taken.values())},
        dead=2,
    )


def stock_reservation() -> Scenario:
    tea, cup = an_order_line(quantity=2), an_order_line(2, CUP, category_id=CUPS, quantity=3)
    order = accepted(order_id="1", lines=(tea,))
    receipt = receive("r-1", TEA, 10, low_at=3)
    return Scenario(
        "stock_reservation",
        (
            (
                say(receipt),
                say(receipt),
                say(receipt, again=1),
                say(receive("r-2", CUP, 4, batch_id="old", expiry_date="2026-12-31")),
                say(receive("r-3", CUP, 4)),
                say(receive("r-1", CUP, 1)),
                garbled("stock.receive.v1", receipt_id="r-9", product_id=TEA),
                noise("stock.receive.v1"),
            ),
            (
                say(order),
                say(order),
                say(order, again=1),
                say(accepted(order_id="2", lines=(an_order_line(quantity=5), cup))),
                say(accepted(order_id="3", lines=(an_order_line(quantity=100),))),
            ),
            (
                say(adjust("a-1", CUP, -1)),
                say(adjust("a-1", CUP, -1), again=1),
                say(adjust("a-2", TEA, -100)),
            ),
            (say(shipped("1")), say(shipped("never-placed"))),
            (say(cancelled("2")), say(cancelled("2"), again=1), say(cancelled("4"))),
            (say(accepted(order_id="4", lines=(tea,))),),
        ),
        frozenset(
            [
                "received",
                "duplicate",
                "refused",
                "reserved",
                "short",
                "adjusted",
                "shipped",
                "released",
                "already_released",
                "nothing_reserved",
                "cancelled_before",
            ]
        ),
        {},
        dead=2,
    )


def commission_calculation() -> Scenario:
    lines = (an_order_line(net="90.01"), an_order_line(2, CUP, category_id=CUPS, net="33.33"))
    order = paid(order_id="1", lines=lines)
    return Scenario(
        "commission_calculation",
        (
            (
                say(order),
                say(order),
                say(order, again=1),
                say(paid(order_id="2")),
                say(paid(order_id="3", lines=lines)),
                say(paid(order_id="4", rule_version=9)),
                noise(order.message_type),
            ),
            (
                say(cancelled("1")),
                say(cancelled("1"), again=1),
                say(cancelled("5", was_paid=False)),
                say(cancelled("never-paid")),
            ),
        ),
        frozenset(["accrued", "duplicate", "reversed", "nothing_accrued"]),
        {RULES: rule_sets(rules(categories={CUPS: (50_000,)}))},
        dead=3,
    )


def reward_checks() -> Scenario:
    order = paid(order_id="1")
    return Scenario(
        "reward_checks",
        (
            (
                say(order),
                say(order),
                say(paid(order_id="2")),
                say(paid(order_id="3", distributor_id=MIDDLE, lines=(an_order_line(net="100.00"),))),
                say(paid(order_id="4", rule_version=9)),
                noise(order.message_type),
            ),
            (say(cancelled("2")), say(cancelled("2")), say(cancelled("5", was_paid=False))),
        ),
        frozenset(["counted", "never_counted"]),
        {RULES: rule_sets(rules(targets=(a_target(),)))},
        dead=2,
    )
