"""A sender's clock may delay a payment, but never bring it forward: orders, holds, rules and the network."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.network.v1 import (
    ChangeDistributor,
    ChangeLeader,
    CreateTeam,
    DistributorRefused,
    JoinTeam,
    LeaveTeam,
    MoveDistributor,
    RegisterDistributor,
    RegisterShop,
    ShopRegistered,
    TeamRefused,
)
from contracts.network.view import Membership, Standing
from contracts.orders.v1 import OrderCompleted, OrderRefused
from contracts.rules.v1 import ActivateRules, RetireRules, RulesRefused
from contracts.rules.view import Market, RuleSet
from contracts.times import CLOCK_SKEW_MAX, ORDER_AGE_MAX
from contracts.wire.decision import Decision
from contracts.wire.envelope import Payload
from tests.builders import (
    JOINED,
    KEY,
    MIDDLE,
    NOW,
    ORDER,
    SELLER,
    SHOP,
    TEAM,
    TOP,
    a_distributor,
    a_shop,
    a_team,
    an_order,
    by_id,
    message,
    order_state,
    place,
    refund,
    rules,
    the_chain,
    update,
)
from tests.stock_builders import reserved
from workers.network import decide as network_rules
from workers.network.model import State as NetworkState
from workers.order_intake import decide
from workers.rule_book import decide as book_rules
from workers.rule_book.model import State as RuleState

MONTHS_AGO = NOW - timedelta(days=330)
MINUTE = timedelta(minutes=1)
MILLISECOND = timedelta(milliseconds=1)


def late(payload: Any, time: datetime = MONTHS_AGO, received_at: datetime = NOW) -> Any:
    """A message whose sender's clock is months behind."""
    return message(payload, time=time, received_at=received_at)


def the_order(answer: Any) -> Any:
    return answer.state.orders[KEY]


class TestAStepOfAnOrder:
    SHIPPED = an_order(
        status="shipped", reserved=True, paid_at=NOW - timedelta(days=2), placed_at=NOW - 3 * ORDER_AGE_MAX
    )

    def test_is_completed_at_its_arrival_not_months_before(self) -> None:
        answer = decide.update_status(order_state(self.SHIPPED), late(update("completed")))

        assert the_order(answer).completed_at == NOW
        [event] = answer.publish
        assert isinstance(event, OrderCompleted)
        assert event.completed_at == NOW

    def test_is_completed_later_if_the_shops_clock_is_ahead(self) -> None:
        ahead = message(update("completed"), time=NOW + CLOCK_SKEW_MAX, received_at=NOW)

        assert the_order(decide.update_status(order_state(self.SHIPPED), ahead)).completed_at == NOW + CLOCK_SKEW_MAX

    def test_is_never_completed_before_it_was_paid(self) -> None:
        paid_later = replace(self.SHIPPED, paid_at=NOW + MINUTE)

        assert the_order(decide.update_status(order_state(paid_later), late(update("completed")))).completed_at == (
            NOW + MINUTE
        )

    @pytest.mark.parametrize("is_reserved", [True, False])
    def test_is_paid_at_its_arrival(self, is_reserved: bool) -> None:
        order = an_order(placed_at=MONTHS_AGO, reserved=is_reserved, due_at=NOW + MINUTE if is_reserved else None)

        assert the_order(decide.update_status(order_state(order), late(update("paid")))).paid_at == NOW

    def test_is_never_paid_before_it_was_placed(self) -> None:
        prepaid = an_order(prepaid=True, placed_at=NOW)

        answer = decide.note_reserved(order_state(prepaid), message(reserved(), time=NOW - MINUTE))

        assert the_order(answer).paid_at == NOW

    def test_is_refunded_at_its_arrival(self) -> None:
        order = an_order(status="paid", reserved=True, paid_at=NOW)

        [booked] = the_order(decide.refund(order_state(order), late(refund()))).refunds

        assert booked.at == NOW


