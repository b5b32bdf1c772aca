"""Sales that are counted and taken back, around a target."""

from __future__ import annotations

from contracts.rules.view import RULES
from tests.builders import MIDDLE, a_target, an_order_line, cancelled, paid, refunded, rules
from tests.faults.crash_scenario import IN_WEST, Scenario, in_west, noise, rule_sets, say


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
