"""The hold of rewards: they are available once the commissions of enough sales are released, never sooner."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from contracts.rules.view import RuleSet
from contracts.wire.decision import Decision
from tests import reward_builders as rewards
from tests.builders import (
    KEY,
    SHOP,
    a_target,
    an_order_line,
    cancelled,
    message,
    paid,
    rules,
)
from tests.reward_builders import (
    MONTH,
    a_grant,
    a_release_of_a_reward,
    a_release_of_an_order,
    an_adjustment_of_a_reward,
)
from workers.reward_checks.decide import count_sale, release_sale, take_back_sale
from workers.reward_checks.model import Progress, Sale, State

TARGET = rules(1, targets=(a_target(target_minor=10_000, bonus_minor=500),))
OTHER = f"{SHOP}/1002"


def the_state(month: Progress, *sales: Sale, rule_sets: tuple[RuleSet, ...] = (TARGET,)) -> State:
    return rewards.reward_state(month, sales=sales, rule_sets=rule_sets)


def a_month(sales_minor: int, held_minor: int, *granted: str, held: tuple[str, ...] = ()) -> Progress:
    return rewards.a_month(sales_minor, *granted, held_minor=held_minor, held=held)


def a_sale(net_minor: int, key: str = KEY, *, released: bool | None = False) -> Sale:
    return Sale(key, MONTH, net_minor, counted=True, released=released)


def sold(net: str, **fields: Any) -> Any:
    return message(paid(lines=(an_order_line(net=net),), **fields))


RELEASE = message(a_release_of_an_order())
HELD = a_month(10_000, 10_000, "monthly_sales", held=("monthly_sales",))
AVAILABLE = a_month(10_000, 0, "monthly_sales")


def test_a_reward_is_granted_when_its_sales_are_paid_and_available_when_their_hold_has_ended() -> None:
    granted = count_sale(State(rules={1: TARGET}), sold("100.00"))
    released = release_sale(granted.state, RELEASE)

    assert granted == Decision(the_state(HELD, a_sale(10_000)), (a_grant("100.00"),), "counted")
    assert released == Decision(
        the_state(AVAILABLE, a_sale(10_000, released=True)), (a_release_of_a_reward("100.00"),), "counted"
    )
    assert release_sale(released.state, RELEASE) == Decision(released.state, outcome="duplicate")


def test_sales_that_are_held_do_not_make_a_reward_available() -> None:
    state = the_state(replace(HELD, sales_minor=19_999, held_minor=19_999), a_sale(9_999), a_sale(10_000, OTHER))

    below = release_sale(state, RELEASE)
    reached = release_sale(below.state, message(a_release_of_an_order("1002")))

    assert (below.publish, below.state.progress[MONTH].held) == ((), ("monthly_sales",))
    assert reached.publish == (a_release_of_a_reward("199.99"),)


def test_a_release_before_the_payment_is_noted() -> None:
    early = release_sale(State(rules={1: TARGET}), RELEASE)

    assert early == Decision(State(rules={1: TARGET}, sales={KEY: Sale(KEY, "", 0, released=True)}), outcome="noted")
    assert count_sale(early.state, sold("100.00")) == Decision(
        the_state(AVAILABLE, a_sale(10_000, released=True)),
        (a_grant("100.00"), a_release_of_a_reward("100.00")),
        "counted",
    )


def test_what_is_taken_back_while_held_was_never_available() -> None:
    back = take_back_sale(the_state(HELD, a_sale(10_000)), message(cancelled(net_total=Decimal("100.00"))))

    assert back.publish == (an_adjustment_of_a_reward("0.00"),)
    assert back.state.progress[MONTH] == a_month(0, 0)


def test_what_is_taken_back_after_its_release_is_no_longer_available() -> None:
    state = the_state(AVAILABLE, a_sale(10_000, released=True))

    back = take_back_sale(state, message(cancelled(net_total=Decimal("100.00"))))

    assert back.publish == (
        an_adjustment_of_a_reward("0.00"),
        a_release_of_a_reward("0.00", amount="0.00", was="5.00"),
    )


def test_a_reward_is_held_again_when_only_held_sales_reach_its_target() -> None:
    month = a_month(15_000, 5_000, "monthly_sales")
    state = the_state(month, a_sale(10_000, released=True), a_sale(5_000, OTHER))
    state = count_sale(state, sold("60.00", order_id="1003")).state

    back = take_back_sale(state, message(cancelled(net_total=Decimal("100.00"))))

    assert back.publish == (a_release_of_a_reward("0.00", amount="0.00", was="5.00"),)
    assert back.state.progress[MONTH] == a_month(11_000, 11_000, "monthly_sales", held=("monthly_sales",))


def test_another_bonus_changes_what_is_available_by_the_difference() -> None:
    newer = rules(2, targets=(a_target(target_minor=10_000, bonus_minor=700),))
    state = the_state(AVAILABLE, a_sale(10_000, released=True), rule_sets=(TARGET, newer))

    changed = count_sale(state, sold("1.00", order_id="1002", rule_version=2))

    assert changed.publish == (
        an_adjustment_of_a_reward("101.00", amount="7.00", reason="bonus_changed", rule_version=2),
        a_release_of_a_reward("100.00", amount="7.00", was="5.00", rule_version=2),
    )


def test_what_an_earlier_release_counted_and_granted_is_not_held() -> None:
    """Its reward is booked already, so it is not released once more."""
    old = the_state(AVAILABLE, a_sale(10_000, released=None))

    assert count_sale(old, sold("1.00", order_id="1002")).publish == ()
    assert release_sale(old, RELEASE) == Decision(
        the_state(AVAILABLE, a_sale(10_000, released=True)), outcome="counted"
    )
