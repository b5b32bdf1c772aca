"""Stock: all lines of an order or none, first expired first out, and never more than available."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contracts.stock.v1 import StockAdjusted, StockReceived, StockRefused
from contracts.wire.decision import Decision, NotYet
from contracts.wire.refusal import Unreadable
from tests.builders import CUP, KEY, TEA, cancelled, message, shipped
from tests.stock_builders import a_lot, adjust, an_item, receive, reserved, short, stock_state
from tests.unit.reservations import TODAY, YESTERDAY, open_for, order_for, released
from workers.stock_reservation import decide
from workers.stock_reservation.model import Booking, Reservation, State


class TestReserve:
    def test_all_lines_are_reserved(self) -> None:
        state = stock_state(an_item(TEA), an_item(CUP))
        after = stock_state(
            an_item(TEA, a_lot(reserved=2)),
            an_item(CUP, a_lot(reserved=3)),
            reservations=[open_for((TEA, "default", 2), (CUP, "default", 3))],
        )
        event = reserved((TEA, "default", 2), (CUP, "default", 3))

        assert decide.reserve(state, order_for((TEA, 2), (CUP, 3))) == Decision(after, (event,), "reserved")

    def test_one_missing_product_reserves_nothing(self) -> None:
        state = stock_state(an_item(TEA), an_item(CUP, a_lot(on_hand=2)))
        after = state.with_reservation(Reservation(KEY, "short"))

        assert decide.reserve(state, order_for((TEA, 2), (CUP, 3))) == Decision(after, (short((CUP, 3, 2)),), "short")

    def test_a_product_never_received_is_missing(self) -> None:
        after = stock_state(reservations=[Reservation(KEY, "short")])

        assert decide.reserve(stock_state(), order_for((TEA, 1))) == Decision(after, (short((TEA, 1, 0)),), "short")

    def test_lines_of_the_same_product_are_added_up_first(self) -> None:
        state = stock_state(an_item(TEA))

        enough = decide.reserve(state, order_for((TEA, 4), (TEA, 6)))
        too_many = decide.reserve(state, order_for((TEA, 4), (TEA, 7)))

        assert enough.publish == (reserved((TEA, "default", 10)),)
        assert too_many.publish == (short((TEA, 11, 10)),)

    def test_units_reserved_by_others_are_not_available(self) -> None:
        state = stock_state(an_item(TEA, a_lot(on_hand=10, reserved=9)))

        assert decide.reserve(state, order_for((TEA, 2))).publish == (short((TEA, 2, 1)),)

    def test_lots_are_picked_in_the_order_of_expiry_those_without_last(self) -> None:
        lots = (a_lot("never", 5), a_lot("late", 5, expires_on="2027-06-30"), a_lot("soon", 5, expires_on="2026-12-01"))
        state = stock_state(an_item(TEA, *lots))
        picks = ((TEA, "soon", 5), (TEA, "late", 5), (TEA, "never", 1))
        after = stock_state(
            an_item(
                TEA,
                a_lot("never", 5, 1),
                a_lot("late", 5, 5, expires_on="2027-06-30"),
                a_lot("soon", 5, 5, expires_on="2026-12-01"),
            ),
            reservations=[open_for(*picks)],
        )

        assert decide.reserve(state, order_for((TEA, 11))) == Decision(after, (reserved(*picks),), "reserved")

    def test_an_expired_lot_is_never_reserved_but_one_on_its_last_day_is(self) -> None:
        expired = a_lot("expired", 5, expires_on=YESTERDAY)
        last_day = a_lot("last-day", 5, expires_on=TODAY)
        state = stock_state(an_item(TEA, expired, last_day))

        assert decide.reserve(state, order_for((TEA, 5))).publish == (reserved((TEA, "last-day", 5)),)
        assert decide.reserve(state, order_for((TEA, 6))).publish == (short((TEA, 6, 5)),)

    @pytest.mark.parametrize(
        ("status", "outcome"),
        [
            ("open", "duplicate"),
            ("short", "duplicate"),
            ("shipped", "duplicate"),
            ("released", "duplicate"),
            ("void", "cancelled_before"),
        ],
    )
    def test_an_order_is_reserved_once_and_not_after_its_cancellation(self, status: Any, outcome: str) -> None:
        state = stock_state(an_item(TEA), reservations=[Reservation(KEY, status)])

        assert decide.reserve(state, order_for((TEA, 2))) == Decision(state, outcome=outcome)


class TestShip:
    def test_reserved_units_are_shipped(self) -> None:
        picks = ((TEA, "a", 2), (TEA, "b", 1), (CUP, "default", 3))
        state = stock_state(
            an_item(TEA, a_lot("a", 2, 2), a_lot("b", 5, 4)),
            an_item(CUP, a_lot(reserved=3)),
            reservations=[open_for(*picks)],
        )
        after = stock_state(
            an_item(TEA, a_lot("a", 0), a_lot("b", 4, 3), received=7, shipped=3),
            an_item(CUP, a_lot(on_hand=7), received=10, shipped=3),
            reservations=[replace(open_for(*picks), status="shipped")],
        )

        assert decide.ship(state, message(shipped())) == Decision(after, outcome="shipped")

    def test_a_shipment_that_overtakes_its_order_is_retried(self) -> None:
        assert decide.ship(stock_state(), message(shipped())) == NotYet("reservation_unknown")

    @pytest.mark.parametrize("status", ["short", "shipped", "released", "void"])
    def test_only_reserved_units_can_be_shipped(self, status: Any) -> None:
        state = stock_state(an_item(TEA), reservations=[Reservation(KEY, status)])

        assert decide.ship(state, message(shipped())) == Decision(state, outcome=f"already_{status}")


class TestRelease:
    def test_reserved_units_are_released_lot_by_lot(self) -> None:
        picks = ((TEA, "a", 2), (TEA, "b", 1), (CUP, "default", 3))
        state = stock_state(
            an_item(TEA, a_lot("a", 2, 2), a_lot("b", 5, 4)),
            an_item(CUP, a_lot(reserved=3)),
            reservations=[open_for(*picks)],
        )
        after = stock_state(
            an_item(TEA, a_lot("a", 2), a_lot("b", 5, 3)),
            an_item(CUP),
            reservations=[replace(open_for(*picks), status="released")],
        )

        assert decide.release(state, message(cancelled())) == Decision(after, (released(*picks),), "released")

    def test_a_cancellation_that_overtakes_its_order_is_recorded(self) -> None:
        after = stock_state(reservations=[Reservation(KEY, "void")])

        assert decide.release(stock_state(), message(cancelled())) == Decision(after, outcome="nothing_reserved")

    @pytest.mark.parametrize("status", ["short", "shipped", "released", "void"])
    def test_only_reserved_units_can_be_released(self, status: Any) -> None:
        state = stock_state(an_item(TEA), reservations=[Reservation(KEY, status)])

        assert decide.release(state, message(cancelled())) == Decision(state, outcome=f"already_{status}")


def test_a_reservation_of_a_missing_lot_is_an_error() -> None:
    state = stock_state(an_item(TEA), reservations=[open_for((TEA, "elsewhere", 2))])

    with pytest.raises(AssertionError, match="lot elsewhere of product 501 was picked from and must exist"):
        decide.ship(state, message(shipped()))


def test_a_lot_never_releases_more_than_it_reserved() -> None:
    state = stock_state(an_item(TEA, a_lot(reserved=1)), reservations=[open_for((TEA, "default", 2))])

    with pytest.raises(AssertionError, match="cannot move by"):
        decide.release(state, message(cancelled()))


def received(receipt_id: str = "r-1", *, quantity: int = 10, on_hand: int, available: int) -> StockReceived:
    return StockReceived(receipt_id=receipt_id, product_id=TEA, quantity=quantity, on_hand=on_hand, available=available)


def stock_refused(reference: str, reason: str, detail: str, state: State) -> Decision[State]:
    event = StockRefused(reference=reference, product_id=TEA, reason=reason, detail=detail)
    return Decision(state, (event,), "refused")


def used_before(reference: str, units: int, state: State) -> Decision[State]:
    used = f"reference {reference} was used before for {units} of product 501"
    detail = f"{used}; give each receipt, adjustment or count a reference of its own."
    return stock_refused(reference, "conflicting_reference", detail, state)


class TestReceive:
    def test_the_first_receipt_of_a_product_creates_its_item(self) -> None:
        after = stock_state(an_item(TEA), bookings=[Booking("r-1", "receipt", TEA, "default", 10)])

        assert decide.receive(stock_state(), message(receive())) == Decision(
            after, (received(on_hand=10, available=10),), "received"
        )

    def test_units_are_added_to_their_lot_or_to_a_new_one(self) -> None:
        state = stock_state(an_item(TEA, a_lot("a", 5, 2, "2027-01-31")))
        same = decide.receive(state, message(receive(batch_id="a", expiry_date="2027-01-31")))
        other = decide.receive(same.state, message(receive("r-2", batch_id="b", expiry_date="2026-12-31")))

        assert same.publish == (received(on_hand=15, available=13),)
        assert other.state == stock_state(
            an_item(TEA, a_lot("b", 10, 0, "2026-12-31"), a_lot("a", 15, 2, "2027-01-31")),
            bookings=[Booking("r-1", "receipt", TEA, "a", 10), Booking("r-2", "receipt", TEA, "b", 10)],
        )

    def test_a_repeated_receipt_counts_once(self) -> None:
        once = decide.receive(stock_state(), message(receive())).state

        assert decide.receive(once, message(receive(), id="resent")) == Decision(once, outcome="duplicate")

    @pytest.mark.parametrize("changed", [receive(quantity=11), receive(batch_id="b"), receive(low_at=3)])
    def test_a_reference_used_for_something_else_is_refused(self, changed: Any) -> None:
        state = decide.receive(stock_state(), message(receive())).state

        assert decide.receive(state, message(changed)) == used_before("r-1", 10, state)

    @pytest.mark.parametrize(("known", "expiry"), [("2027-01-31", "on 2027-01-31"), (None, "on no date")])
    def test_a_lot_keeps_its_expiry_date(self, known: str | None, expiry: str) -> None:
        state = stock_state(an_item(TEA, a_lot("a", expires_on=known)))
        detail = f"expiry_date: lot a expires {expiry}; use another batch_id for goods that expire on 2027-02-01."
        command = receive(batch_id="a", expiry_date="2027-02-01")

        assert decide.receive(state, message(command)) == stock_refused("r-1", "expiry_mismatch", detail, state)

    def test_a_receipt_without_an_expiry_date_keeps_the_lots_own(self) -> None:
        state = stock_state(an_item(TEA, a_lot("a", expires_on="2027-01-31")))

        after = decide.receive(state, message(receive(batch_id="a"))).state

        assert after.items[TEA] == an_item(TEA, a_lot("a", 20, expires_on="2027-01-31"))


class TestAdjust:
    @pytest.mark.parametrize(("delta", "on_hand"), [(-3, 7), (4, 14), (0, 10)])
    def test_an_adjustment_changes_the_books(self, delta: int, on_hand: int) -> None:
        state = stock_state(an_item(TEA))
        after = stock_state(
            an_item(TEA, a_lot(on_hand=on_hand), received=10, adjusted=delta),
            bookings=[Booking("a-1", "adjustment", TEA, "default", delta)],
        )
        event = StockAdjusted(adjustment_id="a-1", product_id=TEA, delta=delta, on_hand=on_hand, available=on_hand)

        assert decide.adjust(state, message(adjust(delta=delta))) == Decision(after, (event,), "adjusted")

    def test_goods_never_received_are_a_lot_without_expiry(self) -> None:
        after = decide.adjust(stock_state(), message(adjust(delta=2, batch_id="found"))).state

        assert after.items[TEA] == an_item(TEA, a_lot("found", 2), received=0, adjusted=2)

    def test_a_lot_cannot_fall_below_zero(self) -> None:
        state = stock_state(an_item(TEA, a_lot(on_hand=10, reserved=8)))
        detail = "delta: lot default of product 501 has 10 units, so 11 cannot be removed; send what was counted."

        assert decide.adjust(state, message(adjust(delta=-10))).outcome == "adjusted"
        assert decide.adjust(state, message(adjust(delta=-11))) == stock_refused("a-1", "below_zero", detail, state)

    def test_a_repeated_adjustment_counts_once_and_another_with_its_id_is_refused(self) -> None:
        once = decide.adjust(stock_state(an_item(TEA)), message(adjust())).state

        assert decide.adjust(once, message(adjust(), id="resent")) == Decision(once, outcome="duplicate")
        assert decide.adjust(once, message(adjust(delta=-2))) == used_before("a-1", -1, once)

    def test_a_receipt_and_an_equal_adjustment_are_different(self) -> None:
        received = decide.receive(stock_state(), message(receive("x-1", quantity=5))).state
        adjusted = decide.adjust(stock_state(), message(adjust("x-1", delta=5))).state

        assert decide.adjust(received, message(adjust("x-1", delta=5))) == used_before("x-1", 5, received)
        assert decide.receive(adjusted, message(receive("x-1", quantity=5))) == used_before("x-1", 5, adjusted)


class TestUnreadable:
    @staticmethod
    def unreadable(**data: Any) -> Unreadable:
        return Unreadable("m-1", "stock.receive.v1", "missing_field", "quantity: Field required", b"{}", data=data)

    @pytest.mark.parametrize("name", ["receipt_id", "adjustment_id", "reference"])
    def test_a_message_with_its_reference_and_product_is_refused(self, name: str) -> None:
        item = self.unreadable(product_id=TEA, **{name: "x-1"})
        detail = "quantity: Field required"

        assert decide.refuse_unreadable(item) == StockRefused(
            reference="x-1", product_id=TEA, reason="invalid_message", detail=detail
        )

    @pytest.mark.parametrize("data", [{}, {"receipt_id": "x-1"}, {"product_id": TEA}, {"receipt_id": 1}])
    def test_a_message_without_them_is_dead_lettered(self, data: dict[str, Any]) -> None:
        assert decide.refuse_unreadable(self.unreadable(**data)) is None
