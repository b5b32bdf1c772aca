"""The rail `iso20022` at a bank by other authors: it accepts our files, and we read its own."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
import xmlschema
from mockbank.validate import errors, validate

from contracts.payouts.v1 import PayoutAttemptDue, PayoutCheckDue
from infra.adapters.outside.rails.bank_files import read_bank_file
from infra.adapters.outside.rails.pain001 import Debtor, pain001
from infra.adapters.outside.rails.payouts import payouts
from infra.ports.outside import Outside
from infra.settings import Settings
from tests.bank.mock import HOUSE_IBAN, MockBank, mock_bank
from tests.bank.world import PlainVault, attempt_due, check_due
from tests.unit.test_rails_pain001 import AT, KEY, an_order, schema


@pytest.fixture
def bank() -> Iterator[MockBank]:
    with mock_bank() as made:
        yield made


def rails_at(bank: MockBank) -> tuple[Outside[PayoutAttemptDue], Outside[PayoutCheckDue]]:
    return payouts(Settings(**bank.settings()), PlainVault())


def test_schema_and_bank_accept_the_same_file() -> None:
    file = pain001(an_order(), KEY, Debtor("Tributary House", HOUSE_IBAN, "MOCKNL2A"), AT)
    schema().validate(file.decode())
    assert errors(validate(file, today=AT.date())) == []
    with pytest.raises(xmlschema.XMLSchemaValidationError):
        schema().validate(file.replace(b"<PmtMtd>TRF</PmtMtd>", b"").decode())


async def test_a_payment_is_accepted_paid_and_booked(bank: MockBank) -> None:
    attempts, checks = rails_at(bank)
    due, before = attempt_due("iso20022"), bank.balance()
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("done", "accepted")
    assert (await checks.send(check_due(due), "check")).code == "paid"
    assert before - bank.balance() == 123456

    bank.advance(1)
    reports = [report for file in bank.files("camt.053") for report in read_bank_file(file).reports]
    assert [(report.key, report.outcome, report.amount) for report in reports] == [
        (due.key, "paid", Decimal("1234.56"))
    ]
    notified = [report for file in bank.files("camt.054") for report in read_bank_file(file).reports]
    assert notified == reports, "the same entry is the same report in another file"
    (status,) = [report for file in bank.files("pain.002") for report in read_bank_file(file).reports]
    assert (status.key, status.outcome) == (due.key, "accepted")


async def test_the_same_key_twice_is_paid_once(bank: MockBank) -> None:
    attempts, _ = rails_at(bank)
    due = attempt_due("iso20022")
    first, second = await attempts.send(due, due.key), await attempts.send(due, due.key)
    assert (first.code, second.code) == ("accepted", "paid"), "of a duplicate the bank is asked what the first became"
    assert len(bank.payments()) == 1


async def test_a_duplicate_is_accepted_where_the_bank_cannot_be_asked(bank: MockBank) -> None:
    settings = {**bank.settings(), "rail_iso20022_status_url": None}
    attempts, checks = payouts(Settings(**settings), PlainVault())
    due = attempt_due("iso20022")
    assert [(await attempts.send(due, due.key)).code for _ in range(2)] == ["accepted", "accepted"]
    assert (await checks.send(check_due(due), "check")).code == "cannot_be_asked"
    assert await attempts.look_up(due, due.key) is None
    duplicates = [report for file in bank.files("pain.002") for report in read_bank_file(file).reports]
    assert [report.outcome for report in duplicates] == ["accepted", "accepted"]


async def test_a_key_that_the_bank_does_not_know_is_absent(bank: MockBank) -> None:
    attempts, checks = rails_at(bank)
    due = attempt_due("iso20022")
    assert (await checks.send(check_due(due), "check")).code == "absent"
    assert await attempts.look_up(due, due.key) is None


async def test_a_wrong_address_does_not_make_a_payment_absent(bank: MockBank) -> None:
    settings = {**bank.settings(), "rail_iso20022_status_url": f"{bank.url}/elsewhere?of={{key}}"}
    _, checks = payouts(Settings(**settings), PlainVault())
    answer = await checks.send(check_due(attempt_due("iso20022")), "check")
    assert answer.outcome == "unknown"


async def test_edge_33_too_little_money_at_the_bank(bank: MockBank) -> None:
    bank.change_account(behaviour="insufficient-funds", balance=100)
    attempts, checks = rails_at(bank)
    due = attempt_due("iso20022")
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("refused", "insufficient_funds")
    assert (await checks.send(check_due(due), "check")).code == "insufficient_funds"


async def test_a_file_that_the_bank_refuses_carries_our_own_code(bank: MockBank) -> None:
    bank.behave("reject-file")
    attempts, _ = rails_at(bank)
    due = attempt_due("iso20022")
    answer = await attempts.send(due, due.key)
    assert (answer.outcome, answer.code) == ("refused", "invalid_order")


async def test_a_payment_that_comes_back_is_in_the_statement(bank: MockBank) -> None:
    bank.behave("return-later", days=1, reason="AC04")
    attempts, checks = rails_at(bank)
    due = attempt_due("iso20022")
    assert (await attempts.send(due, due.key)).code == "accepted"
    bank.advance(5)
    reports = [report for file in bank.files("camt.053") for report in read_bank_file(file).reports]
    assert [(report.key, report.outcome, report.code) for report in reports] == [
        (due.key, "paid", "paid"),
        (due.key, "returned", "account_closed"),
    ]
    answer = await checks.send(check_due(due), "check")
    assert (answer.outcome, answer.code, answer.facts) == ("done", "returned", {"fault": "account_closed"})
