"""Sales that are counted and taken back, around a target."""

from __future__ import annotations

from contracts.rules.view import RULES
from tests.builders import (
    MIDDLE,
    a_target,
    an_order_line,
    cancelled,
    paid,
    refunded,
    rules,
)
from tests.faults.crash_scenario import IN_WEST, Scenario, in_west, noise, outgoing, rule_sets
from tests.reward_builders import a_release_of_an_order


def reward_checks() -> Scenario:
    order = paid(order_id="1")
    return Scenario(
        "reward_checks",
        (
            (
                outgoing(order),
                outgoing(order),
                outgoing(paid(order_id="2")),
                outgoing(paid(order_id="3", distributor_id=MIDDLE, lines=(an_order_line(net="100.00"),))),
                outgoing(paid(order_id="4", rule_version=9)),
                outgoing(paid(order_id="6", rule_version=IN_WEST)),
                outgoing(paid(order_id="7", rule_version=IN_WEST)),
                noise(order.message_type),
            ),
            (
                outgoing(cancelled("7")),
                outgoing(cancelled("2")),
                outgoing(cancelled("2")),
                outgoing(cancelled("5", was_paid=False)),
                outgoing(a_release_of_an_order("6")),
                outgoing(a_release_of_an_order("6"), again=1),
                outgoing(a_release_of_an_order("8")),
            ),
            (outgoing(refunded(order_id="1")), outgoing(refunded(order_id="1"), again=1)),
        ),
        frozenset(["counted", "duplicate", "noted", "never_counted"]),
        {RULES: rule_sets(rules(targets=(a_target(),)), in_west(a_target(bonus_minor=700)))},
        dead=2,
    )
