"""What payouts post: every posting balances in its currency, and is booked once. Numbers of edge cases are those of the
design of payouts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.settlement.view import Account, Statement, TaxMonth
from contracts.wire.decision import Decision, NotYet
from tests.builders import message
from tests.payout_builders import PAYOUT, SENT_AT, TO_DOLLARS, failed, in_dollars, paid, returned, started
from tests.unit.statements import a_statement
from workers.settlement.model import State
from workers.settlement.payouts import fail_payout, pay_payout, return_payout, send_payout

RULES: dict[str, Any] = {
    "PayoutStarted": send_payout,
    "PayoutPaid": pay_payout,
    "PayoutFailed": fail_payout,
    "PayoutReturned": return_payout,
}
UNTAXED = a_statement(withheld=None, withheld_minor=0, gross_minor=100_000, payable_minor=100_000)


def a_state(statement: Statement = a_statement(), **fields: Any) -> State:  # noqa: B008
    """The account after the close of this statement, which is its last one."""
    account = Account(
        statement.account,
        "default",
        2,
        "CNY",
        closed_to=statement.ends_at,
        payable_minor=statement.payable_minor,
        last_statement=statement.statement_id,
    )
    account = replace(account, **fields)
    return State(accounts={account.key: account}, closed={statement.statement_id: statement})


def after(state: State, *events: Any, at: datetime = SENT_AT) -> State:
    for event in events:
        decision = RULES[type(event).__name__](state, message(event, time=at))
        assert isinstance(decision, Decision)
        state = decision.state
    return state


def postings(state: State) -> dict[str, dict[str, int]]:
    return {one.posting_id.removeprefix(f"{PAYOUT}/"): dict(one.legs) for one in state.postings}


def sums(state: State) -> dict[tuple[str, str], int]:
    """What each account of the ledger has, by currency; zeros are left out."""
    found: dict[tuple[str, str], int] = {}
    for posting in state.postings:
        for name, minor in posting.legs.items():
            key = (posting.currency, name)
            found[key] = found.get(key, 0) + minor
    return {key: minor for key, minor in found.items() if minor}


def of_account(state: State, currency: str = "CNY") -> tuple[int, int, int]:
    account = state.accounts[f"default/2/{currency}"]
    return account.payable_minor, account.in_payout_minor, account.paid_minor


def test_a_payout_is_sent_and_paid() -> None:
    sent = after(a_state(), started())
    done = after(sent, paid())

    assert postings(done) == {
        "send": {"payable": -4_200_00, "in_payout": 4_200_00},
        "paid": {"in_payout": -4_200_00, "paid": 4_200_00},
    }
    assert (of_account(sent), of_account(done)) == ((0, 4_200_00, 0), (0, 0, 4_200_00))
    assert {one.statement for one in done.postings} == {"default/payouts/2/CNY"}
    assert {one.reference for one in done.postings} == {PAYOUT}
    assert done.accounts["default/2/CNY"].open == (), "what pays nothing back is on no statement"


def test_what_the_rail_cannot_send_is_available_again() -> None:
    """A rail of whole units: 4199.00 of 4199.67 are sent."""
    state = a_state(a_statement(payable_minor=4_199_67, withheld_minor=800_33))

    done = after(state, started("4199.67", left=Decimal("0.67"), amount=Decimal("4199.00")))

    [posting] = done.postings
    assert posting.legs == {"available": 67, "payable": -4_199_67, "in_payout": 4_199_00}
    assert posting.statement == "default/2026-11/2/CNY"
    assert of_account(done) == (0, 4_199_00, 0)


def test_a_failed_payout_gives_back_its_tax_and_its_fees() -> None:
    statement = a_statement(fees_minor=5_00, payable_minor=4_195_00)

    done = after(a_state(statement), started("4195.00"), failed("4195.00"))

    assert postings(done)["failed"] == {
        "in_payout": -4_195_00,
        "tax": -800_00,
        "fees": -5_00,
        "available": 5_000_00,
    }
    assert sums(done) == {
        ("CNY", "payable"): -4_195_00,
        ("CNY", "tax"): -800_00,
        ("CNY", "fees"): -5_00,
        ("CNY", "available"): 5_000_00,
    }
    assert of_account(done) == (0, 0, 0)


def test_a_returned_payout_gives_back_its_tax_and_keeps_its_fees() -> None:
    statement = a_statement(fees_minor=5_00, payable_minor=4_195_00)

    done = after(a_state(statement), started("4195.00"), paid("4195.00"), returned("4195.00"))

    assert postings(done)["returned"] == {"paid": -4_195_00, "tax": -800_00, "available": 4_995_00}
    assert of_account(done) == (0, 0, 0)


def test_edge_8_what_the_bank_returns_is_available_in_the_open_period() -> None:
    late = SENT_AT + timedelta(days=3)

    done = after(after(a_state(), started(), paid()), returned(), at=late)

    posting = done.postings[-1]
    assert (posting.statement, posting.kind, posting.amount_minor) == ("default/2026-11/2/CNY", "returned", 5_000_00)
    assert (posting.effective_at, posting.late_from) == (late, None)
    assert [period.period for period in done.accounts["default/2/CNY"].open] == ["2026-11"]


@pytest.mark.parametrize(
    ("month", "left"),
    [
        (TaxMonth("2026-11", 5_000_00, 800_00), TaxMonth("2026-11", 0, 0)),
        (TaxMonth("2026-11", 6_000_00, 960_00), TaxMonth("2026-11", 1_000_00, 160_00)),
        (TaxMonth("2026-12", 1_000_00, 40_00), TaxMonth("2026-12", 1_000_00, 40_00)),
        (None, None),
    ],
)
def test_what_came_back_leaves_the_tax_month_while_it_is_the_current_one(
    month: TaxMonth | None, left: TaxMonth | None
) -> None:
    state = a_state(tax=month)

    for events in ((paid(), returned()), (failed(),)):
        assert after(state, started(), *events).accounts["default/2/CNY"].tax == left


def test_a_statement_without_tax_leaves_the_tax_month_alone() -> None:
    month = TaxMonth("2026-11", 5_000_00, 800_00)

    done = after(a_state(UNTAXED, tax=month), started("1000.00"), failed("1000.00"))

    assert done.accounts["default/2/CNY"].tax == month


def test_edge_9_what_comes_back_in_the_next_year_is_of_that_year() -> None:
    """The tax that was withheld is taken back now; the month of the old year, which was reported, stays as it is."""
    reported = TaxMonth("2026-11", 5_000_00, 800_00)
    state = a_state(tax=TaxMonth("2027-02", 900_00, 20_00))

    done = after(after(state, started(), paid()), returned(), at=datetime(2027, 2, 3, tzinfo=UTC))

    assert done.postings[-1].legs["tax"] == -800_00
    assert done.postings[-1].statement == "default/2027-02/2/CNY"
    assert done.accounts["default/2/CNY"].tax == TaxMonth("2027-02", 900_00, 20_00) != reported


def test_edge_49_a_fee_is_posted_when_it_is_reported_and_is_the_platforms() -> None:
    once = after(a_state(), started(), paid())

    later = after(replace(once, postings=()), paid(fee=Decimal("1.50")))

    assert postings(later) == {"fee": {"fees": -1_50, "rail_fees": 1_50}}
    assert of_account(later) == of_account(once) == (0, 0, 4_200_00)


def test_the_fee_of_a_return_is_the_platforms() -> None:
    done = after(a_state(), started(), paid(fee=Decimal("1.50")), returned(fee=Decimal("3.00")))

    assert postings(done)["return_fee"] == {"fees": -3_00, "rail_fees": 3_00}
    assert sums(done)[("CNY", "available")] == 5_000_00


class TestConversion:
    """1000.00 CNY to USD: EUR to CNY is 7.8000 and EUR to USD 1.0920, so 0.14; the spread of 0.5 % is 5.00 CNY."""

    def sent(self, statement: Statement = UNTAXED, **fields: Any) -> State:
        conversion = {"conversion": TO_DOLLARS, "amount": Decimal("139.30"), "currency": "USD"}
        return after(a_state(statement), started("1000.00", **{**conversion, **fields}))

    def test_it_is_posted_in_both_currencies(self) -> None:
        done = self.sent()

        assert postings(done) == {
            "send": {"payable": -1_000_00, "fees": 5_00, "fx": 995_00},
            "send/sent_currency": {"in_payout": 139_30, "fx": -139_30},
        }
        assert (of_account(done), of_account(done, "USD")) == ((0, 0, 0), (0, 139_30, 0))
        assert [one.account for one in done.postings] == ["default/2/CNY", "default/2/USD"]

    def test_it_is_paid_in_the_currency_sent(self) -> None:
        done = after(self.sent(), paid("139.30", **in_dollars(fee=Decimal("0.25"))))

        assert postings(done)["paid/sent_currency"] == {"in_payout": -139_30, "paid": 139_30}
        assert postings(done)["fee"] == {"fees": -25, "rail_fees": 25}
        assert [one.currency for one in done.postings[-2:]] == ["USD", "USD"]
        assert of_account(done, "USD") == (0, 0, 139_30)

    def test_it_comes_back_in_the_currency_sent_and_is_not_converted_back(self) -> None:
        done = after(self.sent(), paid("139.30", **in_dollars()), returned("139.30", **in_dollars()))

        assert "returned" not in postings(done)
        assert postings(done)["returned/sent_currency"] == {"paid": -139_30, "available": 139_30}
        assert done.postings[-1].statement == "default/2026-11/2/USD"
        assert sums(done)[("CNY", "fx")] == 995_00, "the platform keeps what it took"

    def test_tax_and_fees_come_back_in_the_currency_of_the_statement(self) -> None:
        statement = a_statement(gross_minor=1_810_00, fees_minor=10_00, payable_minor=1_000_00)

        done = after(self.sent(statement), failed("139.30", **in_dollars()))

        assert postings(done)["failed"] == {"tax": -800_00, "fees": -10_00, "available": 810_00}
        assert postings(done)["failed/sent_currency"] == {"in_payout": -139_30, "available": 139_30}

    def test_what_the_rail_cannot_send_stays_in_the_currency_of_the_statement(self) -> None:
        done = self.sent(left=Decimal("0.50"))

        assert postings(done)["send"] == {"available": 50, "payable": -1_000_00, "fees": 5_00, "fx": 994_50}


def test_a_repeat_is_known_for_ever() -> None:
    done = after(a_state(tax=TaxMonth("2026-11", 5_000_00, 800_00)), started(), paid(fee=Decimal("1.50")), returned())

    for event in (started(), paid(fee=Decimal("1.50")), returned()):
        again = RULES[type(event).__name__](done, message(event, id="another", time=SENT_AT + timedelta(days=400)))
        assert again == Decision(done, outcome="duplicate")


def test_a_payout_waits_for_its_statement() -> None:
    for event in (started(), paid(), failed(), returned()):
        state = State()
        assert RULES[type(event).__name__](state, message(event)) == NotYet("unknown_statement")


def test_a_payout_of_another_amount_than_is_payable_posts_nothing() -> None:
    with pytest.raises(AssertionError, match="does not balance"):
        after(a_state(), started(amount=Decimal("4300.00")))
