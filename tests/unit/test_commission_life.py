"""After the accrual: the hold period, after-sales, release by a tick, and what refunds and cancellations take back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from contracts.commissions.earnings import Tally
from contracts.commissions.v1 import CommissionReleased, CommissionReversed, ReversedEntry, Share
from contracts.commissions.view import AfterSale, Commission, Leg, LineRefund, Posting, Reversal
from contracts.orders.v1 import AfterSaleChanged
from contracts.rules.view import Fixed, Unilevel
from contracts.wire.decision import Decision
from tests.builders import (
    CUP,
    KEY,
    MIDDLE,
    NOW,
    ORDER,
    SELLER,
    SHOP,
    TOP,
    a_refunded_line,
    an_order_line,
    cancelled,
    completed,
    message,
    paid,
    refunded,
    tick,
)
from tests.unit.test_commission_accrual import THE_COMMISSION, accounts, rules_with
from workers.commission_calculation.decide import (
    accrue,
    note_after_sale,
    release,
    start_hold,
    take_back,
    take_back_all,
)
from workers.commission_calculation.model import State

IN_A_WEEK = NOW + timedelta(days=7)


def accrued(**fields: Any) -> State:
    """A state with `THE_COMMISSION`, with some fields changed."""
    return State({KEY: replace(THE_COMMISSION, **fields)})


def the_commission(state: State) -> Commission:
    return state.commissions[KEY]


def after_sale(version: int, *, is_open: bool) -> AfterSaleChanged:
    return AfterSaleChanged(shop_id=SHOP, order_id=ORDER, version=version, open=is_open)


def reversed_entry(level: int, distributor_id: int, amount: str) -> ReversedEntry:
    return ReversedEntry(line=1, plan="levels", level=level, distributor_id=distributor_id, amount=Decimal(amount))


class TestHold:
    def test_a_hold_starts_at_completion_and_lasts_the_days_of_the_rules(self) -> None:
        decision = start_hold(accrued(hold_days=7), message(completed(completed_at=NOW)))

        waiting = replace(THE_COMMISSION, completed_at=NOW, release_at=IN_A_WEEK)
        assert decision == Decision(State({KEY: waiting}), outcome="hold_started")

    def test_a_hold_starts_once(self) -> None:
        begun = start_hold(accrued(), message(completed())).state

        assert start_hold(begun, message(completed(), id="again")) == Decision(begun, outcome="duplicate")

    def test_a_hold_has_no_end_while_an_after_sale_is_open(self) -> None:
        begun = start_hold(accrued(), message(completed())).state
        opened = note_after_sale(begun, message(after_sale(6, is_open=True)))

        assert (the_commission(opened.state).release_at, opened.outcome) == (None, "hold_extended")

    @pytest.mark.parametrize(
        ("closed_at", "release_at"),
        [(NOW + timedelta(days=1), IN_A_WEEK), (NOW + timedelta(days=9), NOW + timedelta(days=9))],
    )
    def test_a_hold_does_not_end_before_the_after_sale(self, closed_at: datetime, release_at: datetime) -> None:
        begun = start_hold(accrued(), message(completed())).state
        opened = note_after_sale(begun, message(after_sale(6, is_open=True))).state
        closed = note_after_sale(opened, message(after_sale(7, is_open=False), time=closed_at))

        assert (the_commission(closed.state).release_at, closed.outcome) == (release_at, "hold_resumed")

    def test_an_outdated_change_is_ignored(self) -> None:
        closed = note_after_sale(accrued(), message(after_sale(7, is_open=False))).state

        assert note_after_sale(closed, message(after_sale(6, is_open=True))) == Decision(closed, outcome="duplicate")
        assert the_commission(closed).release_at is None

    def test_a_released_commission_stays_released(self) -> None:
        released = accrued(status="released", completed_at=NOW, released_at=IN_A_WEEK)

        later = note_after_sale(released, message(after_sale(8, is_open=False))).state

        assert the_commission(later) == replace(the_commission(released), after_sale=AfterSale(8, False, NOW))


class TestRelease:
    def test_a_release_moves_held_amounts_to_available(self) -> None:
        decision = release(accrued(completed_at=NOW, release_at=IN_A_WEEK), message(tick(IN_A_WEEK), id="t-1"))

        done = replace(THE_COMMISSION, status="released", completed_at=NOW, released_at=IN_A_WEEK)
        posting = Posting(
            f"t-1/{KEY}",
            KEY,
            "CNY",
            NOW,
            "release",
            (
                Leg("available", 270, TOP),
                Leg("available", 450, MIDDLE),
                Leg("available", 900, SELLER),
                Leg("held", -270, TOP),
                Leg("held", -450, MIDDLE),
                Leg("held", -900, SELLER),
            ),
        )
        event = CommissionReleased(
            shop_id=SHOP,
            order_id=ORDER,
            currency="CNY",
            total=Decimal("16.20"),
            shares=tuple(
                Share(distributor_id=earner, amount=Decimal(amount))
                for earner, amount in ((TOP, "2.70"), (MIDDLE, "4.50"), (SELLER, "9.00"))
            ),
            released_at=IN_A_WEEK,
        )
        assert decision == Decision(State({KEY: done}, postings=(posting,)), (event,), "released")

    def test_only_the_amount_left_by_refunds_is_released(self) -> None:
        half = take_back(accrued(), message(refunded())).state
        waiting = start_hold(half, message(completed())).state

        [event] = release(waiting, message(tick(IN_A_WEEK))).publish

        assert [(share.distributor_id, share.amount) for share in event.shares] == [
            (TOP, Decimal("1.35")),
            (MIDDLE, Decimal("2.25")),
            (SELLER, Decimal("4.50")),
        ]

    def test_a_release_of_nothing_is_published_for_the_rewards_of_its_sale(self) -> None:
        empty = take_back_all(accrued(), message(cancelled())).state
        waiting = State(start_hold(empty, message(completed())).state.commissions)

        decision = release(waiting, message(tick(IN_A_WEEK)))

        [event] = decision.publish
        assert (event.total, event.shares, decision.state.postings) == (0, (), ())
        assert the_commission(decision.state).status == "released"

    @pytest.mark.parametrize("release_at", [None, IN_A_WEEK + timedelta(seconds=1)])
    def test_nothing_is_released_before_its_day(self, release_at: datetime | None) -> None:
        waiting = accrued(release_at=release_at)

        assert release(waiting, message(tick(IN_A_WEEK))) == Decision(waiting, outcome="nothing_due")

    def test_a_release_happens_once(self) -> None:
        released = release(accrued(completed_at=NOW, release_at=IN_A_WEEK), message(tick(IN_A_WEEK))).state

        assert release(released, message(tick(IN_A_WEEK), id="again")) == Decision(released, outcome="nothing_due")


class TestClawback:
    def test_a_refund_of_half_a_line_takes_half_of_every_level_and_of_the_pool(self) -> None:
        decision = take_back(accrued(), message(refunded(), id="m-refund"))

        after = replace(
            THE_COMMISSION,
            lines=(LineRefund(1, 9_000, 2, 4_500, 1),),
            reversals=(Reversal("refund-1", "order_refunded", NOW, "held", (-450, -225, -135)),),
        )
        posting = Posting(
            "m-refund",
            KEY,
            "CNY",
            NOW,
            "reversal",
            (
                Leg("breakage", -90),
                Leg("held", -135, TOP),
                Leg("held", -225, MIDDLE),
                Leg("held", -450, SELLER),
                Leg("pool", 900),
            ),
        )
        event = CommissionReversed(
            shop_id=SHOP,
            order_id=ORDER,
            currency="CNY",
            reference="refund-1",
            account="held",
            total=Decimal("-8.10"),
            entries=(
                reversed_entry(1, SELLER, "-4.50"),
                reversed_entry(2, MIDDLE, "-2.25"),
                reversed_entry(3, TOP, "-1.35"),
            ),
            reason="order_refunded",
        )
        november = "2026-11/CNY"
        counted = (
            Tally(f"{SELLER}/{november}", own_refunded_minor=4_500),
            Tally(f"{SELLER}/{november}", booked_minor=-450),
            Tally(f"{MIDDLE}/{november}", booked_minor=-225),
            Tally(f"{TOP}/{november}", booked_minor=-135),
        )
        assert decision == Decision(State({KEY: after}, postings=(posting,), tallies=counted), (event,), "reversed")

    def test_a_refund_after_the_release_is_taken_from_available_amounts(self) -> None:
        decision = take_back(accrued(status="released"), message(refunded()))

        assert the_commission(decision.state).reversals[0].account == "available"
        assert Leg("available", -450, SELLER) in decision.state.postings[0].legs
        assert decision.publish[0].account == "available"

    def test_the_last_refund_of_a_line_takes_the_rest(self) -> None:
        state = accrued()
        for version, (units, money) in enumerate([(0, "33.33"), (1, "66.66"), (2, "90.00")], start=4):
            line = a_refunded_line(refunded_quantity=units, refunded=money)
            state = take_back(state, message(refunded(line, version=version, refund_id=f"r-{version}"))).state

        # 33.33 and 66.66 of 90.00: 333.3 + 166.65 + 99.99 = 599.94, so 600, and twice that, 1199.88, so 1200.
        assert [reversal.amounts_minor for reversal in the_commission(state).reversals] == [
            (-333, -167, -100),
            (-334, -166, -100),
            (-233, -117, -70),
        ]
        assert the_commission(state).remaining_minor() == (0, 0, 0)

    def test_a_fixed_amount_falls_with_the_units_and_a_percentage_with_the_money(self) -> None:
        plans = (Fixed("per_unit", {"CNY": (50,)}), Unilevel("levels", (100_000,)))
        state = accrue(accounts(rules_with(*plans)), message(paid())).state

        money = take_back(state, message(refunded(a_refunded_line(refunded_quantity=0, refunded="45.00")))).state
        units = take_back(state, message(refunded(a_refunded_line(refunded_quantity=1, refunded="0.00")))).state

        assert the_commission(money).remaining_minor() == (100, 450)
        assert the_commission(units).remaining_minor() == (50, 900)

    def test_a_full_refund_of_the_money_takes_the_fixed_amount_too(self) -> None:
        lines = (an_order_line(1), an_order_line(2, CUP, net="50.00"))
        state = accrue(accounts(rules_with(Fixed("per_unit", {"CNY": (50,)}))), message(paid(lines=lines))).state

        goodwill = take_back(state, message(refunded(a_refunded_line(refunded_quantity=0, refunded="90.00")))).state
        units = take_back(
            goodwill, message(refunded(a_refunded_line(refunded_quantity=2, refunded="90.00"), version=5))
        )

        assert the_commission(goodwill).remaining_minor() == (0, 100)
        assert the_commission(units.state).remaining_minor() == (0, 100)
        assert units.publish == ()

    def test_only_the_refunded_lines_are_taken_back(self) -> None:
        lines = (an_order_line(1), an_order_line(2, CUP, net="50.00"))
        state = accrue(accounts(), message(paid(lines=lines))).state

        decision = take_back(state, message(refunded()))

        assert the_commission(decision.state).remaining_minor() == (450, 225, 135, 500, 250, 150)
        assert {entry.line for entry in decision.publish[0].entries} == {1}

    def test_a_refund_too_small_for_a_unit_is_recorded_without_an_event(self) -> None:
        line = a_refunded_line(refunded_quantity=0, refunded="0.01")
        decision = take_back(accrued(), message(refunded(line)))

        [posting] = decision.state.postings
        assert (decision.publish, posting.legs) == ((), (Leg("breakage", -1), Leg("pool", 1)))
        assert the_commission(decision.state).lines == (LineRefund(1, 9_000, 2, 1, 0),)
        assert the_commission(decision.state).remaining_minor() == (900, 450, 270)

    def test_an_outdated_refund_takes_nothing(self) -> None:
        whole = refunded(a_refunded_line(refunded_quantity=2, refunded="90.00"), version=6, refund_id="r-2")
        closed = take_back(accrued(), message(whole)).state

        assert take_back(closed, message(refunded(version=5))) == Decision(closed, outcome="duplicate")

    def test_a_cancellation_takes_everything_back(self) -> None:
        decision = take_back_all(accrued(), message(cancelled(), id="m-cancelled"))

        assert the_commission(decision.state).remaining_minor() == (0, 0, 0)
        assert decision.state.postings[0].legs == (
            Leg("breakage", -180),
            Leg("held", -270, TOP),
            Leg("held", -450, MIDDLE),
            Leg("held", -900, SELLER),
            Leg("pool", 1_800),
        )
        assert (decision.publish[0].reference, decision.publish[0].reason) == ("cancelled", "cancelled_by_shop")
        assert take_back_all(decision.state, message(cancelled(), id="again")) == Decision(
            decision.state, outcome="duplicate"
        )

    def test_an_order_that_was_never_paid_has_nothing_to_take_back(self) -> None:
        order = message(cancelled(was_paid=False))

        assert take_back_all(State(), order) == Decision(State(), outcome="nothing_accrued")
