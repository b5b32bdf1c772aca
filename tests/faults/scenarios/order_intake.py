"""Orders from acceptance to their end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from contracts.catalog.view import PRODUCTS, Product
from contracts.network.view import DISTRIBUTORS, SHOPS, Distributor, Shop
from contracts.orders import v1
from contracts.orders.view import LISTS, ORDERS, status_list
from contracts.rules.view import RULES
from contracts.stock.v1 import StockReleaseRequested
from infra.shops.readers import READERS
from tests import raw_amqp
from tests.builders import (
    BY_DISTRIBUTOR,
    CUP,
    CUPS,
    JOINED,
    NOW,
    SELLER,
    SHOP,
    TEA,
    a_distributor,
    a_placed_line,
    a_product,
    a_refund_line,
    a_shop,
    after_sale,
    an_order,
    place,
    refund,
    rules,
    the_chain,
    tick,
    update,
)
from tests.faults.crash_scenario import (
    LATER,
    MESSAGE_BYTES_MAX,
    Scenario,
    by_login,
    documents,
    frame,
    garbled,
    noise,
    outgoing,
    outgoing_bare,
    outgoing_under,
    rule_sets,
)
from tests.stock_builders import reserved, short
from workers.order_intake.model import Order
from workers.order_intake.repository import UNPAID

OTHER_SHOP = "shop-1.b"
ORPHAN = 9
"""A distributor whose sponsor the view lacks, which makes a rule raise."""


def taking_orders() -> Scenario:
    order = place("1", lines=[a_placed_line()])
    bare = v1.PlaceOrder(
        shop_id=SHOP, order_id="3", distributor_id=SELLER, product_id=CUP, quantity=1, total_price=Decimal("12.50")
    )
    return Scenario(
        "order_intake",
        (
            (
                outgoing(order),
                outgoing(order),
                outgoing(order, again=1),
                outgoing(place("1", shipping=Decimal(1))),
                outgoing(place("2", prepaid=True)),
                outgoing(bare),
                outgoing(place("unknown-product", lines=[a_placed_line(99)])),
                outgoing(place("raises", distributor_id=ORPHAN)),
                garbled(order.message_type, shop_id=SHOP, order_id="garbled"),
                noise(order.message_type),
                noise(order.message_type, MESSAGE_BYTES_MAX + 1),
                frame(
                    outgoing(place("no-time")),
                    undecoded="timestamp (80 00 00 00 00 00 00 00)",
                    timestamp=raw_amqp.timestamp(2**63),
                ),
                frame(
                    outgoing(place("no-text")),
                    undecoded="app_id (ff fe 00 c3 28)",
                    app_id=raw_amqp.short(raw_amqp.NOT_UTF8),
                ),
            ),
            (outgoing(place("4")),),
            # Two of a distributor's own: both are counted, and the second one no longer fits.
            (
                outgoing(place("o-1"), source=BY_DISTRIBUTOR),
                outgoing(place("o-1"), source=BY_DISTRIBUTOR, again=1),
            ),
            (outgoing(place("o-2"), source=BY_DISTRIBUTOR),),
        ),
        frozenset(["accepted", "duplicate", "refused"]),
        {
            SHOPS: documents(Shop, "shop_id", replace(a_shop(), history_from=JOINED, distributor_unpaid_orders_max=1)),
            DISTRIBUTORS: documents(Distributor, "distributor_id", *the_chain().values(), a_distributor(ORPHAN, 8)),
            PRODUCTS: documents(Product, "product_id", a_product(), a_product(CUP, CUPS)),
            RULES: rule_sets(rules()),
        },
        dead=5,
    )


def messages_of_shops() -> Scenario:
    """By the login of a shop: its own, what is not its own, and what is unreadable; each is answered."""
    order, theirs = place("1"), place("2").model_copy(update={"shop_id": OTHER_SHOP})
    bare = v1.PlaceOrder(
        shop_id=SHOP, order_id="3", distributor_id=SELLER, product_id=CUP, quantity=1, total_price=Decimal("12.50")
    )
    return Scenario(
        "order_intake",
        (
            (
                by_login(SHOP, order),
                by_login(SHOP, order),
                by_login(SHOP, theirs),
                by_login(SHOP, theirs, source=f"urn:shop:{OTHER_SHOP}"),
                by_login(SHOP, place("4"), source=f"urn:shop:{OTHER_SHOP}"),
                by_login(SHOP, outgoing_bare(bare)),
                by_login(SHOP, place("unknown-product", lines=[a_placed_line(99)])),
                by_login(SHOP, place("raises", distributor_id=ORPHAN)),
                by_login(SHOP, noise(order.message_type)),
                by_login("", place("nobodys"), source=f"urn:shop:{SHOP}"),
            ),
            (by_login(SHOP, update("paid", "1")), by_login(SHOP, update("shipped", "never-placed"))),
            (by_login(OTHER_SHOP, theirs), by_login(OTHER_SHOP, update("cancelled", "1"))),
        ),
        frozenset(["accepted", "refused", "not_your_shop", "payment_noted"]),
        {
            SHOPS: documents(
                Shop,
                "shop_id",
                *(replace(a_shop(shop), history_from=JOINED) for shop in (SHOP, OTHER_SHOP)),
            ),
            DISTRIBUTORS: documents(Distributor, "distributor_id", *the_chain().values(), a_distributor(ORPHAN, 8)),
            PRODUCTS: documents(Product, "product_id", a_product(), a_product(CUP, CUPS)),
            RULES: rule_sets(rules()),
            READERS.name: [{"_id": SHOP, "changed_at": NOW, "ended_at": None}],
        },
        dead=3,
    )


def lives_of_orders() -> Scenario:
    """Seven accepted orders, from there on."""
    teas = (TEA, "default", 2)
    taken = {number: an_order(number, prepaid=number == "7") for number in "1234567"}
    taken |= {number: an_order(number, reserved=True, due_at=LATER, version=2) for number in "12"}
    return Scenario(
        "order_intake",
        (
            (
                outgoing(update("shipped", "1")),
                outgoing(update("paid", "1")),
                outgoing(update("paid", "6")),
                outgoing(update("cancelled", "2")),
                outgoing(update("paid", "never-placed")),
                garbled("order.update-status.v1", shop_id=SHOP, order_id="1", status="paid"),
            ),
            (
                outgoing(reserved(teas, order_id="3")),
                outgoing(reserved(teas, order_id="4"), time=NOW + timedelta(seconds=1)),
                outgoing(reserved(teas, order_id="6")),
                outgoing(reserved(teas, order_id="7")),
                outgoing(reserved(teas, order_id="never-placed")),
                outgoing(short((TEA, 2, 0), order_id="5")),
                outgoing(short((TEA, 2, 0), order_id="never-placed")),
            ),
            (outgoing(update("completed", "1")), outgoing(update("shipped", "5"))),
            (outgoing(tick(LATER)), outgoing(tick(LATER))),
            (outgoing(tick(LATER + timedelta(seconds=10))),),
            (
                outgoing(refund(order_id="1")),
                outgoing(refund(order_id="1")),
                outgoing(refund(order_id="1"), again=1),
                outgoing(refund(a_refund_line(quantity=9), order_id="1", refund_id="too-much")),
                outgoing(refund(order_id="7", refund_id="never-shipped")),
                outgoing(refund(order_id="never-placed")),
                garbled("order.refund.v1", shop_id=SHOP, order_id="1", refund_id="garbled"),
            ),
            (outgoing(refund(order_id="1", refund_id="the-rest")), outgoing(after_sale(True, "7"))),
            (
                outgoing(after_sale(False, "7")),
                outgoing(after_sale(False, "7"), again=1),
                outgoing(after_sale(True, "5")),
            ),
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
    """Bare bodies that open, close and open again, with and without a message id, and commands under a used id.

    Without an id, two with the same content in a batch look like a redelivery, so each has its own phase.
    """
    opened, closed = (outgoing_bare(after_sale(is_open, "1")) for is_open in (True, False))
    opened_unnamed, closed_unnamed = (frame(outgoing_bare(after_sale(is_open, "3"))) for is_open in (True, False))
    return Scenario(
        "order_intake",
        (
            (opened, closed, opened),
            (closed,),
            (opened, opened, opened_unnamed),
            (closed_unnamed,),
            (opened_unnamed,),
            (outgoing_under("used", after_sale(True, "2")),),
            (outgoing_under("used", after_sale(False, "2")), outgoing_under("used", update("shipped", "2"))),
            (outgoing_under("used", after_sale(False, "2")), closed),
        ),
        frozenset(["after_sale_opened", "after_sale_closed", "already_open", "refused"]),
        {ORDERS: documents(Order, "key", *(an_order(n, status="paid", reserved=True, version=3) for n in "123"))},
        dead=0,
    )


def giving_way() -> Scenario:
    """Requests for the units of unpaid orders. One of them pays meanwhile."""
    taken = [an_order(number, reserved=True, due_at=LATER, version=2) for number in "1234"]
    found = zip(documents(Order, "key", *taken), (order.place_among_unpaid for order in taken), strict=True)

    def request(number: int, shortage: int, after: str | None = None) -> StockReleaseRequested:
        where = {"after_order": f"{SHOP}/{after}", "after_placed_at": NOW} if after else {}
        return StockReleaseRequested(product_id=TEA, request=number, shortage=shortage, **where)

    return Scenario(
        "order_intake",
        (
            (outgoing(request(1, 3)), outgoing(request(1, 3))),
            (outgoing(update("paid", "2")),),
            (outgoing(request(2, 1, "3")),),
            (outgoing(request(3, 1, "1")), outgoing(update("paid", "1"))),
        ),
        frozenset(["cancelled_unpaid", "nothing_unpaid", "paid", "refused"]),
        {ORDERS: [{**each, LISTS: [status_list("pending")], UNPAID: place} for each, place in found]},
        dead=0,
    )
