"""A count sets the books to the counted stock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.stock.v1 import StockAdjusted, StockExpired, StockLow
from contracts.wire.decision import Decision
from tests.builders import NOW, TEA, message
from tests.stock_builders import a_lot, adjust, an_item, count, receive, stock_state
from workers.stock_reservation import decide
from workers.stock_reservation.model import Booking

YESTERDAY = (NOW - timedelta(days=1)).date().isoformat()


def counted(delta: int, on_hand: int, available: int | None = None) -> StockAdjusted:
    left = on_hand if available is None else available
    return StockAdjusted(adjustment_id="c-1", product_id=TEA, delta=delta, on_hand=on_hand, available=left)


def booked(delta: int, on_hand: int, batch_id: str = "default") -> Booking:
    return Booking("c-1", "count", TEA, batch_id, delta, on_hand)


@pytest.mark.parametrize(("found", "delta"), [(7, -3), (14, 4), (2, -8)])
def test_a_count_books_the_difference(found: int, delta: int) -> None:
    state = stock_state(an_item(TEA, a_lot(on_hand=10, reserved=2)))
    after = stock_state(
        an_item(TEA, a_lot(on_hand=found, reserved=2), received=10, adjusted=delta), bookings=[booked(delta, found)]
    )

    assert decide.count(state, message(count(on_hand=found))) == Decision(
        after, (counted(delta, found, found - 2),), "adjusted"
    )


def test_a_count_adds_a_lot_that_was_never_received() -> None:
    command = count(on_hand=5, batch_id="found", expiry_date="2027-01-31")
    after = stock_state(
        an_item(TEA, a_lot("found", 5, expires_on="2027-01-31"), received=0, adjusted=5),
        bookings=[booked(5, 5, "found")],
    )

    assert decide.count(stock_state(), message(command)) == Decision(after, (counted(5, 5),), "adjusted")


def test_a_count_may_change_the_expiry_date() -> None:
    state = stock_state(an_item(TEA, a_lot(on_hand=7, expires_on="2027-01-31"), low_at=2, recovered_at=4))

    kept = decide.count(state, message(count(on_hand=7))).state
    assert kept.items == state.items
    decision = decide.count(state, message(count(on_hand=7, expiry_date=YESTERDAY)))
    assert decision.state.items[TEA].lots == (a_lot(on_hand=7, expires_on=YESTERDAY),)
    # An expired lot is not available.
    assert decision.publish == (
        counted(0, 7),
        StockLow(product_id=TEA, available=0, low_at=2, crossing=1),
        StockExpired(product_id=TEA, units=7, expires_on=YESTERDAY, crossing=1),
    )


@pytest.mark.parametrize(("state", "found"), [(stock_state(an_item(TEA)), 10), (stock_state(), 0)])
def test_a_count_without_a_difference_publishes_nothing(state: Any, found: int) -> None:
    after = state.with_booking(booked(0, found))

    assert decide.count(state, message(count(on_hand=found))) == Decision(after, outcome="unchanged")


def test_a_repeated_count_is_a_duplicate_even_after_a_receipt() -> None:
    once = decide.count(stock_state(an_item(TEA)), message(count())).state
    later = decide.receive(once, message(receive(quantity=5))).state

    assert decide.count(later, message(count(), id="resent")) == Decision(later, outcome="duplicate")


@pytest.mark.parametrize("other", [count(on_hand=8), count(batch_id="b"), count(product_id=502)])
def test_a_reference_cannot_be_used_twice(other: Any) -> None:
    state = decide.count(stock_state(an_item(TEA)), message(count())).state
    adjusted = decide.adjust(stock_state(an_item(TEA)), message(adjust("c-1", delta=-3))).state

    assert decide.count(state, message(other)).publish[0].reason == "conflicting_reference"
    assert decide.count(adjusted, message(count())).publish[0].reason == "conflicting_reference"
