"""Refunds and stock: unshipped units return to their lot, once, in any order of the events."""

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
from tests.builders import CUP, KEY, ORDER, SHOP, TEA, a_refunded_line, cancelled, message, refunded, shipped
from tests.stock_builders import a_lot, an_item, picks_of, stock_state
from tests.unit.order_histories import Event, order_histories, resent
from workers.order_intake.model import Order
from workers.stock_reservation import decide
from workers.stock_reservation.model import Pick, Reservation, State


def a_reservation(*picks: tuple[int, str, int, int], status: Any = "open") -> Reservation:
    """`picks` are (product, lot, quantity, released)."""
    return Reservation(KEY, status, tuple(Pick(*pick) for pick in picks))


def units_of(product_id: int, units: int, line: int = 1) -> Any:
    """A line with this number of units refunded so far."""
    return a_refunded_line(line, product_id, refunded_quantity=units)


def released(*picks: tuple[int, str, int]) -> StockReleased:
    return StockReleased(shop_id=SHOP, order_id=ORDER, picks=picks_of(*picks))


RESERVED = stock_state(
    an_item(TEA, a_lot(on_hand=10, reserved=5)), reservations=[a_reservation((TEA, "default", 5, 0))]
)


class TestBeforeTheShipment:
    def test_refunded_units_are_available_again(self) -> None:
        after = stock_state(
            an_item(TEA, a_lot(on_hand=10, reserved=3)), reservations=[a_reservation((TEA, "default", 5, 2))]
        )

        assert decide.give_back(RESERVED, message(refunded(units_of(TEA, 2)))) == Decision(
            after, (released((TEA, "default", 2)),), "released"
        )

    def test_the_lot_picked_last_is_released_first(self) -> None:
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

    def test_only_the_new_part_of_the_sum_is_released(self) -> None:
        first = decide.give_back(RESERVED, message(refunded(units_of(TEA, 2)))).state

        assert decide.give_back(first, message(refunded(units_of(TEA, 3)))).publish == (released((TEA, "default", 1)),)

    @pytest.mark.parametrize("units", [0, 1, 2])
    def test_known_units_or_money_alone_release_nothing(self, units: int) -> None:
        state = decide.give_back(RESERVED, message(refunded(units_of(TEA, 2)))).state

        assert decide.give_back(state, message(refunded(units_of(TEA, units)), id="other")) == Decision(
            state, outcome="nothing_new"
        )

    def test_an_alert_ends_when_enough_units_are_released(self) -> None:
        state = stock_state(
            an_item(TEA, a_lot(on_hand=5, reserved=5), low_at=1, recovered_at=2, low=True, crossings=1),
            reservations=[a_reservation((TEA, "default", 5, 0))],
        )

        events = decide.give_back(state, message(refunded(units_of(TEA, 2)))).publish

        assert events[1:] == (StockRecovered(product_id=TEA, available=2, crossing=2, recovered_at=2),)

    @pytest.mark.parametrize("given_back", [0, 2, 5])
    def test_a_full_refund_of_the_money_releases_all_units(self, given_back: int) -> None:
        """A refund of money alone: the order has ended, and its goods were not shipped."""
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

    def test_units_refunded_after_all_the_money_are_already_released(self) -> None:
        ended = decide.give_back(RESERVED, message(refunded(units_of(TEA, 0), is_full=True))).state
        after = stock_state(an_item(TEA), reservations=[a_reservation((TEA, "default", 5, 5), status="released")])

        units = message(refunded(units_of(TEA, 5), is_full=True), id="units")

        assert decide.give_back(ended, units) == Decision(after, outcome="already_released")

    def test_a_refund_that_overtakes_the_reservation_is_retried(self) -> None:
        assert decide.give_back(stock_state(), message(refunded())) == NotYet("reservation_unknown")


class TestAfterARefund:
    def test_the_rest_ships(self) -> None:
        state = decide.give_back(RESERVED, message(refunded(units_of(TEA, 2)))).state

        assert decide.ship(state, message(shipped())).state == stock_state(
            an_item(TEA, a_lot(on_hand=7), received=10, shipped=3),
            reservations=[a_reservation((TEA, "default", 5, 2), status="shipped")],
        )

    def test_a_cancellation_releases_the_rest(self) -> None:
        state = decide.give_back(RESERVED, message(refunded(units_of(TEA, 2)))).state
        after = stock_state(an_item(TEA), reservations=[a_reservation((TEA, "default", 5, 2), status="released")])

        assert decide.release(state, message(cancelled())) == Decision(
            after, (released((TEA, "default", 3)),), "released"
        )

    def test_a_cancellation_without_a_rest_publishes_nothing(self) -> None:
        state = decide.give_back(RESERVED, message(refunded(units_of(TEA, 5)))).state
        after = stock_state(an_item(TEA), reservations=[a_reservation((TEA, "default", 5, 5), status="released")])

        assert decide.release(state, message(cancelled())) == Decision(after, outcome="released")


