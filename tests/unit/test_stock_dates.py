"""Lots that expire: the clock alone makes an item run low, and only once."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.stock.v1 import StockExpired, StockExpiring, StockLow, StockRecovered
from contracts.stock.view import NEVER, StockItem
from contracts.wire.decision import Decision
from tests.builders import CUP, NOW, TEA, message, tick
from tests.stock_builders import a_lot, adjust, an_item, receive, stock_state
from workers.stock_reservation import decide
from workers.stock_reservation.model import State

# 2026-11-02 is the day of the tests. A lot that expires on the 5th counts until the 2nd.
TODAY, TOMORROW = NOW.date().isoformat(), (NOW + timedelta(days=1)).date().isoformat()
LOTS = (a_lot("first", 6, expires_on="2026-11-05"), a_lot("second", 5, expires_on="2026-11-20"), a_lot("third", 3))
WATCHED: dict[str, Any] = {"low_at": 8, "recovered_at": 12}


def at(moment: datetime, state: State) -> Any:
    return decide.check_dates(state, message(tick(moment)))


class TestTheClock:
    def test_a_lot_close_to_expiry_makes_an_item_run_low(self) -> None:
        state = stock_state(an_item(TEA, *LOTS, **WATCHED), an_item(CUP))
        item = an_item(TEA, *LOTS, **WATCHED, low=True, crossings=1, checked_on=TOMORROW, next_check_on="2026-11-06")
        event = StockLow(product_id=TEA, available=8, low_at=8, crossing=1)

        assert at(NOW + timedelta(days=1), state) == Decision(state.with_items(item), (event,), "dates_checked")

    def test_nothing_is_due_before_that_day(self) -> None:
        state = stock_state(an_item(TEA, *LOTS, **WATCHED))

        assert at(datetime.combine(NOW, datetime.max.time(), NOW.tzinfo), state) == Decision(state, (), "nothing_due")

    def test_a_second_check_on_a_day_changes_nothing(self) -> None:
        state = at(NOW + timedelta(days=1), stock_state(an_item(TEA, *LOTS, **WATCHED))).state

        assert at(NOW + timedelta(days=1, hours=1), state) == Decision(state, (), "nothing_due")

    def test_each_lot_is_checked_on_its_day(self) -> None:
        state = at(NOW + timedelta(days=1), stock_state(an_item(TEA, *LOTS, low_at=4, recovered_at=8))).state
        assert (state.items[TEA].low, state.items[TEA].next_check_on) == (False, "2026-11-06")
        state = at(NOW + timedelta(days=4), state).state
        assert state.items[TEA].next_check_on == "2026-11-13"
        state = at(NOW + timedelta(days=11), state).state
        assert state.items[TEA].next_check_on == "2026-11-18"

        decision = at(NOW + timedelta(days=16), state)

        assert decision.publish == (StockLow(product_id=TEA, available=3, low_at=4, crossing=1),)
        assert decision.state.items[TEA].next_check_on == "2026-11-21"
        assert at(NOW + timedelta(days=19), decision.state).state.items[TEA].next_check_on == NEVER

    def test_a_late_tick_catches_up_at_once(self) -> None:
        decision = at(NOW + timedelta(days=60), stock_state(an_item(TEA, *LOTS, **WATCHED)))

        assert decision.publish == (
            StockLow(product_id=TEA, available=3, low_at=8, crossing=1),
            StockExpired(product_id=TEA, units=11, expires_on="2026-11-05", crossing=1),
            StockExpiring(product_id=TEA, units=0, crossing=2),
        )
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

    def test_a_receipt_of_lasting_goods_ends_the_low_stock(self) -> None:
        state = at(NOW + timedelta(days=1), stock_state(an_item(TEA, *LOTS, **WATCHED))).state

        decision = decide.receive(state, message(receive(quantity=4, batch_id="new"), time=NOW + timedelta(days=1)))

        assert decision.publish[1:] == (StockRecovered(product_id=TEA, available=12, recovered_at=12, crossing=2),)


class TestExpiry:
    SOON = an_item(
        TEA, a_lot("first", 6, expires_on="2026-11-10"), a_lot("second", 5, 2, "2026-11-11"), a_lot("third", 3)
    )

    def test_the_first_unit_near_its_last_day_is_announced_once(self) -> None:
        decision = at(NOW + timedelta(days=1), stock_state(self.SOON))

        assert decision.publish == (StockExpiring(product_id=TEA, units=6, expires_on="2026-11-10", crossing=1),)
        item = decision.state.items[TEA]
        assert (item.expiring, item.expired, item.expiries, item.next_check_on) == (True, False, 1, "2026-11-04")
        assert at(NOW + timedelta(days=2), decision.state).publish == ()

    def test_the_first_expired_unit_is_announced_while_another_lot_expires_soon(self) -> None:
        state = at(NOW + timedelta(days=2), stock_state(self.SOON)).state

        decision = at(NOW + timedelta(days=9), state)

        assert decision.publish == (StockExpired(product_id=TEA, units=6, expires_on="2026-11-10", crossing=2),)
        item = at(NOW + timedelta(days=10), decision.state).state.items[TEA]
        assert (item.expiring, item.expired, item.expiries) == (False, True, 3)

    def test_a_count_without_expired_units_ends_it(self) -> None:
        expired = an_item(TEA, a_lot("first", 6, expires_on="2026-11-01"), expiries=1)

        decision = decide.adjust(stock_state(expired), message(adjust(batch_id="first", delta=-6)))

        assert decision.publish[1:] == (StockExpired(product_id=TEA, units=0, crossing=2),)
        assert not decision.state.items[TEA].expired

    def test_an_item_of_an_older_document_learns_when_it_expires(self) -> None:
        older = replace(self.SOON, expiring=None, next_check_on="2026-11-08", checked_on=TODAY)

        after = decide.adjust(stock_state(older), message(adjust(batch_id="third", delta=1))).state.items[TEA]

        assert (after.expiring, after.next_check_on) == (False, TOMORROW)


class TestOtherMessages:
    @pytest.mark.parametrize("checked_on", [None, TODAY])
    def test_a_new_lot_sets_the_next_check(self, checked_on: str | None) -> None:
        state = stock_state(an_item(TEA, checked_on=checked_on))

        after = decide.receive(state, message(receive(batch_id="new", expiry_date="2026-11-10"))).state

        assert after.items[TEA].next_check_on == TOMORROW

    def test_a_lot_received_after_its_check_is_checked_at_its_expiry(self) -> None:
        state = stock_state(an_item(TEA, checked_on=TOMORROW))

        after = decide.receive(state, message(receive(batch_id="new", expiry_date="2026-11-05"))).state

        assert after.items[TEA].next_check_on == "2026-11-06"

    def test_a_message_older_than_the_check_does_not_restore_a_lot(self) -> None:
        low = at(NOW + timedelta(days=1), stock_state(an_item(TEA, *LOTS, **WATCHED))).state

        decision = decide.adjust(low, message(adjust(batch_id="third", delta=1), time=NOW))

        assert (decision.state.items[TEA].low, decision.publish[1:]) == (True, ())

    @pytest.mark.parametrize("day", ["0001-01-01", "0001-01-04", "9999-12-31"])
    def test_any_day_of_the_calendar_is_valid(self, day: str) -> None:
        state = decide.receive(stock_state(), message(receive(expiry_date=day))).state

        assert at(NOW, state).outcome == ("nothing_due" if day == "9999-12-31" else "dates_checked")

    def test_any_time_is_valid(self) -> None:
        last = datetime.max.replace(tzinfo=NOW.tzinfo)

        assert decide.receive(stock_state(), message(receive(), time=last)).outcome == "received"
        assert at(last, stock_state(an_item(TEA, *LOTS))).outcome == "dates_checked"


# Random days of the clock, with adjustments between them.

lots = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(1, 6), st.none() | st.integers(0, 12)),
    min_size=1,
    max_size=4,
    unique_by=lambda lot: lot[0],
)


@given(lots, st.integers(0, 6), st.lists(st.tuples(st.integers(0, 14), st.none() | st.integers(-4, 4)), max_size=12))
def test_after_a_tick_an_item_is_low_exactly_when_its_lasting_units_are(
    lots: list[tuple[str, int, int | None]], low_at: int, steps: list[tuple[int, int | None]]
) -> None:
    """`steps` are days after today; on each, a lot is adjusted or only the clock advances."""
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
    """Units that expire in three days or later."""
    until = in_days(day + 3)
    assert until is not None
    return sum(lot.on_hand for lot in item.lots if lot.expires_on is None or lot.expires_on >= until)
