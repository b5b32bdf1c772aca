"""The way of a payout: from a statement, by a batch that others approve, to a rail, and what becomes of it there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.payouts.faults import EXPIRED, FUNDS
from contracts.payouts.v1 import (
    HoldPayouts,
    PayoutAttemptDue,
    PayoutCheckDue,
    PayoutDoubtful,
    PayoutFailed,
    PayoutsDue,
    PayoutStarted,
    RailPaused,
    ReleasePayouts,
)
from tests.builders import NOW
from tests.payout_story import (
    DAY,
    ID,
    MINUTE,
    PAYEE,
    Story,
    a_closed_statement,
    a_method,
    a_payee,
    an_attempt_due,
    names,
    started,
    statement_id,
)
from workers.payouts import holds, sending
from workers.payouts.attempts import PAUSES, key_of
from workers.payouts.pauses import PAUSE, UNKNOWN_MAX


def test_a_payable_statement_is_paid_once_by_a_batch_that_another_person_approved() -> None:
    story = Story()
    story.close(a_closed_statement())
    story.know(a_payee())

    assert names(story.propose()) == ["payout-batch.proposed"]
    assert names(story.approve()) == ["payout-batch.approved"]
    assert names(story.pass_time()) == ["payout.started", "payout.attempt-due"]
    assert names(story.answer("accepted")) == ["payout.sent"]
    assert names(story.report("paid")) == ["payout.paid"]

    payout = story.payout()
    assert (payout.payout_id, payout.state, payout.due_at) == (ID, "paid", None)


def test_a_statement_has_one_payout_for_ever() -> None:
    story = Story()
    story.close(a_closed_statement(), a_closed_statement(number=2))

    assert story.outcome == "duplicate"


@pytest.mark.parametrize("fields", [{"outcome": "carried_negative", "payable": "0.00"}, {"outcome": "nothing"}])
def test_what_is_not_payable_has_no_payout(fields: dict[str, Any]) -> None:
    story = Story()
    story.close(a_closed_statement(**fields))

    assert story.state.payouts == {}


def test_the_newest_version_of_a_payee_counts_in_any_order() -> None:
    story = Story()
    story.know(a_payee(version=2, method=a_method(method_id="m-2")), a_payee(version=1))

    assert story.outcome == "outdated"
    assert story.state.payee(PAYEE).method == a_method(method_id="m-2")


def test_a_version_that_changes_something_else_leaves_the_method_as_approved() -> None:
    story = Story()
    story.know(a_payee(), a_payee(version=2, identity="verified"))

    payee = story.state.payee(PAYEE)
    assert (payee.version, payee.method_version, payee.identity) == (2, 1, "verified")


class TestSending:
    def test_the_first_attempt_names_everything_that_is_sent(self) -> None:
        story = Story()
        story.close(a_closed_statement())
        story.know(a_payee())
        story.propose()
        story.approve()

        begun, due = story.pass_time()

        assert isinstance(begun, PayoutStarted)
        assert (begun.payable, begun.left, begun.amount, begun.currency) == (
            Decimal("42.00"),
            Decimal("0.00"),
            Decimal("42.00"),
            "EUR",
        )
        assert due == an_attempt_due()
        assert story.state.payee(PAYEE).attempts == 1

    def test_a_key_takes_32_characters_and_differs_by_payout_and_attempt(self) -> None:
        keys = {key_of(ID, 1), key_of(ID, 2), key_of(statement_id(7), 1)}

        assert len(keys) == 3
        assert {len(key) for key in keys} == {32}

    def test_edge_32_whole_units_are_sent_and_the_rest_is_left(self) -> None:
        story = Story()
        story.close(a_closed_statement(payable="12345.67", currency="TWD"))
        story.know(a_payee(method=a_method("paypal", "TWD")))
        story.propose()
        story.approve()

        [begun, due] = story.pass_time()

        assert isinstance(begun, PayoutStarted)
        assert isinstance(due, PayoutAttemptDue)
        assert (begun.payable, begun.left, due.amount) == (Decimal("12345.67"), Decimal("0.67"), Decimal("12345.00"))

    def test_of_many_some_are_taken_and_the_rest_at_once_after_them(self) -> None:
        story = Story()
        story.close(*(a_closed_statement(number) for number in (1, 2, 3)))
        story.know(*(a_payee(number) for number in (1, 2, 3)))
        story.propose()
        story.approve()

        events = story.pass_time(due_max=2)

        assert names(events).count("payout.attempt-due") == 2
        assert events[-1] == PayoutsDue(due_at=NOW)
        again = story.hand(sending.send_due, PayoutsDue(due_at=NOW), due=tuple(story.state.payouts))
        assert names(again) == ["payout.started", "payout.attempt-due"]

    def test_a_tick_with_nothing_due_does_nothing(self) -> None:
        story = Story()

        assert (story.pass_time(), story.outcome) == ([], "nothing_due")

    @pytest.mark.parametrize(
        ("payee", "reason"),
        [
            (a_payee(version=2, usable=False), "method_unusable"),
            (a_payee(version=2, method=a_method(method_id="m-2")), "method_changed"),
            (a_payee(version=2, usable_from=NOW + DAY), "method_cooling_off"),
        ],
        ids=["unusable", "changed", "edge_07_cooling_off"],
    )
    def test_what_would_not_be_paid_as_approved_waits_again_and_nothing_is_sent(
        self, payee: object, reason: str
    ) -> None:
        story = Story()
        story.close(a_closed_statement())
        story.know(a_payee())
        story.propose()
        story.approve()
        story.know(payee)  # type: ignore[arg-type]

        assert story.pass_time() == []
        payout = story.payout()
        assert (payout.state, payout.reason, payout.plan, payout.attempts) == ("waiting", reason, None, ())

    def test_edge_23_a_hold_after_the_approval_stops_it(self) -> None:
        story = Story()
        story.close(a_closed_statement())
        story.know(a_payee())
        story.propose()
        story.approve()
        story.hand(holds.hold_payouts, HoldPayouts(distributor_id=PAYEE, reason="under_review", by="bob"))

        assert story.pass_time() == []
        assert (story.payout().state, story.payout().reason) == ("waiting", "on_hold")

    def test_a_paused_rail_is_waited_for(self) -> None:
        story = Story()
        story.close(a_closed_statement())
        story.know(a_payee())
        story.propose()
        story.approve()
        until = NOW + timedelta(minutes=10)
        paused = replace(story.state.rail("iso20022"), paused_until=until, reason=FUNDS)
        story.state = story.state.with_rail(paused)

        assert story.pass_time() == []
        assert (story.payout().state, story.payout().reason, story.payout().due_at) == (
            "approved",
            "rail_paused",
            until,
        )
        assert names(story.pass_time(timedelta(minutes=10))) == [
            "rail.resumed",
            "payout.started",
            "payout.attempt-due",
        ]


class TestChecks:
    def test_edge_10_what_nobody_knows_is_asked_and_not_sent_again(self) -> None:
        story = started()

        [doubtful] = story.answer("unknown", "deadline")

        assert isinstance(doubtful, PayoutDoubtful)
        assert not doubtful.needs_person
        assert (story.payout().state, story.payout().reason) == ("doubtful", "deadline")
        [check] = story.pass_time(MINUTE)
        assert isinstance(check, PayoutCheckDue)
        assert (check.key, check.check, check.attempted_at) == (key_of(ID, 1), 1, NOW)

    def test_checks_come_at_growing_pauses_then_daily(self) -> None:
        story = started()
        story.answer("accepted")

        for number, pause in enumerate((*PAUSES, PAUSES[-1]), start=1):
            assert story.pass_time(pause - timedelta(seconds=1)) == []
            events = story.pass_time(timedelta(seconds=1))
            assert [event.check for event in events if isinstance(event, PayoutCheckDue)] == [number]

    def test_edge_10_after_five_days_a_person_is_asked_once(self) -> None:
        story = started()
        story.answer("unknown", "deadline")

        asked = [event for _ in range(10) for event in story.pass_time(DAY) if isinstance(event, PayoutDoubtful)]

        assert [(event.needs_person, event.code) for event in asked] == [(True, "no_answers")]
        assert story.payout().needs_person
        assert story.at - NOW == 10 * DAY
        assert names(story.pass_time(DAY)) == ["payout.check-due"], "it is asked further"

    def test_edge_32_a_payee_may_take_longer_than_that(self) -> None:
        story = started("wechat_pay", "CNY")
        story.answer("awaiting_payee")

        events = [event for _ in range(10) for event in story.pass_time(DAY)]

        assert set(names(events)) == {"payout.check-due"}
        [failed] = story.answer("failed", EXPIRED, check=11)
        assert isinstance(failed, PayoutFailed)
        assert failed.code == EXPIRED

    def test_a_rail_that_persons_answer_for_is_not_asked(self) -> None:
        story = started(rail="manual")
        story.answer("accepted")

        assert (story.payout().state, story.payout().due_at) == ("sent", None)
        assert [story.pass_time(DAY) for _ in range(10)] == [[]] * 10

    def test_a_rail_that_cannot_be_asked_and_does_not_answer_needs_a_person(self) -> None:
        story = started(rail="manual")

        [doubtful] = story.pass_time(5 * DAY)

        assert isinstance(doubtful, PayoutDoubtful)
        assert (doubtful.needs_person, story.payout().due_at) == (True, None)

    def test_edge_11_a_key_that_the_rail_does_not_know_is_sent_again_by_the_same_key(self) -> None:
        story = started()
        story.answer("unknown")
        story.pass_time(MINUTE)

        assert story.answer("absent", check=1) == []
        [due] = story.pass_time()

        assert isinstance(due, PayoutAttemptDue)
        assert (due.attempt, due.key) == (1, key_of(ID, 1))
        assert (story.payout().live.calls, story.state.payee(PAYEE).attempts) == (2, 1)

    def test_absent_says_nothing_before_the_call_was_answered(self) -> None:
        """The call may still be to be made."""
        story = started()
        story.pass_time(MINUTE)

        assert (story.answer("absent", check=1), story.outcome) == ([], "no_change")
        assert names(story.pass_time(5 * MINUTE)) == ["payout.check-due"]

    def test_absent_twice_sends_once(self) -> None:
        story = started()
        story.answer("unknown")
        story.pass_time(MINUTE)
        story.answer("absent", check=1)

        assert (story.answer("absent", check=2), story.outcome) == ([], "no_change")
        assert names(story.pass_time()) == ["payout.attempt-due"]

    def test_absent_says_nothing_of_what_the_rail_had_accepted(self) -> None:
        story = started()
        story.answer("accepted")

        assert (story.answer("absent", check=1), story.outcome) == ([], "no_change")

    def test_edge_12_after_the_window_of_its_key_nothing_is_sent_again(self) -> None:
        story = started("wechat_pay", "CNY")
        story.answer("unknown")
        story.pass_time(2 * MINUTE)
        story.at = NOW + 30 * DAY

        [doubtful] = story.answer("absent", check=1)

        assert isinstance(doubtful, PayoutDoubtful)
        assert (doubtful.code, doubtful.needs_person) == ("key_window_over", True)
        assert story.answer("absent", check=2) == []
        assert {"payout.check-due"} == set(names([e for _ in range(3) for e in story.pass_time(DAY)]))

    def test_edge_12_also_not_if_it_waits_to_be_sent_again(self) -> None:
        story = started("wechat_pay", "CNY")
        story.answer("unknown")
        story.pass_time(2 * MINUTE)
        story.answer("absent", check=1)

        events = story.pass_time(30 * DAY)

        assert names(events) == ["payout.doubtful"]

    def test_a_call_that_was_not_taken_is_made_again_by_the_same_key_after_growing_pauses(self) -> None:
        story = started()

        for number, pause in enumerate(PAUSES[:4], start=1):
            assert story.answer("not_sent", "away", times=number) == []
            assert story.pass_time(pause - timedelta(seconds=1)) == []
            [due] = story.pass_time(timedelta(seconds=1))
            assert isinstance(due, PayoutAttemptDue)
            assert due.key == key_of(ID, 1)

    def test_what_was_never_taken_for_five_days_needs_a_person_and_is_sent_further(self) -> None:
        story = started()
        story.answer("not_sent", "away")
        story.at = NOW + 5 * DAY

        assert names(story.pass_time()) == ["payout.doubtful", "payout.attempt-due"]

    def test_what_was_never_taken_gets_another_key_after_the_window(self) -> None:
        story = started("wechat_pay", "CNY")
        story.answer("not_sent", "away")
        story.at = NOW + 30 * DAY

        doubtful, due = story.pass_time()

        assert isinstance(doubtful, PayoutDoubtful)
        assert isinstance(due, PayoutAttemptDue)
        assert (due.attempt, due.key) == (2, key_of(statement_id(currency="CNY"), 2))

    def test_a_hold_also_stops_what_is_to_be_sent_again(self) -> None:
        story = started()
        story.answer("not_sent", "away")
        story.hand(holds.hold_payouts, HoldPayouts(distributor_id=PAYEE, reason="under_review", by="bob"))

        assert story.pass_time(MINUTE) == []
        assert (story.payout().state, story.payout().reason) == ("sending", "on_hold")
        story.hand(holds.release_payouts, ReleasePayouts(distributor_id=PAYEE, by="bob"))
        assert names(story.pass_time(sending.HELD)) == ["payout.attempt-due"]


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
    def test_five_answers_in_a_row_that_nobody_can_read_pause_the_rail(self) -> None:
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