class TestLateRefund:
    def test_unshipped_goods_return_on_hand(self) -> None:
        """The shipment was handled first, though the refund came before it."""
        left = decide.ship(RESERVED, message(shipped())).state
        after = stock_state(
            an_item(TEA, a_lot(on_hand=7), received=10, shipped=3),
            reservations=[a_reservation((TEA, "default", 5, 2), status="shipped")],
        )

        assert decide.give_back(left, message(refunded(units_of(TEA, 2)))) == Decision(
            after, (released((TEA, "default", 2)),), "released"
        )

    def test_units_released_by_a_cancellation_are_not_released_again(self) -> None:
        released_before = decide.release(RESERVED, message(cancelled())).state
        after = stock_state(an_item(TEA), reservations=[a_reservation((TEA, "default", 5, 2), status="released")])

        assert decide.give_back(released_before, message(refunded(units_of(TEA, 2)))) == Decision(
            after, outcome="already_released"
        )

    @pytest.mark.parametrize("state", [stock_state(), RESERVED])
    def test_a_refund_of_shipped_goods_changes_nothing(self, state: State) -> None:
        cause = refunded(units_of(TEA, 2), was_shipped=True)

        assert decide.give_back(state, message(cause)) == Decision(state, outcome="left_before")


# Any order of the same events.

RULES: dict[type[Payload], Any] = {
    OrderAccepted: decide.reserve,
    OrderShipped: decide.ship,
    OrderCancelled: decide.release,
    OrderRefunded: decide.give_back,
}
STOCK = stock_state(
    an_item(TEA, a_lot("early", 3, 0, "2026-12-31"), a_lot("later", 20, 0, "2027-06-30"), low_at=18, recovered_at=20),
    an_item(CUP, a_lot(on_hand=9)),
)


def after(events: list[Event]) -> tuple[State, Counter[tuple[int, str]]]:
    """The final stock, and the units published as released, by product and lot."""
    state, returned = STOCK, Counter[tuple[int, str]]()
    waiting = deque(events)
    while waiting:
        cause = waiting.popleft()
        answer = RULES[type(cause.data)](state, cause)
        if isinstance(answer, NotYet):
            waiting.append(cause)
            continue
        state = answer.state
        for event in answer.publish:
            if isinstance(event, StockReleased):
                returned.update({(pick.product_id, pick.batch_id): pick.quantity for pick in event.picks})
    return state, returned


@st.composite
def histories(draw: st.DrawFn) -> tuple[Order, list[Event], list[Event]]:
    """The events of an order in sequence, and shuffled with repeats; `order.accepted` is first in both."""
    order, events = draw(order_histories())
    accepted, *others = (cause for cause in events if type(cause.data) in RULES)
    repeats = draw(st.lists(st.sampled_from([accepted, *others]).map(resent), max_size=4))
    return order, [accepted, *others], [accepted, *draw(st.permutations([*others, *repeats]))]


@given(histories())
def test_any_order_of_the_same_events_ends_with_the_same_stock(case: tuple[Order, list[Event], list[Event]]) -> None:
    _, one, other = case

    assert after(one) == after(other)


@given(histories())
def test_only_units_not_refunded_before_are_shipped(case: tuple[Order, list[Event], list[Event]]) -> None:
    order, _, events = case
    state, returned = after(events)

    ordered, not_shipped = Counter[int](), Counter[int]()
    products = {line.line: line.product_id for line in order.lines}
    for line in order.lines:
        ordered[line.product_id] += line.quantity
    for part in (part for each in order.refunds if not each.was_shipped for part in each.lines):
        not_shipped[products[part.line]] += part.quantity
    for product_id, quantity in ordered.items():
        item, before = state.items[product_id], STOCK.items[product_id]
        left = quantity - not_shipped[product_id]
        assert item.shipped == (left if order.was_shipped else 0)
        assert item.reserved == (left if order.status == "paid" else 0)
        assert item.on_hand == before.on_hand - item.shipped
        released_units = sum(units for (product, _), units in returned.items() if product == product_id)
        has_ended_here = order.status in ("cancelled", "refunded") and not order.was_shipped
        assert released_units == (quantity if has_ended_here else not_shipped[product_id])


@given(histories())
def test_handled_twice_equals_once(case: tuple[Order, list[Event], list[Event]]) -> None:
    state = STOCK
    for cause in case[2]:
        answer = RULES[type(cause.data)](state, cause)
        if isinstance(answer, Decision):
            state = answer.state
            again = RULES[type(cause.data)](state, resent(cause))
            assert (again.state, again.publish) == (state, ())
