"""Closing dead letters: each is marked once and kept; the last of its cause resolves the alert."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.operations.v1 import (
    AlertResolved,
    DeadLetterRefused,
    DeadLetterSettled,
    SettleDeadLetter,
)
from contracts.operations.view import Alert, DeadLetter
from contracts.wire.decision import Decision, NotYet
from tests.builders import NOW, message
from tests.unit.letters import ALERT_KEY, QUEUE, a_letter, dead_lettered
from workers.alerting.decide import keep_dead_letter, settle_dead_letter
from workers.alerting.model import State

LATER = NOW + timedelta(hours=1)
DONE = "order_intake.order.place has no dead letter waiting any more (handler_error)."

Action = Literal["replayed", "discarded"]


def an_alert(**fields: Any) -> Alert:
    return replace(Alert(ALERT_KEY, "dead_letter", "open", "a rule is broken", NOW), **fields)


def alert_state(alert: Alert, *letters: DeadLetter) -> State:
    return State({ALERT_KEY: alert}, {letter.letter_id: letter for letter in letters})


def close(letter_id: str = "l-1", action: Action = "replayed", note: str | None = None) -> SettleDeadLetter:
    return SettleDeadLetter(letter_id=letter_id, action=action, by="li.na", note=note)


def closed(letter_id: str = "l-1", action: Action = "replayed", note: str | None = None) -> DeadLetterSettled:
    return DeadLetterSettled(
        letter_id=letter_id,
        action=action,
        by="li.na",
        note=note,
        queue=QUEUE,
        reason="handler_error",
        settled_at=LATER,
    )


def by_li_na(letter: DeadLetter, state: Action, note: str | None = None) -> DeadLetter:
    return replace(letter, state=state, settled_by="li.na", settled_at=LATER, note=note)


def test_a_letter_records_who_closed_it_and_the_alert_stays_open_for_the_others() -> None:
    state = alert_state(an_alert(seen=2), a_letter())

    assert settle_dead_letter(state, message(close(), time=LATER)) == Decision(
        alert_state(an_alert(seen=2, settled=1), by_li_na(a_letter(), "replayed")), (closed(),), "replayed"
    )


def test_a_letter_keeps_the_user_of_the_operating_system_beside_the_name() -> None:
    command = close().model_copy(update={"os_user": "root"})
    answer = settle_dead_letter(alert_state(an_alert(seen=2), a_letter()), message(command, time=LATER))

    assert isinstance(answer, Decision)
    assert (answer.state.letters["l-1"].os_user, answer.publish) == (
        "root",
        (closed().model_copy(update={"os_user": "root"}),),
    )


def test_the_last_letter_resolves_the_alert() -> None:
    state = alert_state(an_alert(seen=3, settled=2), a_letter())
    resolved = AlertResolved(
        alert=ALERT_KEY,
        kind="dead_letter",
        detail=DONE,
        resolved_at=LATER,
        severity="warning",
        facts={"queue": QUEUE, "reason": "handler_error"},
        times=1,
    )

    decision = settle_dead_letter(state, message(close(action="discarded", note="a test of the shop"), time=LATER))

    assert decision == Decision(
        alert_state(
            an_alert(state="resolved", detail=DONE, changed_at=LATER, seen=3, settled=3),
            by_li_na(a_letter(), "discarded", "a test of the shop"),
        ),
        (closed(action="discarded", note="a test of the shop"), resolved),
        "discarded",
    )


@pytest.mark.parametrize("action", ["replayed", "discarded"])
def test_a_repeated_decision_changes_nothing(action: Action) -> None:
    state = alert_state(an_alert(state="resolved", settled=1), by_li_na(a_letter(), action))

    assert settle_dead_letter(state, message(close(action=action))) == Decision(state, outcome="duplicate")


def test_a_discarded_letter_may_be_replayed_and_is_counted_once() -> None:
    alert = an_alert(state="resolved", settled=1)
    state = alert_state(alert, replace(a_letter(), state="discarded", settled_by="wei", settled_at=NOW, note="wrong"))

    assert settle_dead_letter(state, message(close(), time=LATER)) == Decision(
        alert_state(alert, by_li_na(a_letter(), "replayed")), (closed(),), "replayed"
    )


def test_a_replayed_letter_cannot_be_discarded() -> None:
    state = alert_state(an_alert(state="resolved", settled=1), by_li_na(a_letter(), "replayed"))
    refused = DeadLetterRefused(
        letter_id="l-1",
        action="discarded",
        reason="already_replayed",
        detail="li.na has replayed it already; if it failed again, that is a new dead letter.",
    )

    decision = settle_dead_letter(state, message(close(action="discarded")))

    assert decision == Decision(state, (refused,), "refused")


def test_an_unknown_letter_is_retried_and_then_refused() -> None:
    refused = DeadLetterRefused(
        letter_id="l-9",
        action="replayed",
        reason="unknown_letter",
        detail="There is no dead letter l-9; `tributary dead list` shows the existing ones.",
    )

    assert settle_dead_letter(State(), message(close("l-9"))) == NotYet(
        "unknown_letter", Decision(State(), (refused,), "refused")
    )


@given(st.lists(st.tuples(st.sampled_from(["dead-lettered", "replayed", "discarded"]), st.integers(1, 4)), max_size=40))
def test_the_alert_is_open_exactly_while_a_letter_waits(steps: Sequence[tuple[Any, int]]) -> None:
    state = State()
    for step, number in steps:
        if step == "dead-lettered":
            answer: Any = keep_dead_letter(state, message(dead_lettered(message_id=f"m-{number}"), id=f"l-{number}"))
        else:
            answer = settle_dead_letter(state, message(close(f"l-{number}", step)))
        if isinstance(answer, Decision):
            state = answer.state

        waiting = [letter for letter in state.letters.values() if letter.state == "waiting"]
        is_open = ALERT_KEY in state.alerts and state.alerts[ALERT_KEY].state == "open"
        assert is_open == bool(waiting)
        assert not is_open or state.alerts[ALERT_KEY].seen - state.alerts[ALERT_KEY].settled == len(waiting)


class TestUnreadableMessagesOfAShop:
    """Of one cause, some are kept waiting; further ones are counted, and the alert names the shop."""

    OF_SHOP = f"dead-letters/{QUEUE}/malformed_json/store-a"

    def kept(self, state: State, *numbers: int, **fields: Any) -> tuple[State, list[Any], list[str | None]]:
        given: dict[str, Any] = {"reason": "malformed_json", "sender": "store-a order.place.v1 m-1", **fields}
        events, outcomes = [], []
        for number in numbers:
            letter = message(dead_lettered(**given), time=NOW).model_copy(update={"id": f"l-{number}"})
            decision: Any = keep_dead_letter(replace(state, letters={}), letter)
            state = replace(decision.state, letters={**state.letters, **decision.state.letters})
            events += decision.publish
            outcomes.append(decision.outcome)
        return state, events, outcomes

    def test_beyond_the_limit_they_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("workers.alerting.decide.LETTERS_OF_SHOP_MAX", 3)

        state, events, outcomes = self.kept(State(), *range(6))

        assert list(state.letters) == ["l-0", "l-1", "l-2"]
        assert outcomes == ["raised", "counted", "raised", "counted", "counted", "counted"]
        assert [event.alert for event in events] == [f"dead-letters/{QUEUE}/malformed_json", self.OF_SHOP]
        assert "tributary identity disable-shop store-a" in events[1].detail
        alert = state.alerts[self.OF_SHOP]
        assert (alert.state, alert.waiting, alert.not_kept) == ("open", 3, 3)

    def test_once_one_is_decided_the_next_is_kept_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("workers.alerting.decide.LETTERS_OF_SHOP_MAX", 2)
        state, _, _ = self.kept(State(), 0, 1, 2)

        decision: Any = settle_dead_letter(state, message(close("l-0", "discarded"), time=LATER))

        [_, resolved] = decision.publish
        assert (resolved.alert, resolved.kind) == (self.OF_SHOP, "dead_letters_of_shop")
        state, events, _ = self.kept(decision.state, 3)
        assert "l-3" in state.letters
        assert [event.alert for event in events] == [self.OF_SHOP]

    def test_those_that_name_no_login_share_one_limit_and_the_alert_says_how_to_find_who_sends_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A shop that leaves `user_id` out is in no share of its own, and would have no limit."""
        monkeypatch.setattr("workers.alerting.decide.LETTERS_OF_SHOP_MAX", 3)
        unnamed = {"reason": "sender_unknown", "sender": None}

        state, events, outcomes = self.kept(State(), *range(6), **unnamed)

        assert list(state.letters) == ["l-0", "l-1", "l-2"]
        assert outcomes == ["raised", "counted", "raised", "counted", "counted", "counted"]
        share = f"dead-letters/{QUEUE}/sender_unknown/?"
        assert [event.alert for event in events] == [f"dead-letters/{QUEUE}/sender_unknown", share]
        assert "rabbitmqctl list_connections user recv_oct" in events[1].detail
        assert "tributary identity disable-shop ID" in events[1].detail
        assert (state.alerts[share].waiting, state.alerts[share].not_kept) == (3, 3)

        reason = {"reason": "sender_unknown", "sender": None, "traceback": None}
        state = replace(state, letters={"l-0": a_letter("l-0", **reason)})
        decision: Any = settle_dead_letter(state, message(close("l-0", "discarded"), time=LATER))
        assert [event.alert for event in decision.publish[1:]] == [share]

    @pytest.mark.parametrize(
        "fields",
        [{"reason": "handler_error"}, {"reason": "ends_its_process"}, {"sender": None}, {"sender": "store-b x m"}],
    )
    def test_what_we_failed_to_handle_and_what_others_sent_is_always_kept(
        self, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("workers.alerting.decide.LETTERS_OF_SHOP_MAX", 3)
        state, _, _ = self.kept(State(), *range(5))

        state, _, _ = self.kept(state, *range(10, 13), **fields)

        assert len(state.letters) == 6
