"""Messages in any order: available stock is never negative, and the books, lots and reservations agree."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.orders.v1 import UnpaidCancelled
from contracts.stock.v1 import StockLow, StockRecovered
from contracts.wire.decision import Decision, NotYet
from tests.builders import CUP, NOW, SHOP, TEA, accepted, an_order_line, cancelled, message, shipped
from tests.stock_builders import adjust, count, receive, stock_state
from workers.stock_reservation import decide
from workers.stock_reservation.model import State

LOTS = (("default", None), ("fresh", "2027-01-31"), ("stale", "2026-10-31"))
ORDERS = ("1", "2", "3", "4")
TODAY = NOW.date().isoformat()

Step = tuple[Any, Any]
"""A rule and its payload."""


def an_order_for(order_id: str, quantities: tuple[int, int, int]) -> Any:
    """An order has the same lines each time: tea, cups, and tea again."""
    lines = [(TEA, quantities[0]), (CUP, quantities[1]), (TEA, quantities[2])]
    wanted = [an_order_line(n, p, quantity=q) for n, (p, q) in enumerate(lines, start=1) if q]
    return accepted(order_id=order_id, lines=tuple(wanted))


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Receipts, adjustments, counts, orders, shipments and cancellations, with repeats, in any order."""
    wanted = {
        order_id: draw(st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 3)).filter(any))
        for order_id in ORDERS
    }
    products, orders = st.sampled_from([TEA, CUP]), st.sampled_from(ORDERS)

    def received(number: int, product: int, quantity: int, lot: tuple[str, str | None], low_at: int | None) -> Step:
        name, expires_on = lot
        payload = receive(f"r-{number}", product, quantity, batch_id=name, expiry_date=expires_on, low_at=low_at)
        return decide.receive, payload

    def adjusted(number: int, product: int, delta: int, lot: tuple[str, str | None]) -> Step:
        return decide.adjust, adjust(f"a-{number}", product, delta, batch_id=lot[0])

    def counted(number: int, product: int, on_hand: int, lot: tuple[str, str | None]) -> Step:
        return decide.count, count(f"c-{number}", product, on_hand, batch_id=lot[0])

    def answered(request: int, product: int, ended: set[str], last: str | None) -> Step:
        keys = tuple(f"{SHOP}/{order_id}" for order_id in sorted(ended))
        answer = UnpaidCancelled(
            product_id=product, request=request, orders=keys, last_order=last, last_placed_at=last and NOW
        )
        return take_back, answer

    steps = st.one_of(
        st.builds(
            received,
            st.integers(1, 9),
            products,
            st.integers(1, 12),
            st.sampled_from(LOTS),
            st.none() | st.integers(0, 5),
        ),
        st.builds(adjusted, st.integers(1, 9), products, st.integers(-6, 6), st.sampled_from(LOTS)),
        st.builds(counted, st.integers(1, 9), products, st.integers(0, 12), st.sampled_from(LOTS)),
        orders.map(lambda order_id: (decide.reserve, an_order_for(order_id, wanted[order_id]))),
        orders.map(lambda order_id: (decide.ship, shipped(order_id))),
        orders.map(lambda order_id: (decide.release, cancelled(order_id))),
        st.builds(answered, st.integers(1, 3), products, st.sets(orders), st.none() | orders),
    )
    return draw(st.lists(steps, max_size=40))


def take_back(state: State, answer: Any) -> Any:
    """An answer comes only where a request was made, so its product has stock."""
    return decide.take_back(state, answer) if answer.data.product_id in state.items else Decision(state)


def assert_the_books_agree(state: State) -> None:
    reserved: Counter[tuple[int, str]] = Counter()
    for reservation in state.reservations.values():
        if reservation.status == "open":
            for pick in reservation.picks:
                lot = state.items[pick.product_id].lot(pick.batch_id)
                assert lot is not None
                reserved[pick.product_id, pick.batch_id] += pick.quantity
    for item in state.items.values():
        assert item.on_hand == item.received - item.shipped + item.adjusted
        usable = sum(lot.on_hand if lot.sells_on(TODAY) else min(lot.on_hand, 0) for lot in item.lots)
        assert item.shortage(NOW) == max(item.reserved - usable, 0)
        assert item.sellable(NOW) == max(usable - item.reserved, 0)
        # During a request, the shortage may be smaller than announced.
        assert item.short == item.shortage(NOW) or (item.asking and item.short > item.shortage(NOW) > 0)
        for lot in item.lots:
            assert lot.reserved == reserved.pop((item.product_id, lot.batch_id), 0)
    assert not reserved


@given(histories())
def test_the_books_agree_after_every_message_and_alerts_alternate(history: list[Step]) -> None:
    state = stock_state()
    alerts: dict[int, list[Any]] = {}
    for rule, payload in history:
        answer = rule(state, message(payload))
        if isinstance(answer, NotYet):
            continue
        state = answer.state
        assert_the_books_agree(state)
        for event in answer.publish:
            if isinstance(event, StockLow | StockRecovered):
                alerts.setdefault(event.product_id, []).append(event)
    for events in alerts.values():
        kinds = [type(event).__name__ for event in events]
        assert kinds == ["StockLow", "StockRecovered"] * (len(kinds) // 2) + ["StockLow"] * (len(kinds) % 2)
        assert [event.crossing for event in events] == list(range(1, len(events) + 1))


@given(histories())
def test_handled_twice_equals_once(history: list[Step]) -> None:
    state = stock_state()
    for rule, payload in history:
        answer = rule(state, message(payload))
        if isinstance(answer, Decision):
            state = answer.state
            again = rule(state, message(payload, id="resent"))
            assert again.state == state
            assert again.publish == (answer.publish if answer.outcome == "refused" else ())
