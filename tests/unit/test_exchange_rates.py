"""Tables of exchange rates: two persons, one base a source, never older than known, and no silent jump."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.exchange_rates.v1 import (
    ApproveRates,
    CurrencyRate,
    Jump,
    PublishRates,
    RatesApproved,
    RatesProposed,
    RatesRefused,
    RatesRejected,
    RejectRates,
    StatedRate,
)
from contracts.exchange_rates.view import RateTable, Source
from contracts.times import CLOCK_SKEW_MAX
from contracts.wire.decision import Decision, NotYet
from tests.builders import NOW, message
from workers.exchange_rates import decide
from workers.exchange_rates.model import State

DAY = timedelta(days=1)


def publish(state: State, **fields: Any) -> Any:
    rates = fields.pop("rates", {"CNY": "7.8000", "USD": "1.0920"})
    defaults = {"table_id": "t-1", "source": "treasury", "base": "EUR", "as_of": NOW, "proposed_by": "ann"}
    stated = tuple(CurrencyRate(currency=currency, rate=rate) for currency, rate in rates.items())
    return decide.publish(state, message(PublishRates(**{**defaults, **fields}, rates=stated)))


def approve(state: State, table_id: str = "t-1", by: str = "wei", digest: str | None = None, **fields: Any) -> Any:
    digest = digest or (state.tables[table_id].digest if table_id in state.tables else "0" * 64)
    return decide.approve(state, message(ApproveRates(table_id=table_id, digest=digest, approved_by=by, **fields)))


def reject(state: State, table_id: str = "t-1", by: str = "wei") -> Any:
    command = RejectRates(table_id=table_id, reason="wrong_column", rejected_by=by)
    return decide.reject(state, message(command))


PROPOSED: State = publish(State()).state
APPROVED: State = approve(PROPOSED).state
[TABLE] = PROPOSED.tables.values()


def reason_of(answer: Any) -> str:
    [refused] = answer.publish
    assert isinstance(refused, RatesRefused)
    assert answer.outcome == "refused"
    return refused.reason


class TestPublish:
    def test_a_table_is_stored_as_it_is_stated(self) -> None:
        answer = publish(State(), spread=Decimal("0.005"), os_user="root")

        [table] = answer.state.tables.values()
        event = RatesProposed(
            table_id="t-1",
            source="treasury",
            base="EUR",
            as_of=NOW,
            digest=table.digest,
            proposed_by="ann",
            os_user="root",
        )
        assert (answer.publish, answer.outcome) == ((event,), "proposed")
        assert table == RateTable(
            table_id="t-1",
            source="treasury",
            base="EUR",
            as_of=NOW,
            rates={"CNY": "7.8000", "USD": "1.0920"},
            spread_ppm=5_000,
            confirm_jump=False,
            digest=table.digest,
            state="proposed",
            proposed_by="ann",
            proposed_at=NOW,
            proposed_os_user="root",
        )

    def test_a_repeat_changes_nothing(self) -> None:
        assert publish(PROPOSED, proposed_by="wei") == Decision(PROPOSED, outcome="duplicate")
        assert publish(APPROVED) == Decision(APPROVED, outcome="duplicate")

    @pytest.mark.parametrize(
        "other",
        [
            {"rates": {"USD": "1.0920"}},
            {"base": "GBP"},
            {"as_of": NOW - DAY},
            {"source": "bank"},
            {"spread": Decimal("0.001")},
            {"confirm_jump": True},
        ],
    )
    def test_a_table_never_changes(self, other: dict[str, Any]) -> None:
        answer = publish(PROPOSED, **other)

        assert reason_of(answer) == "conflict"
        assert answer.state == PROPOSED

    def test_rates_of_the_future_are_refused(self) -> None:
        assert reason_of(publish(State(), as_of=NOW + CLOCK_SKEW_MAX + DAY)) == "time_in_future"
        assert publish(State(), as_of=NOW + CLOCK_SKEW_MAX).outcome == "proposed"

    def test_a_spread_that_is_a_typing_error_is_refused(self) -> None:
        assert reason_of(publish(State(), spread=Decimal("0.5"), confirm_jump=True)) == "implausible"
        assert publish(State(), spread=Decimal("0.05")).outcome == "proposed"

    @pytest.mark.parametrize("as_of", [NOW, NOW - DAY])
    def test_what_is_not_newer_than_known_is_refused(self, as_of: Any) -> None:
        assert reason_of(publish(APPROVED, table_id="t-2", as_of=as_of)) == "older_than_known"

    def test_a_source_keeps_its_base(self) -> None:
        assert reason_of(publish(APPROVED, table_id="t-2", base="GBP", as_of=NOW + timedelta(minutes=1))) == (
            "base_differs"
        )
        assert publish(APPROVED, table_id="t-2", base="GBP", source="bank").outcome == "proposed"

    @pytest.mark.parametrize("rates", [{"EUR": "1"}, {}, {"XXQ": "2"}, {"USD": "0"}, {"USD": "-1"}, {"USD": "1e3"}])
    def test_a_table_without_sense_cannot_be_written(self, rates: dict[str, str]) -> None:
        with pytest.raises(ValidationError):
            publish(State(), rates=rates)

    def test_a_currency_stands_once(self) -> None:
        twice = (CurrencyRate(currency="USD", rate="1.1"), CurrencyRate(currency="USD", rate="1.2"))
        with pytest.raises(ValidationError, match="USD has one rate too many"):
            PublishRates(table_id="t", source="treasury", base="EUR", as_of=NOW, rates=twice, proposed_by="ann")


LATER: dict[str, Any] = {"table_id": "t-2", "as_of": NOW + timedelta(minutes=1)}


class TestEdge31AJump:
    @pytest.mark.parametrize("rate", ["1.20121", "0.98279"])
    def test_of_more_than_a_tenth_is_refused(self, rate: str) -> None:
        answer = publish(APPROVED, **LATER, rates={"USD": rate})

        assert reason_of(answer) == "implausible"
        assert answer.publish[0].detail == (
            f"rates: USD goes from 1.0920 to {rate}, by more than a tenth; correct it, or propose the table with "
            "confirm_jump."
        )

    @pytest.mark.parametrize("rate", ["1.2012", "0.9828"])
    def test_of_a_tenth_is_none(self, rate: str) -> None:
        assert publish(APPROVED, **LATER, rates={"USD": rate}).outcome == "proposed"

    def test_that_is_confirmed_is_shown_to_who_approves(self) -> None:
        answer = publish(APPROVED, **LATER, rates={"CNY": "7.9", "USD": "2.1"}, confirm_jump=True)

        [event] = answer.publish
        assert event.jumps == (Jump(currency="USD", before="1.0920", rate="2.1"),)
        assert approve(answer.state, "t-2").outcome == "approved"

    def test_is_not_hidden_by_a_table_without_the_currency(self) -> None:
        without = publish(APPROVED, **LATER, rates={"CNY": "7.8"}).state
        known = approve(without, "t-2").state

        answer = publish(known, table_id="t-3", as_of=NOW + timedelta(minutes=2), rates={"USD": "10.92"})
        assert reason_of(answer) == "implausible"

    def test_of_a_new_currency_is_none(self) -> None:
        assert publish(APPROVED, **LATER, rates={"JPY": "163.25"}).outcome == "proposed"

    def test_that_another_table_has_made_meanwhile_takes_another_proposal(self) -> None:
        """Both follow the first table; the later one was shown to be no jump, and now it is one."""
        state = publish(APPROVED, **LATER, rates={"USD": "1.2"}).state
        state = publish(state, table_id="t-3", as_of=NOW + timedelta(minutes=2), rates={"USD": "1.0"}).state
        state = approve(state, "t-2").state
        assert reason_of(approve(state, "t-3")) == "implausible"

    def test_that_was_confirmed_of_other_rates_takes_another_proposal(self) -> None:
        state = publish(APPROVED, **LATER, rates={"USD": "1.2"}).state
        later = {"table_id": "t-3", "as_of": NOW + timedelta(minutes=2), "rates": {"USD": "3"}, "confirm_jump": True}
        state = publish(state, **later).state
        state = approve(state, "t-2").state
        answer = approve(state, "t-3")
        assert reason_of(answer) == "implausible"
        assert answer.publish[0].detail == (
            "table_id: table t-2 was approved since, and the jumps are others; propose it again."
        )


class TestApprove:
    def test_a_second_person_makes_it_the_newest(self) -> None:
        answer = approve(PROPOSED)

        event = RatesApproved(
            table_id="t-1",
            source="treasury",
            base="EUR",
            as_of=NOW,
            rates=(StatedRate(currency="CNY", rate="7.8000"), StatedRate(currency="USD", rate="1.0920")),
            spread=Decimal(0),
            digest=TABLE.digest,
            approved_by="wei",
        )
        after = replace(TABLE, state="approved", decided_by="wei", decided_at=NOW)
        newest = Source("treasury", "t-1", "EUR", NOW, TABLE.rates)
        assert answer == Decision(State({"t-1": after}, {"treasury": newest}), (event,), "approved")

    def test_the_first_approval_counts(self) -> None:
        assert approve(APPROVED, by="chen") == Decision(APPROVED, outcome="duplicate")

    @pytest.mark.parametrize("by", ["ann", "ANN"])
    def test_the_proposer_cannot(self, by: str) -> None:
        assert reason_of(approve(PROPOSED, by=by)) == "same_person"

    def test_who_proposed_it_meanwhile_must_be_one_of_whom_the_approver_is_independent(self) -> None:
        assert reason_of(approve(PROPOSED, independent_of=("chen",))) == "changed_meanwhile"
        assert approve(PROPOSED, independent_of=("ann",)).outcome == "approved"

    def test_another_digest_is_refused(self) -> None:
        assert reason_of(approve(PROPOSED, digest="0" * 64)) == "digest_mismatch"

    def test_that_arrives_before_its_table_is_retried(self) -> None:
        answer = approve(State())

        assert isinstance(answer, NotYet)
        assert answer.reason == "unknown_table"
        assert reason_of(answer.otherwise) == "unknown_table"

    def test_a_table_that_a_later_one_has_overtaken_is_refused(self) -> None:
        state = publish(PROPOSED, **LATER).state
        state = approve(state, "t-2").state
        assert reason_of(approve(state)) == "older_than_known"


class TestReject:
    def test_ends_a_proposal(self) -> None:
        answer = reject(PROPOSED)

        event = RatesRejected(table_id="t-1", source="treasury", reason="wrong_column", rejected_by="wei")
        after = replace(TABLE, state="rejected", decided_by="wei", decided_at=NOW, reject_reason="wrong_column")
        assert answer == Decision(State({"t-1": after}), (event,), "rejected")
        assert reject(answer.state, by="ann") == Decision(answer.state, outcome="duplicate")
        assert reason_of(approve(answer.state)) == "already_decided"

    def test_an_approved_table_stays(self) -> None:
        assert reason_of(reject(APPROVED)) == "already_decided"

    def test_that_arrives_before_its_table_is_retried(self) -> None:
        assert reject(State()).reason == "unknown_table"
