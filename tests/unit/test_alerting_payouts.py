"""Alerts about payouts: opened once, closed by what is known later, in any order of the events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.operations.v1 import AlertRaised, AlertResolved
from contracts.payouts.v1 import (
    PayoutConflicting,
    PayoutDoubtful,
    PayoutFailed,
    PayoutPaid,
    PayoutReturned,
    PayoutsReleased,
    RailPaused,
    RailResumed,
)
from tests.builders import NOW, message
from workers.alerting.model import State
from workers.alerting.payouts import (
    note_conflict,
    note_doubt,
    note_outcome,
    note_paused,
    note_release,
    note_resumed,
)

PAYOUT = "default/2026-10/2/CNY"
DOUBT, RETURNED, CONFLICT, RAIL = f"payout/{PAYOUT}", "payout-returned/2/CNY", "payout-conflict/2", "rail/wechat_pay"
WHY = {"code": "timed_out", "detail": "The bank did not answer."}


def reported(**changed: Any) -> dict[str, Any]:
    of = {"payout_id": PAYOUT, "attempt": 1, "distributor_id": 2, "amount": "42.00", "currency": "CNY"}
    return {**of, "rail": "wechat_pay", "at": NOW, **changed}


def doubt(*, needs_person: bool = True, **changed: Any) -> PayoutDoubtful:
    return PayoutDoubtful(**reported(**changed), **WHY, needs_person=needs_person)


def later(payload: Any, minutes: int = 5) -> Any:
    return message(payload, time=NOW + timedelta(minutes=minutes))


class TestDoubt:
    def test_no_person_is_asked_while_the_rail_is(self) -> None:
        decision = note_doubt(State(), message(doubt(needs_person=False)))

        assert decision.publish == ()
        assert (decision.state.alerts[DOUBT].state, decision.state.alerts[DOUBT].times) == ("resolved", 0)
        assert note_doubt(decision.state, message(doubt(needs_person=False))).outcome == "known"

    def test_it_opens_once_a_person_is_needed(self) -> None:
        asked = note_doubt(State(), message(doubt(needs_person=False))).state

        decision = note_doubt(asked, message(doubt()))

        [event] = decision.publish
        assert isinstance(event, AlertRaised)
        assert (event.alert, event.kind, event.severity, event.market) == (
            DOUBT,
            "payout_doubtful",
            "warning",
            "default",
        )
        assert event.facts == {
            "payout_id": PAYOUT,
            "distributor_id": "2",
            "amount": "42.00",
            "currency": "CNY",
            "rail": "wechat_pay",
            "code": "timed_out",
        }
        assert decision.state.alerts[DOUBT].times == 1
        assert note_doubt(decision.state, message(doubt())).publish == ()
        assert note_doubt(decision.state, message(doubt(needs_person=False))).state == decision.state

    @pytest.mark.parametrize(
        "outcome",
        [PayoutPaid(**reported()), PayoutFailed(**reported(), **WHY), PayoutReturned(**reported(), **WHY)],
    )
    def test_any_outcome_closes_it(self, outcome: Any) -> None:
        opened = note_doubt(State(), message(doubt())).state

        decision = note_outcome(opened, later(outcome))

        assert [event.alert for event in decision.publish if isinstance(event, AlertResolved)] == [DOUBT]
        assert decision.state.alerts[DOUBT].state == "resolved"

    def test_an_outcome_that_overtakes_the_last_doubt_stands(self) -> None:
        asked = note_doubt(State(), message(doubt(needs_person=False))).state
        paid = note_outcome(asked, later(PayoutPaid(**reported())))

        decision = note_doubt(paid.state, message(doubt()))

        assert paid.publish == decision.publish == ()
        assert decision.outcome == "outdated"

    def test_a_later_attempt_may_be_in_doubt_again(self) -> None:
        known = note_outcome(
            note_doubt(State(), message(doubt())).state, later(PayoutFailed(**reported(), **WHY))
        ).state

        decision = note_doubt(known, later(doubt(attempt=2)))

        assert decision.outcome == "raised"
        assert decision.state.alerts[DOUBT].times == 2

    def test_a_usual_payout_leaves_no_trace(self) -> None:
        decision = note_outcome(State(), message(PayoutPaid(**reported())))

        assert (decision.state, decision.publish, decision.outcome) == (State(), (), "no_alert")


class TestReturn:
    def test_it_opens_for_the_payee_and_their_next_payment_closes_it(self) -> None:
        back = note_outcome(State(), message(PayoutReturned(**reported(), **WHY)))
        [event] = back.publish
        assert isinstance(event, AlertRaised)
        assert (event.alert, event.kind) == (RETURNED, "payout_returned")

        again = note_outcome(back.state, later(PayoutPaid(**reported(payout_id="default/2026-11/2/CNY"))))

        assert [event.alert for event in again.publish if isinstance(event, AlertResolved)] == [RETURNED]

    def test_an_earlier_payment_that_comes_late_does_not_close_it(self) -> None:
        back = note_outcome(State(), later(PayoutReturned(**reported(), **WHY)))

        decision = note_outcome(back.state, message(PayoutPaid(**reported())))

        assert decision.publish == ()
        assert decision.state.alerts[RETURNED].state == "open"

    def test_a_second_return_is_counted(self) -> None:
        back = note_outcome(State(), message(PayoutReturned(**reported(), **WHY)))

        decision = note_outcome(back.state, later(PayoutReturned(**reported(), **WHY)))

        assert (decision.publish, decision.outcome) == ((), "counted")


class TestConflict:
    def test_it_is_critical_and_open_until_a_person_releases_the_payee(self) -> None:
        conflict = note_conflict(State(), message(PayoutConflicting(**reported(), **WHY)))
        [event] = conflict.publish
        assert isinstance(event, AlertRaised)
        assert (event.alert, event.severity) == (CONFLICT, "critical")

        released = note_release(conflict.state, later(PayoutsReleased(distributor_id=2, by="li.na")))

        [end] = released.publish
        assert isinstance(end, AlertResolved)
        assert (end.alert, end.facts) == (CONFLICT, {"distributor_id": "2", "by": "li.na"})

    def test_the_release_of_a_hold_without_a_conflict_is_none(self) -> None:
        assert note_release(State(), message(PayoutsReleased(distributor_id=2, by="li.na"))).outcome == "no_alert"


class TestRail:
    PAUSED = RailPaused(
        rail="wechat_pay", reason="insufficient_funds", paused_at=NOW, until=NOW + timedelta(minutes=30)
    )
    RESUMED = RailResumed(rail="wechat_pay", resumed_at=NOW + timedelta(minutes=31))

    def test_it_is_open_while_the_rail_is_paused(self) -> None:
        paused = note_paused(State(), message(self.PAUSED))
        assert [event.message_type for event in paused.publish] == ["alert.raised.v1"]

        resumed = note_resumed(paused.state, message(self.RESUMED))

        assert [event.message_type for event in resumed.publish] == ["alert.resolved.v1"]

    def test_an_end_that_overtakes_its_beginning_stands(self) -> None:
        resumed = note_resumed(State(), message(self.RESUMED))

        decision = note_paused(resumed.state, message(self.PAUSED))

        assert resumed.publish == decision.publish == ()
        assert decision.outcome == "outdated"
