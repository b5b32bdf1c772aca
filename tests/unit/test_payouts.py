"""The way of a payout: from a statement, by a batch that others approve, to a rail, and what becomes of it there."""

from __future__ import annotations

from tests.payout_story import ID, Story, a_closed_statement, a_payee, names


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
