"""Rewards: granted when the month's sales reach the target and revoked when they fall, in any order of the events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.rewards.v2 import RewardGranted
from contracts.wire.decision import Decision, NotYet
from tests import reward_builders as rewards
from tests.builders import (
    JOINED,
    KEY,
    NOW,
    SELLER,
    SHOP,
    a_target,
    an_order_line,
    cancelled,
    message,
    paid,
    rules,
)
from tests.reward_builders import MONTH, a_grant, a_month, an_adjustment_of_a_reward
from workers.reward_checks.decide import count_sale, take_back_sale
from workers.reward_checks.model import Progress, Sale, State

TARGETS = rules(1, targets=(a_target(target_minor=10_000, bonus_minor=500),))


reward_state = partial(rewards.reward_state, rule_sets=(TARGETS,))


def counted(net_minor: int, key: str = KEY) -> Sale:
    return Sale(key, MONTH, net_minor, counted=True, released=False)


def taken_back(net_minor: int) -> Sale:
    return Sale(KEY, MONTH, net_minor, counted=True, taken_back_minor=net_minor, released=False)


def sold(net: str, **fields: Any) -> Any:
    return message(paid(lines=(an_order_line(net=net),), **fields))


def cancelled_sale(net: str, **fields: Any) -> Any:
    return message(cancelled(net_total=Decimal(net), **fields))


def resent(event: Any) -> Any:
    """The same event under another id, unknown to the journal."""
    return event.model_copy(update={"id": "resent"})


def test_the_first_sale_of_a_month_begins_its_progress() -> None:
    assert count_sale(reward_state(), sold("90.00")) == Decision(
        reward_state(a_month(9_000), sales=(counted(9_000),)), outcome="counted"
    )


def test_all_lines_of_an_order_count_and_its_shipping_does_not() -> None:
    lines = (an_order_line(1, net="40.00"), an_order_line(2, net="2.50"))

    after = count_sale(reward_state(), message(paid(lines=lines, shipping=Decimal("8.00")))).state

    assert after == reward_state(a_month(4_250), sales=(counted(4_250),))


class TestCrossing:
    def test_reaching_the_target_grants_the_reward(self) -> None:
        after = reward_state(a_month(10_000, "monthly_sales"), sales=(counted(1),))

        assert count_sale(reward_state(a_month(9_999)), sold("0.01")) == Decision(
            after, (a_grant("100.00"),), "counted"
        )

    def test_a_sale_above_the_target_grants_nothing_again(self) -> None:
        state = reward_state(a_month(10_000, "monthly_sales"))

        assert count_sale(state, sold("90.00")) == Decision(
            reward_state(a_month(19_000, "monthly_sales"), sales=(counted(9_000),)), outcome="counted"
        )

    def test_a_cancellation_below_the_target_revokes_the_reward(self) -> None:
        state = reward_state(a_month(10_000, "monthly_sales"), sales=(counted(1),))

        assert take_back_sale(state, cancelled_sale("0.01")) == Decision(
            reward_state(a_month(9_999), sales=(taken_back(1),)), (an_adjustment_of_a_reward("99.99"),), "counted"
        )

    def test_a_cancellation_above_the_target_revokes_nothing(self) -> None:
        state = reward_state(a_month(10_001, "monthly_sales"), sales=(counted(1),))

        assert take_back_sale(state, cancelled_sale("0.01")) == Decision(
            reward_state(a_month(10_000, "monthly_sales"), sales=(taken_back(1),)), outcome="counted"
        )

    def test_several_targets_are_reached_one_by_one(self) -> None:
        two = rules(1, targets=(a_target("gold", 20_000), a_target("silver", 10_000)))
        state = reward_state(a_month(9_000), rule_sets=(two,))

        silver = count_sale(state, sold("20.00"))
        both = count_sale(state, sold("110.00"))

        assert silver.publish == (a_grant("110.00", reward="silver"),)
        assert both.state.progress[MONTH].granted == ("gold", "silver")
        assert both.publish == (
            a_grant("200.00", reward="gold", target="200.00"),
            a_grant("200.00", reward="silver"),
        )

    def test_a_target_in_another_currency_does_not_apply(self) -> None:
        yen = rules(1, targets=(a_target(target_minor=1, currency="JPY"),))

        assert count_sale(reward_state(rule_sets=(yen,)), sold("90.00")).publish == ()


class TestWhichMonth:
    @pytest.mark.parametrize(
        ("placed_at", "month"),
        [
            (datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), "2026-11"),
            (datetime(2026, 12, 1, tzinfo=UTC), "2026-12"),
            (datetime(2026, 12, 1, 7, 59, tzinfo=timezone(timedelta(hours=8))), "2026-11"),
            (datetime(2026, 12, 1, 8, tzinfo=timezone(timedelta(hours=8))), "2026-12"),
        ],
    )
    def test_the_month_is_the_utc_month_of_the_order(self, placed_at: datetime, month: str) -> None:
        after = count_sale(reward_state(), sold("90.00", placed_at=placed_at, paid_at=NOW)).state

        assert list(after.progress) == [f"{SELLER}/{month}/CNY"]

    def test_a_cancellation_is_subtracted_from_the_orders_month(self) -> None:
        october = NOW - timedelta(days=30)
        counted = count_sale(reward_state(), sold("90.00", placed_at=october)).state

        assert take_back_sale(counted, cancelled_sale("90.00", placed_at=october)).state.progress == {
            f"{SELLER}/2026-10/CNY": Progress(
                f"{SELLER}/2026-10/CNY", SELLER, "2026-10", "CNY", 0, 1, placed_at=october
            )
        }


class TestWhichRules:
    HIGHER = rules(2, targets=(a_target(target_minor=50_000),))
    WITHOUT = rules(2)

    LATER = NOW + timedelta(hours=1)

    def test_the_rules_of_the_latest_order_apply_whenever_it_arrives(self) -> None:
        state = reward_state(a_month(9_000, rule_version=2, placed_at=self.LATER), rule_sets=(TARGETS, self.HIGHER))

        decision = count_sale(state, sold("20.00", rule_version=1))

        after = state.with_progress(a_month(11_000, rule_version=2, placed_at=self.LATER)).with_sale(counted(2_000))
        assert decision == Decision(after, outcome="counted")

    def test_a_lower_version_applies_if_its_order_is_the_latest(self) -> None:
        state = reward_state(a_month(9_000, rule_version=2), rule_sets=(TARGETS, self.HIGHER))

        month = count_sale(state, sold("20.00", rule_version=1, placed_at=self.LATER)).state.progress[MONTH]

        assert month == a_month(11_000, "monthly_sales", rule_version=1, placed_at=self.LATER)

    @pytest.mark.parametrize(
        ("first_began", "second_began", "counts"), [(JOINED, NOW, 2), (NOW, JOINED, 1), (JOINED, JOINED, 2)]
    )
    def test_of_simultaneous_orders_the_rules_that_began_last_apply(
        self, first_began: datetime, second_began: datetime, counts: int
    ) -> None:
        rule_sets = (rules(1, effective_from=first_began), rules(2, effective_from=second_began))
        for numbers in ((1, 2), (2, 1)):
            state = reward_state(rule_sets=rule_sets)
            for number in numbers:
                state = count_sale(state, sold("1.00", order_id=str(number), rule_version=number)).state
            assert state.progress[MONTH].rule_version == counts

    def test_a_month_stored_without_its_latest_order_takes_the_next_one(self) -> None:
        old = Progress(MONTH, SELLER, "2026-11", "CNY", 9_000, 2)
        state = reward_state(old, rule_sets=(TARGETS, self.HIGHER))

        after = replace(a_month(11_000, "monthly_sales"), held_minor=2_000)
        assert count_sale(state, sold("20.00")).state.progress[MONTH] == after

    def test_a_higher_target_revokes_a_reward_no_longer_reached(self) -> None:
        state = reward_state(a_month(10_000, "monthly_sales"), rule_sets=(TARGETS, self.HIGHER))
        after = state.with_progress(a_month(11_000, rule_version=2)).with_sale(counted(1_000))
        revoked = an_adjustment_of_a_reward("110.00", rule_version=2)

        assert count_sale(state, sold("10.00", rule_version=2)) == Decision(after, (revoked,), "counted")

    def test_a_reward_without_a_target_in_newer_rules_is_revoked(self) -> None:
        state = reward_state(a_month(10_000, "monthly_sales"), rule_sets=(TARGETS, self.WITHOUT))
        after = state.with_progress(a_month(11_000, rule_version=2)).with_sale(counted(1_000))
        revoked = an_adjustment_of_a_reward("110.00", rule_version=2, reason="target_gone")

        assert count_sale(state, sold("10.00", rule_version=2)) == Decision(after, (revoked,), "counted")

    def test_another_bonus_in_newer_rules_adjusts_the_reward(self) -> None:
        richer = rules(2, targets=(a_target(target_minor=10_000, bonus_minor=700),), effective_from=NOW)
        state = reward_state(a_month(10_000, "monthly_sales"), rule_sets=(TARGETS, richer))

        decision = count_sale(state, sold("10.00", rule_version=2))

        adjusted = an_adjustment_of_a_reward("110.00", amount="7.00", reason="bonus_changed", rule_version=2)
        assert decision.publish == (adjusted,)
        assert decision.state.progress[MONTH].amounts_minor == {"monthly_sales": 700}

    def test_a_reward_granted_by_an_earlier_release_is_worth_the_bonus_of_its_rules(self) -> None:
        old = replace(a_month(10_000, "monthly_sales"), amounts_minor={})
        state = reward_state(old, sales=(counted(1),))

        assert take_back_sale(state, cancelled_sale("0.01")).publish == (an_adjustment_of_a_reward("99.99"),)

    def test_a_sale_before_its_rules_is_retried(self) -> None:
        assert count_sale(reward_state(), sold("90.00", rule_version=2)) == NotYet("rules_unknown")


def test_a_cancellation_of_an_unpaid_order_changes_nothing() -> None:
    state = reward_state(a_month(9_000))

    assert take_back_sale(state, cancelled_sale("90.00", was_paid=False)) == Decision(state, outcome="never_counted")


def test_a_cancellation_before_its_payment_is_noted_and_the_sale_counts_zero() -> None:
    early = take_back_sale(reward_state(), cancelled_sale("90.00"))

    noted = Sale(KEY, MONTH, 9_000, taken_back_minor=9_000)
    assert early == Decision(reward_state(sales=(noted,)), outcome="noted")
    assert count_sale(early.state, sold("90.00")) == Decision(
        reward_state(a_month(0), sales=(taken_back(9_000),)), outcome="counted"
    )


class TestTheSameOrderAgain:
    def test_a_repeated_payment_grants_nothing(self) -> None:
        once = count_sale(reward_state(a_month(9_999)), sold("0.01"))

        assert once.publish == (a_grant("100.00"),)
        assert count_sale(once.state, resent(sold("0.01"))) == Decision(once.state, outcome="duplicate")

    def test_a_repeated_cancellation_revokes_nothing(self) -> None:
        state = reward_state(a_month(10_000, "monthly_sales"), sales=(counted(1),))
        once = take_back_sale(state, cancelled_sale("0.01"))

        assert once.publish == (an_adjustment_of_a_reward("99.99"),)
        assert take_back_sale(once.state, resent(cancelled_sale("0.01"))) == Decision(once.state, outcome="nothing_new")

    def test_a_repeated_payment_after_the_cancellation_changes_nothing(self) -> None:
        state = reward_state(a_month(0), sales=(taken_back(9_000),))

        assert count_sale(state, resent(sold("90.00"))) == Decision(state, outcome="duplicate")

    def test_a_repeated_cancellation_before_the_payment_counts_once(self) -> None:
        early = take_back_sale(reward_state(), cancelled_sale("90.00")).state

        assert take_back_sale(early, resent(cancelled_sale("90.00"))) == Decision(early, outcome="nothing_new")

    def test_another_order_of_the_month_counts_separately(self) -> None:
        state = reward_state(a_month(9_000), sales=(counted(9_000),))

        assert count_sale(state, sold("5.00", order_id="1002")) == Decision(
            reward_state(a_month(9_500), sales=(counted(9_000), counted(500, f"{SHOP}/1002"))), outcome="counted"
        )


class TestMarkets:
    WEST = replace(TARGETS, rule_version=2, terms=replace(TARGETS.terms, market="west"))
    IN_WEST = f"{MONTH}/west"

    def test_each_market_has_its_own_month(self) -> None:
        state = reward_state(a_month(9_999), rule_sets=(TARGETS, self.WEST))

        decision = count_sale(state, sold("100.00", rule_version=2))

        month = a_month(10_000, "monthly_sales", rule_version=2)
        west = replace(month, key=self.IN_WEST, market="west")
        sale = replace(counted(10_000), month=self.IN_WEST)
        granted = a_grant("100.00", rule_version=2, market="west")
        assert decision == Decision(state.with_progress(west).with_sale(sale), (granted,), "counted")

    def test_a_cancellation_counts_in_the_market_of_the_sale(self) -> None:
        state = count_sale(
            reward_state(a_month(10_000, "monthly_sales"), rule_sets=(TARGETS, self.WEST)),
            sold("100.00", rule_version=2),
        ).state

        decision = take_back_sale(state, cancelled_sale("100.00"))

        assert decision.publish == (an_adjustment_of_a_reward("0.00", rule_version=2, market="west"),)
        assert decision.state.progress[MONTH] == state.progress[MONTH]

    def test_a_cancellation_before_the_payment_counts_there_too(self) -> None:
        early = take_back_sale(reward_state(rule_sets=(self.WEST,)), cancelled_sale("100.00")).state

        after = count_sale(early, sold("100.00", rule_version=2)).state

        assert after.sales[KEY] == replace(taken_back(10_000), month=self.IN_WEST)
        assert {key: month.sales_minor for key, month in after.progress.items()} == {self.IN_WEST: 0}


RULE_SETS = (
    rules(1, targets=(a_target("silver", 10_000), a_target("gold", 20_000))),
    rules(2, targets=(a_target("silver", 15_000),)),
    rules(3, targets=(a_target("gold", 5_000), a_target("yen", 1, currency="JPY"))),
)


@st.composite
def months(draw: st.DrawFn) -> tuple[list[Any], list[Any]]:
    """The paid and cancelled orders of a month, in two orders."""
    messages: list[Any] = []
    for number in range(draw(st.integers(1, 7))):
        net = str(Decimal(draw(st.integers(0, 12_000))) / 100)
        order_id = f"order-{number}"
        placed_at = NOW + timedelta(minutes=draw(st.integers(0, 3)))
        sale = sold(net, order_id=order_id, rule_version=draw(st.integers(1, 3)), placed_at=placed_at)
        messages.append((count_sale, sale))
        if draw(st.booleans()):
            messages.append((take_back_sale, cancelled_sale(net, order_id=order_id)))
    return messages, draw(st.permutations(messages))


def final_state(messages: list[Any]) -> tuple[State, set[str]]:
    """The final state, and the granted rewards according to the published events."""
    state, granted = reward_state(rule_sets=RULE_SETS), set()
    for rule, cause in messages:
        decision = rule(state, cause)
        state = decision.state
        for event in decision.publish:
            if isinstance(event, RewardGranted):
                assert event.reward not in granted
                granted.add(event.reward)
            else:
                granted.remove(event.reward)
    return state, granted


@given(months())
def test_any_order_of_the_same_orders_ends_in_the_same_rewards(case: tuple[list[Any], list[Any]]) -> None:
    one, other = map(final_state, case)

    assert one == other
    assert one[1] == set(one[0].progress[MONTH].granted)


@given(months())
def test_handled_twice_equals_once(case: tuple[list[Any], list[Any]]) -> None:
    state = reward_state(rule_sets=RULE_SETS)
    for rule, cause in case[1]:
        state = rule(state, cause).state

        again = rule(state, resent(cause))
        assert (again.state, again.publish) == (state, ())
        assert again.outcome in ("duplicate", "nothing_new")


@given(months(), st.data())
def test_late_repeats_change_nothing(case: tuple[list[Any], list[Any]], data: st.DataObject) -> None:
    messages, _ = case
    repeats = [(rule, resent(cause)) for rule, cause in messages]

    assert final_state(data.draw(st.permutations(messages + repeats))) == final_state(messages)
