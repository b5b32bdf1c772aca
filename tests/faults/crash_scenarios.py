"""For each worker, messages that bring about everything it may do."""

from __future__ import annotations

from collections.abc import Callable

from tests.faults import crash_scenarios_orders as orders
from tests.faults import crash_scenarios_reference as reference
from tests.faults.crash_scenario import Scenario

SCENARIOS: dict[str, Callable[[], Scenario]] = {
    build.__name__: build
    for build in (
        orders.taking_orders,
        orders.lives_of_orders,
        orders.returning_states,
        orders.stock_reservation,
        orders.counting_short,
        orders.giving_way,
        orders.commission_calculation,
        orders.reward_checks,
        reference.alerting,
        reference.network,
        reference.catalog,
        reference.rule_book,
        reference.returning_limits,
    )
}
