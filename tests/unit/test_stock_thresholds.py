"""A product announces once that it runs low, and once that it has recovered."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.stock.v1 import StockLow, StockRecovered
from contracts.stock.view import StockItem
from contracts.wire.decision import Decision
from tests.builders import TEA, cancelled, message
from tests.stock_builders import a_lot, adjust, an_item, receive, reserved, stock_state
from tests.unit.reservations import SOON, YESTERDAY, open_for, order_for, released
from workers.stock_reservation import decide


class TestRunningLow:
    WATCHED: dict[str, Any] = {"low_at": 4, "recovered_at": 8}  # noqa: RUF012

    @staticmethod
    def low(available: int, crossing: int) -> StockLow:
        return StockLow(product_id=TEA, available=available, low_at=4, crossing=crossing)

    @staticmethod
    def recovered(available: int, crossing: int) -> StockRecovered:
        return StockRecovered(product_id=TEA, available=available, recovered_at=8, crossing=crossing)

    def test_each_crossing_publishes_one_event(self) -> None:
        state = stock_state(an_item(TEA, **self.WATCHED))
        published = []
        for number, delta in enumerate([-5, -1, -1, +3, -2, +4, +1, -3, -1, +9]):
            decision = decide.adjust(state, message(adjust(f"a-{number}", delta=delta)))
            state = decision.state
            published.append(decision.publish[1:])

        # 10 falls to 5, 4 (low), 3, 6, 4, 8 (recovered), 9, 6, 5, 14: no event between the thresholds.
        assert published == [(), (self.low(4, 1),), (), (), (), (self.recovered(8, 2),), (), (), (), ()]
        assert (state.items[TEA].low, state.items[TEA].crossings) == (False, 2)

    def test_a_reservation_publishes_its_crossing_last(self) -> None:
        state = stock_state(an_item(TEA, **self.WATCHED))
        after = stock_state(
            an_item(TEA, a_lot(reserved=7), low=True, crossings=1, **self.WATCHED),
            reservations=[open_for((TEA, "default", 7))],
        )
        events = (reserved((TEA, "default", 7)), self.low(3, 1))

        assert decide.reserve(state, order_for((TEA, 7))) == Decision(after, events, "reserved")

    def test_a_release_ends_the_low_stock(self) -> None:
        low = an_item(TEA, a_lot(reserved=7), low=True, crossings=1, **self.WATCHED)
        state = stock_state(low, reservations=[open_for((TEA, "default", 7))])

        decision = decide.release(state, message(cancelled()))

        assert decision.publish == (released((TEA, "default", 7)), self.recovered(10, 2))
        assert decision.state.items[TEA] == an_item(TEA, crossings=2, **self.WATCHED)

    def test_lots_that_expire_soon_do_not_count(self) -> None:
        lots = (a_lot("soon", 6, expires_on=YESTERDAY), a_lot("later", 5, expires_on=SOON))
        state = stock_state(an_item(TEA, *lots, **self.WATCHED))

        decision = decide.adjust(state, message(adjust(delta=-1, batch_id="later")))

        assert decision.publish[1:] == (self.low(4, 1),)

    def test_a_product_without_a_threshold_never_runs_low(self) -> None:
        assert decide.reserve(stock_state(an_item(TEA)), order_for((TEA, 10))).publish == (
            reserved((TEA, "default", 10)),
        )

    @pytest.mark.parametrize(
        ("known", "given", "thresholds"),
        [
            ({}, {}, (0, 0)),
            ({}, {"low_at": 20}, (20, 40)),
            ({}, {"low_at": 0}, (0, 1)),
            ({}, {"low_at": 20, "recovered_at": 25}, (20, 25)),
            ({}, {"low_at": 20, "recovered_at": 5}, (20, 21)),
            ({"low_at": 4, "recovered_at": 8}, {}, (4, 8)),
            ({"low_at": 4, "recovered_at": 8}, {"recovered_at": 30}, (4, 30)),
            ({"low_at": 4, "recovered_at": 8}, {"recovered_at": 2}, (4, 5)),
            ({"low_at": 4, "recovered_at": 8}, {"low_at": 10}, (10, 20)),
        ],
    )
    def test_a_receipt_sets_the_thresholds_with_a_gap_between_them(
        self, known: dict[str, Any], given: dict[str, Any], thresholds: tuple[int, int]
    ) -> None:
        state = stock_state(an_item(TEA, a_lot(on_hand=100), **known))

        item: StockItem = decide.receive(state, message(receive(**given))).state.items[TEA]

        assert (item.low_at, item.recovered_at) == thresholds
