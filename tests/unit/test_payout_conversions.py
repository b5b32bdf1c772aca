"""Payouts in another currency: converted once, by a table that two persons approved, along an open corridor."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.corridors.v1 import ApproveCorridor, CloseCorridor, DefineCorridor
from contracts.exchange_rates.v1 import RatesApproved, StatedRate
from contracts.exchange_rates.view import RATE_AGE_MAX
from contracts.payouts.v1 import Conversion, PayoutStarted
from contracts.payouts.view import KnownRates
from contracts.rules.plans import AmountIn
from tests.builders import NOW
from tests.payout_story import DAY, PAYEE, Story, a_closed_statement, a_method, a_payee, a_proposal, names, statement_id
from workers.payouts import converting, corridors

ID = statement_id(currency="CNY")
SECOND = timedelta(seconds=1)


def a_table(table_id: str = "t-1", **fields: Any) -> RatesApproved:
    rates = fields.pop("rates", {"CNY": "7.8000", "USD": "1.0920"})
    usual: dict[str, Any] = {
        "table_id": table_id,
        "source": "treasury",
        "base": "EUR",
        "as_of": NOW - DAY,
        "rates": tuple(StatedRate(currency=currency, rate=rate) for currency, rate in rates.items()),
        "spread": Decimal("0.005"),
        "digest": "0" * 64,
        "approved_by": "bob",
    }
    return RatesApproved(**{**usual, **fields})


def a_corridor(corridor_id: str = "c-1", **fields: Any) -> DefineCorridor:
    usual: dict[str, Any] = {"rail": "paypal", "from_country": "DE", "to_country": "US", "currencies": ("USD",)}
    return DefineCorridor(corridor_id=corridor_id, proposed_by="ann", **{**usual, **fields})


def limit(amount: str, currency: str = "USD") -> tuple[AmountIn, ...]:
    return (AmountIn(currency=currency, amount=Decimal(amount)),)


def open_corridor(story: Story, corridor: DefineCorridor | None = None) -> None:
    corridor = corridor or a_corridor()
    story.hand(corridors.define_corridor, corridor)
    digest = story.state.corridors[corridor.corridor_id].digest
    approval = ApproveCorridor(corridor_id=corridor.corridor_id, digest=digest, approved_by="bob")
    story.hand(corridors.approve_corridor, approval)
    assert story.outcome == "opened"


def abroad(payable: str = "1000.00", currency: str = "CNY", target: str = "USD", **method: Any) -> Story:
    """A payable amount whose payee has a PayPal account in the United States."""
    story = Story()
    story.close(a_closed_statement(payable=payable, currency=currency))
    story.know(a_payee(method=a_method("paypal", target, **{"country": "US", **method})))
    return story


def prepared(**fields: Any) -> Story:
    story = abroad(**fields)
    story.hand(converting.note_rates, a_table())
    open_corridor(story)
    return story


def left_out(story: Story) -> str | None:
    """Why the payout waits, after a proposal."""
    story.propose()
    assert story.payout(ID).state == "waiting"
    return story.payout(ID).reason


class TestRates:
    def test_the_newest_table_of_a_source_is_kept_whatever_arrives_last(self) -> None:
        story = Story()
        story.hand(converting.note_rates, a_table("t-2", as_of=NOW))
        story.hand(converting.note_rates, a_table("t-1"))

        assert story.outcome == "outdated"
        assert story.state.rates == {
            "treasury": KnownRates("treasury", "t-2", "EUR", NOW, {"CNY": "7.8000", "USD": "1.0920"}, 5_000)
        }

    def test_the_newest_table_with_both_currencies_counts(self) -> None:
        story = prepared()
        story.hand(converting.note_rates, a_table("bank-1", source="bank", as_of=NOW, rates={"USD": "1.2"}))
        story.propose()
        plan = story.payout(ID).plan
        assert plan is not None
        assert plan.conversion is not None
        assert plan.conversion.table_id == "t-1"


class TestAConversion:
    def test_the_worked_example_is_planned_once_and_stated(self) -> None:
        story = prepared()
        story.propose()
        story.approve()
        events = story.pass_time()

        assert names(events) == ["payout.started", "payout.attempt-due"]
        assert events[0] == PayoutStarted(
            payout_id=ID,
            distributor_id=PAYEE,
            payable=Decimal("1000.00"),
            statement_currency="CNY",
            left=Decimal("0.00"),
            amount=Decimal("139.30"),
            currency="USD",
            conversion=Conversion(rate="1.0920/7.8000", source="treasury", as_of=NOW - DAY, fee=Decimal("5.00")),
            rail="paypal",
            started_at=NOW,
        )

    def test_a_newer_table_does_not_change_what_was_proposed(self) -> None:
        story = prepared()
        story.propose()
        digest = story.state.batches["b-1"].digest
        story.hand(converting.note_rates, a_table("t-2", as_of=NOW, rates={"CNY": "7", "USD": "1.2"}))
        assert names(story.approve(digest=digest)) == ["payout-batch.approved"]
        assert story.pass_time()[1].amount == Decimal("139.30")  # type: ignore[attr-defined]

    def test_the_digest_states_the_table(self) -> None:
        first, second = prepared(), prepared()
        second.hand(converting.note_rates, a_table("t-2", as_of=NOW))
        first.propose()
        second.propose()
        assert first.state.batches["b-1"].digest != second.state.batches["b-1"].digest

    def test_a_rail_of_whole_units_leaves_the_rest_with_the_house(self) -> None:
        story = abroad(payable="100.00", target="HUF")
        story.hand(converting.note_rates, a_table(rates={"CNY": "7.8000", "HUF": "391.7"}))
        open_corridor(story, a_corridor(currencies=("HUF",)))
        story.propose()
        plan = story.payout(ID).plan
        assert plan is not None
        assert (plan.amount_minor, plan.left_minor) == (4996_00, 0)

    def test_less_than_a_unit_waits(self) -> None:
        story = prepared(payable="0.01")
        assert left_out(story) == "below_whole_unit"


class TestEdge30:
    def test_without_a_rate_it_waits_and_is_never_sent_one_to_one(self) -> None:
        story = abroad()
        open_corridor(story)
        assert left_out(story) == "no_rate"
        story.hand(converting.note_rates, a_table(rates={"USD": "1.0920"}))
        assert left_out(story) == "no_rate"
        assert story.payout(ID).plan is None

    @pytest.mark.parametrize(("age", "reason"), [(RATE_AGE_MAX, None), (RATE_AGE_MAX + SECOND, "no_rate")])
    def test_an_old_rate_is_not_used(self, age: timedelta, reason: str | None) -> None:
        story = abroad()
        story.hand(converting.note_rates, a_table(as_of=NOW - age))
        open_corridor(story)
        story.propose()
        assert story.payout(ID).reason == reason

    def test_a_proposal_whose_rate_has_become_too_old_falls(self) -> None:
        story = prepared()
        story.propose()
        story.at += RATE_AGE_MAX - DAY + SECOND
        story.hand(converting.note_rates, a_table("t-2", as_of=story.at))
        [refused] = story.approve()
        assert refused.reason == "stale_digest"  # type: ignore[attr-defined]
        assert "(no_rate)" in refused.detail  # type: ignore[attr-defined]

    def test_an_approved_payout_whose_rate_has_become_too_old_waits_again(self) -> None:
        story = prepared()
        story.propose()
        story.approve()
        assert names(story.pass_time(RATE_AGE_MAX - DAY + SECOND)) == []
        assert (story.payout(ID).state, story.payout(ID).reason) == ("waiting", "no_rate")


class TestACorridor:
    def test_none_is_open_for_what_is_converted(self) -> None:
        story = abroad()
        story.hand(converting.note_rates, a_table())
        assert left_out(story) == "corridor_not_allowed"
        story.hand(corridors.define_corridor, a_corridor())
        assert left_out(story) == "corridor_not_allowed"

    @pytest.mark.parametrize("other", [{"to_country": "GB"}, {"rail": "manual"}, {"currencies": ("GBP",)}])
    def test_another_one_does_not_help(self, other: dict[str, Any]) -> None:
        story = abroad()
        story.hand(converting.note_rates, a_table())
        open_corridor(story, a_corridor(**other))
        assert left_out(story) == "corridor_not_allowed"

    def test_a_rail_with_corridors_sends_along_them_only(self) -> None:
        story = abroad(currency="USD")
        open_corridor(story, a_corridor(to_country="GB"))
        story.propose()
        assert story.payout(statement_id(currency="USD")).reason == "corridor_not_allowed"

    def test_a_rail_whose_only_corridor_is_closed_sends_nothing(self) -> None:
        story = abroad(currency="USD")
        open_corridor(story)
        story.hand(corridors.close_corridor, CloseCorridor(corridor_id="c-1", reason="policy", closed_by="ann"))
        story.propose()
        assert story.payout(statement_id(currency="USD")).reason == "corridor_not_allowed"

    def test_a_rail_without_corridors_sends_what_is_not_converted(self) -> None:
        story = abroad(currency="USD")
        story.propose()
        assert story.payout(statement_id(currency="USD")).state == "proposed"

    @pytest.mark.parametrize(("most", "reason"), [("139.30", None), ("139.29", "limit_of_payment_reached")])
    def test_a_payment_has_a_limit(self, most: str, reason: str | None) -> None:
        story = abroad()
        story.hand(converting.note_rates, a_table())
        open_corridor(story, a_corridor(limit_per_payment=limit(most)))
        story.propose()
        assert story.payout(ID).reason == reason

    def test_a_year_has_a_limit_and_what_failed_does_not_count(self) -> None:
        story = abroad()
        story.hand(converting.note_rates, a_table())
        open_corridor(story, a_corridor(limit_per_year=limit("200.00")))
        later = statement_id(currency="CNY", period="2026-11")
        story.close(a_closed_statement(payable="1000.00", currency="CNY", period="2026-11"))
        story.propose()
        story.approve()
        assert names(story.pass_time()) == ["payout.started", "payout.attempt-due"]
        assert (story.payout(later).state, story.payout(later).reason) == ("waiting", "limit_of_year_reached")
        assert story.state.payees[PAYEE].sent_in_year == {"2026/paypal/US/USD": 139_30}

        story.answer("failed", "account_closed", payout_id=ID, rail="paypal")
        assert story.payout(ID).state == "failed"
        assert story.state.payees[PAYEE].sent_in_year == {"2026/paypal/US/USD": 0}
        story.propose(a_proposal("b-2"))
        assert story.payout(later).state == "proposed"

    def test_a_new_year_begins_with_nothing(self) -> None:
        story = prepared()
        payee = story.state.payees[PAYEE]
        story.state = story.state.with_payee(replace(payee, sent_in_year={"2025/paypal/US/USD": 1}))
        story.propose()
        story.approve()
        story.pass_time()
        assert story.state.payees[PAYEE].sent_in_year == {"2026/paypal/US/USD": 139_30}

    def test_that_is_closed_stops_what_was_approved_and_not_sent(self) -> None:
        story = prepared()
        story.propose()
        story.approve()
        story.hand(corridors.close_corridor, CloseCorridor(corridor_id="c-1", reason="policy", closed_by="ann"))
        story.pass_time()
        assert (story.payout(ID).state, story.payout(ID).reason) == ("waiting", "corridor_not_allowed")


def test_what_failed_in_an_earlier_year_changes_no_count() -> None:
    story = prepared()
    story.propose()
    story.approve()
    story.pass_time()
    payee = story.state.payees[PAYEE]
    story.state = story.state.with_payee(replace(payee, sent_in_year={}))
    story.answer("failed", "account_closed", payout_id=ID, rail="paypal")
    assert story.state.payees[PAYEE].sent_in_year == {}
