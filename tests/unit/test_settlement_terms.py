"""Terms of settlement, adjustments and write-offs: two persons, and never in the past."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.calendar import ALWAYS, PeriodKind, Schedule, span_at
from contracts.rules.plans import AmountIn
from contracts.rules.view import PROPOSAL_LIFE
from contracts.settlement.document import TermsDocument
from contracts.settlement.v1 import (
    Adjusted,
    AdjustmentApproved,
    AdjustmentProposed,
    ApproveAdjustment,
    ApproveTerms,
    ProposeAdjustment,
    ProposeTerms,
    TermsApproved,
    TermsProposed,
)
from contracts.settlement.view import Account, Adjustment, Figures, OpenPeriod, Period, Terms, TermsVersion
from contracts.wire.decision import Decision, NotYet
from tests.builders import NOW, SELLER, message
from workers.settlement.adjustments import approve_adjustment, propose_adjustment
from workers.settlement.model import State
from workers.settlement.periods import opened
from workers.settlement.terms import approve_terms, propose_terms

DOCUMENT = TermsDocument(
    zone="Asia/Shanghai",
    minimum=(AmountIn(currency="CNY", amount=Decimal("100.00")),),
    fees=(AmountIn(currency="CNY", amount=Decimal("2.00")),),
    tax_rule="cn_labour",
)
ACCOUNT = f"default/{SELLER}/CNY"
NOVEMBER = Period(
    "default/2026-11",
    "default",
    "2026-11",
    datetime(2026, 11, 1, tzinfo=UTC),
    datetime(2026, 12, 1, tzinfo=UTC),
    datetime(2026, 12, 1, 6, tzinfo=UTC),
    "UTC",
    0,
)
OPEN = OpenPeriod(
    NOVEMBER.period, NOVEMBER.starts_at, NOVEMBER.ends_at, NOVEMBER.closes_at, NOVEMBER.zone, NOVEMBER.terms_version
)


def proposed(document: TermsDocument = DOCUMENT, *, received_at: datetime = NOW, **fields: Any) -> Any:
    command = ProposeTerms(**{"terms_version": 1, "proposed_by": "ann", "terms": document, **fields})
    return message(command, received_at=received_at)


def drafted(*periods: Period, **fields: Any) -> State:
    """A state with a proposal of ann's, and these periods."""
    state = propose_terms(State(), proposed(**fields)).state
    return replace(state, periods={period.key: period for period in periods})


def approved(state: State, *, by: str = "bob", received_at: datetime = NOW, **fields: Any) -> Any:
    known = {"terms_version": 1, "digest": state.terms[1].digest if state.terms else "0" * 64, "approved_by": by}
    return approve_terms(state, message(ApproveTerms(**{**known, **fields}), received_at=received_at))


def reasons(decision: Any) -> list[str]:
    return [event.reason for event in decision.publish if hasattr(event, "reason")]


