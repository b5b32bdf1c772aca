"""An accepted order is a snapshot of network and rules as of its own time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from contracts.orders.v1 import Upline
from contracts.orders.view import Sponsor
from tests.builders import (
    KEY,
    MIDDLE,
    NOW,
    SELLER,
    TOP,
    a_distributor,
    a_standing,
    an_upline,
    by_id,
    message,
    order_state,
    place,
    rules,
    the_chain,
)
from workers.order_intake.decide import place as decide_place

A_DAY = timedelta(days=1)


class TestAsOfTheOrdersTime:
    def test_tier_and_activity_are_as_of_the_orders_time(self) -> None:
        promoted = a_distributor(
            MIDDLE, TOP, standings=[a_standing(tier="silver"), a_standing(NOW - A_DAY, tier="gold")]
        )
        left = a_distributor(TOP, standings=[a_standing(), a_standing(NOW - A_DAY, active=False)])
        state = order_state(distributors={**the_chain(), **by_id(promoted, left)})

        now = decide_place(state, message(place())).state.orders[KEY]
        before = decide_place(state, message(place(placed_at=NOW - 2 * A_DAY))).state.orders[KEY]

        seller = Sponsor(1, SELLER, "standard", True)
        assert now.upline == (seller, Sponsor(2, MIDDLE, "gold", True), Sponsor(3, TOP, "standard", False))
        assert before.upline == (seller, Sponsor(2, MIDDLE, "silver", True), Sponsor(3, TOP, "standard", True))

    def test_a_standing_includes_its_first_moment(self) -> None:
        promoted = a_distributor(SELLER, standings=[a_standing(tier="silver"), a_standing(NOW, tier="gold")])
        state = order_state(distributors=by_id(promoted))

        assert decide_place(state, message(place())).state.orders[KEY].upline[0].tier == "gold"

    def test_a_seller_active_at_the_orders_time_may_sell(self) -> None:
        left = a_distributor(SELLER, standings=[a_standing(), a_standing(NOW - A_DAY, active=False)])
        state = order_state(distributors=by_id(left))

        assert decide_place(state, message(place(placed_at=NOW - 2 * A_DAY))).outcome == "accepted"

    def test_the_snapshot_of_the_chain_ends_at_the_thirtieth_level(self) -> None:
        """Distributors further up are not loaded."""
        chain = by_id(*(a_distributor(number, number + 1) for number in range(1, 31)))

        decision = decide_place(order_state(distributors=chain), message(place(distributor_id=1)))

        assert decision.publish[0].upline == an_upline(*range(1, 31))
        assert decision.publish[0].upline[-1] == Upline(level=30, distributor_id=30, tier="standard", active=True)

    def test_the_rule_version_is_the_one_in_force_when_the_order_was_placed(self) -> None:
        versions = (rules(1), rules(2, effective_from=NOW - A_DAY), rules(3, effective_from=NOW + A_DAY))
        state = order_state(tenures=[version.tenure for version in versions])

        def version_at(placed_at: Any) -> int:
            return decide_place(state, message(place(placed_at=placed_at))).state.orders[KEY].rule_version

        assert version_at(NOW) == 2
        assert version_at(NOW - A_DAY) == 2
        assert version_at(NOW - A_DAY - timedelta(milliseconds=1)) == 1

    def test_of_rule_sets_with_the_same_start_the_higher_version_applies(self) -> None:
        state = order_state(tenures=(rules(5).tenure, rules(4).tenure))

        assert decide_place(state, message(place())).state.orders[KEY].rule_version == 5
