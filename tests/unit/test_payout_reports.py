"""What reports of rails change: by their rank, once each, and nothing if they cannot be true."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from contracts.payouts.faults import FUNDS
from contracts.payouts.v1 import (
    HoldPayouts,
    PayoutConflicting,
    PayoutFailed,
    PayoutPaid,
    PayoutReturned,
)
from tests.payout_story import (
    MINUTE,
    PAYEE,
    names,
    started,
)
from workers.payouts import holds
from workers.payouts.pauses import PAUSE


class TestReports:
    def test_edge_13_a_duplicate_callback_changes_nothing(self) -> None:
        story = started()
        story.report("paid")

        assert (story.report("paid"), story.outcome) == ([], "duplicate")
        assert len(story.state.reports) == 1

    def test_edge_18_the_same_answer_twice_changes_nothing(self) -> None:
        story = started()
        story.answer("paid")

        assert (story.answer("paid"), story.outcome) == ([], "duplicate")

    def test_another_report_that_says_the_same_is_stored_and_changes_nothing(self) -> None:
        story = started()
        story.report("paid", "entry-1")

        assert (story.report("paid", "entry-2"), story.outcome) == ([], "no_change")
        assert [report.effect for report in story.state.reports.values()] == ["applied", "no_change"]

    def test_edge_14_reports_in_the_wrong_order_are_applied_once_each_by_rank(self) -> None:
        story = started("wechat_pay", "CNY")
        events = [
            event
            for number, outcome in enumerate(("awaiting_payee", "accepted", "paid", "awaiting_payee", "accepted"))
            for event in story.report(outcome, f"entry-{number}")
        ]

        assert names(events) == ["payout.awaiting-payee", "payout.paid"]
        assert len(story.state.reports) == 5

    def test_the_fee_of_the_rail_is_named(self) -> None:
        story = started()

        [paid] = story.report("paid", amount=Decimal("42.00"), currency="EUR", fee=Decimal("0.35"))

        assert isinstance(paid, PayoutPaid)
        assert (paid.fee, story.payout().fee_minor) == (Decimal("0.35"), 35)

    def test_edge_08_what_the_bank_returns_is_back(self) -> None:
        story = started()
        story.report("paid")

        [returned] = story.report("returned", "entry-2", code="account_unknown")

        assert isinstance(returned, PayoutReturned)
        assert (returned.code, story.payout().state, story.payout().reason) == (
            "account_unknown",
            "returned",
            "account_unknown",
        )

    def test_a_return_that_overtakes_its_payment_is_both(self) -> None:
        story = started()

        assert names(story.report("returned", fee=Decimal("1.00"), amount=Decimal("41.00"), currency="EUR")) == [
            "payout.paid",
            "payout.returned",
        ]
        assert story.report("paid", "entry-2") == []
        assert story.payout().state == "returned"

    def test_what_failed_has_its_reason_and_ends(self) -> None:
        story = started()
        story.answer("accepted")

        [failed] = story.report("failed", code="account_closed")

        assert isinstance(failed, PayoutFailed)
        assert (failed.code, failed.detail) == ("account_closed", "iso20022 reports failed (account_closed).")
        assert (story.payout().state, story.payout().due_at) == ("failed", None)
        assert story.report("returned", "entry-2") == [], "nothing had left"

    def test_failed_after_paid_is_a_return_where_the_rail_says_so(self) -> None:
        story = started(rail="paypal")
        story.report("paid")

        assert names(story.report("failed", "entry-2", code="account_blocked")) == ["payout.returned"]

    def test_a_refused_call_is_final(self) -> None:
        story = started()

        assert names(story.answer("failed", "account_closed")) == ["payout.failed"]

    def test_a_refused_repeat_of_a_call_that_may_have_arrived_is_not(self) -> None:
        story = started()
        story.answer("unknown")
        story.pass_time(MINUTE)
        story.answer("absent", check=1)
        story.pass_time()

        assert story.answer("failed", "limit_exceeded", times=2) == []
        assert story.payout().state == "doubtful"
        assert names(story.answer("failed", "limit_exceeded", check=2)) == ["payout.failed"]

    def test_a_check_without_an_answer_changes_nothing(self) -> None:
        story = started()
        story.answer("unknown")

        assert (story.answer("unknown", check=1), story.outcome) == ([], "no_change")
        assert story.answer("unknown", times=2) == [], "doubt is said once"

    def test_edge_15_a_report_of_an_unknown_key_is_stored_and_refused(self) -> None:
        story = started()

        [refused] = story.report("paid", key="0" * 32)

        assert (names([refused]), refused.reason) == (["payout.report-refused"], "unknown_key")  # type: ignore[attr-defined]
        assert [report.effect for report in story.state.reports.values()] == ["unknown_key"]
        assert (story.answer("paid", key="1" * 32), story.outcome) == ([], "unknown_key")

    def test_an_id_of_a_report_that_was_used_for_another_payment_is_refused(self) -> None:
        story = started()
        story.report("accepted")

        [refused] = story.report("paid", key="0" * 32)

        assert refused.reason == "conflict"  # type: ignore[attr-defined]


class TestConflicts:
    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"amount": Decimal("43.00"), "currency": "EUR"}, "amount_differs"),
            ({"amount": Decimal("42.001"), "currency": "EUR"}, "amount_differs"),
            ({"amount": Decimal("42.00"), "currency": "USD"}, "currency_differs"),
            ({"rail": "paypal"}, "other_rail"),
        ],
    )
    def test_edge_15_what_cannot_be_true_is_posted_nowhere_and_holds_the_distributor(
        self, fields: dict[str, Any], code: str
    ) -> None:
        story = started()

        conflicting, held = story.report("paid", **fields)

        assert isinstance(conflicting, PayoutConflicting)
        assert (conflicting.code, names([held])) == (code, ["payout.held"])
        payout = story.payout()
        assert (payout.state, payout.conflict, payout.needs_person, payout.due_at) == ("doubtful", code, True, None)
        assert story.state.payee(PAYEE).hold is not None

    def test_the_same_conflict_is_said_once(self) -> None:
        story = started()
        wrong: dict[str, Any] = {"amount": Decimal("43.00"), "currency": "EUR"}
        story.report("paid", **wrong)

        assert story.report("paid", "entry-2", **wrong) == []
        assert [report.effect for report in story.state.reports.values()] == ["conflict", "conflict"]

    def test_paid_after_failed_is_a_conflict(self) -> None:
        story = started()
        story.report("failed", code="account_closed")

        assert names(story.report("paid", "entry-2")) == ["payout.conflicting", "payout.held"]
        assert (story.payout().state, story.payout().conflict) == ("failed", "paid_after_failed")

    def test_paid_after_a_failure_that_has_another_attempt_is_a_conflict(self) -> None:
        story = started(rail="paypal")
        story.answer("accepted")
        story.report("failed", code=FUNDS)
        assert names(story.report("paid", "entry-2")) == ["payout.conflicting", "payout.held"]

    def test_a_report_that_an_older_attempt_is_paid_is_a_conflict(self) -> None:
        story = started(rail="paypal")
        story.answer("accepted")
        story.report("failed", code=FUNDS)
        story.pass_time(PAUSE)

        assert story.report("accepted", "entry-2") == []
        assert names(story.report("paid", "entry-3")) == ["payout.conflicting", "payout.held"]
        assert story.payout().conflict == "older_attempt_paid"

    def test_failed_after_paid_is_a_conflict_where_that_cannot_happen(self) -> None:
        story = started()
        story.report("paid")

        assert names(story.report("failed", "entry-2")) == ["payout.conflicting", "payout.held"]
        assert story.payout().state == "paid"

    def test_a_distributor_on_hold_is_not_held_again(self) -> None:
        story = started()
        story.hand(holds.hold_payouts, HoldPayouts(distributor_id=PAYEE, reason="under_review", by="bob"))

        assert names(story.report("paid", rail="paypal")) == ["payout.conflicting"]