class TestProposal:
    def test_it_is_stored_with_the_digest_of_its_terms(self) -> None:
        decision: Any = propose_terms(State(), proposed())

        draft = decision.state.terms[1]
        assert draft.terms == Terms(
            zone="Asia/Shanghai", minimum={"CNY": 100_00}, fees={"CNY": 2_00}, tax_rule="cn_labour"
        )
        event = TermsProposed(terms_version=1, market="default", digest=draft.digest, proposed_by="ann")
        assert (decision.publish, decision.outcome) == ((event,), "proposed")

    def test_the_same_again_changes_nothing_and_other_terms_replace_it(self) -> None:
        state = drafted()
        other: Any = propose_terms(state, proposed(DOCUMENT.model_copy(update={"grace_hours": 1})))

        assert propose_terms(state, proposed()) == Decision(state, outcome="duplicate")
        assert other.state.terms[1].terms.grace_hours == 1

    def test_a_beginning_far_ahead_is_refused(self) -> None:
        assert reasons(propose_terms(State(), proposed(effective_from=NOW + timedelta(days=5 * 366 + 1)))) == [
            "time_in_future"
        ]
        assert approved(drafted(effective_from=NOW + timedelta(days=5 * 366))).outcome == "approved"

    def test_an_expired_one_may_be_proposed_again(self) -> None:
        again: Any = propose_terms(drafted(), proposed(received_at=NOW + PROPOSAL_LIFE + timedelta(days=1)))

        assert again.outcome == "proposed"

    def test_approved_ones_never_change(self) -> None:
        state = approved(drafted()).state

        assert propose_terms(state, proposed()).outcome == "duplicate"
        assert reasons(propose_terms(state, proposed(DOCUMENT.model_copy(update={"grace_hours": 1})))) == ["conflict"]

    def test_an_amount_finer_than_its_currency_is_refused(self) -> None:
        document = DOCUMENT.model_copy(update={"fees": (AmountIn(currency="JPY", amount=Decimal("0.5")),)})

        assert reasons(propose_terms(State(), proposed(document))) == ["amount_precision"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"zone": "Asia/Nowhere"},
            {"tax_rule": "none_such"},
            {"period": "week", "anchor": 8},
            {"period": "day", "anchor": 2},
        ],
    )
    def test_impossible_terms_are_refused_by_the_contract(self, fields: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            TermsDocument(**fields)


class TestApproval:
    def test_case_21_another_person_approves_and_case_25_it_begins_where_the_period_ends(self) -> None:
        state = drafted(NOVEMBER)
        decision = approved(state)

        event = TermsApproved(
            terms_version=1,
            market="default",
            digest=state.terms[1].digest,
            approved_by="bob",
            since=NOVEMBER.ends_at,
        )
        assert (decision.publish, decision.outcome) == ((event,), "approved")
        assert decision.state.terms[1].since == NOVEMBER.ends_at

    @pytest.mark.parametrize(
        ("effective_from", "since"),
        [("2026-12-15T00:00:00Z", "2027-01-01T00:00:00Z"), ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z")],
    )
    def test_a_later_date_is_moved_to_the_end_of_its_period(self, effective_from: str, since: str) -> None:
        state = drafted(NOVEMBER, effective_from=datetime.fromisoformat(effective_from))

        assert approved(state).state.terms[1].since == datetime.fromisoformat(since)

    def test_in_a_market_without_open_periods_it_begins_with_its_own_period(self) -> None:
        ended = replace(NOVEMBER, ends_at=datetime(2026, 11, 1, tzinfo=UTC))

        assert approved(drafted()).state.terms[1].since == datetime(2026, 10, 31, 16, tzinfo=UTC)
        assert approved(drafted(ended)).state.terms[1].since == ended.ends_at

    @pytest.mark.parametrize("period", ["month", "two_weeks", "week", "day"])
    @pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Honolulu", "UTC", "Asia/Shanghai"])
    def test_its_first_period_has_the_name_of_the_calendar(self, zone: str, period: PeriodKind) -> None:
        """West of UTC, not that of the next one."""
        document = TermsDocument(market="default", zone=zone, period=period)
        state = approved(drafted(document=document)).state

        _, first, _ = opened(state, "default", NOW)

        own = span_at(NOW, [(ALWAYS, Schedule(zone, period))])
        assert (first.period, first.ends_at, first.terms_version) == (own.name, own.ends_at, 1)
        assert abs(first.starts_at - own.starts_at) < timedelta(days=1)
        assert state.series["default"].changes == 1

    def test_the_proposer_cannot_approve(self) -> None:
        assert reasons(approved(drafted(), by="Ann")) == ["same_person"]

    def test_who_proposed_them_meanwhile_must_be_one_of_whom_the_approver_is_independent(self) -> None:
        assert reasons(approved(drafted(), independent_of=("bob",))) == ["changed_meanwhile"]
        assert approved(drafted(), independent_of=("Ann",)).outcome == "approved"

    def test_other_terms_than_those_read_are_not_approved(self) -> None:
        assert reasons(approved(drafted(), digest="1" * 64)) == ["digest_mismatch"]

    def test_an_expired_proposal_is_refused(self) -> None:
        late = NOW + PROPOSAL_LIFE + timedelta(seconds=1)

        assert reasons(approved(drafted(), received_at=late)) == ["proposal_expired"]

    def test_before_its_proposal_it_is_retried_and_afterwards_a_repeat_changes_nothing(self) -> None:
        early = approved(State())
        done = approved(drafted()).state

        assert isinstance(early, NotYet)
        assert reasons(early.otherwise) == ["not_proposed"]
        assert approved(done) == Decision(done, outcome="duplicate")


def an_adjustment(amount: str = "12.50", **fields: Any) -> Any:
    known = {"adjustment_id": "a-1", "distributor_id": SELLER, "currency": "CNY", "reason": "goodwill", "note": "Late."}
    return message(ProposeAdjustment(**{**known, "amount": amount, "proposed_by": "ann", **fields}))


def waiting(
    amount: str = "12.50", *, terms: Terms | None = None, account: Account | None = None, **fields: Any
) -> State:
    """A state with a proposed adjustment, the terms of its market, and the account."""
    state: Any = propose_adjustment(State(), an_adjustment(amount, **fields)).state
    version = TermsVersion(1, "default", "0" * 64, terms or Terms(), "ann", NOW, "bob", NOW, since=NOVEMBER.starts_at)
    return replace(
        state,
        terms={1: version},
        periods={NOVEMBER.key: NOVEMBER},
        accounts={account.key: account} if account else {},
    )


def consented(state: State, by: str = "bob", **fields: Any) -> Any:
    digest = state.adjustments["a-1"].digest if state.adjustments else "0" * 64
    command = ApproveAdjustment(**{"adjustment_id": "a-1", "digest": digest, "approved_by": by, **fields})
    return approve_adjustment(state, message(command))


class TestAdjustment:
    def test_a_proposal_moves_nothing(self) -> None:
        decision: Any = propose_adjustment(State(), an_adjustment())

        [event] = decision.publish
        assert isinstance(event, AdjustmentProposed)
        assert (event.amount, decision.state.postings) == (Decimal("12.50"), ())
        assert propose_adjustment(decision.state, an_adjustment()).outcome == "duplicate"
        assert reasons(propose_adjustment(decision.state, an_adjustment("13.00"))) == ["conflict"]

    @pytest.mark.parametrize(
        ("amount", "fields", "reason"),
        [
            ("0.00", {}, "nothing_to_adjust"),
            ("-5.00", {"kind": "write_off"}, "nothing_to_adjust"),
            ("0.5", {"currency": "JPY"}, "amount_precision"),
        ],
    )
    def test_an_impossible_amount_is_refused(self, amount: str, fields: dict[str, Any], reason: str) -> None:
        assert reasons(propose_adjustment(State(), an_adjustment(amount, **fields))) == [reason]

    def test_case_48_another_person_books_it_on_the_available_amount_alone(self) -> None:
        decision = consented(waiting("-12.50"))

        [posting] = decision.state.postings
        assert posting.legs == {"available": -12_50, "adjustments": 12_50}
        assert (posting.posting_id, posting.statement) == ("adjustment/a-1", f"default/2026-11/{SELLER}/CNY")
        [event] = decision.publish
        assert isinstance(event, Adjusted)
        adjustment = decision.state.adjustments["a-1"]
        assert (adjustment.approved_by, adjustment.statement, adjustment.booked_at) == (
            ("bob",),
            posting.statement,
            NOW,
        )

    def test_case_20_two_approvals_are_two_persons(self) -> None:
        state = waiting(terms=Terms(approvals=2))
        first = consented(state)
        twice = consented(first.state, "Bob")
        second = consented(first.state, "cy", os_user="cy")

        assert first.publish == (AdjustmentApproved(adjustment_id="a-1", approved_by="bob", missing=1),)
        assert twice.outcome == "duplicate"
        assert second.state.adjustments["a-1"].approved_by == ("bob", "cy")
        assert second.state.adjustments["a-1"].approved_os_users == ("", "cy")
        assert len(second.state.postings) == 1
        assert consented(second.state, "dee").outcome == "duplicate"

    def test_who_approved_it_meanwhile_must_be_one_of_whom_the_approver_is_independent(self) -> None:
        """Two that depend on each other may approve at the same moment."""
        terms = approved(drafted(document=TermsDocument(market="default", approvals=2))).state
        proposed: Any = propose_adjustment(terms, an_adjustment())
        first = consented(proposed.state, "bob", independent_of=("ann",))

        assert first.outcome == "approved"
        assert reasons(consented(first.state, "cy", independent_of=("ann",))) == ["changed_meanwhile"]
        assert consented(first.state, "cy", independent_of=("ann", "bob")).outcome == "booked"

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"by": "ANN"}, "same_person"),
            ({"approver_distributor_id": SELLER}, "payee_approves_own"),
            ({"digest": "1" * 64}, "digest_mismatch"),
        ],
    )
    def test_case_21_neither_proposer_nor_payee_approves(self, fields: dict[str, Any], reason: str) -> None:
        assert reasons(consented(waiting(), **fields)) == [reason]

    def test_before_its_proposal_an_approval_is_retried(self) -> None:
        early = consented(State())

        assert isinstance(early, NotYet)
        assert reasons(early.otherwise) == ["not_proposed"]


