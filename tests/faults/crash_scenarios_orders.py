"""Scenarios of the workers that carry an order: taking it, its stock, its commissions, its rewards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from contracts.catalog.view import PRODUCTS, Product
from contracts.network.view import DISTRIBUTORS, SHOPS, Distributor, Shop
from contracts.orders import v1
from contracts.orders.v1 import AfterSaleChanged, UnpaidCancelled
from contracts.orders.view import LISTS, ORDERS, status_list
from contracts.rules.view import RULES, RuleSet, SalesTarget
from contracts.stock.v1 import StockReleaseRequested
from infra.ports.store import Document
from tests import raw_amqp
from tests.builders import (
    CUP,
    CUPS,
    JOINED,
    MIDDLE,
    NOW,
    SELLER,
    SHOP,
    TEA,
    a_distributor,
    a_placed_line,
    a_product,
    a_refund_line,
    a_refunded_line,
    a_shop,
    a_target,
    accepted,
    adjust,
    after_sale,
    an_order,
    an_order_line,
    cancelled,
    completed,
    count,
    paid,
    place,
    receive,
    refund,
    refunded,
    reserved,
    rules,
    shipped,
    short,
    the_chain,
    tick,
    update,
)
from tests.faults.crash_scenario import (
    LATER,
    MESSAGE_BYTES_MAX,
    Scenario,
    documents,
    frame,
    garbled,
    noise,
    say,
    say_bare,
    say_under,
)
from workers.order_intake.model import Order

IN_WEST = 2
"""The rules of another market, with a plan and a target of the same names."""

ORPHAN = 9
"""A distributor whose sponsor the view lacks: a rule that meets it raises."""


def rule_sets(*published: RuleSet) -> list[Document]:
    return documents(RuleSet, "rule_version", *published)


def in_west(*targets: SalesTarget) -> RuleSet:
    published = rules(IN_WEST, targets=targets)
    return replace(published, terms=replace(published.terms, market="west"))


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
                frame(
                    say(place("no-time")),
                    undecoded="timestamp (80 00 00 00 00 00 00 00)",
                    timestamp=raw_amqp.timestamp(2**63),
                ),
                frame(
                    say(place("no-text")), undecoded="app_id (ff fe 00 c3 28)", app_id=raw_amqp.short(raw_amqp.NOT_UTF8)
                ),
            ),
            (say(place("4")),),
        ),
        frozenset(["accepted", "duplicate", "refused"]),
        {
            SHOPS: documents(Shop, "shop_id", replace(a_shop(), history_from=JOINED)),
            DISTRIBUTORS: documents(Distributor, "distributor_id", *the_chain().values(), a_distributor(ORPHAN, 8)),
            PRODUCTS: documents(Product, "product_id", a_product(), a_product(CUP, CUPS)),
            RULES: rule_sets(rules()),
        },
        dead=5,
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
            (
                say(refund(order_id="1")),
                say(refund(order_id="1")),
                say(refund(order_id="1"), again=1),
                say(refund(a_refund_line(quantity=9), order_id="1", refund_id="too-much")),
                say(refund(order_id="7", refund_id="never-shipped")),
                say(refund(order_id="never-placed")),
                garbled("order.refund.v1", shop_id=SHOP, order_id="1", refund_id="garbled"),
            ),
            (say(refund(order_id="1", refund_id="the-rest")), say(after_sale(True, "7"))),
            (say(after_sale(False, "7")), say(after_sale(False, "7"), again=1), say(after_sale(True, "5"))),
        ),
        frozenset(
            (
                *("reserved", "paid", "rejected", "shipped", "completed", "payment_noted"),
                *("cancelled", "cancelled_overdue", "nothing_due", "refused"),
                *("refunded", "duplicate", "after_sale_opened", "after_sale_closed", "already_closed"),
            )
        ),
        {ORDERS: documents(Order, "key", *taken.values())},
        dead=2,
    )


def returning_states() -> Scenario:
    """Bare bodies that open, settle and open again, with and without a message id, and commands under an id in use.

    Without one, two of the same content in a batch look like one that is redelivered, so each has its phase.
    """
    opened, settled = (say_bare(after_sale(is_open, "1")) for is_open in (True, False))
    opened_unnamed, settled_unnamed = (frame(say_bare(after_sale(is_open, "3"))) for is_open in (True, False))
    return Scenario(
        "order_intake",
        (
            (opened, settled, opened),
            (settled,),
            (opened, opened, opened_unnamed),
            (settled_unnamed,),
            (opened_unnamed,),
            (say_under("used", after_sale(True, "2")),),
            (say_under("used", after_sale(False, "2")), say_under("used", update("shipped", "2"))),
            (say_under("used", after_sale(False, "2")), settled),
        ),
        frozenset(["after_sale_opened", "after_sale_closed", "already_open", "refused"]),
        {ORDERS: documents(Order, "key", *(an_order(n, status="paid", reserved=True, version=3) for n in "123"))},
        dead=0,
    )


def stock_reservation() -> Scenario:
    tea, cup = an_order_line(quantity=2), an_order_line(2, CUP, category_id=CUPS, quantity=3)
    order = accepted(order_id="1", lines=(tea,))
    receipt = receive("r-1", TEA, 10, low_at=3)
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
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
            (
                say(count("c-1", CUP, 6, batch_id="found")),
                say(count("c-1", CUP, 6, batch_id="found"), again=1),
                say(count("c-2", CUP, 6, batch_id="found")),
            ),
            (say(shipped("1")), say(shipped("never-placed"))),
            (say(cancelled("2")), say(cancelled("2"), again=1), say(cancelled("4"))),
            (say(accepted(order_id="4", lines=(tea,))), say(accepted(order_id="5", lines=(tea,)))),
            (
                say(refunded(order_id="5")),
                say(refunded(order_id="5")),
                say(refunded(order_id="5"), again=1),
                say(refunded(order_id="never-placed")),
            ),
            (say(shipped("5")),),
            (say(receive("r-4", TEA, 20, batch_id="soon", expiry_date="2026-12-31", low_at=10, recovered_at=12)),),
            (say(tick(new_year)), say(tick(new_year))),
            (say(tick(new_year + timedelta(seconds=10))),),
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
                "dates_checked",
                "nothing_due",
            ]
        ),
        {},
        dead=3,
    )


def counting_short() -> Scenario:
    """Three orders of two, then one unit is found: two of them end, a page at a time, and the third is paid."""
    tea = an_order_line(quantity=2)

    def answer(request: int, *order_ids: str) -> UnpaidCancelled:
        keys = tuple(f"{SHOP}/{order_id}" for order_id in order_ids)
        where = {"last_order": keys[-1], "last_placed_at": NOW} if keys else {}
        return UnpaidCancelled(product_id=TEA, request=request, orders=keys, **where)

    return Scenario(
        "stock_reservation",
        (
            (say(receive("r-1", TEA, 6)),),
            tuple(say(accepted(order_id=order_id, lines=(tea,))) for order_id in "123"),
            (say(count("c-1", TEA, 1)), say(count("c-1", TEA, 1), again=1)),
            (say(answer(1, "3")), say(answer(1, "3"), again=1)),
            (say(cancelled("3")), say(cancelled("2"))),
            (say(answer(2, "2")),),
            (say(answer(3)),),
            (say(shipped("1")),),
            (say(receive("r-2", TEA, 1)),),
        ),
        frozenset(["adjusted", "released", "already_released", "nothing_reserved", "shipped", "received"]),
        {},
        dead=0,
    )


def giving_way() -> Scenario:
    """Requests for the units of unpaid orders, among them one that pays meanwhile."""
    taken = [an_order(number, reserved=True, due_at=LATER, version=2) for number in "1234"]

    def request(number: int, shortage: int, after: str | None = None) -> StockReleaseRequested:
        where = {"after_order": f"{SHOP}/{after}", "after_placed_at": NOW} if after else {}
        return StockReleaseRequested(product_id=TEA, request=number, shortage=shortage, **where)

    return Scenario(
        "order_intake",
        (
            (say(request(1, 3)), say(request(1, 3))),
            (say(update("paid", "2")),),
            (say(request(2, 1, "3")),),
            (say(request(3, 1, "1")), say(update("paid", "1"))),
        ),
        frozenset(["cancelled_unpaid", "nothing_unpaid", "paid", "refused"]),
        {ORDERS: [{**each, LISTS: [status_list("pending")]} for each in documents(Order, "key", *taken)]},
        dead=0,
    )


def commission_calculation() -> Scenario:
    """Released at once, as the rules hold nothing; what is told before its order waits with the worker."""
    lines = (an_order_line(net="90.01"), an_order_line(2, CUP, category_id=CUPS, net="33.33"))
    order = paid(order_id="1", lines=lines)
    half = a_refunded_line(net=Decimal("90.01"), refunded="45.00")
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
                say(paid(order_id="8", rule_version=IN_WEST)),
                noise(order.message_type),
            ),
            (
                say(cancelled("8")),
                say(cancelled("1")),
                say(cancelled("1"), again=1),
                say(cancelled("5", was_paid=False)),
                say(cancelled("6")),
                say(refunded(half, order_id="3")),
                say(refunded(half, order_id="3"), again=1),
                say(refunded(half, order_id="7")),
                say(completed("2")),
                say(completed("7")),
                say(AfterSaleChanged(shop_id=SHOP, order_id="3", version=9, open=True)),
            ),
            (say(paid(order_id="6")), say(paid(order_id="7", lines=lines)), say(completed("3"))),
            (say(tick(NOW + timedelta(days=8))), say(tick(NOW + timedelta(days=8)))),
            (say(refunded(a_refunded_line(refunded_quantity=2, refunded="90.00"), order_id="2", version=7)),),
            (say(AfterSaleChanged(shop_id=SHOP, order_id="3", version=10, open=False)),),
            (say(tick(NOW + timedelta(days=9))),),
        ),
        frozenset(
            (
                *("accrued", "duplicate", "reversed", "nothing_accrued", "noted"),
                *("hold_started", "hold_extended", "hold_resumed", "released"),
            )
        ),
        {RULES: rule_sets(rules(categories={CUPS: (50_000,)}), in_west())},
        dead=2,
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
                say(paid(order_id="6", rule_version=IN_WEST)),
                say(paid(order_id="7", rule_version=IN_WEST)),
                noise(order.message_type),
            ),
            (
                say(cancelled("7")),
                say(cancelled("2")),
                say(cancelled("2")),
                say(cancelled("5", was_paid=False)),
            ),
            (say(refunded(order_id="1")), say(refunded(order_id="1"), again=1)),
        ),
        frozenset(["counted", "never_counted"]),
        {RULES: rule_sets(rules(targets=(a_target(),)), in_west(a_target(bonus_minor=700)))},
        dead=2,
    )
