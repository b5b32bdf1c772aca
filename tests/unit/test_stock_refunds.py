"""Refunds and the stock: what had not left comes back to its lot, once, whatever is heard of first."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.orders.v1 import OrderAccepted, OrderCancelled, OrderRefunded, OrderShipped
from contracts.stock.v1 import StockRecovered, StockReleased
from contracts.wire.decision import Decision, NotYet
from contracts.wire.envelope import Payload
from tests.builders import (
    CUP,
    KEY,
    ORDER,
    SHOP,
    TEA,
    a_lot,
    a_refunded_line,
    an_item,
    cancelled,
    message,
    picks_of,
    refunded,
    shipped,
    stock_state,
)
from tests.unit.lives import Told, lives, resent
from workers.order_intake.model import Order
from workers.stock_reservation import decide
from workers.stock_reservation.model import Pick, Reservation, State


def a_reservation(*picks: tuple[int, str, int, int], status: Any = "open") -> Reservation:
    """`picks` are (product, lot, quantity, given back)."""
    return Reservation(KEY, status, tuple(Pick(*pick) for pick in picks))


def units_of(product_id: int, units: int, line: int = 1) -> Any:
    """A line of which so many units went back so far."""
    return a_refunded_line(line, product_id, refunded_quantity=units)


def released(*picks: tuple[int, str, int]) -> StockReleased:
    return StockReleased(shop_id=SHOP, order_id=ORDER, picks=picks_of(*picks))


RESERVED = stock_state(
    an_item(TEA, a_lot(on_hand=10, reserved=5)), reservations=[a_reservation((TEA, "default", 5, 0))]
)


class TestBeforeItLeft:
    def test_refunded_units_are_available_again(self) -> None:
        after = stock_state(
            an_item(TEA, a_lot(on_hand=10, reserved=3)), reservations=[a_reservation((TEA, "default", 5, 2))]
        )

        assert decide.give_back(RESERVED, message(refunded(units_of(TEA, 2)))) == Decision(
            after, (released((TEA, "default", 2)),), "released"
        )

    def test_the_lot_that_was_picked_last_gives_back_first(self) -> None:
        state = stock_state(
            an_item(TEA, a_lot("a", 2, 2, "2026-12-31"), a_lot("b", 9, 3, "2027-01-31")),
            an_item(CUP, a_lot(on_hand=4, reserved=4)),
            reservations=[a_reservation((TEA, "a", 2, 0), (TEA, "b", 3, 0), (CUP, "default", 4, 0))],
        )

        decision = decide.give_back(state, message(refunded(units_of(TEA, 4), units_of(CUP, 1, 2))))

        assert decision.publish == (released((TEA, "a", 1), (TEA, "b", 3), (CUP, "default", 1)),)
        assert decision.state == stock_state(
            an_item(TEA, a_lot("a", 2, 1, "2026-12-31"), a_lot("b", 9, 0, "2027-01-31")),
            an_item(CUP, a_lot(on_hand=4, reserved=3)),
            reservations=[a_reservation((TEA, "a", 2, 1), (TEA, "b", 3, 3), (CUP, "default", 4, 1))],
        )

    def test_lines_of_the_same_product_add_up(self) -> None:
        decision = decide.give_back(RESERVED, message(refunded(units_of(TEA, 2), units_of(TEA, 1, 2))))

        assert decision.publish == (released((TEA, "default", 3)),)

    def test_sums_say_what_is_new(self) -> None:
        first = decide.give_back(RESERVED, message(refunded(units_of(TEA, 2)))).state

        assert decide.give_back(first, message(refunded(units_of(TEA, 3)))).publish == (released((TEA, "default", 1)),)

    @pytest.mark.parametrize("units", [0, 1, 2])
    def test_what_we_knew_or_money_alone_releases_nothing(self, units: int) -> None:
        state = decide.give_back(RESERVED, message(refunded(units_of(TEA, 2)))).state

        assert decide.give_back(state, message(refunded(units_of(TEA, units)), id="other")) == Decision(
            state, outcome="nothing_new"
        )

    def test_an_alert_ends_when_enough_came_back(self) -> None:
        state = stock_state(
            an_item(TEA, a_lot(on_hand=5, reserved=5), low_at=1, recovered_at=2, low=True, crossings=1),
            reservations=[a_reservation((TEA, "default", 5, 0))],
        )

        events = decide.give_back(state, message(refunded(units_of(TEA, 2)))).publish

        assert events[1:] == (StockRecovered(product_id=TEA, available=2, crossing=2, recovered_at=2),)

    @pytest.mark.parametrize("given_back", [0, 2, 5])
    def test_with_all_the_money_back_nothing_can_leave_any_more(self, given_back: int) -> None:
        """A refund of money alone: the order has ended, and its goods are in the house."""
        state = stock_state(
            an_item(TEA, a_lot(on_hand=10, reserved=5 - given_back)),
            reservations=[a_reservation((TEA, "default", 5, given_back))],
        )
        after = stock_state(
            an_item(TEA), reservations=[a_reservation((TEA, "default", 5, given_back), status="released")]
        )
        events = (released((TEA, "default", 5 - given_back)),) if given_back < 5 else ()
        full = refunded(units_of(TEA, given_back), is_full=True)

        assert decide.give_back(state, message(full)) == Decision(after, events, "released")
        assert decide.give_back(after, message(full, id="again")) == Decision(after, outcome="nothing_new")

    def test_units_that_come_back_after_all_the_money_are_available_already(self) -> None:
        ended = decide.give_back(RESERVED, message(refunded(units_of(TEA, 0), is_full=True))).state
        after = stock_state(an_item(TEA), reservations=[a_reservation((TEA, "default", 5, 5), status="released")])

        units = message(refunded(units_of(TEA, 5), is_full=True), id="units")

        assert decide.give_back(ended, units) == Decision(after, outcome="already_released")

    def test_a_refund_that_overtakes_the_reservation_waits(self) -> None:
        assert decide.give_back(stock_state(), message(refunded())) == NotYet("reservation_unknown")


class TestAfterwards:
    def test_what_is_left_ships(self) -> None:
        state = decide.give_back(RESERVED, message(refunded(units_of(TEA, 2)))).state

        assert decide.ship(state, message(shipped())).state == stock_state(
            an_item(TEA, a_lot(on_hand=7), received=10, shipped=3),
            reservations=[a_reservation((TEA, "default", 5, 2), status="shipped")],
        )

    def test_a_cancellation_releases_what_is_left(self) -> None:
        state = decide.give_back(RESERVED, message(refunded(units_of(TEA, 2)))).state
        after = stock_state(an_item(TEA), reservations=[a_reservation((TEA, "default", 5, 2), status="released")])

        assert decide.release(state, message(cancelled())) == Decision(
            after, (released((TEA, "default", 3)),), "released"
        )

    def test_and_says_nothing_where_all_units_came_back_before(self) -> None:
        state = decide.give_back(RESERVED, message(refunded(units_of(TEA, 5)))).state
        after = stock_state(an_item(TEA), reservations=[a_reservation((TEA, "default", 5, 5), status="released")])

        assert decide.release(state, message(cancelled())) == Decision(after, outcome="released")


class TestHeardOfTooLate:
    def test_goods_that_never_left_come_back_on_hand(self) -> None:
        """The shipment was handled first, though the refund came before it."""
        left = decide.ship(RESERVED, message(shipped())).state
        after = stock_state(
            an_item(TEA, a_lot(on_hand=7), received=10, shipped=3),
            reservations=[a_reservation((TEA, "default", 5, 2), status="shipped")],
        )

        assert decide.give_back(left, message(refunded(units_of(TEA, 2)))) == Decision(
            after, (released((TEA, "default", 2)),), "released"
        )

    def test_a_cancellation_gave_them_back_already(self) -> None:
        gone = decide.release(RESERVED, message(cancelled())).state
        after = stock_state(an_item(TEA), reservations=[a_reservation((TEA, "default", 5, 2), status="released")])

        assert decide.give_back(gone, message(refunded(units_of(TEA, 2)))) == Decision(
            after, outcome="already_released"
        )

    @pytest.mark.parametrize("state", [stock_state(), RESERVED])
    def test_goods_that_had_left_are_received_when_they_come(self, state: State) -> None:
        told = refunded(units_of(TEA, 2), was_shipped=True)

        assert decide.give_back(state, message(told)) == Decision(state, outcome="left_before")


# Any order of the same events.

RULES: dict[type[Payload], Any] = {
    OrderAccepted: decide.reserve,
    OrderShipped: decide.ship,
    OrderCancelled: decide.release,
    OrderRefunded: decide.give_back,
}
SHELF = stock_state(
    an_item(TEA, a_lot("early", 3, 0, "2026-12-31"), a_lot("later", 20, 0, "2027-06-30"), low_at=18, recovered_at=20),
    an_item(CUP, a_lot(on_hand=9)),
)


def after(events: list[Told]) -> tuple[State, Counter[tuple[int, str]]]:
    """The shelf in the end, and the units that were said to come back, by product and lot."""
    state, back = SHELF, Counter[tuple[int, str]]()
    waiting = deque(events)
    while waiting:
        told = waiting.popleft()
        answer = RULES[type(told.data)](state, told)
        if isinstance(answer, NotYet):
            waiting.append(told)
            continue
        state = answer.state
        for event in answer.publish:
            if isinstance(event, StockReleased):
                back.update({(pick.product_id, pick.batch_id): pick.quantity for pick in event.picks})
    return state, back


@st.composite
def retold(draw: st.DrawFn) -> tuple[Order, list[Told], list[Told]]:
    """A life in its order, and in another with repeats. Nothing is said of a paid order before its reservation."""
    order, events = draw(lives())
    accepted, *others = (told for told in events if type(told.data) in RULES)
    repeats = draw(st.lists(st.sampled_from([accepted, *others]).map(resent), max_size=4))
    return order, [accepted, *others], [accepted, *draw(st.permutations([*others, *repeats]))]


@given(retold())
def test_any_order_of_the_same_events_ends_with_the_same_stock(case: tuple[Order, list[Told], list[Told]]) -> None:
    _, one, other = case

    assert after(one) == after(other)


@given(retold())
def test_what_left_is_what_was_not_refunded_before(case: tuple[Order, list[Told], list[Told]]) -> None:
    order, _, events = case
    state, back = after(events)

    wanted, stayed = Counter[int](), Counter[int]()
    products = {line.line: line.product_id for line in order.lines}
    for line in order.lines:
        wanted[line.product_id] += line.quantity
    for part in (part for each in order.refunds if not each.was_shipped for part in each.lines):
        stayed[products[part.line]] += part.quantity
    for product_id, quantity in wanted.items():
        item, before = state.items[product_id], SHELF.items[product_id]
        left = quantity - stayed[product_id]
        assert item.shipped == (left if order.was_shipped else 0)
        assert item.reserved == (left if order.status == "paid" else 0)
        assert item.on_hand == before.on_hand - item.shipped
        came_back = sum(units for (product, _), units in back.items() if product == product_id)
        has_ended_here = order.status in ("cancelled", "refunded") and not order.was_shipped
        assert came_back == (quantity if has_ended_here else stayed[product_id])


@given(retold())
def test_handled_twice_equals_once(case: tuple[Order, list[Told], list[Told]]) -> None:
    state = SHELF
    for told in case[2]:
        answer = RULES[type(told.data)](state, told)
        if isinstance(answer, Decision):
            state = answer.state
            again = RULES[type(told.data)](state, resent(told))
            assert (again.state, again.publish) == (state, ())
