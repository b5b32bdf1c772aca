"""Points that are earned once."""

from __future__ import annotations

from tests.builders import an_order_line, paid
from tests.faults.crash_scenario import Scenario, noise, outgoing


def loyalty_points() -> Scenario:
    order = paid(order_id="1")
    small = paid(order_id="2", lines=(an_order_line(net="0.50"),))
    return Scenario(
        "loyalty_points",
        ((outgoing(order), outgoing(order), outgoing(order, again=1), outgoing(small), noise(order.message_type)),),
        frozenset(["earned", "duplicate", "too_small"]),
        {},
        dead=1,
    )
