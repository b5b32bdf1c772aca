"""Alerts about expiring stock, queues and breaches: opened once, and resolved once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from contracts.operations.v1 import AlertRaised, AlertResolved, CheckedInvariant, QueueMeasured, ReportVerification
from contracts.operations.view import Alert
from contracts.stock.v1 import StockExpired, StockExpiring
from contracts.wire.decision import Decision
from tests.builders import NOW, TEA, message
from workers.alerting.model import PARKED_ALERT, Backlog, Measured, State
from workers.alerting.queues import note_queues
from workers.alerting.stock import note_expired, note_expiring
from workers.alerting.verification import note_verification

QUEUE = "order_intake.order.place"
KEY = f"queue/{QUEUE}"


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


class TestExpiry:
    ENDS = "2026-11-05"
    EXPIRING = "product 501: the last day of sale of 6 units is near, the first is 2026-11-05; sell them first."
    EXPIRED = (
        "product 501: 6 units are past their last day of sale, the first was 2026-11-05; take them out of the stock by "
        "a count."
    )

    def expiring(self, units: int, crossing: int) -> StockExpiring:
        return StockExpiring(product_id=TEA, units=units, expires_on=self.ENDS if units else None, crossing=crossing)

    def test_units_that_expire_soon_open_an_alert(self) -> None:
        alert = Alert(f"expiring/{TEA}", "stock_expiring", "open", self.EXPIRING, NOW, crossing=1)
        event = AlertRaised(
            alert=alert.alert,
            kind=alert.kind,
            detail=alert.detail,
            raised_at=NOW,
            severity="info",
            product_id=TEA,
            times=1,
            facts={"product_id": "501", "units": "6", "expires_on": self.ENDS},
        )

        decision = note_expiring(State(), message(self.expiring(6, 1)))

        assert decision == Decision(State({alert.alert: alert}), (event,), "raised")

    def test_none_left_resolves_it_and_a_repeat_is_outdated(self) -> None:
        opened = note_expiring(State(), message(self.expiring(6, 1))).state

        decision = note_expiring(opened, message(self.expiring(0, 2)))

        [event] = decision.publish
        assert isinstance(event, AlertResolved)
        assert (event.detail, event.facts) == (
            "product 501: no unit is close to its last day of sale any more.",
            {"product_id": "501", "units": "0"},
        )
        assert note_expiring(decision.state, message(self.expiring(6, 1))).outcome == "outdated"

    def test_expired_units_have_an_alert_of_their_own(self) -> None:
        expired = StockExpired(product_id=TEA, units=6, expires_on=self.ENDS, crossing=2)
        opened = note_expired(State(), message(expired))

        [event] = opened.publish
        assert isinstance(event, AlertRaised)
        assert (event.alert, event.kind, event.severity, event.detail) == (
            f"expired/{TEA}",
            "stock_expired",
            "warning",
            self.EXPIRED,
        )
        closed = note_expired(opened.state, message(StockExpired(product_id=TEA, units=0, crossing=3)))
        assert [type(event) for event in closed.publish] == [AlertResolved]
        assert closed.state.alerts[f"expired/{TEA}"].state == "resolved"


def measured(minutes: float, ready: int = 0, parked: int = 0, queue: str = QUEUE) -> Any:
    waiting = {queue: ready} if ready else {}
    return message(QueueMeasured(at=after(minutes), parked=parked, waiting=waiting))


def seen(*counts: tuple[float, int], state: State | None = None) -> tuple[State, list[tuple[float, str]]]:
    """The state after measurements of (minute, ready messages), and when an alert opened or closed."""
    state, events = state or State(), list[tuple[float, str]]()
    for minute, ready in counts:
        decision = note_queues(state, measured(minute, ready))
        state = decision.state
        events += [(minute, type(event).__name__) for event in decision.publish]
    return state, events


class TestQueues:
    def test_a_queue_that_only_grows_opens_an_alert_after_ten_minutes_and_closes_it_when_empty(self) -> None:
        counts = [(minute, 5 + minute) for minute in range(13)]

        state, events = seen(*counts, (13, 0), (14, 7))

        assert events == [(10, "AlertRaised"), (13, "AlertResolved")]
        assert state.measured == Measured(after(14), (Backlog(QUEUE, 7, after(14)),))

    def test_the_alert_names_queue_messages_and_minutes(self) -> None:
        state, _ = seen(*((minute, 8) for minute in range(10)))

        [event] = note_queues(state, measured(10, 9)).publish

        assert isinstance(event, AlertRaised)
        assert (event.alert, event.kind, event.severity) == (KEY, "queue_old", "critical")
        assert event.detail == (
            f"queue {QUEUE}: 9 messages wait, and for 10 minutes it has not become shorter; look at the health of its "
            "worker, or run more processes of it."
        )
        assert event.facts == {"queue": QUEUE, "ready": "9", "minutes": "10"}

    def test_a_shrinking_queue_opens_none(self) -> None:
        assert seen(*((minute, 100 - minute) for minute in range(30)))[1] == []

    def test_an_open_alert_stays_open_while_the_queue_shrinks(self) -> None:
        state, _ = seen(*((minute, 8) for minute in range(11)))

        assert seen((11, 7), (12, 6), state=state)[1] == []

    def test_a_pause_between_measurements_proves_nothing(self) -> None:
        state, events = seen((0, 8), (20, 8), (29, 8))

        assert events == []
        assert state.measured == Measured(after(29), (Backlog(QUEUE, 8, after(29)),))

    @pytest.mark.parametrize("minute", [3, 2])
    def test_the_second_clock_of_a_minute_is_outdated(self, minute: int) -> None:
        state, _ = seen((3, 8))

        assert note_queues(state, measured(minute, 0)) == Decision(state, outcome="outdated")

    def test_parked_messages_open_an_alert_at_once(self) -> None:
        opened = note_queues(State(), measured(0, parked=2))

        [event] = opened.publish
        assert isinstance(event, AlertRaised)
        assert (event.alert, event.kind, event.facts) == (PARKED_ALERT, "messages_parked", {"parked": "2"})
        again = note_queues(opened.state, measured(1, parked=3))
        assert again.publish == ()
        closed = note_queues(again.state, measured(2))
        assert [type(event) for event in closed.publish] == [AlertResolved]
        assert note_queues(closed.state, measured(3, parked=1)).state.alerts[PARKED_ALERT].times == 2


def checked(breaches: int, first: str | None = None, invariant: str = "I1") -> ReportVerification:
    found = CheckedInvariant(invariant=invariant, breaches=breaches, first=first)
    return ReportVerification(invariants=(found,), by="li.na")


class TestVerification:
    BROKEN = Alert(
        "verification/I1",
        "verification_breach",
        "open",
        "I1 is breached 2 times; run `tributary verify`. The first: product/501: 3 units",
        NOW,
    )

    def test_a_breach_opens_an_alert_with_the_first_one(self) -> None:
        decision = note_verification(State(), message(checked(2, "product/501: 3 units")))

        event = AlertRaised(
            alert=self.BROKEN.alert,
            kind=self.BROKEN.kind,
            detail=self.BROKEN.detail,
            raised_at=NOW,
            severity="critical",
            times=1,
            facts={"invariant": "I1", "breaches": "2", "first": "product/501: 3 units"},
        )
        assert decision == Decision(State({self.BROKEN.alert: self.BROKEN}), (event,), "reported")

    def test_a_second_report_updates_it_without_an_event(self) -> None:
        decision = note_verification(State({self.BROKEN.alert: self.BROKEN}), message(checked(3), time=after(1)))

        assert decision.publish == ()
        alert = decision.state.alerts[self.BROKEN.alert]
        assert (alert.detail, alert.times) == ("I1 is breached 3 times; run `tributary verify`.", 1)

    def test_a_clean_run_resolves_it(self) -> None:
        decision = note_verification(State({self.BROKEN.alert: self.BROKEN}), message(checked(0), time=after(1)))

        [event] = decision.publish
        assert isinstance(event, AlertResolved)
        assert (event.detail, event.facts) == ("I1 holds.", {"invariant": "I1", "breaches": "0"})
        assert decision.state.alerts[self.BROKEN.alert].state == "resolved"

    @pytest.mark.parametrize("breaches", [0, 2])
    def test_an_older_report_changes_nothing(self, breaches: int) -> None:
        state = State({self.BROKEN.alert: replace(self.BROKEN, changed_at=after(5))})

        assert note_verification(state, message(checked(breaches))) == Decision(state, outcome="reported")

    def test_a_clean_run_without_alerts_stores_nothing(self) -> None:
        assert note_verification(State(), message(checked(0))) == Decision(State(), outcome="reported")

    def test_the_next_breach_opens_it_again(self) -> None:
        state = State({self.BROKEN.alert: replace(self.BROKEN, state="resolved")})

        decision = note_verification(state, message(checked(1), time=after(1)))

        assert [type(event) for event in decision.publish] == [AlertRaised]
        assert decision.state.alerts[self.BROKEN.alert].times == 2
