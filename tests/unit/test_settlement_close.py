"""Closing: a statement for each slice; opening + lines = gross = payable + withheld + fees + carried."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.clock.v1 import ClockTicked
from contracts.settlement.arithmetic import Closing, statement_of, tax_month_after
from contracts.settlement.tax import TAX_RULES, Bracket, TaxTable
from contracts.settlement.v1 import CloseDue, ClosePeriod, CloseRefused, StatementClosed
from contracts.settlement.view import (
    Account,
    Figures,
    OpenPeriod,
    Period,
    TaxMonth,
    Terms,
    TermsVersion,
    account_key,
    statement_id,
)
from contracts.wire.decision import Decision
from tests.builders import NOW, message
from workers.settlement.audit_terms import faults_by_terms
from workers.settlement.closing import close_by_hand, close_due, close_on_tick
from workers.settlement.model import Series, State

OCTOBER = OpenPeriod(
    "2026-10",
    datetime.fromisoformat("2026-09-30T16:00:00Z"),
    datetime.fromisoformat("2026-10-31T16:00:00Z"),
    datetime.fromisoformat("2026-10-31T22:00:00Z"),
    "Asia/Shanghai",
    1,
)
NOVEMBER = replace(
    OCTOBER,
    period="2026-11",
    starts_at=OCTOBER.ends_at,
    ends_at=datetime.fromisoformat("2026-11-30T16:00:00Z"),
    closes_at=datetime.fromisoformat("2026-11-30T22:00:00Z"),
)
DECEMBER = replace(
    OCTOBER,
    period="2026-12",
    starts_at=NOVEMBER.ends_at,
    ends_at=datetime.fromisoformat("2026-12-31T16:00:00Z"),
    closes_at=datetime.fromisoformat("2026-12-31T22:00:00Z"),
)
TERMS = Terms(zone="Asia/Shanghai", minimum={"CNY": 100_00}, tax_rule="cn_labour")


def an_account(*periods: OpenPeriod, distributor_id: int = 2, **fields: Any) -> Account:
    key = account_key("default", distributor_id, "CNY")
    close_at = periods[0].closes_at if periods else None
    return replace(Account(key, "default", distributor_id, "CNY", periods, close_at), **fields)


def slice_of(period: OpenPeriod, distributor_id: int = 2) -> str:
    return statement_id("default", period.period, distributor_id, "CNY")


def a_state(*accounts: Account, terms: Terms = TERMS, last: int = 0, more: bool = False, **figures: Figures) -> State:
    """`figures` by the name of their slice, with underscores: those of distributor 2."""
    approved = TermsVersion(1, "default", "0" * 64, terms, "ann", NOW, "bob", NOW, since=OCTOBER.starts_at)
    return State(
        accounts={account.key: account for account in accounts},
        terms={1: approved},
        periods={f"default/{one.period}": _stored(one) for one in (OCTOBER, NOVEMBER)},
        series={"default": Series("default", last)} if last else {},
        figures={f"default/{name.strip('_').replace('_', '-')}/2/CNY": known for name, known in figures.items()},
        due=tuple(account.key for account in accounts),
        more_due=more,
    )


def _stored(one: OpenPeriod) -> Period:
    return Period(
        f"default/{one.period}",
        "default",
        one.period,
        one.starts_at,
        one.ends_at,
        one.closes_at,
        one.zone,
        one.terms_version,
    )


def a_tick(at: datetime = OCTOBER.closes_at) -> Any:
    return message(ClockTicked(at=at, interval_s=60))


def by_hand(period: str = "2026-10", received_at: datetime = OCTOBER.closes_at, **fields: Any) -> Any:
    command = ClosePeriod(market="default", period=period, by="ann", **fields)
    return message(command, received_at=received_at)


def reasons(decision: Any) -> list[str]:
    return [event.reason for event in decision.publish if isinstance(event, CloseRefused)]


def test_worked_example_two_persons_can_follow() -> None:
    """The example of three months: tax on October, a debt in November, tax on what is left of December."""
    state = a_state(
        an_account(OCTOBER, NOVEMBER, DECEMBER),
        _2026_10=Figures(released_minor=5_200_00, reversed_minor=-200_00, postings=3),
        _2026_11=Figures(released_minor=450_00, reversed_minor=-600_00, postings=2),
        _2026_12=Figures(released_minor=1_000_00, postings=1),
    )

    october = close_on_tick(state, a_tick(OCTOBER.closes_at))
    november = close_on_tick(replace(october.state, postings=()), a_tick(NOVEMBER.closes_at))
    december = close_on_tick(replace(november.state, postings=()), a_tick(DECEMBER.closes_at))

    first, second, third = (one.state.statements[-1] for one in (october, november, december))
    assert (first.gross_minor, first.withheld_minor, first.payable_minor) == (5_000_00, 800_00, 4_200_00)
    assert [one.legs for one in october.state.postings] == [
        {"available": -5_000_00, "payable": 4_200_00, "tax": 800_00}
    ]
    assert (second.opening_minor, second.gross_minor, second.carried_minor) == (0, -150_00, -150_00)
    assert (second.outcome, november.state.postings) == ("carried_negative", ())
    assert (third.opening_minor, third.gross_minor) == (-150_00, 850_00)
    assert (third.withheld_minor, third.payable_minor) == (10_00, 840_00)
    assert [one.number for one in (first, second, third)] == [1, 2, 3]


class TestOnTheTick:
    def test_what_is_not_due_stays_open(self) -> None:
        state = a_state(an_account(NOVEMBER))

        assert close_on_tick(state, a_tick()) == Decision(state, outcome="nothing_due")

    def test_the_account_goes_on_with_what_is_open(self) -> None:
        account = an_account(OCTOBER, NOVEMBER)
        decision = close_on_tick(
            a_state(account, last=7, _2026_10=Figures(released_minor=200_00, postings=1)), a_tick()
        )

        assert decision.state.accounts[account.key] == an_account(
            NOVEMBER,
            closed_to=OCTOBER.ends_at,
            payable_minor=200_00,
            tax=TaxMonth("2026-11", 200_00, 0),
            last_statement=slice_of(OCTOBER),
        )
        assert decision.state.series == {"default": Series("default", 8)}
        assert [type(event) for event in decision.publish] == [StatementClosed]

    def test_several_accounts_have_numbers_without_gaps(self) -> None:
        decision = close_on_tick(a_state(an_account(OCTOBER), an_account(OCTOBER, distributor_id=3)), a_tick())

        assert [(one.distributor_id, one.number) for one in decision.state.statements] == [(2, 1), (3, 2)]

    def test_more_than_one_message_closes_is_asked_for_at_once(self) -> None:
        decision = close_on_tick(a_state(an_account(OCTOBER), more=True), a_tick())
        again = close_due(a_state(an_account(OCTOBER), more=True), message(cast("CloseDue", decision.publish[-1])))

        assert decision.publish[-1] == CloseDue(market="*", due_at=OCTOBER.closes_at)
        assert again.publish[-1] == decision.publish[-1]

    def test_case_28_the_second_of_two_closes_finds_nothing(self) -> None:
        once = close_on_tick(a_state(an_account(OCTOBER), more=True), a_tick()).state

        assert close_on_tick(once, a_tick()).outcome == "nothing_due"


class TestOutcome:
    def test_case_4_below_the_minimum_it_is_carried_without_a_posting(self) -> None:
        decision = close_on_tick(a_state(an_account(OCTOBER), _2026_10=Figures(released_minor=62_10)), a_tick())

        [statement] = decision.state.statements
        assert (statement.outcome, statement.carried_minor, statement.minimum_minor) == ("below_minimum", 62_10, 100_00)
        assert (statement.withheld, decision.state.postings) == (None, ())

    def test_case_4_who_leaves_gets_what_is_below_the_minimum(self) -> None:
        state = a_state(an_account(OCTOBER), _2026_10=Figures(released_minor=62_10))

        decision = close_by_hand(state, by_hand(distributor_id=2, final=True))

        [statement] = decision.state.statements
        assert (statement.outcome, statement.payable_minor, statement.is_final) == ("payable", 62_10, True)

    def test_case_5_exactly_the_minimum_is_paid(self) -> None:
        decision = close_on_tick(a_state(an_account(OCTOBER), _2026_10=Figures(released_minor=100_00)), a_tick())

        assert [one.outcome for one in decision.state.statements] == ["payable"]

    def test_nothing_is_its_own_outcome(self) -> None:
        decision = close_on_tick(a_state(an_account(OCTOBER)), a_tick())

        assert [one.outcome for one in decision.state.statements] == ["nothing"]

    @pytest.mark.parametrize(("gross", "fees", "outcome"), [(200_00, 5_00, "payable"), (5_00, 0, "below_minimum")])
    def test_fees_are_the_payees_if_the_terms_state_it(self, gross: int, fees: int, outcome: str) -> None:
        terms = Terms(fee_bearer="payee", fees={"CNY": 5_00})
        state = a_state(an_account(OCTOBER), terms=terms, _2026_10=Figures(released_minor=gross))

        [statement] = close_on_tick(state, a_tick()).state.statements

        assert (statement.fees_minor, statement.outcome) == (fees, outcome)

    def test_case_3_a_debt_is_carried_since_its_first_statement(self) -> None:
        account = an_account(OCTOBER, NOVEMBER)
        state = a_state(account, _2026_10=Figures(reversed_minor=-5_00), _2026_11=Figures(released_minor=1_00))

        october = close_on_tick(state, a_tick()).state
        november = close_on_tick(october, a_tick(NOVEMBER.closes_at)).state

        assert october.accounts[account.key].negative_since == OCTOBER.closes_at
        assert november.accounts[account.key].negative_since == OCTOBER.closes_at
        assert november.accounts[account.key].carried_minor == -4_00

    def test_case_2_what_was_payable_stays_payable(self) -> None:
        account = an_account(NOVEMBER, payable_minor=300_00)
        decision = close_on_tick(a_state(account, _2026_11=Figures(reversed_minor=-300_00)), a_tick(NOVEMBER.closes_at))

        after = decision.state.accounts[account.key]
        assert (after.payable_minor, after.carried_minor) == (300_00, -300_00)

    def test_case_26_a_statement_states_what_is_from_earlier_periods(self) -> None:
        state = a_state(an_account(OCTOBER), _2026_10=Figures(released_minor=300_00, late_minor=20_00, postings=2))

        [event] = close_on_tick(state, a_tick()).publish

        assert isinstance(event, StatementClosed)
        assert (str(event.late), str(event.released), event.posting_count) == ("20.00", "300.00", 2)


class TestByHand:
    def test_an_unknown_period_is_refused(self) -> None:
        assert reasons(close_by_hand(a_state(), by_hand("2026-09"))) == ["unknown_period"]

    def test_a_final_close_names_one_distributor(self) -> None:
        assert reasons(close_by_hand(a_state(an_account(OCTOBER)), by_hand(final=True))) == ["final_of_all"]

    def test_a_period_that_is_not_over_is_refused_with_the_time_left(self) -> None:
        decision = close_by_hand(a_state(), by_hand(received_at=datetime.fromisoformat("2026-10-31T12:48:00Z")))

        [refusal] = decision.publish
        assert isinstance(refusal, CloseRefused)
        assert refusal.reason == "period_not_over"
        assert "ends at 2026-10-31T16:00:00+00:00, in 3 h 12 min" in refusal.detail

    def test_a_period_in_its_grace_is_closed_account_by_account(self) -> None:
        state = a_state(an_account(OCTOBER))

        asked = close_by_hand(state, by_hand(received_at=OCTOBER.ends_at))
        closed = close_due(state, message(cast("CloseDue", asked.publish[0]), time=OCTOBER.ends_at))

        assert asked == Decision(state, (CloseDue(market="default", due_at=OCTOBER.closes_at, by="ann"),), "closing")
        assert [(one.period, one.by) for one in closed.state.statements] == [("2026-10", "ann")]

    def test_one_distributor_is_closed_off_cycle_and_the_period_goes_on(self) -> None:
        account, now = an_account(NOVEMBER), datetime.fromisoformat("2026-11-10T00:00:00Z")
        state = a_state(account, _2026_11=Figures(released_minor=150_00, postings=1))

        decision = close_by_hand(state, by_hand("2026-11", now, distributor_id=2))

        [statement] = decision.state.statements
        after = decision.state.accounts[account.key]
        assert (statement.statement_id, statement.ends_at) == (slice_of(NOVEMBER), now)
        assert (after.closed_to, after.part, after.open, after.close_at) == (now, 1, (), None)

    def test_the_second_part_of_a_period_ends_with_it(self) -> None:
        now = datetime.fromisoformat("2026-11-10T00:00:00Z")
        second = replace(NOVEMBER, period="2026-11.2", part=2, starts_at=now)
        account = an_account(second, closed_to=now, part=1)

        decision = close_on_tick(a_state(account), a_tick(NOVEMBER.closes_at))

        after = decision.state.accounts[account.key]
        assert (after.closed_to, after.part) == (NOVEMBER.ends_at, 0)
        assert [one.statement_id for one in decision.state.statements] == [slice_of(second)]

    def test_earlier_periods_are_closed_first_and_later_ones_stay(self) -> None:
        state = a_state(an_account(OCTOBER, NOVEMBER))

        october = close_by_hand(state, by_hand("2026-10", NOVEMBER.closes_at, distributor_id=2))
        both = close_by_hand(state, by_hand("2026-11", NOVEMBER.closes_at, distributor_id=2))

        assert [one.period for one in october.state.statements] == ["2026-10"]
        assert [(one.period, one.number) for one in both.state.statements] == [("2026-10", 1), ("2026-11", 2)]

    def test_without_anything_open_it_is_refused(self) -> None:
        state = a_state(an_account(carried_minor=-5_00))

        decision = close_by_hand(state, by_hand("2026-11", distributor_id=2))

        assert reasons(decision) == ["nothing_to_close"]

    @pytest.mark.parametrize(("is_final", "outcomes"), [(True, ["payable"]), (False, [])])
    def test_what_is_carried_is_closed_alone_if_it_becomes_payable(self, is_final: bool, outcomes: list[str]) -> None:
        now = datetime.fromisoformat("2026-11-10T00:00:00Z")
        state = a_state(an_account(carried_minor=62_10, closed_to=OCTOBER.ends_at))

        decision = close_by_hand(state, by_hand("2026-11", now, distributor_id=2, final=is_final))

        assert [one.outcome for one in decision.state.statements] == outcomes
        assert reasons(decision) == ([] if outcomes else ["nothing_to_close"])


def test_tax_is_cumulative_for_the_month_of_the_closes() -> None:
    account = an_account(NOVEMBER, tax=TaxMonth("2026-12", 3_000_00, 440_00))
    state = a_state(account, _2026_11=Figures(released_minor=2_000_00))

    decision = close_on_tick(state, a_tick(NOVEMBER.closes_at))

    [statement] = decision.state.statements
    assert statement.withheld is not None
    assert (statement.withheld.month, statement.withheld_minor) == ("2026-12", 360_00)
    assert decision.state.accounts[account.key].tax == TaxMonth("2026-12", 5_000_00, 800_00)


_amounts = st.integers(-(10**7), 10**7)


@given(
    st.builds(
        Figures,
        released_minor=_amounts,
        reversed_minor=_amounts,
        rewards_minor=_amounts,
        adjustments_minor=_amounts,
        written_off_minor=_amounts,
        returned_minor=_amounts,
    ),
    _amounts,
    st.sampled_from([Terms(), TERMS, Terms(fee_bearer="payee", fees={"CNY": 3_00}, tax_rule="cn_labour")]),
    st.booleans(),
)
def test_a_statement_always_adds_up(figures: Figures, carried: int, terms: Terms, is_final: bool) -> None:
    account = an_account(carried_minor=carried)
    one = statement_of(account, OCTOBER, figures, terms, Closing(NOW, is_final=is_final), number=1)

    assert one.opening_minor + figures.total_minor == one.gross_minor
    assert one.gross_minor == one.payable_minor + one.withheld_minor + one.fees_minor + one.carried_minor
    assert min(one.payable_minor, one.withheld_minor, one.fees_minor) >= 0
    assert (one.payable_minor > 0) == (one.outcome == "payable")
    assert list(faults_by_terms(one, _stored(OCTOBER), terms)) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"fees_minor": 2_00}, "its fees are 200, its terms have 300"),
        ({"withheld": None}, "tax is not withheld, against its terms"),
        ({"outcome": "nothing"}, "its outcome is nothing, its figures give payable"),
        ({"gross_minor": 0}, "its outcome is payable, its figures give nothing"),
        ({"gross_minor": -1}, "its outcome is payable, its figures give carried_negative"),
    ],
)
def test_a_statement_that_is_not_what_its_terms_give_is_found(change: dict[str, Any], fault: str) -> None:
    terms = Terms(fee_bearer="payee", fees={"CNY": 3_00}, tax_rule="cn_labour")
    one = statement_of(an_account(), OCTOBER, Figures(released_minor=900_00), terms, Closing(NOW), number=1)

    assert fault in list(faults_by_terms(replace(one, **change), _stored(OCTOBER), terms))
    assert list(faults_by_terms(one, _stored(OCTOBER), terms)) == []


def test_case_50_the_table_of_the_day_of_the_close_counts_also_for_the_rest_of_the_month() -> None:
    """20 % until the 14th, 10 % from the 15th on, of all that was closed in the month."""

    def a_table(version: str, day: int, rate_ppm: int) -> TaxTable:
        return TaxTable(version, date(2026, 12, day), "CNY", (Bracket(None, 0, 1_000_000, rate_ppm),))

    versions = (a_table("1", 1, 200_000), a_table("2", 15, 100_000))
    account, terms = an_account(), Terms(tax_rule="by_day")
    withheld = []
    with patch.dict(TAX_RULES, {"by_day": versions}):
        for day, gross in ((10, 100_00), (20, 50_00), (28, 250_00)):
            closing = Closing(datetime(2026, 12, day, tzinfo=UTC))
            one = statement_of(account, OCTOBER, Figures(released_minor=gross), terms, closing, number=1)
            account = replace(account, tax=tax_month_after(one, account))
            assert one.withheld is not None
            withheld.append((one.withheld.version, one.withheld_minor))

    assert withheld == [("1", 20_00), ("2", 0), ("2", 20_00)]
