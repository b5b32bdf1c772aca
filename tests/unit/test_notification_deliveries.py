"""Answers of channels: what is tried again and when, what is final, and when a route counts as failing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.notifications.v1 import RouteFailing, RouteRecovered
from contracts.notifications.view import Notification, Route
from contracts.wire.answer import PAUSED
from contracts.wire.decision import Decision
from tests.builders import NOW, message, tick
from tests.notices import delivered, failed
from tests.unit.noticed import a_notice, a_stored_route, state_with
from workers.notification.deliveries import (
    ATTEMPTS_MAX,
    RETRY_DELAYS_S,
    budget_left,
    note_delivered,
    note_failed,
    room_at,
    spend,
)
from workers.notification.digests import send_due
from workers.notification.model import State

DETAIL = "The server did not answer; look whether it runs."


def a_notification(**fields: Any) -> Notification:
    given: dict[str, Any] = {"items": (a_notice().item,), "more": 0, "made_at": NOW, "attempted_at": NOW, **fields}
    state = given.pop("state", "sending")
    return Notification("n-1", "warehouse", "raised", state, "stock_low/-", **given)


def sending(*routes: Route, **fields: Any) -> State:
    return state_with(*routes).with_notification(a_notification(**fields))


class TestDelivered:
    def test_it_ends_the_notification(self) -> None:
        assert note_delivered(sending(), message(delivered("n-1"))) == Decision(
            sending(state="delivered", code="ok", ended_at=NOW), outcome="delivered"
        )

    @pytest.mark.parametrize("state", ["retrying", "failed"])
    def test_a_late_success_counts(self, state: str) -> None:
        before = sending(state=state, due_at=NOW, code="no_answer", detail=DETAIL, attempt=2)

        after = note_delivered(before, message(delivered("n-1"))).state.notifications["n-1"]
        assert (after.state, after.due_at, after.code, after.detail) == ("delivered", None, "ok", None)

    def test_a_failing_route_has_recovered(self) -> None:
        decision = note_delivered(sending(a_stored_route(is_failing=True, crossing=1)), message(delivered("n-1")))

        assert decision.publish == (RouteRecovered(route_id="warehouse", crossing=2),)
        assert not decision.state.routes["warehouse"].is_failing

    def test_a_repeat_or_an_unknown_one_changes_nothing(self) -> None:
        known = sending(state="delivered")

        assert note_delivered(known, message(delivered("n-1"))) == Decision(known, outcome="duplicate")
        assert note_delivered(known, message(delivered("n-2"))) == Decision(known, outcome="unknown_notification")
        assert note_failed(known, message(failed("n-2"))) == Decision(known, outcome="unknown_notification")

    def test_without_its_route_it_is_delivered_all_the_same(self) -> None:
        state = State().with_notification(a_notification())

        assert note_delivered(state, message(delivered("n-1"))).outcome == "delivered"


class TestFailed:
    @pytest.mark.parametrize("outcome", ["unavailable", "unknown"])
    @pytest.mark.parametrize("attempt", range(1, ATTEMPTS_MAX))
    def test_the_pauses_grow(self, outcome: str, attempt: int) -> None:
        decision = note_failed(sending(attempt=attempt), message(failed("n-1", outcome, attempt=attempt)))

        due_at = NOW + timedelta(seconds=RETRY_DELAYS_S[attempt - 1])
        assert decision.outcome == "to_retry"
        assert decision.state.notifications["n-1"] == a_notification(
            attempt=attempt, state="retrying", due_at=due_at, code="no_answer", detail=DETAIL
        )

    @pytest.mark.parametrize(("asked_s", "pause_s"), [(2, 5), (300, 300), (10**9, 3600)])
    def test_a_longer_pause_that_the_channel_asks_for_is_kept_within_an_hour(self, asked_s: int, pause_s: int) -> None:
        decision = note_failed(sending(), message(failed("n-1", retry_after_s=asked_s)))

        assert decision.state.notifications["n-1"].due_at == NOW + timedelta(seconds=pause_s)

    @pytest.mark.parametrize(("outcome", "attempt"), [("refused", 1), ("unavailable", ATTEMPTS_MAX)])
    def test_a_refusal_and_the_last_attempt_are_final(self, outcome: str, attempt: int) -> None:
        decision = note_failed(sending(attempt=attempt), message(failed("n-1", outcome, attempt=attempt)))

        note, route = decision.state.notifications["n-1"], decision.state.routes["warehouse"]
        assert (note.state, note.due_at, note.ended_at, note.detail) == ("failed", None, NOW, DETAIL)
        assert (route.is_failing, route.last_code, route.last_detail, route.last_failed_at) == (
            True,
            "no_answer",
            DETAIL,
            NOW,
        )
        event = RouteFailing(route_id="warehouse", code="no_answer", detail=DETAIL, crossing=1)
        assert (decision.publish, decision.outcome) == ((event,), "failed")

    def test_the_fourth_attempt_makes_the_route_a_failing_one_once(self) -> None:
        events = [
            note_failed(sending(attempt=attempt), message(failed("n-1", attempt=attempt))).publish
            for attempt in range(1, 6)
        ]
        assert [len(each) for each in events] == [0, 0, 0, 1, 1]
        known = sending(a_stored_route(is_failing=True), attempt=5)
        assert note_failed(known, message(failed("n-1", attempt=5))).publish == ()

    @pytest.mark.parametrize("attempt", [1, ATTEMPTS_MAX])
    def test_an_attempt_that_was_not_made_takes_no_place(self, attempt: int) -> None:
        """Its destination was paused: even the last attempt is still to be made."""
        paused = failed("n-1", attempt=attempt, retry_after_s=30).model_copy(update={"code": PAUSED})
        decision = note_failed(sending(attempt=attempt), message(paused))

        waits = decision.state.notifications["n-1"]
        assert decision.outcome == "to_retry"
        assert (waits.state, waits.due_at, waits.attempt) == ("retrying", NOW + timedelta(seconds=30), attempt - 1)

    def test_a_route_whose_destination_stays_paused_is_failing(self) -> None:
        paused = failed("n-1").model_copy(update={"code": PAUSED})
        events = [
            note_failed(sending(), message(paused, time=NOW + timedelta(seconds=waited_s))).publish
            for waited_s in (664, 665)
        ]

        assert [len(each) for each in events] == [0, 1]

    @pytest.mark.parametrize("fields", [{"attempt": 2}, {"state": "delivered"}, {"state": "failed"}])
    def test_an_outdated_answer_changes_nothing(self, fields: dict[str, Any]) -> None:
        state = sending(**fields)

        assert note_failed(state, message(failed("n-1"))) == Decision(state, outcome="outdated")

    @pytest.mark.parametrize("routes", [(), (replace(a_stored_route(), state="removed"),)])
    def test_a_route_that_is_gone_does_not_fail(self, routes: tuple[Route, ...]) -> None:
        state = State(routes={route.route_id: route for route in routes}).with_notification(a_notification())
        decision = note_failed(state, message(failed("n-1", "refused")))

        assert (decision.publish, decision.outcome, decision.state.routes) == ((), "failed", state.routes)


class TestRetries:
    LATER = NOW + timedelta(seconds=5)

    def test_it_goes_out_under_the_same_id_by_the_present_channel(self) -> None:
        state = replace(sending(state="retrying", due_at=self.LATER), retries=("n-1",))
        decision = send_due(state, message(tick(self.LATER)))

        [due] = decision.publish
        assert (due.notification_id, due.attempt, decision.outcome) == ("n-1", 2, "sent")  # type: ignore[attr-defined]
        note = decision.state.notifications["n-1"]
        assert (note.state, note.attempt, note.attempted_at, note.due_at) == ("sending", 2, self.LATER, None)
        assert send_due(decision.state, message(tick(self.LATER))) == Decision(decision.state, outcome="nothing_due")

    def test_before_its_time_it_waits(self) -> None:
        state = replace(sending(state="retrying", due_at=self.LATER), retries=("n-1",))

        assert send_due(state, message(tick(NOW))) == Decision(state, outcome="nothing_due")

    def test_beyond_the_budget_it_is_put_off_until_there_is_some(self) -> None:
        spent = spend(a_stored_route(), 18, NOW)
        state = replace(sending(spent, state="retrying", due_at=NOW), retries=("n-1",))
        decision = send_due(state, message(tick(NOW)))

        note = decision.state.notifications["n-1"]
        assert note == replace(state.notifications["n-1"], due_at=room_at(spent, NOW))
        assert decision == Decision(state.with_notification(note), outcome="nothing_due")

    def test_without_its_route_it_fails_for_good(self) -> None:
        state = State(retries=("n-1",)).with_notification(a_notification(state="retrying", due_at=NOW))
        decision = send_due(state, message(tick(NOW)))

        note = decision.state.notifications["n-1"]
        assert (note.state, note.code, note.due_at, note.ended_at) == ("failed", "route_removed", None, NOW)


class TestBudget:
    @given(st.integers(1, 600), st.lists(st.integers(0, 120), max_size=60))
    def test_no_more_is_sent_than_two_minutes_allow_in_one(self, budget: int, pauses: list[int]) -> None:
        """A full budget at once, and what comes back within the minute."""
        route, at = a_stored_route(budget_per_min=budget), NOW
        sent: list[tuple[int, int]] = []
        for pause in pauses:
            at += timedelta(seconds=pause)
            left = budget_left(route, at)
            assert 0 <= left <= budget
            route = spend(route, left, at)
            sent.append((int((at - NOW).total_seconds()), left))
        for second, _ in sent:
            assert sum(count for when, count in sent if second <= when < second + 60) <= 2 * budget + 2

    def test_it_comes_back_in_shares(self) -> None:
        route = spend(a_stored_route(budget_per_min=6), 6, NOW)

        assert [budget_left(route, NOW + timedelta(seconds=s)) for s in (0, 9, 10, 35, 60, 600)] == [0, 0, 1, 3, 6, 6]
        assert room_at(route, NOW) == room_at(route, NOW + timedelta(seconds=9)) == NOW + timedelta(seconds=10)

    def test_a_clock_that_is_turned_back_does_not_stop_the_route(self) -> None:
        route = spend(a_stored_route(), 18, NOW)

        assert budget_left(route, NOW - timedelta(hours=1)) == 18
