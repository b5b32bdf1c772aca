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
from tests.faults.crash_scenario import IN_WEST, Scenario, in_west, noise, rule_sets, say


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
