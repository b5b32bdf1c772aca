"""Commissions that accrue, are held, released and reversed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from contracts.orders.v1 import AfterSaleChanged
from contracts.rules.view import RULES
from tests.builders import (
    CUP,
    CUPS,
    NOW,
    SHOP,
    a_refunded_line,
    an_order_line,
    cancelled,
    completed,
    paid,
    refunded,
    rules,
    tick,
)
from tests.faults.crash_scenario import IN_WEST, Scenario, in_west, noise, outgoing, rule_sets


def commission_calculation() -> Scenario:
    """Released at once, as the rules have no hold; an event that precedes its order is kept as a notice."""
    lines = (an_order_line(net="90.01"), an_order_line(2, CUP, category_id=CUPS, net="33.33"))
    order = paid(order_id="1", lines=lines)
    half = a_refunded_line(net=Decimal("90.01"), refunded="45.00")
    return Scenario(
        "commission_calculation",
        (
            (
                outgoing(order),
                outgoing(order),
                outgoing(order, again=1),
                outgoing(paid(order_id="2")),
                outgoing(paid(order_id="3", lines=lines)),
                outgoing(paid(order_id="4", rule_version=9)),
                outgoing(paid(order_id="8", rule_version=IN_WEST)),
                noise(order.message_type),
            ),
            (
                outgoing(cancelled("8")),
                outgoing(cancelled("1")),
                outgoing(cancelled("1"), again=1),
                outgoing(cancelled("5", was_paid=False)),
                outgoing(cancelled("6")),
                outgoing(refunded(half, order_id="3")),
                outgoing(refunded(half, order_id="3"), again=1),
                outgoing(refunded(half, order_id="7")),
                outgoing(completed("2")),
                outgoing(completed("7")),
                outgoing(AfterSaleChanged(shop_id=SHOP, order_id="3", version=9, open=True)),
            ),
            (outgoing(paid(order_id="6")), outgoing(paid(order_id="7", lines=lines)), outgoing(completed("3"))),
            (outgoing(tick(NOW + timedelta(days=8))), outgoing(tick(NOW + timedelta(days=8)))),
            (outgoing(refunded(a_refunded_line(refunded_quantity=2, refunded="90.00"), order_id="2", version=7)),),
            (outgoing(AfterSaleChanged(shop_id=SHOP, order_id="3", version=10, open=False)),),
            (outgoing(tick(NOW + timedelta(days=9))),),
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
