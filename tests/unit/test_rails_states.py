"""What each state and fault of a rail becomes, and that no text of a rail stops the reading of it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.payouts.faults import ACCOUNT_FAULTS, FAULTS
from contracts.payouts.rails import RAILS
from infra.adapters.outside.https import Reply
from infra.adapters.outside.rails import iso20022, paypal, wechat_pay
from infra.adapters.outside.rails.bank_files import BankFileRefused, read_bank_file
from infra.adapters.outside.rails.standing import Standing
from tests.unit.test_rails_bank_files import KEY, camt, entry, pain002, status

AT = datetime(2026, 12, 1, tzinfo=UTC)
OUTCOMES = {"done", "refused", "unavailable", "unknown"}


@pytest.mark.parametrize(
    ("state", "reason", "outcome", "code"),
    [
        ("ACCEPTED", None, "accepted", "accepted"),
        ("PROCESSING", None, "accepted", "accepted"),
        ("TRANSFERING", None, "accepted", "accepted"),
        ("WAIT_USER_CONFIRM", None, "awaiting_payee", "awaiting_payee"),
        ("SUCCESS", None, "paid", "paid"),
        ("FAIL", "NAME_NOT_CORRECT", "failed", "name_mismatch"),
        ("FAIL", "REAL_NAME_CHECK_FAIL", "failed", "payee_unable"),
        ("FAIL", "OVERDUE_CLOSE", "failed", "not_confirmed"),
        ("FAIL", "SOMETHING_NEW", "failed", "unexplained"),
        ("FAIL", None, "failed", "unexplained"),
        ("CANCELING", None, "accepted", "accepted"),
        ("CANCELLED", None, "failed", "cancelled"),
        ("SOMETHING_NEW", None, "unknown", "unexplained"),
        (None, None, "unknown", "unexplained"),
    ],
)
def test_states_of_wechat_pay(state: str | None, reason: str | None, outcome: str, code: str) -> None:
    bill = {"state": state, "fail_reason": reason, "transfer_amount": 1250, "transfer_bill_no": "133"}
    standing = wechat_pay.standing_of_bill(bill)
    assert (standing.outcome, standing.code) == (outcome, code)


@pytest.mark.parametrize(
    ("state", "error", "outcome", "code"),
    [
        ("SUCCESS", None, "paid", "paid"),
        ("PENDING", None, "accepted", "accepted"),
        ("ONHOLD", None, "accepted", "accepted"),
        ("UNCLAIMED", "RECEIVER_UNREGISTERED", "awaiting_payee", "awaiting_payee"),
        ("RETURNED", "RECEIVER_UNREGISTERED", "failed", "not_confirmed"),
        ("REFUNDED", None, "returned", "rejected"),
        ("REVERSED", None, "returned", "rejected"),
        ("FAILED", "RECEIVER_ACCOUNT_LOCKED", "failed", "account_blocked"),
        ("FAILED", "INSUFFICIENT_FUNDS", "failed", "insufficient_funds"),
        ("FAILED", None, "failed", "unexplained"),
        ("BLOCKED", None, "failed", "rejected"),
        ("CANCELED", None, "failed", "cancelled"),
        ("SOMETHING_NEW", None, "unknown", "unexplained"),
    ],
)
def test_states_of_paypal(state: str, error: str | None, outcome: str, code: str) -> None:
    item = {"transaction_status": state, "errors": {"name": error} if error else None}
    standing = paypal.standing_of_item(item)
    assert (standing.outcome, standing.code) == (outcome, code)


def test_every_fault_of_a_table_is_one_of_ours() -> None:
    assert {*wechat_pay.FAULTS.values(), *paypal.FAULTS.values()} <= FAULTS
    assert "not_confirmed" not in ACCOUNT_FAULTS


def test_a_return_keeps_its_fault_beside_its_outcome() -> None:
    answer = Standing("returned", "account_closed", "AC04").answer("the bank", AT)
    assert (answer.outcome, answer.code, answer.facts) == ("done", "returned", {"fault": "account_closed"})


def test_what_a_rail_writes_is_not_repeated_but_for_codes() -> None:
    bill = {"state": "FAIL", "fail_reason": "account of Ann Example is closed"}
    assert "Ann" not in wechat_pay.standing_of_bill(bill).answer("host", AT).detail


@given(body=st.binary(max_size=300), code=st.sampled_from([200, 202, 302, 400, 401, 404, 409, 422, 429, 500, 503]))
def test_any_answer_to_a_file_has_one_meaning(body: bytes, code: int) -> None:
    reply = Reply("bank", code, AT, None, body)
    for answer in (iso20022.judge_sent(reply, KEY), iso20022.judge_asked(reply, KEY)):
        assert answer.outcome in OUTCOMES
        assert answer.outcome not in ("refused", "done") or (200 <= code < 300 and body == b"")


@pytest.mark.parametrize("code", [408, 409, 500, 502, 503, 504])
def test_a_status_that_says_nothing_about_the_payment_is_unknown(code: int) -> None:
    assert iso20022.judge_sent(Reply("bank", code, AT, None, b"try later"), KEY).outcome == "unknown"


def test_an_answer_about_another_payment_says_nothing() -> None:
    reply = Reply("bank", 200, AT, None, pain002(status("1" * 32, "RJCT", "AC04")))
    assert iso20022.judge_asked(reply, KEY).outcome == "unknown"


@pytest.mark.parametrize(
    "body",
    [
        f'{{"error": "not found: /payments/{KEY}"}}',
        f'{{"path": "/status?id={KEY}"}}',
        f"<html>{KEY} not found</html>",
        '{"error": "not found"}',
        f'{{"error": "no payment {KEY}0"}}',
    ],
)
def test_a_404_that_does_not_name_the_key_itself_is_not_absent(body: str) -> None:
    assert iso20022.judge_asked(Reply("bank", 404, AT, None, body.encode()), KEY).outcome == "unknown"


VALID = (camt(entry(), entry(direction="CRDT", reason="AC04")), pain002(status(KEY, "RJCT", "AC01")))


@given(file=st.sampled_from(VALID), at=st.integers(0, 2000), cut=st.integers(0, 40), put=st.binary(max_size=40))
def test_a_damaged_file_is_read_or_refused(file: bytes, at: int, cut: int, put: bytes) -> None:
    place = at % len(file)
    with suppress(BankFileRefused):
        read_bank_file(file[:place] + put + file[place + cut :])


def test_what_the_table_of_rails_promises_fits_the_key() -> None:
    assert all(rail.looks_up or rail.key_kept is None for rail in RAILS.values())
