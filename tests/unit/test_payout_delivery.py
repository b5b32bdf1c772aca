"""The answer of a rail becomes a report of the attempt, whatever is in it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from contracts.payouts.faults import FUNDS
from contracts.payouts.v1 import PayoutReported
from contracts.wire.answer import Answer
from tests.builders import NOW, message
from tests.payout_story import ID, a_check_due, an_attempt_due
from workers.payout_delivery.decide import key_of, key_of_check, rail_of, record, record_check
from workers.payout_delivery.model import State
from workers.payouts.attempts import key_of as key_of_attempt

KEY = key_of_attempt(ID, 1)
ATTEMPT, CHECK = an_attempt_due(), a_check_due(check=2)
DONE = Answer("done", "accepted", "The bank has it.", NOW, reference="TX-7714")
REFUSED = Answer("refused", "account_closed", "The account is closed.", NOW)


def report_of(answer: Answer) -> PayoutReported:
    [reported] = record(State(), message(ATTEMPT), answer).publish
    assert isinstance(reported, PayoutReported)
    return reported


def report_of_check(answer: Answer) -> PayoutReported:
    [reported] = record_check(State(), message(CHECK), answer).publish
    assert isinstance(reported, PayoutReported)
    return reported


def test_a_report_names_the_attempt_and_what_the_rail_says() -> None:
    facts = {"amount": "42.00", "currency": "EUR", "fee": "0.35"}
    sent = message(ATTEMPT)

    assert record(State(), sent, replace(DONE, facts=facts)).publish == (
        PayoutReported(
            payout_id=ID,
            attempt=1,
            key=KEY,
            rail="iso20022",
            report_id=f"{KEY}/{sent.id}",
            outcome="accepted",
            code="accepted",
            detail="The bank has it.",
            reported_at=NOW,
            reference="TX-7714",
            amount=Decimal("42.00"),
            currency="EUR",
            fee=Decimal("0.35"),
        ),
    )


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (DONE, "accepted"),
        (replace(DONE, code="awaiting_payee"), "awaiting_payee"),
        (replace(DONE, code="paid"), "paid"),
        (replace(DONE, code="returned"), "returned"),
        (replace(DONE, code="tea"), "unknown"),
        (REFUSED, "failed"),
        (replace(REFUSED, outcome="unavailable", code=FUNDS), "not_sent"),
        (replace(REFUSED, outcome="unknown", code="deadline"), "unknown"),
    ],
)
def test_the_outcome_of_a_call(answer: Answer, outcome: str) -> None:
    reported = report_of(answer)

    assert (reported.outcome, reported.code, reported.check) == (outcome, answer.code, None)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (replace(DONE, code="paid"), "paid"),
        (replace(DONE, code="absent"), "absent"),
        (replace(DONE, code="tea"), "unknown"),
        (REFUSED, "failed"),
        (replace(REFUSED, code="not_configured"), "unknown"),
        (replace(REFUSED, outcome="unavailable", code="away"), "unknown"),
    ],
)
def test_the_outcome_of_a_check(answer: Answer, outcome: str) -> None:
    """A question that cannot be asked says nothing about the payment."""
    assert (report_of_check(answer).outcome, report_of_check(answer).check) == (outcome, 2)


def test_absent_is_no_answer_to_a_call_that_sends() -> None:
    assert report_of(replace(DONE, code="absent")).outcome == "unknown"


def test_why_a_payment_came_back_is_its_code() -> None:
    assert report_of_check(replace(DONE, code="returned", facts={"fault": "account_closed"})).code == "account_closed"


def test_what_messages_cannot_hold_is_left_out_and_the_report_is_made() -> None:
    facts = {"amount": "1e9", "currency": "EUR", "fee": "-1"}
    reported = report_of(Answer("refused", "Ä!", "x" * 2000, NOW, reference="a b", facts=facts))

    assert (reported.code, reported.reference, reported.amount, reported.currency, reported.fee) == (
        "unexplained",
        None,
        None,
        None,
        None,
    )
    assert len(reported.detail) == 1000


def test_all_calls_of_an_attempt_have_its_key_and_each_check_is_a_call_of_its_own() -> None:
    assert key_of(ATTEMPT) == KEY
    assert key_of_check(CHECK) != key_of_check(CHECK.model_copy(update={"check": 3}))


def test_the_calls_of_a_rail_share_its_lanes() -> None:
    assert rail_of(ATTEMPT) == rail_of(CHECK) == "iso20022"
