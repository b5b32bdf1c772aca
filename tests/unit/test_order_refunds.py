"""Refunds: at most the rest of each line, each refund once, and the order ends when nothing is left."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.orders.v1 import (
    RefundedLine,
)
from contracts.wire.decision import Decision, NotYet
from tests.builders import (
    CUP,
    KEY,
    NOW,
    TEA,
    a_refund_line,
    a_refunded_line,
    an_order,
    message,
    order_state,
    refund,
    refunded,
    update,
)
from tests.unit.order_steps import CANCELLED_WHEN_PAID, COMPLETED, PAID, REJECTED, RESERVED, SHIPPED
from tests.unit.refunds import (
    A_TEA,
    LINES,
    a_line,
    booked,
    booked_before,
    decide_refund,
    given_back,
    refund_lines,
    refund_refused,
)
from workers.order_intake import decide
from workers.order_intake.content import refund_fingerprint_of
from workers.order_intake.model import Order, Refund
from workers.order_intake.refunds import REFUND_LINES_MAX, REFUNDS_MAX, Requested


class TestOneRefund:
    def test_a_refund_returns_the_units_share_and_keeps_the_rest(self) -> None:
        state = order_state(an_order(**PAID))
        line = replace(A_TEA, refunded_quantity=1, refunded_minor=4_500)
        order = an_order(**{**PAID, "version": 4}, lines=(line,), refunds=(booked(refund(), (1, 1, 4_500)),))

        assert decide_refund(state, refund()) == Decision(state.with_orders(order), (refunded(version=4),), "refunded")

    @pytest.mark.parametrize(("before", "was_shipped"), [(PAID, False), (SHIPPED, True), (COMPLETED, True)])
    def test_a_full_refund_ends_the_order(self, before: dict[str, Any], was_shipped: bool) -> None:
        state = order_state(an_order(**before))
        command = refund(a_refund_line(quantity=2))
        version = before["version"] + 1
        line = replace(A_TEA, refunded_quantity=2, refunded_minor=9_000)
        order = an_order(
            **{**before, "version": version, "status": "refunded"},
            lines=(line,),
            refunds=(booked(command, (1, 2, 9_000), was_shipped=was_shipped),),
        )
        sums = a_refunded_line(refunded_quantity=2, refunded="90.00")
        event = refunded(sums, version=version, was_shipped=was_shipped, is_full=True)

        assert decide_refund(state, command) == Decision(state.with_orders(order), (event,), "refunded")

    def test_the_event_has_the_sums_of_all_refunded_lines(self) -> None:
        lines = (a_line(1, TEA, 2, 9_000, taken=(1, 4_500)), a_line(2, CUP, 4, 2_000), a_line(3, CUP, 1, 700))
        state = order_state(an_order(**SHIPPED, lines=lines, refunds=(booked_before((1, 1, 4_500)),)))

        [event] = decide_refund(state, refund(a_refund_line(CUP, 1, "4.00"), refund_id="refund-2")).publish

        assert (event.refund_id, event.amount, event.refunded_total) == ("refund-2", Decimal("4.00"), Decimal("49.00"))
        assert (event.net_total, event.is_full) == (Decimal("117.00"), False)
        cups = RefundedLine(
            line=2, product_id=CUP, quantity=4, net=Decimal("20.00"), refunded_quantity=1, refunded=Decimal("4.00")
        )
        assert event.lines == (a_refunded_line(), cups)

    @pytest.mark.parametrize(("quantity", "amount"), [(2, "89.99"), (2, "0"), (0, "0.01"), (1, None)])
    def test_an_order_with_money_left_has_not_ended(self, quantity: int, amount: str | None) -> None:
        decision = decide_refund(order_state(an_order(**SHIPPED)), refund(a_refund_line(TEA, quantity, amount)))

        assert decision.state.orders[KEY].status == "shipped"
        assert not decision.publish[0].is_full

    @pytest.mark.parametrize("quantity", [0, 1])
    def test_units_may_still_be_returned_after_all_the_money(self, quantity: int) -> None:
        gift = a_line(2, CUP, 1, 0)
        state = order_state(an_order(**SHIPPED, lines=(A_TEA, gift)))

        money = decide_refund(state, refund(a_refund_line(TEA, quantity, "90.00")))
        units = decide_refund(
            money.state, refund(a_refund_line(TEA, 2 - quantity), a_refund_line(CUP), refund_id="refund-2")
        )

        assert (money.publish[0].is_full, money.state.orders[KEY].status) == (True, "refunded")
        [event] = units.publish
        assert (event.is_full, event.amount, units.state.orders[KEY].status) == (True, Decimal("0.00"), "refunded")
        assert [line.refunded_quantity for line in event.lines] == [2, 1]

    def test_a_free_order_ends_with_its_last_unit(self) -> None:
        state = order_state(an_order(**SHIPPED, lines=(a_line(1, TEA, 2, 0),)))

        one = decide_refund(state, refund())
        two = decide_refund(one.state, refund(refund_id="refund-2"))

        assert (one.state.orders[KEY].status, one.publish[0].is_full) == ("shipped", False)
        assert (two.state.orders[KEY].status, two.publish[0].is_full) == ("refunded", True)


class TestAmounts:
    THREE = an_order(**SHIPPED, lines=(a_line(1, TEA, 3, 1_000),))

    @pytest.mark.parametrize(
        ("commands", "amounts"),
        [
            ([(1, None), (1, None), (1, None)], [333, 333, 334]),
            ([(2, None), (1, None)], [666, 334]),
            ([(3, None)], [1_000]),
            # An amount for other units, or for none, does not change the share.
            ([(1, "1.00"), (1, None), (1, None)], [100, 333, 333]),
            ([(1, None), (1, "1.00"), (1, None)], [333, 100, 333]),
            ([(2, "2.00"), (1, None)], [200, 333]),
            ([(1, None), (2, "2.00")], [333, 200]),
            ([(0, "3.33"), (1, None)], [333, 333]),
            ([(1, None), (0, "3.33")], [333, 333]),
            ([(3, "0"), (0, "10.00")], [0, 1_000]),
            # Never more than is left.
            ([(1, "8.00"), (1, None), (1, None)], [800, 200, 0]),
            ([(0, "4.00"), (3, None)], [400, 600]),
            ([(0, "10.00"), (1, None), (2, None)], [1_000, 0, 0]),
        ],
    )
    def test_units_without_an_amount_get_their_share_of_the_price(
        self, commands: list[tuple[int, str | None]], amounts: list[int]
    ) -> None:
        refunds = [refund(a_refund_line(TEA, *command), refund_id=f"r-{n}") for n, command in enumerate(commands)]

        taken = given_back(self.THREE, *refunds)

        assert [sum(minor for _, _, minor in parts) for parts in taken] == amounts

    def test_a_product_on_several_lines_is_taken_from_them_in_order(self) -> None:
        lines = (a_line(1, TEA, 2, 1_001), a_line(2, CUP, 1, 500), a_line(3, TEA, 3, 900))
        order = an_order(**SHIPPED, lines=lines)

        assert given_back(order, refund(a_refund_line(TEA, 3))) == [((1, 2, 1_001), (3, 1, 300))]
        assert given_back(order, refund(a_refund_line(TEA, 3, "4.00"))) == [((1, 2, 400), (3, 1, 0))]
        assert given_back(order, refund(a_refund_line(TEA, 1, "12.00"))) == [((1, 1, 1_001), (3, 0, 199))]
        assert given_back(order, refund(a_refund_line(TEA, 2, line=3))) == [((3, 2, 600),)]

    def test_a_product_named_twice_is_taken_twice(self) -> None:
        lines = (a_line(1, TEA, 2, 1_001), a_line(2, TEA, 1, 300))
        command = refund(a_refund_line(TEA, 1), a_refund_line(TEA, 2))

        assert given_back(an_order(**SHIPPED, lines=lines), command) == [((1, 2, 1_001), (2, 1, 300))]

    def test_an_amount_for_any_line_leaves_room_for_the_units_of_a_line(self) -> None:
        lines = (a_line(1, TEA, 1, 1_000), a_line(2, TEA, 1, 2_000))
        order = an_order(**SHIPPED, lines=lines)
        for_any, unit = a_refund_line(TEA, 0, "4.00"), a_refund_line(TEA, 1, line=1)

        first, second = refund(for_any, refund_id="r-1"), refund(unit, refund_id="r-2")

        assert given_back(order, first, second) == [((1, 0, 400),), ((1, 1, 600), (2, 0, 400))]
        assert given_back(order, second, first) == [((1, 1, 1_000),), ((2, 0, 400),)]

    def test_an_amount_for_a_line_stays_on_it(self) -> None:
        lines = (a_line(1, TEA, 1, 1_000), a_line(2, TEA, 1, 2_000))
        order = an_order(**SHIPPED, lines=lines)
        goodwill, unit = a_refund_line(TEA, 0, "4.00", line=1), a_refund_line(TEA, 1)

        refunds = refund(goodwill, refund_id="r-1"), refund(unit, refund_id="r-2")

        assert given_back(order, *refunds) == [((1, 0, 400),), ((1, 1, 600),)]

    @pytest.mark.parametrize(
        ("old", "commands", "amounts"),
        [
            # 333 is the share of a unit, so the last of three takes the remainder.
            ([(1, 1, 333)], [(1, None), (1, None)], [333, 334]),
            ([(1, 1, 333), (1, 1, 333)], [(1, None)], [334]),
            # Any other figure was an amount.
            ([(1, 2, 200)], [(1, None)], [333]),
            ([(1, 0, 400)], [(1, None), (2, None)], [333, 267]),
        ],
    )
    def test_refunds_of_an_older_version_count_by_their_parts(
        self, old: list[tuple[int, int, int]], commands: list[tuple[int, str | None]], amounts: list[int]
    ) -> None:
        units, minor = sum(part[1] for part in old), sum(part[2] for part in old)
        line = a_line(1, TEA, 3, 1_000, taken=(units, minor))
        order = an_order(**SHIPPED, lines=(line,), refunds=tuple(map(booked_before, old)))
        refunds = [refund(a_refund_line(TEA, *command), refund_id=f"r-{n}") for n, command in enumerate(commands)]

        taken = given_back(order, *refunds)[len(old) :]

        assert [sum(minor for _, _, minor in parts) for parts in taken] == amounts

    def test_a_free_line_returns_its_units(self) -> None:
        order = an_order(**SHIPPED, lines=(a_line(1, TEA, 2, 0),))

        assert given_back(order, refund(a_refund_line(TEA, 2))) == [((1, 2, 0),)]


class TestRefusals:
    @pytest.mark.parametrize(
        ("line", "reason", "detail"),
        [
            (a_refund_line(CUP), "not_ordered", "lines.0: product 502 is not on the order."),
            (a_refund_line(TEA, line=2), "not_ordered", "lines.0: product 501 is not on line 2 of the order."),
            (
                a_refund_line(TEA, 0),
                "nothing_to_refund",
                "lines.0: give the units or the money of product 501 to refund.",
            ),
            (
                a_refund_line(TEA, 0, "0.00"),
                "nothing_to_refund",
                "lines.0: give the units or the money of product 501 to refund.",
            ),
            (
                a_refund_line(TEA, 3),
                "more_than_left",
                "lines.0: 3 units of product 501 requested, 2 units and 90.00 are left.",
            ),
            (
                a_refund_line(TEA, 1, "90.01"),
                "more_than_left",
                "lines.0: 1 units and 90.01 of product 501 requested, 2 units and 90.00 are left.",
            ),
            (
                a_refund_line(TEA, 1, "0.001"),
                "amount_precision",
                "lines.0.amount: 0.001 has more decimals than CNY allows (2).",
            ),
        ],
    )
    def test_an_impossible_refund_is_refused_with_the_figures(self, line: Any, reason: str, detail: str) -> None:
        state = order_state(an_order(**PAID))

        assert decide_refund(state, refund(line)) == refund_refused(state, reason, detail)

    def test_one_impossible_line_refuses_the_whole_refund(self) -> None:
        state = order_state(an_order(**PAID))
        detail = "lines.1: 2 units of product 501 requested, 1 units and 45.00 are left."

        assert decide_refund(state, refund(a_refund_line(TEA, 1), a_refund_line(TEA, 2))) == refund_refused(
            state, "more_than_left", detail
        )

    def test_a_refunded_order_has_nothing_left(self) -> None:
        line = replace(A_TEA, refunded_quantity=2, refunded_minor=9_000)
        state = order_state(
            an_order(**{**PAID, "status": "refunded"}, lines=(line,), refunds=(booked_before((1, 2, 9_000)),))
        )
        detail = "lines.0: 1 units of product 501 requested, 0 units and 0.00 are left."

        assert decide_refund(state, refund()) == refund_refused(state, "more_than_left", detail)

    @pytest.mark.parametrize("order", [an_order(**REJECTED), an_order(**CANCELLED_WHEN_PAID)])
    def test_a_rejected_or_cancelled_order_cannot_be_refunded(self, order: Order) -> None:
        state = order_state(order)
        detail = f"order {KEY} was {order.status} ({order.reason}); nothing of it can be refunded."

        assert decide_refund(state, refund()) == refund_refused(state, f"order_{order.status}", detail)

    def test_the_refunds_of_one_order_are_limited(self) -> None:
        many = tuple(Refund(f"r-{number}", NOW, (), fingerprint="", was_shipped=True) for number in range(REFUNDS_MAX))
        detail = f"order {KEY} has 200 refunds, the most for an order of its length."
        full, almost = (order_state(an_order(**SHIPPED, refunds=some)) for some in (many, many[1:]))

        assert decide_refund(full, refund()) == refund_refused(full, "too_many_refunds", detail)
        assert decide_refund(almost, refund()).outcome == "refunded"

    @pytest.mark.parametrize(("lines", "refunds_max"), [(50, 200), (51, 196), (100, 100), (500, 20)])
    def test_a_long_order_has_fewer_refunds(self, lines: int, refunds_max: int) -> None:
        many = tuple(Refund(f"r-{number}", NOW, (), fingerprint="", was_shipped=True) for number in range(refunds_max))
        long = an_order(**SHIPPED, lines=tuple(a_line(number + 1, TEA, 2, 9_000) for number in range(lines)))
        full, almost = (order_state(replace(long, refunds=some)) for some in (many, many[1:]))
        detail = f"order {KEY} has {refunds_max} refunds, the most for an order of its length."

        assert decide_refund(full, refund()) == refund_refused(full, "too_many_refunds", detail)
        assert decide_refund(almost, refund()).outcome == "refunded"

    def test_the_lines_of_all_refunds_of_one_order_are_limited(self) -> None:
        asked = (Requested(TEA, 0, 0, None),) * (REFUND_LINES_MAX - 1)
        before = (Refund("r-1", NOW, (), fingerprint="", was_shipped=True, asked=asked),)
        state = order_state(an_order(**SHIPPED, refunds=before))
        one, two = refund(a_refund_line()), refund(a_refund_line(), a_refund_line())
        detail = f"lines: with these, the refunds of order {KEY} have more than 5000 lines."

        assert decide_refund(state, one).outcome == "refunded"
        assert decide_refund(state, two) == refund_refused(state, "too_many_refunds", detail)

    def test_a_refund_that_overtakes_its_order_is_retried_then_refused(self) -> None:
        state = order_state()
        otherwise = refund_refused(state, "order_unknown", f"order {KEY} was never accepted; place it first.")

        assert decide_refund(state, refund()) == NotYet("order_unknown", otherwise)

    @pytest.mark.parametrize("order", [an_order(), an_order(**RESERVED)])
    def test_a_refund_before_the_payment_is_retried_then_refused(self, order: Order) -> None:
        state = order_state(order)
        detail = f"order {KEY} is not paid, so there is nothing to refund."

        assert decide_refund(state, refund()) == NotYet("not_paid", refund_refused(state, "not_paid", detail))


class TestTheSameRefundAgain:
    @pytest.mark.parametrize("quantity", [1, 2])
    def test_a_repeat_counts_once_even_after_the_orders_end(self, quantity: int) -> None:
        command = refund(a_refund_line(TEA, quantity, "19.9"))
        once = decide_refund(order_state(an_order(**PAID)), command).state

        for again in (command, refund(a_refund_line(TEA, quantity, "19.90"))):
            assert decide_refund(once, again) == Decision(once, outcome="duplicate")

    def test_a_repeat_after_a_cancellation_is_a_duplicate(self) -> None:
        once = decide_refund(order_state(an_order(**PAID)), refund()).state
        cancelled = decide.update_status(once, message(update("cancelled"))).state

        assert decide_refund(cancelled, refund()) == Decision(cancelled, outcome="duplicate")

    @pytest.mark.parametrize(
        "other", [a_refund_line(quantity=2), a_refund_line(amount="45.00"), a_refund_line(line=1), a_refund_line(CUP)]
    )
    def test_a_repeat_with_other_content_is_refused(self, other: Any) -> None:
        once = decide_refund(order_state(an_order(**PAID)), refund()).state
        detail = f"refund refund-1 of order {KEY} was booked with other content; the first one stands."

        assert decide_refund(once, refund(other)) == refund_refused(once, "conflict", detail)

    def test_the_stored_fingerprint_does_not_change_with_the_code(self) -> None:
        command = refund(a_refund_line(TEA, 1, "45.00", 1), a_refund_line(CUP))

        assert refund_fingerprint_of(command) == "5e927e35-a112-5db9-8c2b-67882b9463a5"


@given(st.lists(st.lists(refund_lines, min_size=1, max_size=3), max_size=12))
def test_no_line_is_refunded_more_than_it_had(commands: list[list[Any]]) -> None:
    state = order_state(an_order(**SHIPPED, lines=LINES))
    for number, lines in enumerate(commands):
        before = state.orders[KEY]
        state = decide_refund(state, refund(*lines, refund_id=f"r-{number}")).state
        after = state.orders[KEY]

        assert all(line.left_quantity >= 0 and line.left_minor >= 0 for line in after.lines)
        assert (after.status == "refunded") == all(x.left_minor == 0 for x in after.lines)
        assert after.refunded_minor == sum(each.amount_minor for each in after.refunds)
        assert after == before or after.refunded_minor + sum(x.refunded_quantity for x in after.lines) > (
            before.refunded_minor + sum(x.refunded_quantity for x in before.lines)
        )
