"""What two persons state of a payout if its rail does not answer."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.payouts.faults import FUNDS
from contracts.payouts.v1 import ConfirmResolution, PayoutFailed, PayoutRefused, ResolutionProposed, ResolvePayout
from contracts.wire.envelope import Payload
from tests.payout_story import DAY, ID, PAYEE, Story, a_closed_statement, names, started
from workers.payouts import resolutions


def resolve(story: Story, outcome: Any = "paid", by: str = "ann", **fields: Any) -> list[Payload]:
    usual = {"payout_id": ID, "attempt": 1, "evidence": "Bank statement, line 7714"}
    command = ResolvePayout(outcome=outcome, by=by, **{**usual, **fields})
    return story.hand(resolutions.resolve_payout, command)


def confirm(story: Story, outcome: Any = "paid", by: str = "bob", **fields: Any) -> list[Payload]:
    command = ConfirmResolution(outcome=outcome, by=by, **{"payout_id": ID, "attempt": 1, **fields})
    return story.hand(resolutions.confirm_resolution, command)


def reason_of(events: list[Payload]) -> str:
    [refused] = events
    assert isinstance(refused, PayoutRefused)
    return refused.reason


def in_doubt() -> Story:
    story = started()
    story.answer("unknown", "deadline")
    return story


def test_edge_10_two_persons_resolve_what_is_in_doubt() -> None:
    story = in_doubt()

    assert resolve(story) == [
        ResolutionProposed(payout_id=ID, attempt=1, outcome="paid", evidence="Bank statement, line 7714", by="ann")
    ]
    assert names(confirm(story)) == ["payout.paid"]
    [_, report] = story.state.reports.values()
    assert (report.source, report.by, report.effect) == ("person", ("ann", "bob"), "applied")
    assert (confirm(story), story.outcome) == ([], "duplicate")


def test_what_persons_state_as_failed_goes_back_with_the_evidence() -> None:
    story = in_doubt()
    resolve(story, "failed")

    [failed] = confirm(story, "failed")

    assert isinstance(failed, PayoutFailed)
    assert (failed.code, failed.detail) == ("resolved_by_persons", "Bank statement, line 7714")


def test_a_payment_that_persons_make_is_resolved_by_persons() -> None:
    story = started("manual")
    story.answer("accepted")
    resolve(story)

    assert names(confirm(story)) == ["payout.paid"]


def test_what_was_certainly_not_taken_may_be_given_up() -> None:
    story = started()
    story.answer("not_sent", "not_configured")
    resolve(story, "failed")

    assert names(confirm(story, "failed")) == ["payout.failed"]


def test_another_statement_replaces_the_one_before() -> None:
    story = in_doubt()
    resolve(story, "failed")

    assert (resolve(story, "failed"), story.outcome) == ([], "duplicate")
    assert names(resolve(story, "paid", by="carol")) == ["payout.resolution-proposed"]
    assert reason_of(confirm(story, "failed")) == "other_outcome"
    assert names(confirm(story, "paid")) == ["payout.paid"]


def test_edge_21_one_person_is_not_two_and_a_payee_confirms_nothing_of_their_own() -> None:
    story = in_doubt()
    resolve(story)

    assert reason_of(confirm(story, by="Ann")) == "same_person"
    assert reason_of(confirm(story, by_distributor_id=PAYEE)) == "payee_approves_own"


def test_who_stated_it_meanwhile_must_be_one_of_whom_the_other_is_independent() -> None:
    story = in_doubt()
    resolve(story)

    assert reason_of(confirm(story, independent_of=())) == "changed_meanwhile"
    assert names(confirm(story, independent_of=("ann",))) == ["payout.paid"]


def test_what_was_not_stated_is_not_confirmed() -> None:
    assert reason_of(confirm(in_doubt())) == "not_stated"


def test_a_resolution_is_of_the_newest_attempt() -> None:
    assert reason_of(resolve(in_doubt(), attempt=2)) == "other_attempt"


@pytest.mark.parametrize("outcome", ["accepted", "paid"])
def test_what_the_rail_answers_for_is_not_resolved(outcome: str) -> None:
    story = started()
    story.answer(outcome)

    assert reason_of(resolve(story)) == "not_in_doubt"
    assert reason_of(confirm(story)) == "not_in_doubt"


def test_what_waits_for_its_first_attempt_is_not_resolved() -> None:
    story = Story()
    story.close(a_closed_statement())

    assert reason_of(resolve(story)) == "not_in_doubt"


def test_a_payout_that_does_not_exist_is_refused() -> None:
    story = in_doubt()

    assert reason_of(resolve(story, payout_id="none")) == "unknown_payout"
    assert reason_of(confirm(story, payout_id="none")) == "unknown_payout"


def test_a_statement_about_an_attempt_that_failed_meanwhile_is_a_conflict() -> None:
    story = started("paypal")
    story.answer("accepted", check=None)
    story.report("failed", code=FUNDS)
    story.pass_time(DAY)
    assert story.payout().live.number == 2
    story.answer("not_sent", "away", number=2)

    assert reason_of(resolve(story)) == "other_attempt"
