"""Batches: what is proposed, what is left out and why, and who may approve it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from contracts.payouts.digests import batch_digest
from contracts.payouts.fields import BATCH_MAX, BatchTotal, LeftOut
from contracts.payouts.v1 import (
    BatchApproved,
    BatchProposed,
    BatchRefused,
    BatchRejected,
    HoldPayouts,
    HoldRefused,
    PayoutsHeld,
    PayoutsReleased,
    RejectBatch,
    ReleasePayouts,
)
from contracts.payouts.view import Line, Plan
from contracts.wire.envelope import Payload
from tests.builders import NOW
from tests.payout_story import (
    DAY,
    ID,
    PAYEE,
    Story,
    a_closed_statement,
    a_method,
    a_payee,
    a_proposal,
    names,
    statement_id,
)
from workers.payouts import batches, holds
from workers.payouts.pauses import PAUSE, pause_for_funds


def ready(*distributors: int, approvals: int = 1) -> Story:
    """Statements of distributors with methods, not proposed yet."""
    story = Story()
    for number in distributors or (PAYEE,):
        story.close(a_closed_statement(number, approvals=approvals))
        story.know(a_payee(number))
    return story


def reason_of(events: list[Payload]) -> str:
    [refused] = events
    assert isinstance(refused, BatchRefused)
    return refused.reason


class TestProposal:
    def test_it_names_all_that_is_sent(self) -> None:
        story = ready()

        [proposed] = story.propose()

        plan = Plan("iso20022", "EUR", 4200, 0, "m-1", 1, "•••• 3000")
        digest = batch_digest("default", [Line(ID, PAYEE, "EUR", 4200, plan)])
        assert proposed == BatchProposed(
            batch_id="b-1",
            market="default",
            count=1,
            totals=(BatchTotal(rail="iso20022", currency="EUR", amount=Decimal("42.00"), count=1),),
            left_out=(),
            left_out_count=0,
            approvals=1,
            digest=digest,
            proposed_by="ann",
        )
        assert (story.payout().state, story.payout().batch_id) == ("proposed", "b-1")

    @pytest.mark.parametrize(
        ("payee", "reason"),
        [
            (None, "no_payout_method"),
            (a_payee(usable=False, reason="identity_missing"), "method_unusable"),
            (a_payee(usable_from=NOW + timedelta(seconds=1)), "method_cooling_off"),
            (a_payee(method=a_method("pigeon")), "rail_unknown"),
            (a_payee(method=a_method("paypal", "USD")), "no_rate"),
            (a_payee(method=a_method("wechat_pay")), "rail_refuses_currency"),
        ],
        ids=[
            "edge_06_no_method",
            "unusable",
            "edge_07_cooling_off",
            "unknown_rail",
            "edge_30_currency",
            "rail_refuses",
        ],
    )
    def test_what_cannot_be_sent_is_left_out_with_its_reason_and_waits(self, payee: object, reason: str) -> None:
        story = ready(1)
        story.close(a_closed_statement())
        if payee is not None:
            story.know(payee)  # type: ignore[arg-type]
        story.at += timedelta(minutes=1)
        if reason == "method_cooling_off":
            story.at = NOW

        [proposed] = story.propose()

        assert isinstance(proposed, BatchProposed)
        assert proposed.left_out == (LeftOut(statement_id=ID, reason=reason),)
        left = story.payout(ID)
        assert (left.state, left.reason, left.queued_at) == ("waiting", reason, story.at)

    def test_the_end_of_the_cooling_off_is_not_in_it(self) -> None:
        story = Story()
        story.close(a_closed_statement())
        story.know(a_payee(usable_from=NOW))

        assert names(story.propose()) == ["payout-batch.proposed"]

    def test_less_than_one_whole_unit_is_left_out(self) -> None:
        story = Story()
        story.close(a_closed_statement(payable="0.99", currency="TWD"))
        story.know(a_payee(method=a_method("paypal", "TWD")))

        assert reason_of(story.propose()) == "nothing_to_pay"
        assert story.payout().reason == "below_whole_unit"

    def test_more_than_an_amount_takes_is_left_out(self) -> None:
        story = Story()
        story.close(a_closed_statement(payable="1000000000000.00"))
        story.know(a_payee())
        story.propose()

        assert story.payout().reason == "amount_too_large"

    def test_a_distributor_on_hold_and_a_paused_rail_are_left_out(self) -> None:
        story = ready(1, 2)
        story.know(a_payee(2, version=2, method=a_method("manual")))
        story.hand(holds.hold_payouts, HoldPayouts(distributor_id=2, reason="under_review", by="bob"))
        story.state, _ = pause_for_funds(story.state, "iso20022", NOW)

        assert reason_of(story.propose()) == "nothing_to_pay"
        assert [payout.reason for payout in story.state.payouts.values()] == ["rail_paused", "on_hold"]
        story.at += PAUSE
        assert names(story.propose(a_proposal("b-2"))) == ["payout-batch.proposed"]

    def test_a_proposal_for_one_rail_leaves_the_others(self) -> None:
        story = ready(1, 2)
        story.know(a_payee(2, version=2, method=a_method("manual")))

        [proposed] = story.propose(a_proposal(rail="manual"))

        assert isinstance(proposed, BatchProposed)
        assert proposed.left_out == (LeftOut(statement_id=statement_id(1), reason="other_rail"),)

    def test_a_proposal_of_a_period_leaves_the_others(self) -> None:
        story = ready()
        story.close(a_closed_statement(period="2026-11"))

        [proposed] = story.propose(a_proposal(period="2026-11"))

        assert isinstance(proposed, BatchProposed)
        assert [line.payout_id for line in story.state.batches["b-1"].lines] == [statement_id(period="2026-11")]

    def test_named_statements_that_are_no_payouts_or_do_not_wait_are_left_out(self) -> None:
        story = ready(1, 2)
        story.propose(a_proposal(statement_ids=(statement_id(1),)))

        [proposed] = story.propose(a_proposal("b-2", statement_ids=(statement_id(1), statement_id(2), "none")))

        assert isinstance(proposed, BatchProposed)
        assert {each.statement_id: each.reason for each in proposed.left_out} == {
            "none": "not_payable",
            statement_id(1): "not_waiting",
        }
        assert story.payout(statement_id(1)).batch_id == "b-1"

    def test_it_asks_for_as_many_approvals_as_the_strictest_of_its_statements(self) -> None:
        story = ready(1)
        story.close(a_closed_statement(2, approvals=2))
        story.know(a_payee(2))

        [proposed] = story.propose()

        assert isinstance(proposed, BatchProposed)
        assert proposed.approvals == 2

    def test_it_has_a_limit_and_takes_the_oldest(self) -> None:
        story = ready(*range(1, BATCH_MAX + 2))

        [proposed] = story.propose()

        assert isinstance(proposed, BatchProposed)
        assert proposed.count == BATCH_MAX
        assert [p.state for p in story.state.payouts.values()].count("waiting") == 1

    def test_what_was_left_out_comes_last_in_the_next_proposal(self) -> None:
        story = ready(1)
        story.close(a_closed_statement())
        story.at += timedelta(hours=1)
        story.propose()

        assert story.payout(ID).queued_at == story.at

    def test_the_same_proposal_again_is_one_and_another_under_its_id_is_refused(self) -> None:
        story = ready()
        story.propose()

        assert (story.propose(), story.outcome) == ([], "duplicate")
        assert reason_of(story.propose(a_proposal(by="bob"))) == "conflict"

    def test_nothing_to_pay_is_refused(self) -> None:
        assert reason_of(Story().propose()) == "nothing_to_pay"


class TestApproval:
    def test_one_other_person_is_enough_if_the_terms_say_so(self) -> None:
        story = ready()
        story.propose()

        assert story.approve(os_user="root") == [
            BatchApproved(batch_id="b-1", approved_by="bob", missing=0, os_user="root")
        ]
        assert (story.payout().state, story.payout().due_at) == ("approved", NOW)

    def test_two_other_persons_if_the_terms_ask_for_them(self) -> None:
        story = ready(approvals=2)
        story.propose()

        assert story.approve() == [BatchApproved(batch_id="b-1", approved_by="bob", missing=1)]
        assert story.payout().state == "proposed"
        assert (story.approve(by="BOB"), story.outcome) == ([], "duplicate")
        assert story.approve(by="carol") == [BatchApproved(batch_id="b-1", approved_by="carol", missing=0)]

    def test_edge_20_of_two_at_once_the_second_counts_or_finds_it_decided(self) -> None:
        story = ready()
        story.propose()
        story.approve()

        assert (story.approve(), story.outcome) == ([], "duplicate")
        assert reason_of(story.approve(by="carol")) == "already_decided"

    def test_edge_21_the_proposer_does_not_approve_by_whatever_spelling(self) -> None:
        story = ready()
        story.propose()

        assert reason_of(story.approve(by="ANN")) == "same_person"

    def test_who_approved_it_meanwhile_must_be_one_of_whom_the_approver_is_independent(self) -> None:
        story = ready(approvals=2)
        story.propose()

        assert reason_of(story.approve(independent_of=())) == "changed_meanwhile"
        story.approve(independent_of=("ann",))
        assert reason_of(story.approve(by="carol", independent_of=("ann",))) == "changed_meanwhile"
        assert names(story.approve(by="carol", independent_of=("ann", "bob"))) == ["payout-batch.approved"]

    def test_edge_21_a_payee_does_not_approve_their_own(self) -> None:
        story = ready(1, 2)
        story.propose()

        assert reason_of(story.approve(approver_distributor_id=2)) == "payee_approves_own"
        assert names(story.approve(approver_distributor_id=3)) == ["payout-batch.approved"]

    def test_edge_22_a_batch_with_a_line_that_would_be_sent_otherwise_is_refused_and_names_the_line(self) -> None:
        story = ready(1, 2)
        story.propose()
        story.know(a_payee(2, version=2, method=a_method(method_id="m-2")))

        [refused] = story.approve()

        assert isinstance(refused, BatchRefused)
        assert refused.reason == "stale_digest"
        assert f"{statement_id(2)} would not be sent like that now (method_changed)" in refused.detail

    def test_edge_22_also_if_the_distributor_is_on_hold_since(self) -> None:
        story = ready()
        story.propose()
        story.hand(holds.hold_payouts, HoldPayouts(distributor_id=PAYEE, reason="under_review", by="bob"))

        [refused] = story.approve()

        assert isinstance(refused, BatchRefused)
        assert (refused.reason, "(on_hold)" in refused.detail) == ("stale_digest", True)

    def test_a_rail_that_is_paused_meanwhile_does_not_matter(self) -> None:
        story = ready()
        story.propose()
        story.state, _ = pause_for_funds(story.state, "iso20022", NOW)

        assert names(story.approve()) == ["payout-batch.approved"]

    def test_another_digest_is_refused(self) -> None:
        story = ready()
        story.propose()

        assert reason_of(story.approve(digest="0" * 64)) == "digest_mismatch"

    def test_a_batch_that_does_not_exist_is_waited_for_then_refused(self) -> None:
        assert reason_of(Story().approve("b-9", digest="0" * 64)) == "unknown_batch"


class TestRejection:
    def reject(self, story: Story, batch_id: str = "b-1") -> list[Payload]:
        return story.hand(batches.reject_batch, RejectBatch(batch_id=batch_id, reason="typo", rejected_by="ann"))

    def test_its_payouts_wait_again(self) -> None:
        story = ready()
        story.propose()

        assert self.reject(story) == [BatchRejected(batch_id="b-1", reason="typo", rejected_by="ann")]
        assert (story.payout().state, story.payout().reason) == ("waiting", "batch_rejected")
        assert (self.reject(story), story.outcome) == ([], "duplicate")
        assert reason_of(story.approve()) == "already_decided"
        assert names(story.propose(a_proposal("b-2"))) == ["payout-batch.proposed"]

    def test_what_is_approved_is_not_rejected(self) -> None:
        story = ready()
        story.propose()
        story.approve()

        assert reason_of(self.reject(story)) == "already_decided"

    def test_one_that_does_not_exist_is_refused(self) -> None:
        assert reason_of(self.reject(Story(), "b-9")) == "unknown_batch"


class TestHolds:
    def test_a_hold_is_placed_once_and_ended_once(self) -> None:
        story = Story()
        hold = HoldPayouts(distributor_id=PAYEE, reason="under_review", by="bob")
        release = ReleasePayouts(distributor_id=PAYEE, by="ann")

        assert story.hand(holds.hold_payouts, hold) == [
            PayoutsHeld(distributor_id=PAYEE, reason="under_review", by="bob")
        ]
        story.at += DAY
        assert (story.hand(holds.hold_payouts, hold), story.outcome) == ([], "duplicate")
        assert story.hand(holds.release_payouts, release) == [PayoutsReleased(distributor_id=PAYEE, by="ann")]
        payee = story.state.payee(PAYEE)
        assert [(past.since, past.released_by, past.released_at) for past in payee.past_holds] == [
            (NOW, "ann", NOW + DAY)
        ]
        [refused] = story.hand(holds.release_payouts, release)
        assert isinstance(refused, HoldRefused)
        assert refused.reason == "not_on_hold"
