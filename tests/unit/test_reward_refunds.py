"""Refunds and rewards: a month's sales are the rest of its orders, in any order of the events and with repeats."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.commissions.v1 import CommissionReleased
from contracts.orders.v1 import OrderCancelled, OrderPaid, OrderRefunded
from contracts.rewards.v1 import RewardAdjusted, RewardReleased
from contracts.wire.decision import Decision
from contracts.wire.envelope import Payload
from tests import reward_builders as rewards
from tests.builders import (
    KEY,
    a_refunded_line,
    a_target,
    an_order_line,
    cancelled,
    message,
    paid,
    refunded,
    rules,
)
from tests.reward_builders import MONTH, a_grant, a_month, a_release_of_an_order, an_adjustment_of_a_reward
from tests.unit.order_histories import Event, order_histories, resent
from workers.order_intake.model import Order
from workers.reward_checks.decide import count_sale, release_sale, take_back_refund, take_back_sale
from workers.reward_checks.model import Sale, State

TARGET = rules(1, targets=(a_target(target_minor=8_000, bonus_minor=500),))


reward_state = partial(rewards.reward_state, rule_sets=(TARGET,))


def a_sale(taken_back_minor: int = 0, *, counted: bool = True) -> Sale:
    return Sale(KEY, MONTH, 9_000, counted, taken_back_minor, released=False if counted else None)


def sold() -> Any:
    return message(paid(lines=(an_order_line(net="90.00"),)))


def given_back(total: str, **fields: Any) -> Any:
    """A refund of an order of 90.00 with this total so far."""
    return message(refunded(a_refunded_line(refunded=total), **fields))


SOLD = reward_state(a_month(9_000, "monthly_sales"), sales=(a_sale(),))


class TestRefund:
    def test_a_refund_lowers_the_months_sales(self) -> None:
        assert take_back_refund(SOLD, given_back("10.00")) == Decision(
            reward_state(a_month(8_000, "monthly_sales"), sales=(a_sale(1_000),)), outcome="counted"
        )

    def test_a_refund_below_the_target_revokes_the_reward(self) -> None:
        assert take_back_refund(SOLD, given_back("10.01")) == Decision(
            reward_state(a_month(7_999), sales=(a_sale(1_001),)), (an_adjustment_of_a_reward("79.99"),), "counted"
        )

    def test_only_the_new_part_of_the_sum_is_subtracted(self) -> None:
        once = take_back_refund(SOLD, given_back("10.00")).state

        assert take_back_refund(once, given_back("30.00")) == Decision(
            reward_state(a_month(6_000), sales=(a_sale(3_000),)), (an_adjustment_of_a_reward("60.00"),), "counted"
        )

    @pytest.mark.parametrize("total", ["10.00", "30.00"])
    def test_an_older_or_equal_sum_changes_nothing(self, total: str) -> None:
        state = take_back_refund(SOLD, given_back("30.00")).state

        assert take_back_refund(state, resent(given_back(total))) == Decision(state, outcome="nothing_new")

    def test_a_refund_before_the_payment_is_noted_and_the_rest_counted_later(self) -> None:
        early = take_back_refund(reward_state(), given_back("10.00"))
        noted = reward_state(sales=(a_sale(1_000, counted=False),))

        assert early == Decision(noted, outcome="noted")
        assert count_sale(early.state, sold()) == Decision(
            reward_state(a_month(8_000, "monthly_sales"), sales=(a_sale(1_000),)),
            (a_grant("80.00", target="80.00"),),
            "counted",
        )


class TestCancellationAfterARefund:
    def test_a_cancellation_takes_only_the_rest(self) -> None:
        partly = take_back_refund(SOLD, given_back("10.00")).state

        assert take_back_sale(partly, message(cancelled())) == Decision(
            reward_state(a_month(0), sales=(a_sale(9_000),)), (an_adjustment_of_a_reward("0.00"),), "counted"
        )

    def test_a_refund_after_the_cancellation_takes_nothing(self) -> None:
        state = take_back_sale(SOLD, message(cancelled())).state

        assert take_back_refund(state, given_back("10.00")) == Decision(state, outcome="nothing_new")


# Any order of the same events.

RULES: dict[type[Payload], Any] = {
    OrderPaid: count_sale,
    OrderRefunded: take_back_refund,
    OrderCancelled: take_back_sale,
    CommissionReleased: release_sale,
}
RULE_SETS = (
    rules(1, targets=(a_target("silver", 6_000), a_target("gold", 15_000))),
    rules(2, targets=(a_target("silver", 9_000),)),
)


@st.composite
def months(draw: st.DrawFn) -> tuple[list[Order], list[Event], list[Event]]:
    """The orders of a month, their events one after another, and in another order with repeats."""
    orders: list[Order] = []
    events: list[Event] = []
    for number in range(draw(st.integers(1, 4))):
        order, history = draw(order_histories(f"order-{number}", draw(st.integers(1, 2))))
        orders.append(order)
        events += [one for one in history if type(one.data) in RULES]
        if draw(st.booleans()):
            events.append(message(a_release_of_an_order(f"order-{number}")))
    repeats = draw(st.lists(st.sampled_from(events).map(resent), max_size=6))
    return orders, events, draw(st.permutations([*events, *repeats]))


def final_state(events: list[Event]) -> tuple[State, set[str], set[str]]:
    """The final state, and the granted and the available rewards according to the published events."""
    state, granted, available = reward_state(rule_sets=RULE_SETS), set[str](), set[str]()
    for cause in events:
        decision = RULES[type(cause.data)](state, cause)
        state = decision.state
        for event in decision.publish:
            if isinstance(event, RewardReleased):
                assert (event.reward in available) == (event.was > 0)
                available ^= {event.reward}
                continue
            assert (event.reward in granted) == isinstance(event, RewardAdjusted)
            granted ^= {event.reward}
    return state, granted, available


@given(months())
def test_any_order_with_repeats_ends_in_the_same_sales_and_rewards(
    case: tuple[list[Order], list[Event], list[Event]],
) -> None:
    _, one, other = case

    assert final_state(one) == final_state(other)


@given(months())
def test_a_months_sales_are_the_rest_of_its_orders(case: tuple[list[Order], list[Event], list[Event]]) -> None:
    orders, _, events = case
    state, granted, available = final_state(events)

    [progress] = state.progress.values()
    assert progress.sales_minor == sum(
        order.net_minor - order.refunded_minor for order in orders if order.status != "cancelled"
    )
    assert granted == set(progress.granted)
    assert available == granted - set(progress.held)
    assert progress.held_minor == sum(sale.worth_minor for sale in state.sales.values() if not sale.released)
