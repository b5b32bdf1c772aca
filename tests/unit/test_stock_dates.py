"""Lots that run out of date: the clock alone makes an item run low, once, whatever else happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.stock.v1 import StockLow, StockRecovered
from contracts.stock.view import NEVER, StockItem
from contracts.wire.decision import Decision
from tests.builders import CUP, NOW, TEA, a_lot, adjust, an_item, message, receive, stock_state, tick
from workers.stock_reservation import decide
from workers.stock_reservation.model import State

# 2026-11-02 is the day of the tests. What is good until the 5th counts until the 2nd.
TODAY, TOMORROW = NOW.date().isoformat(), (NOW + timedelta(days=1)).date().isoformat()
LOTS = (a_lot("first", 6, expires_on="2026-11-05"), a_lot("second", 5, expires_on="2026-11-20"), a_lot("third", 3))
WATCHED: dict[str, Any] = {"low_at": 8, "recovered_at": 12}


def at(moment: datetime, state: State) -> Any:
    return decide.check_dates(state, message(tick(moment)))


class TestTheClock:
    def test_what_comes_near_to_its_end_makes_an_item_run_low(self) -> None:
        state = stock_state(an_item(TEA, *LOTS, **WATCHED), an_item(CUP))
        item = an_item(TEA, *LOTS, **WATCHED, low=True, crossings=1, checked_on=TOMORROW, next_check_on="2026-11-06")
        event = StockLow(product_id=TEA, available=8, low_at=8, crossing=1)

        assert at(NOW + timedelta(days=1), state) == Decision(state.with_items(item), (event,), "dates_checked")

    def test_nothing_happens_before_that_day(self) -> None:
        state = stock_state(an_item(TEA, *LOTS, **WATCHED))

        assert at(datetime.combine(NOW, datetime.max.time(), NOW.tzinfo), state) == Decision(state, (), "nothing_due")

    def test_the_same_day_again_changes_nothing(self) -> None:
        state = at(NOW + timedelta(days=1), stock_state(an_item(TEA, *LOTS, **WATCHED))).state

        assert at(NOW + timedelta(days=1, hours=1), state) == Decision(state, (), "nothing_due")

    def test_each_lot_has_its_day(self) -> None:
        state = at(NOW + timedelta(days=1), stock_state(an_item(TEA, *LOTS, low_at=4, recovered_at=8))).state
        assert (state.items[TEA].low, state.items[TEA].next_check_on) == (False, "2026-11-06")
        state = at(NOW + timedelta(days=4), state).state
        assert state.items[TEA].next_check_on == "2026-11-18"

        decision = at(NOW + timedelta(days=16), state)

        assert decision.publish == (StockLow(product_id=TEA, available=3, low_at=4, crossing=1),)
        assert decision.state.items[TEA].next_check_on == "2026-11-21"
        assert at(NOW + timedelta(days=19), decision.state).state.items[TEA].next_check_on == NEVER

    def test_a_clock_that_stood_still_is_made_up_for_at_once(self) -> None:
        decision = at(NOW + timedelta(days=60), stock_state(an_item(TEA, *LOTS, **WATCHED)))

        assert decision.publish == (StockLow(product_id=TEA, available=3, low_at=8, crossing=1),)
        assert decision.state.items[TEA].next_check_on == NEVER

    def test_an_item_of_an_older_document_is_checked_by_the_next_tick(self) -> None:
        state = stock_state(an_item(TEA, *LOTS, **WATCHED, next_check_on=None), an_item(CUP, next_check_on=None))

        decision = at(NOW, state)

        assert decision.outcome == "dates_checked"
        assert [(i.checked_on, i.next_check_on) for i in decision.state.items.values()] == [
            (TODAY, TOMORROW),
            (TODAY, NEVER),
        ]
        assert decision.publish == ()

    def test_goods_that_last_end_it(self) -> None:
        state = at(NOW + timedelta(days=1), stock_state(an_item(TEA, *LOTS, **WATCHED))).state

        decision = decide.receive(state, message(receive(quantity=4, batch_id="new"), time=NOW + timedelta(days=1)))

        assert decision.publish[1:] == (StockRecovered(product_id=TEA, available=12, recovered_at=12, crossing=2),)


class TestOtherMessages:
    @pytest.mark.parametrize("checked_on", [None, TODAY])
    def test_a_new_lot_has_its_day(self, checked_on: str | None) -> None:
        state = stock_state(an_item(TEA, checked_on=checked_on))

        after = decide.receive(state, message(receive(batch_id="new", expiry_date="2026-11-05"))).state

        assert after.items[TEA].next_check_on == TOMORROW

    def test_a_lot_that_came_too_late_to_be_checked_is_checked_when_it_ends(self) -> None:
        state = stock_state(an_item(TEA, checked_on=TOMORROW))

        after = decide.receive(state, message(receive(batch_id="new", expiry_date="2026-11-05"))).state

        assert after.items[TEA].next_check_on == "2026-11-06"

    def test_a_message_from_before_the_check_does_not_bring_a_lot_back(self) -> None:
        low = at(NOW + timedelta(days=1), stock_state(an_item(TEA, *LOTS, **WATCHED))).state

        decision = decide.adjust(low, message(adjust(batch_id="third", delta=1), time=NOW))

        assert (decision.state.items[TEA].low, decision.publish[1:]) == (True, ())

    @pytest.mark.parametrize("day", ["0001-01-01", "0001-01-04", "9999-12-31"])
    def test_any_day_of_the_calendar_will_do(self, day: str) -> None:
        state = decide.receive(stock_state(), message(receive(expiry_date=day))).state

        assert at(NOW, state).outcome == ("nothing_due" if day == "9999-12-31" else "dates_checked")

    def test_so_will_any_time(self) -> None:
        last = datetime.max.replace(tzinfo=NOW.tzinfo)

        assert decide.receive(stock_state(), message(receive(), time=last)).outcome == "received"
        assert at(last, stock_state(an_item(TEA, *LOTS))).outcome == "dates_checked"


# The days of the clock, and what happens between them.

lots = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(1, 6), st.none() | st.integers(0, 12)),
    min_size=1,
    max_size=4,
    unique_by=lambda lot: lot[0],
)


@given(lots, st.integers(0, 6), st.lists(st.tuples(st.integers(0, 14), st.none() | st.integers(-4, 4)), max_size=12))
def test_after_a_tick_an_item_is_low_exactly_as_its_lots_and_the_day_say(
    lots: list[tuple[str, int, int | None]], low_at: int, steps: list[tuple[int, int | None]]
) -> None:
    """`steps` are days after today, on which a lot is corrected, or nothing but the clock moves on."""
    held = [a_lot(name, on_hand, expires_on=in_days(days)) for name, on_hand, days in lots]
    item = an_item(TEA, *held, low_at=low_at, recovered_at=low_at + 1)
    state = at(NOW, stock_state(replace(item, next_check_on=None))).state
    ticked = 0
    for number, (day, delta) in enumerate(sorted(steps, key=lambda step: step[0])):
        now = NOW + timedelta(days=day)
        state, ticked = at(now, state).state, day
        if delta is not None:
            change = adjust(f"a-{number}", delta=delta, batch_id=lots[0][0])
            state = decide.adjust(state, message(change, time=now)).state

        assert state.items[TEA].low == (lasting(state.items[TEA], ticked) <= low_at)


def in_days(days: int | None) -> str | None:
    return None if days is None else (NOW + timedelta(days=days)).date().isoformat()


def lasting(item: StockItem, day: int) -> int:
    """Units that are good for three days more."""
    until = in_days(day + 3)
    assert until is not None
    return sum(lot.on_hand for lot in item.lots if lot.expires_on is None or lot.expires_on >= until)