class TestWhenAnOrderWasPlaced:
    def answer(self, history_from: datetime | None = None, **times: Any) -> Any:
        """The decision for an order of a shop that may enter history from `history_from` on, under very old rules."""
        time = times.pop("time", NOW)
        shop = replace(a_shop(), history_from=history_from)
        long_ago = rules(effective_from=datetime(1, 1, 1, tzinfo=UTC)).tenure
        state = order_state(shop=shop, tenures=(long_ago,))
        return decide.place(state, message(place(**times), time=time, received_at=NOW))

    def test_the_time_of_a_shop_that_was_offline_is_accepted(self) -> None:
        assert the_order(self.answer(placed_at=NOW - ORDER_AGE_MAX)).placed_at == NOW - ORDER_AGE_MAX
        assert the_order(self.answer(time=NOW - ORDER_AGE_MAX)).placed_at == NOW - ORDER_AGE_MAX

    @pytest.mark.parametrize("times", [{"placed_at": MONTHS_AGO}, {"time": MONTHS_AGO}])
    def test_history_is_refused_with_the_way_to_permit_it(self, times: dict[str, Any]) -> None:
        detail = (
            "placed_at: 2025-12-07T09:30:00+00:00 is more than 31 days before the order arrived, at "
            "2026-11-02T09:30:00+00:00; to enter history, have an administrator register shop shop-1 with history_from "
            "at that time or earlier."
        )
        event = OrderRefused(shop_id=SHOP, order_id=ORDER, reason="placed_too_long_ago", detail=detail)

        answer = self.answer(**times)

        assert (answer.publish, answer.outcome, answer.state.orders) == ((event,), "refused", {})

    @pytest.mark.parametrize("times", [{"placed_at": MONTHS_AGO}, {"time": MONTHS_AGO}])
    def test_history_is_accepted_from_a_shop_that_may_enter_it(self, times: dict[str, Any]) -> None:
        assert the_order(self.answer(history_from=MONTHS_AGO, **times)).placed_at == MONTHS_AGO

    def test_history_before_the_permitted_time_is_refused(self) -> None:
        answer = self.answer(history_from=MONTHS_AGO, placed_at=MONTHS_AGO - MILLISECOND)

        assert answer.publish[0].reason == "placed_too_long_ago"

    def test_a_clock_slightly_ahead_places_the_order_now(self) -> None:
        assert the_order(self.answer(placed_at=NOW + CLOCK_SKEW_MAX)).placed_at == NOW
        assert the_order(self.answer(time=NOW + CLOCK_SKEW_MAX)).placed_at == NOW

    def test_an_order_from_a_clock_far_ahead_is_refused(self) -> None:
        assert self.answer(placed_at=NOW + CLOCK_SKEW_MAX + MILLISECOND).publish[0].reason == "placed_in_future"


class TestRules:
    HELD = rules()
    NEXT = replace(rules(2), stage="approved", activated_by=None, effective_from=None, proposed_at=NOW)
    LATER = rules(effective_from=NOW + timedelta(days=1))

    def book(self, *known: RuleSet) -> RuleState:
        return RuleState({rule_set.rule_version: rule_set for rule_set in known}, {"default": Market("default", 3)})

    def activate(self, effective_from: datetime | None = None, time: datetime = NOW) -> Any:
        command = ActivateRules(rule_version=2, activated_by="bob", effective_from=effective_from)
        return book_rules.activate(self.book(self.HELD, self.NEXT), late(command, time))

    def retire(self, known: RuleSet, effective_from: datetime | None = None, time: datetime = NOW) -> Any:
        command = RetireRules(rule_version=1, retired_by="bob", effective_from=effective_from)
        return book_rules.retire(self.book(known), late(command, time))

    def test_a_backdated_envelope_does_not_activate_rules_in_the_past(self) -> None:
        assert self.activate(time=MONTHS_AGO).state.rules[2].effective_from == NOW

    def test_a_date_before_arrival_is_retroactive_whatever_the_envelopes_time(self) -> None:
        detail = (
            "effective_from: rules 1 held at 2026-01-01T00:00:00+00:00, and rules never change retroactively; "
            "give a time from 2026-11-02T09:30:00+00:00 on."
        )
        event = RulesRefused(rule_version=2, reason="retroactive", detail=detail)

        assert self.activate(JOINED, time=JOINED).publish == (event,)

    def test_rules_may_begin_in_a_past_without_rules(self) -> None:
        assert self.activate(MONTHS_AGO, time=MONTHS_AGO).state.rules[2].effective_from == MONTHS_AGO

    def test_a_date_slightly_before_arrival_becomes_the_arrival_and_a_repeat_is_a_duplicate(self) -> None:
        answer = self.activate(NOW - CLOCK_SKEW_MAX)
        assert answer.state.rules[2].effective_from == NOW

        again = ActivateRules(rule_version=2, activated_by="bob", effective_from=NOW - CLOCK_SKEW_MAX)
        assert book_rules.activate(answer.state, late(again, NOW)) == Decision(answer.state, outcome="duplicate")

    def test_a_backdated_envelope_does_not_retire_rules_in_the_past(self) -> None:
        assert self.retire(self.HELD, time=MONTHS_AGO).state.rules[1].retired_from == NOW
        assert self.retire(self.HELD, MONTHS_AGO, time=MONTHS_AGO).publish[0].reason == "retroactive"

    def test_an_end_slightly_before_arrival_becomes_the_arrival(self) -> None:
        ended = self.retire(self.HELD, NOW - CLOCK_SKEW_MAX).state
        assert ended.rules[1].retired_from == NOW

        again = RetireRules(rule_version=1, retired_by="bob", effective_from=NOW - CLOCK_SKEW_MAX)
        assert book_rules.retire(ended, late(again, NOW)) == Decision(ended, outcome="duplicate")

    def test_rules_do_not_end_before_they_begin(self) -> None:
        detail = "effective_from: rules 1 begin at 2026-11-03T09:30:00+00:00; to withdraw them, give that time."
        event = RulesRefused(rule_version=1, reason="ends_before_it_begins", detail=detail)

        assert self.retire(self.LATER).publish == (event,)
        assert self.retire(self.LATER, self.LATER.effective_from).outcome == "retired"


