"""Settlement: movements are booked once, in the open period of their distributor. Numbers of cases are those of the
edge cases in docs/settlement.md.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.commissions.v1 import CommissionReleased, CommissionReversed, ReversedEntry, Share
from contracts.rewards.v1 import RewardGranted as EarlierGrant
from contracts.rewards.v1 import RewardRevoked
from contracts.settlement.v1 import PeriodOpened
from contracts.settlement.view import Account, OpenPeriod, Period, Terms, TermsVersion
from contracts.wire.decision import Decision
from tests.builders import NOW, SELLER, message
from tests.reward_builders import a_grant, a_release_of_a_reward, an_adjustment_of_a_reward
from workers.settlement.decide import (
    adjust_reward,
    book_release,
    book_reversal,
    book_reward,
    release_reward,
    take_back_reward,
)
from workers.settlement.model import State
from workers.settlement.movements import movements_of

ACCOUNT = f"default/{SELLER}/CNY"
SHANGHAI = TermsVersion(
    1,
    "default",
    "0" * 64,
    Terms(zone="Asia/Shanghai", minimum={"CNY": 100_00}, tax_rule="cn_labour"),
    "ann",
    NOW,
    "bob",
    NOW,
    since=datetime(2026, 9, 30, 16, tzinfo=UTC),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def released(amount: str, released_at: str = "2026-11-02T09:00:00Z", **fields: Any) -> Any:
    known = {"shop_id": "shop-1", "order_id": "1", "currency": "CNY", "total": amount}
    shares = fields.pop("shares", (Share(distributor_id=SELLER, amount=Decimal(amount)),))
    return message(CommissionReleased(**{**known, **fields}, shares=shares, released_at=at(released_at)))


def taken_back(*amounts: str, sent_at: datetime = NOW, account: str = "available", **fields: Any) -> Any:
    entries = tuple(
        ReversedEntry(line=1, plan="levels", level=1, distributor_id=SELLER, amount=Decimal(amount))
        for amount in amounts
    )
    known = {"shop_id": "shop-1", "order_id": "1", "currency": "CNY", "reference": "r-1", "reason": "order_refunded"}
    total = sum((Decimal(amount) for amount in amounts), Decimal(0))
    event = CommissionReversed(**{**known, **fields}, account=account, total=total, entries=entries)
    return message(event, time=sent_at)


def in_shanghai(*accounts: Account, periods: tuple[Period, ...] = ()) -> State:
    return State(
        accounts={account.key: account for account in accounts},
        periods={period.key: period for period in periods},
        terms={1: SHANGHAI},
    )


def an_account(**fields: Any) -> Account:
    return replace(Account(ACCOUNT, "default", SELLER, "CNY"), **fields)


def slices(decision: Any) -> list[tuple[str, int, str | None]]:
    """The slice, the amount and the closed period of each posting."""
    return [(one.statement, one.amount_minor, one.late_from) for one in decision.state.postings]


class TestRelease:
    def test_it_is_booked_and_opens_the_period(self) -> None:
        decision = book_release(State(), released("30.00"))

        [posting] = decision.state.postings
        period = OpenPeriod("2026-11", at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"), *_closing("2026-12-01"))
        account = an_account(open=(period,), close_at=period.closes_at)
        opened = PeriodOpened(
            market="default",
            period="2026-11",
            zone="UTC",
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            closes_at=period.closes_at,
            terms_version=0,
        )
        assert (posting.posting_id, posting.kind, posting.legs) == (
            f"shop-1/1/release/{SELLER}",
            "release",
            {"available": 3000, "commissions": -3000},
        )
        assert (posting.order, posting.effective_at) == ("shop-1/1", at("2026-11-02T09:00:00Z"))
        assert decision.state.accounts == {ACCOUNT: account}
        assert (decision.publish, decision.outcome) == ((opened,), "booked")

    def test_the_next_one_of_the_period_changes_neither_account_nor_period(self) -> None:
        once = book_release(State(), released("30.00")).state
        again = book_release(once, released("5.00", order_id="2"))

        assert again.publish == ()
        assert again.state.accounts is once.accounts
        assert slices(again) == [
            (f"default/2026-11/{SELLER}/CNY", 3000, None),
            (f"default/2026-11/{SELLER}/CNY", 500, None),
        ]

    def test_a_repeat_that_the_journal_forgot_books_nothing(self) -> None:
        state = State(booked=frozenset([f"shop-1/1/release/{SELLER}"]))

        assert book_release(state, released("30.00")) == Decision(state, outcome="duplicate")

    def test_a_share_of_zero_moves_nothing(self) -> None:
        assert book_release(State(), released("0.00")) == Decision(State(), outcome="nothing_moved")

    def test_another_market_has_another_account(self) -> None:
        decision = book_release(State(), released("30.00", market="west"))

        assert [*decision.state.accounts] == [f"west/{SELLER}/CNY"]


class TestReversal:
    def test_case_1_a_refund_makes_the_balance_negative(self) -> None:
        decision = book_reversal(State(), taken_back("-5.00", "-1.00"))

        [posting] = decision.state.postings
        assert posting.posting_id == f"shop-1/1/reversal/r-1/{SELLER}"
        assert posting.legs == {"available": -600, "commissions": 600}
        assert (posting.kind, posting.reference, posting.effective_at) == ("reversal", "r-1", NOW)

    def test_a_held_commission_was_never_handed_over(self) -> None:
        reversal = taken_back("-5.00", account="held")

        assert movements_of(reversal) == ()
        assert book_reversal(State(), reversal) == Decision(State(), outcome="held_only")

    def test_entries_that_cancel_out_move_nothing(self) -> None:
        assert book_reversal(State(), taken_back("-5.00", "5.00")) == Decision(State(), outcome="nothing_moved")


class TestRewards:
    def test_a_grant_is_booked(self) -> None:
        decision = book_reward(State(), message(a_grant("100.00", bonus="200.00", held_first=False), id="m-1"))

        [posting] = decision.state.postings
        name = f"monthly_sales/{SELLER}/2026-11/CNY"
        assert (posting.posting_id, posting.reference, posting.kind) == (f"{name}/m-1", name, "reward")
        assert posting.legs == {"available": 20_000, "rewards": -20_000}

    def test_case_38_a_reward_that_is_taken_back_is_a_difference(self) -> None:
        lost = adjust_reward(State(), message(an_adjustment_of_a_reward("1.00", was="5.00", held_first=False)))
        more = adjust_reward(
            State(), message(an_adjustment_of_a_reward("1.00", was="5.00", amount="7.00", held_first=False))
        )

        assert [(one.kind, one.amount_minor) for one in lost.state.postings] == [("reward_back", -500)]
        assert [(one.kind, one.amount_minor) for one in more.state.postings] == [("reward", 200)]

    def test_a_reward_that_is_held_first_moves_nothing_before_its_release(self) -> None:
        granted = book_reward(State(), message(a_grant("100.00")))
        adjusted = adjust_reward(State(), message(an_adjustment_of_a_reward("1.00")))

        assert granted == adjusted == Decision(State(), outcome="nothing_moved")

    def test_what_of_a_reward_is_released_or_held_again_is_a_difference(self) -> None:
        released = release_reward(State(), message(a_release_of_a_reward("100.00"), id="m-1"))
        back = release_reward(State(), message(a_release_of_a_reward("1.00", amount="0.00", was="5.00")))

        [posting] = released.state.postings
        assert posting.posting_id == f"monthly_sales/{SELLER}/2026-11/CNY/m-1"
        assert (posting.kind, posting.legs) == ("reward", {"available": 500, "rewards": -500})
        assert [(one.kind, one.amount_minor) for one in back.state.postings] == [("reward_back", -500)]

    def test_events_of_earlier_releases_are_booked_under_the_same_name(self) -> None:
        fields = {
            "distributor_id": SELLER,
            "month": "2026-11",
            "currency": "CNY",
            "market": "west",
            "reward": "monthly_sales",
            "target": Decimal("100.00"),
            "sales": Decimal("110.00"),
            "bonus": Decimal("5.00"),
            "rule_version": 1,
        }
        granted = book_reward(State(), message(EarlierGrant(**fields).upcast()))
        both = take_back_reward(granted.state, message(RewardRevoked(**fields)))

        assert {one.reference for one in both.state.postings} == {f"monthly_sales/{SELLER}/2026-11/CNY/west"}
        assert [one.amount_minor for one in both.state.postings] == [500, -500]


class TestPeriods:
    @pytest.mark.parametrize(
        ("moment", "period"), [("2026-10-31T15:59:59Z", "2026-10"), ("2026-10-31T16:00:00Z", "2026-11")]
    )
    def test_case_24_the_boundary_is_that_of_the_markets_zone(self, moment: str, period: str) -> None:
        decision = book_release(in_shanghai(), released("30.00", moment))

        assert slices(decision) == [(f"default/{period}/{SELLER}/CNY", 3000, None)]
        [opened] = decision.publish
        assert (opened.zone, opened.terms_version) == ("Asia/Shanghai", 1)

    def test_an_earlier_period_that_is_not_closed_stays_open_beside_the_later_one(self) -> None:
        later = book_release(State(), released("30.00")).state
        both = book_release(later, released("1.00", "2026-10-31T23:00:00Z", order_id="2")).state

        account = both.accounts[ACCOUNT]
        assert [period.period for period in account.open] == ["2026-10", "2026-11"]
        assert account.close_at == account.open[0].closes_at

    def test_case_26_a_late_event_goes_to_the_open_period_and_states_its_own(self) -> None:
        account = an_account(closed_to=at("2026-11-01T00:00:00Z"))
        state = State(accounts={ACCOUNT: account})

        decision = book_release(state, released("30.00", "2026-10-05T00:00:00Z"))

        assert slices(decision) == [(f"default/2026-11/{SELLER}/CNY", 3000, "2026-10")]

    def test_a_late_event_of_a_stored_period_has_the_name_of_that(self) -> None:
        stored = book_release(State(), released("1.00", "2026-10-05T00:00:00Z", order_id="0")).state.periods
        account = an_account(closed_to=at("2026-11-01T00:00:00Z"))

        decision = book_release(
            State(accounts={ACCOUNT: account}, periods=stored), released("3.00", "2026-10-05T00:00:00Z")
        )

        assert slices(decision) == [(f"default/2026-11/{SELLER}/CNY", 300, "2026-10")]

    @pytest.mark.parametrize(("part", "late_from"), [(1, "2026-11"), (2, "2026-11.2")])
    def test_after_an_off_cycle_close_the_next_part_of_the_period_begins(self, part: int, late_from: str) -> None:
        closed_to = at("2026-11-10T00:00:00Z")
        state = State(accounts={ACCOUNT: an_account(closed_to=closed_to, part=part)})

        late = book_release(state, released("30.00", "2026-11-09T00:00:00Z"))
        after = book_release(state, released("30.00", "2026-11-11T00:00:00Z"))

        name = f"default/2026-11.{part + 1}/{SELLER}/CNY"
        assert slices(late) == [(name, 3000, late_from)]
        assert slices(after) == [(name, 3000, None)]
        [period] = after.state.accounts[ACCOUNT].open
        assert (period.starts_at, period.part) == (closed_to, part + 1)

    def test_case_25_stored_instants_hold_after_the_rules_of_a_zone_change(self) -> None:
        october = Period(
            "default/2026-10",
            "default",
            "2026-10",
            at("2026-09-30T16:00:00Z"),
            at("2026-10-31T17:00:00Z"),
            at("2026-10-31T17:00:00Z"),
            "Asia/Shanghai",
            1,
        )
        december = replace(
            october,
            key="default/2026-12",
            period="2026-12",
            starts_at=at("2026-11-30T15:00:00Z"),
            ends_at=at("2026-12-31T16:00:00Z"),
        )
        state = in_shanghai(periods=(october, december))

        november = book_release(state, released("30.00")).state.periods["default/2026-11"]

        assert (november.starts_at, november.ends_at) == (october.ends_at, december.starts_at)

    def test_case_25_a_stored_period_that_ends_earlier_is_not_opened_again(self) -> None:
        october = Period(
            "default/2026-10",
            "default",
            "2026-10",
            at("2026-09-30T16:00:00Z"),
            at("2026-10-31T15:00:00Z"),
            at("2026-10-31T15:00:00Z"),
            "Asia/Shanghai",
            1,
        )

        decision = book_release(in_shanghai(periods=(october,)), released("30.00", "2026-10-31T15:30:00Z"))

        november = decision.state.periods["default/2026-11"]
        assert slices(decision) == [(f"default/2026-11/{SELLER}/CNY", 3000, None)]
        assert (november.starts_at, november.ends_at) == (october.ends_at, at("2026-11-30T16:00:00Z"))
        assert decision.state.periods["default/2026-10"] == october

    @pytest.mark.parametrize(
        ("moment", "period"), [("2026-10-31T14:30:00Z", "2026-10"), ("2026-11-30T15:30:00Z", "2026-11")]
    )
    def test_case_25_before_a_stored_period_that_begins_earlier_is_the_one_before(
        self, moment: str, period: str
    ) -> None:
        november = Period(
            "default/2026-11",
            "default",
            "2026-11",
            at("2026-10-31T15:00:00Z"),
            at("2026-11-30T16:00:00Z"),
            at("2026-11-30T16:00:00Z"),
            "Asia/Shanghai",
            1,
        )
        later = replace(november, starts_at=at("2026-10-31T17:00:00Z"))

        decision = book_release(in_shanghai(periods=(november,)), released("30.00", moment))
        in_gap = book_release(in_shanghai(periods=(later,)), released("30.00", "2026-10-31T16:30:00Z"))

        assert [slice_.split("/")[1] for slice_, _, _ in slices(decision)] == [period]
        assert [slice_.split("/")[1] for slice_, _, _ in slices(in_gap)] == ["2026-10"]
        assert in_gap.state.periods["default/2026-10"].ends_at == later.starts_at


def _closing(day: str) -> tuple[datetime, str, int]:
    return at(f"{day}T00:00:00Z") + timedelta(hours=6), "UTC", 0