class TestWriteOff:
    ALLOWED = Terms(write_off_after_days=30)
    LONG_AGO = NOW - timedelta(days=30)

    def owing(self, carried_minor: int = -20_00, **fields: Any) -> Account:
        return replace(
            Account(ACCOUNT, "default", SELLER, "CNY", (OPEN,), OPEN.closes_at, carried_minor=carried_minor),
            negative_since=self.LONG_AGO,
            **fields,
        )

    def test_case_3_a_debt_is_written_off_by_two_persons(self) -> None:
        decision = consented(waiting("12.50", kind="write_off", terms=self.ALLOWED, account=self.owing()))

        [posting] = decision.state.postings
        assert (posting.kind, posting.legs) == ("write_off", {"available": 12_50, "written_off": -12_50})

    def test_it_writes_the_series_of_its_market_so_that_of_two_at_once_one_is_run_again(self) -> None:
        """Its account stays as it is, as the period is open: two would not conflict there."""
        state = waiting("12.50", kind="write_off", terms=self.ALLOWED, account=self.owing())
        decision = consented(state)
        adjusted = consented(waiting("12.50", account=self.owing()))

        assert decision.state.accounts == state.accounts
        assert decision.state.series["default"].changes == 1
        assert adjusted.state.series == {}

    def test_what_was_earned_since_the_last_statement_counts(self) -> None:
        state = waiting("12.50", kind="write_off", terms=self.ALLOWED, account=self.owing())
        earned = replace(state, figures={f"default/2026-11/{SELLER}/CNY": Figures(released_minor=8_00)})

        decision = consented(earned)

        assert reasons(decision) == ["more_than_owed"]
        assert "the debt is 12.00 CNY" in decision.publish[0].detail

    @pytest.mark.parametrize(
        ("terms", "since", "amount", "reason"),
        [
            (Terms(), LONG_AGO, "1.00", "write_off_not_allowed"),
            (ALLOWED, LONG_AGO, "20.01", "more_than_owed"),
            (ALLOWED, LONG_AGO + timedelta(seconds=1), "1.00", "write_off_too_early"),
            (ALLOWED, None, "1.00", "write_off_too_early"),
        ],
    )
    def test_it_is_refused(self, terms: Terms, since: datetime | None, amount: str, reason: str) -> None:
        account = replace(self.owing(), negative_since=since)

        assert reasons(consented(waiting(amount, kind="write_off", terms=terms, account=account))) == [reason]

    def test_without_an_account_nothing_is_owed(self) -> None:
        assert reasons(consented(waiting("1.00", kind="write_off", terms=self.ALLOWED))) == ["more_than_owed"]


def test_an_adjustment_waits_for_its_approval() -> None:
    [waits] = waiting().adjustments.values()

    assert isinstance(waits, Adjustment)
    assert (waits.statement, waits.approved_by) == (None, ())