class TestTheNetwork:
    NETWORK = NetworkState(distributors=the_chain(), teams={TEAM: a_team(), 13: a_team(13)})

    def test_a_distributor_joins_at_the_arrival(self) -> None:
        answer = network_rules.register_distributor(self.NETWORK, late(RegisterDistributor(distributor_id=9)))

        assert answer.state.distributors[9].standings[0].since == NOW

    @pytest.mark.parametrize("moment", [NOW + CLOCK_SKEW_MAX + MILLISECOND, datetime.max.replace(tzinfo=UTC)])
    def test_no_distributor_joins_and_no_team_begins_in_the_future(self, moment: datetime) -> None:
        joined = network_rules.register_distributor(
            self.NETWORK, message(RegisterDistributor(distributor_id=9, joined_at=moment))
        )
        created = network_rules.create_team(
            self.NETWORK, message(CreateTeam(team_id=9, leader_id=TOP, name="N", created_at=moment))
        )

        ours = message(CreateTeam(team_id=9, leader_id=TOP, name="N", created_at=moment)).data.created_at
        assert ours is not None
        ending = f"{ours.isoformat()} has not come yet; give a time that has, or none."
        assert joined.publish == (
            DistributorRefused(distributor_id=9, reason="time_in_future", detail=f"joined_at: {ending}"),
        )
        assert created.publish == (TeamRefused(team_id=9, reason="time_in_future", detail=f"created_at: {ending}"),)

    def test_a_team_begins_at_the_arrival(self) -> None:
        answer = network_rules.create_team(self.NETWORK, late(CreateTeam(team_id=9, leader_id=TOP, name="N")))

        assert answer.state.teams[9].leaders[0].since == NOW

    @pytest.mark.parametrize(
        ("rule", "command", "kept"),
        [
            (
                network_rules.change_distributor,
                ChangeDistributor(distributor_id=SELLER, tier="gold"),
                lambda n: n.distributors[SELLER].standings[-1].since,
            ),
            (
                network_rules.move_distributor,
                MoveDistributor(distributor_id=SELLER, sponsor_id=TOP),
                lambda n: n.distributors[SELLER].sponsors[-1].since,
            ),
            (
                network_rules.change_leader,
                ChangeLeader(team_id=TEAM, leader_id=TOP),
                lambda n: n.teams[TEAM].leaders[-1].since,
            ),
            (
                network_rules.join_team,
                JoinTeam(team_id=TEAM, distributor_id=SELLER),
                lambda n: n.distributors[SELLER].teams[-1].since,
            ),
        ],
    )
    def test_a_change_without_a_time_holds_from_its_arrival(self, rule: Any, command: Payload, kept: Any) -> None:
        assert kept(rule(self.NETWORK, late(command)).state) == NOW

    def test_a_membership_ends_at_the_arrival(self) -> None:
        network = NetworkState(
            distributors=by_id(a_distributor(SELLER, teams=[(JOINED, TEAM)])), teams={TEAM: a_team()}
        )

        answer = network_rules.leave_team(network, late(LeaveTeam(team_id=TEAM, distributor_id=SELLER)))

        assert answer.state.distributors[SELLER].teams[-1] == Membership(NOW)

    def test_a_second_change_is_no_earlier_although_the_clocks_of_replicas_differ(self) -> None:
        first = network_rules.change_distributor(
            self.NETWORK, message(ChangeDistributor(distributor_id=SELLER, tier="gold"))
        )
        behind = late(ChangeDistributor(distributor_id=SELLER, tier="silver"), NOW - MILLISECOND, NOW - MILLISECOND)

        answer = network_rules.change_distributor(first.state, behind)

        assert answer.state.distributors[SELLER].standing_at(NOW) == Standing(NOW, "silver", True)

    def test_a_change_before_a_scheduled_one_is_out_of_order(self) -> None:
        planned = ChangeDistributor(distributor_id=SELLER, tier="gold", effective_at=NOW + timedelta(days=30))
        after = network_rules.change_distributor(self.NETWORK, message(planned)).state

        answer = network_rules.change_distributor(
            after, message(ChangeDistributor(distributor_id=SELLER, active=False))
        )

        assert answer.publish[0].reason == "out_of_order"

    def test_a_state_that_returns_at_the_same_moment_holds_again(self) -> None:
        network = self.NETWORK
        for number, tier in enumerate(("gold", "silver", "gold")):
            command = ChangeDistributor(distributor_id=SELLER, tier=tier)
            network = network_rules.change_distributor(network, message(command, id=f"m-{number}")).state

        assert network.distributors[SELLER].standing_at(NOW).tier == "gold"

    def test_a_repeat_of_an_earlier_entry_changes_nothing(self) -> None:
        earlier = ChangeDistributor(distributor_id=SELLER, tier="gold", effective_at=NOW)
        later = ChangeDistributor(distributor_id=SELLER, tier="silver", effective_at=NOW + MINUTE)
        after = network_rules.change_distributor(self.NETWORK, message(earlier)).state
        after = network_rules.change_distributor(after, message(later)).state

        assert network_rules.change_distributor(after, message(earlier, id="again")) == Decision(
            after, outcome="duplicate"
        )

    def test_nothing_ends_before_it_began(self) -> None:
        begun = [(NOW, TEAM)]
        network = NetworkState(
            distributors=by_id(
                a_distributor(SELLER, MIDDLE, teams=begun), a_distributor(MIDDLE, TOP), a_distributor(TOP)
            ),
            teams={TEAM: a_team(), 13: a_team(13)},
        )
        before = JOINED - timedelta(days=1)
        answers: list[Any] = [
            network_rules.leave_team(
                network, message(LeaveTeam(team_id=TEAM, distributor_id=SELLER, effective_at=NOW - MINUTE))
            ),
            network_rules.join_team(
                network, message(JoinTeam(team_id=13, distributor_id=SELLER, effective_at=NOW - MINUTE))
            ),
            network_rules.change_leader(
                network, message(ChangeLeader(team_id=TEAM, leader_id=TOP, effective_at=before))
            ),
            network_rules.move_distributor(
                network, message(MoveDistributor(distributor_id=SELLER, sponsor_id=TOP, effective_at=before))
            ),
            network_rules.change_distributor(
                network, message(ChangeDistributor(distributor_id=SELLER, active=False, effective_at=before))
            ),
        ]

        assert [answer.publish[0].reason for answer in answers] == ["out_of_order"] * 5

    def test_a_shop_may_enter_history_only_while_its_registration_permits_it(self) -> None:
        permitted = RegisterShop(shop_id=SHOP, currency="CNY", history_from=MONTHS_AGO)
        answer = network_rules.register_shop(NetworkState(), message(permitted))

        assert answer.publish == (ShopRegistered(shop_id=SHOP, currency="CNY", history_from=MONTHS_AGO),)
        assert answer.state.shops[SHOP].history_from == MONTHS_AGO
        again = network_rules.register_shop(answer.state, message(RegisterShop(shop_id=SHOP, currency="CNY")))
        assert again.state.shops[SHOP].history_from is None
