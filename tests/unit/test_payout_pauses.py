"""Rails that are paused: without funds, or without answers."""

from __future__ import annotations

from dataclasses import replace

from contracts.payouts.faults import FUNDS
from contracts.payouts.v1 import (
    PayoutAttemptDue,
    PayoutFailed,
    RailPaused,
)
from tests.builders import NOW
from tests.payout_story import (
    ID,
    MINUTE,
    PAYEE,
    a_payee,
    names,
    started,
)
from workers.payouts.attempts import key_of
from workers.payouts.pauses import PAUSE, UNKNOWN_MAX


class TestFunds:
    def test_edge_33_a_call_without_funds_pauses_the_rail_and_is_made_again_by_the_same_key(self) -> None:
        story = started()

        [paused] = story.answer("not_sent", FUNDS)

        assert paused == RailPaused(rail="iso20022", reason=FUNDS, paused_at=NOW, until=NOW + PAUSE)
        assert (story.payout().state, story.payout().reason) == ("sending", FUNDS)
        resumed, due = story.pass_time(PAUSE)
        assert names([resumed]) == ["rail.resumed"]
        assert isinstance(due, PayoutAttemptDue)
        assert due.key == key_of(ID, 1)

    def test_edge_33_a_payment_that_failed_without_funds_has_another_attempt(self) -> None:
        """The rail had taken the first one, so its key has ended."""
        story = started(rail="paypal")
        story.answer("accepted")
        story.report("failed", code=FUNDS)

        _, due = story.pass_time(PAUSE)

        assert isinstance(due, PayoutAttemptDue)
        assert (due.attempt, due.key) == (2, key_of(ID, 2))
        assert story.payout().attempts[0].ended == FUNDS
        assert story.state.payee(PAYEE).attempts == 2

    def test_another_attempt_that_would_not_be_as_approved_gives_the_money_back(self) -> None:
        story = started(rail="paypal")
        story.answer("accepted")
        story.report("failed", code=FUNDS)
        story.know(a_payee(version=2, usable=False))

        _, failed = story.pass_time(PAUSE)

        assert isinstance(failed, PayoutFailed)
        assert (failed.attempt, failed.code, story.payout().state) == (1, "method_unusable", "failed")

    def test_what_waits_stays_while_the_rail_is_paused_again(self) -> None:
        story = started()
        story.answer("not_sent", FUNDS)
        paused = replace(story.state.rail("iso20022"), paused_until=NOW + 2 * PAUSE)
        story.state = story.state.with_rail(paused)

        assert story.pass_time(PAUSE) == []
        assert story.payout().due_at == NOW + 2 * PAUSE

    def test_a_rail_is_paused_once(self) -> None:
        story = started()
        story.answer("not_sent", FUNDS)

        assert story.answer("not_sent", FUNDS, times=2) == []


class TestBreaker:
    def test_five_unreadable_answers_in_a_row_pause_the_rail(self) -> None:
        story = started()

        events = [event for number in range(UNKNOWN_MAX) for event in story.answer("unknown", times=number)]

        [paused] = [event for event in events if isinstance(event, RailPaused)]
        assert (paused.reason, paused.until) == ("no_answers", NOW + PAUSE)
        assert story.answer("unknown", times=9) == [], "it is paused once"

    def test_a_readable_answer_ends_the_row(self) -> None:
        story = started()
        for number in range(UNKNOWN_MAX - 1):
            story.answer("unknown", times=number)
        story.answer("absent", check=1)

        assert "rail.paused" not in names(story.answer("unknown", times=8))
        assert story.state.rail("iso20022").unknown_in_row == 1

    def test_checks_go_on_while_it_is_paused(self) -> None:
        story = started()
        for number in range(UNKNOWN_MAX):
            story.answer("unknown", times=number)

        assert names(story.pass_time(MINUTE)) == ["payout.check-due"]
