"""Orders of several lines, refunds after refunds and ticks for several orders, to the cent."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from contracts.commissions.view import Leg
from contracts.orders.v1 import Team
from contracts.plans.calculation import Earner, Sale, SaleLine
from tests.builders import (
    CUP,
    KEY,
    MIDDLE,
    NOW,
    SELLER,
    TEA,
    TEAM,
    TOP,
    a_refunded_line,
    an_order_line,
    an_upline,
    cancelled,
    message,
    paid,
    refunded,
    tick,
)
from tests.unit.test_commission_accrual import THE_COMMISSION, accounts
from workers.commission_calculation.decide import accrue, release, sale_of, take_back, take_back_all
from workers.commission_calculation.model import State

LATER = NOW + timedelta(hours=3)
TWO_LINES = (an_order_line(1, category_id=7), an_order_line(2, CUP, category_id=8, net="50.00"))
HALF_OF_THE_FIRST = a_refunded_line(1, TEA, refunded_quantity=1, refunded="45.00")
HALF_OF_THE_SECOND = a_refunded_line(2, CUP, refunded_quantity=1, refunded="25.00", net=Decimal("50.00"))
ALL_OF_THE_FIRST = a_refunded_line(1, TEA, refunded_quantity=2, refunded="90.00")
ALL_OF_THE_SECOND = a_refunded_line(2, CUP, refunded_quantity=2, refunded="50.00", net=Decimal("50.00"))


def accrued() -> State:
    """Lines of 90.00 and 50.00; pools of 20 %, and 10 %, 5 % and 3 % to the three levels."""
    return accrue(accounts(), message(paid(lines=TWO_LINES))).state


def legs(state: State) -> tuple[Leg, ...]:
    return state.postings[-1].legs


def held(breakage: int, top: int, middle: int, seller: int, pool: int) -> tuple[Leg, ...]:
    return (
        Leg("breakage", breakage),
        Leg("held", top, TOP),
        Leg("held", middle, MIDDLE),
        Leg("held", seller, SELLER),
        Leg("pool", pool),
    )


def test_the_plans_see_the_order_as_it_was_paid() -> None:
    team = Team(team_id=TEAM, leader_id=9, leader_tier="gold", leader_active=True)
    order = paid(lines=TWO_LINES, upline=an_upline(SELLER, TOP, inactive=[TOP]), team=team)

    assert sale_of(order) == Sale(
        "CNY",
        (SaleLine(1, TEA, 7, 2, 9_000), SaleLine(2, CUP, 8, 2, 5_000)),
        (Earner(1, SELLER, "standard", True), Earner(2, TOP, "standard", False)),
        Earner(0, 9, "gold", True),
    )


def test_an_accrual_posts_each_distributors_sum_over_all_lines() -> None:
    # 900 + 500, 450 + 250, 270 + 150; the pools are 1,800 and 1,000.
    assert legs(accrued()) == held(280, 420, 700, 1_400, -2_800)


def test_a_refund_of_the_second_line_leaves_the_first_alone() -> None:
    state = take_back(accrued(), message(refunded(ALL_OF_THE_SECOND))).state

    assert legs(state) == held(-100, -150, -250, -500, 1_000)
    assert state.commissions[KEY].remaining_minor() == (900, 450, 270, 0, 0, 0)


def test_a_refund_of_both_lines_takes_from_both_pools_in_one_posting() -> None:
    state = take_back(accrued(), message(refunded(HALF_OF_THE_FIRST, HALF_OF_THE_SECOND))).state

    assert legs(state) == held(-140, -210, -350, -700, 1_400)


def test_a_second_refund_takes_only_the_rest_from_the_pool() -> None:
    half = take_back(accrued(), message(refunded(HALF_OF_THE_FIRST))).state
    state = take_back(half, message(refunded(ALL_OF_THE_FIRST, version=5, refund_id="refund-2"))).state

    assert legs(state) == held(-90, -135, -225, -450, 900)


def test_a_cancellation_is_posted_with_the_id_and_time_of_its_message() -> None:
    state = take_back_all(accrued(), message(cancelled(), id="m-cancelled", time=LATER)).state

    assert (state.postings[-1].posting_id, state.postings[-1].posted_at) == ("m-cancelled", LATER)
    assert [reversal.at for reversal in state.commissions[KEY].reversals] == [LATER]
    assert legs(state) == held(-280, -420, -700, -1_400, 2_800)


def test_a_commission_that_is_not_due_does_not_block_others() -> None:
    waiting = replace(THE_COMMISSION, key="mall/1", release_at=LATER + timedelta(seconds=1))
    due = replace(THE_COMMISSION, key="mall/2", release_at=LATER)
    never = replace(THE_COMMISSION, key="mall/3")
    also_due = replace(THE_COMMISSION, key="mall/4", release_at=NOW)

    decision = release(State({known.key: known for known in (waiting, due, never, also_due)}), message(tick(LATER)))

    assert [event.order_id for event in decision.publish] == ["2", "4"]
    assert [known.status for known in decision.state.commissions.values()] == ["held", "released", "held", "released"]
