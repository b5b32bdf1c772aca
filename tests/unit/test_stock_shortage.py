"""More units are reserved than available: the announcements, the requests to cancel orders, and the shipped lots."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.orders.v1 import UnpaidCancelled
from contracts.stock.v1 import (
    StockAdjusted,
    StockExpired,
    StockExpiring,
    StockRecovered,
    StockReleased,
    StockReleaseRequested,
    StockShortageChanged,
)
from contracts.stock.view import StockItem
from tests.builders import CUP, NOW, SHOP, TEA, accepted, an_order_line, cancelled, message, shipped, tick
from tests.stock_builders import a_lot, adjust, an_item, count, picks_of, receive, stock_state
from workers.stock_reservation import decide
from workers.stock_reservation.model import Pick, Reservation, State

YESTERDAY = (NOW - timedelta(days=1)).date().isoformat()


def held(order_id: str, units: int, lot: str = "default", status: Any = "open", product: int = TEA) -> Reservation:
    return Reservation(f"{SHOP}/{order_id}", status, (Pick(product, lot, units),))


def changed(shortage: int, on_hand: int, reserved: int, crossing: int = 1) -> StockShortageChanged:
    return StockShortageChanged(
        product_id=TEA, shortage=shortage, on_hand=on_hand, reserved=reserved, crossing=crossing
    )


def requested(shortage: int, request: int = 1, **after: Any) -> StockReleaseRequested:
    return StockReleaseRequested(product_id=TEA, request=request, shortage=shortage, **after)


def answer(*order_ids: str, request: int = 1, last: str | None = None) -> UnpaidCancelled:
    keys = tuple(f"{SHOP}/{order_id}" for order_id in order_ids)
    cursor = {"last_order": f"{SHOP}/{last}", "last_placed_at": NOW} if last else {}
    return UnpaidCancelled(product_id=TEA, request=request, orders=keys, **cursor)


def short_by_six() -> State:
    """Ten units are reserved for three orders; four were counted."""
    state = stock_state(
        an_item(TEA, a_lot(on_hand=10, reserved=10)), reservations=[held("1", 4), held("2", 3), held("3", 3)]
    )
    return decide.count(state, message(count(on_hand=4))).state


def the_item(state: State) -> StockItem:
    return state.items[TEA]


class TestShortage:
    @pytest.mark.parametrize("found", [(decide.count, count("c", on_hand=4)), (decide.adjust, adjust("c", delta=-6))])
    def test_a_shortage_is_announced_and_a_release_requested(self, found: Any) -> None:
        rule, payload = found
        state = stock_state(an_item(TEA, a_lot(on_hand=10, reserved=9)))

        decision = rule(state, message(payload))

        adjusted = StockAdjusted(adjustment_id="c", product_id=TEA, delta=-6, on_hand=4, available=0, short=5)
        assert decision.publish == (adjusted, changed(5, 4, 9), requested(5))
        item = the_item(decision.state)
        assert (item.lots, item.short, item.asking) == ((a_lot(on_hand=4, reserved=9),), 5, "once")

    def test_a_count_of_the_reserved_units_is_no_shortage(self) -> None:
        state = stock_state(an_item(TEA, a_lot(on_hand=10, reserved=8)))

        assert len(decide.count(state, message(count(on_hand=8))).publish) == 1

    def test_other_lots_cover_the_shortage(self) -> None:
        state = stock_state(an_item(TEA, a_lot(on_hand=10, reserved=9), a_lot("b", 5)))

        item = the_item(decide.count(state, message(count(on_hand=4))).state)

        assert (item.short, item.sellable(NOW), item.available) == (0, 0, 0)

    def test_expired_lots_do_not_cover_the_shortage(self) -> None:
        state = stock_state(an_item(TEA, a_lot(on_hand=10, reserved=9), a_lot("b", 5, expires_on=YESTERDAY)))

        assert the_item(decide.count(state, message(count(on_hand=4))).state).short == 5

    def test_an_expired_lot_covers_no_order_from_the_next_day_on(self) -> None:
        item = an_item(TEA, a_lot("soon", 10, 4, "2026-11-05"), a_lot("later", 3, 0), next_check_on="2026-11-06")
        decision = decide.check_dates(stock_state(item), message(tick(NOW + timedelta(days=4))))

        ended = {"product_id": TEA, "units": 10, "expires_on": "2026-11-05", "crossing": 1}
        assert decision.publish == (
            changed(1, 13, 4),
            requested(1),
            StockExpired(**ended),
            StockExpiring(product_id=TEA, units=0, crossing=2),
        )

    def test_an_expired_lot_is_not_sold_to_an_order_older_than_the_check(self) -> None:
        item = an_item(TEA, a_lot("soon", 10, 0, "2026-11-05"), checked_on="2026-11-06")
        decision = decide.reserve(stock_state(item), message(accepted(lines=(an_order_line(quantity=1),))))

        assert decision.outcome == "short"

    def test_a_lower_count_during_a_request_sends_no_other(self) -> None:
        decision = decide.count(short_by_six(), message(count("c-2", on_hand=1)))

        assert decision.publish[1:] == (changed(9, 1, 10, 2),)

    def test_a_lower_count_after_the_answer_sends_a_request(self) -> None:
        answered = decide.take_back(short_by_six(), message(answer())).state
        decision = decide.count(answered, message(count("c-2", on_hand=1)))

        assert decision.publish[1:] == (changed(9, 1, 10, 2), requested(9, 2))


class TestAnswer:
    def test_an_answer_releases_units_and_ends_the_shortage(self) -> None:
        decision = decide.take_back(short_by_six(), message(answer("3", "2", last="2")))

        released = [
            StockReleased(shop_id=SHOP, order_id=order_id, picks=picks_of((TEA, "default", 3))) for order_id in "32"
        ]
        assert decision.publish == (*released, changed(0, 4, 4, 2))
        assert decision.outcome == "released"
        assert [r.status for r in decision.state.reservations.values()] == ["open", "released", "released"]
        assert (the_item(decision.state).short, the_item(decision.state).asking) == (0, None)

    def test_an_answer_that_releases_too_little_sends_the_next_request(self) -> None:
        decision = decide.take_back(short_by_six(), message(answer("3", last="3")))

        assert decision.publish[1:] == (requested(3, 2, after_placed_at=NOW, after_order=f"{SHOP}/3"),)
        # The remaining shortage is announced once it is known.
        assert (the_item(decision.state).short, the_item(decision.state).asking) == (6, "once")

    def test_the_last_answer_announces_the_remaining_shortage(self) -> None:
        decision = decide.take_back(short_by_six(), message(answer("3")))

        assert decision.publish[1:] == (changed(3, 4, 7, 2),)
        assert (the_item(decision.state).short, the_item(decision.state).asking) == (3, None)

    def test_an_answer_that_releases_nothing_publishes_nothing(self) -> None:
        decision = decide.take_back(short_by_six(), message(answer()))

        assert (decision.publish, decision.outcome) == ((), "nothing_reserved")
        assert the_item(decision.state).asking is None

    def test_an_answer_after_its_cancellations_releases_nothing_twice(self) -> None:
        state = decide.release(short_by_six(), message(cancelled("3"))).state
        decision = decide.take_back(state, message(answer("3", "unknown", last="unknown")))

        assert decision.publish == (requested(3, 2, after_placed_at=NOW, after_order=f"{SHOP}/unknown"),)

    def test_an_answer_to_an_earlier_request_sends_no_request(self) -> None:
        second = decide.take_back(short_by_six(), message(answer("3", last="3"))).state
        decision = decide.take_back(second, message(answer("2", last="2")))

        assert decision.publish[1:] == (changed(0, 4, 4, 2),)

    def test_a_new_shortage_after_a_covered_one_restarts_the_requests(self) -> None:
        covered = decide.receive(short_by_six(), message(receive("r-2", quantity=6))).state
        assert the_item(covered).short == 0
        again = decide.count(covered, message(count("c-2", on_hand=5)))
        assert again.publish[1:] == (changed(5, 5, 10, 3),)

        decision = decide.take_back(again.state, message(answer("3", last="3")))

        assert decision.publish[1:] == (requested(2, 2),)

    def test_an_answer_to_a_covered_shortage_ends_the_requests(self) -> None:
        covered = decide.receive(short_by_six(), message(receive("r-2", quantity=6))).state
        decision = decide.take_back(covered, message(answer("3", last="3")))

        assert len(decision.publish) == 1
        assert the_item(decision.state).asking is None

    def test_orders_of_several_products_release_all_of_them(self) -> None:
        both = Reservation(f"{SHOP}/3", "open", (Pick(TEA, "default", 3), Pick(CUP, "default", 2)))
        state = stock_state(
            an_item(TEA, a_lot(on_hand=3, reserved=3)), an_item(CUP, a_lot(on_hand=2, reserved=2)), reservations=[both]
        )
        short = decide.count(state, message(count(on_hand=0))).state

        after = decide.take_back(short, message(answer("3", last="3"))).state

        assert [item.reserved for item in after.items.values()] == [0, 0]


class TestShipping:
    def ship(self, *lots: Any, units: int = 5, given_back: int = 0) -> tuple[StockItem, tuple[Pick, ...]]:
        reservation = Reservation(f"{SHOP}/1", "open", (Pick(TEA, "a", units, given_back),))
        item = an_item(TEA, *lots)
        item = replace(item, short=item.shortage(NOW))
        state = stock_state(item, reservations=[reservation])
        after = decide.ship(state, message(shipped("1"))).state
        return the_item(after), after.reservations[f"{SHOP}/1"].picks

    def test_other_lots_supply_what_the_reserved_lot_lacks(self) -> None:
        item, picks = self.ship(a_lot("a", 2, 5), a_lot("b", 4, 1))

        assert item.lots == (a_lot("a", 0, 0), a_lot("b", 1, 1))
        assert (item.shipped, picks) == (5, (Pick(TEA, "a", 2), Pick(TEA, "b", 3)))

    def test_an_expired_lot_supplies_last(self) -> None:
        item, _ = self.ship(a_lot("a", 5, 5, YESTERDAY), a_lot("b", 4, 0))

        assert item.lots == (a_lot("a", 4, 0, YESTERDAY), a_lot("b", 0, 0))

    def test_units_reserved_by_others_ship_before_a_lot_falls_below_zero(self) -> None:
        item, picks = self.ship(a_lot("a", 0, 5), a_lot("b", 3, 3))

        assert item.lots == (a_lot("a", -2, 0), a_lot("b", 0, 3))
        assert picks == (Pick(TEA, "b", 3), Pick(TEA, "a", 2))
        assert item.short == 5

    def test_units_released_before_are_not_released_again(self) -> None:
        _, picks = self.ship(a_lot("a", 0, 4), a_lot("b", 4, 0), given_back=1)

        assert picks == (Pick(TEA, "b", 4), Pick(TEA, "a", 1, 1))
        reservation, released = Reservation("1", "shipped", picks).give_back({TEA: 2})
        assert released == (Pick(TEA, "b", 1),)
        assert reservation.left == (Pick(TEA, "b", 3),)

    def test_units_from_a_lot_that_ends_soon_end_the_alert_that_their_lack_had_kept(self) -> None:
        """Ten of twelve free units last, and lot a lacks two: eight, so it is low. Then lot soon gives the two."""
        soon = (NOW + timedelta(days=2)).date().isoformat()
        lots = (a_lot("soon", 2, 0, soon), a_lot("a", 0, 2), a_lot("b", 10, 0))
        low = an_item(TEA, *lots, low=True, low_at=5, recovered_at=10, crossings=1)
        state = stock_state(low, reservations=[held("1", 2, "a")])

        decision = decide.ship(state, message(shipped("1")))

        assert decision.publish == (
            StockRecovered(product_id=TEA, available=10, recovered_at=10, crossing=2),
            StockExpiring(product_id=TEA, units=0, crossing=1),
        )
        assert not the_item(decision.state).low

    def test_a_count_corrects_a_lot_below_zero(self) -> None:
        short = an_item(TEA, a_lot("a", -2, 0), received=0, shipped=2, short=2, shortages=1)
        decision = decide.count(stock_state(short), message(count(on_hand=0, batch_id="a")))

        assert the_item(decision.state).short == 0
        assert decide.adjust(stock_state(short), message(adjust(delta=1, batch_id="a"))).outcome == "adjusted"
