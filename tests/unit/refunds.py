"""Refunds of an order, as they are sent, booked and refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from contracts.orders.v1 import (
    RefundOrder,
    RefundRefused,
)
from contracts.orders.view import GivenBack, Line
from contracts.wire.decision import Decision
from tests.builders import (
    CUP,
    CUPS,
    KEY,
    NOW,
    ORDER,
    SHOP,
    TEA,
    TEAS,
    a_refund_line,
    message,
    order_state,
)
from workers.order_intake import decide
from workers.order_intake.content import refund_fingerprint_of
from workers.order_intake.model import Order, Refund, State
from workers.order_intake.refunds import requested_lines

LATER = NOW + timedelta(days=3)


A_TEA = Line(1, TEA, TEAS, 2, 10_000, 1_000)


def a_line(number: int, product_id: int, quantity: int, net_minor: int, *, taken: tuple[int, int] = (0, 0)) -> Line:
    """`taken` is the refunded units and money."""
    return Line(number, product_id, TEAS if product_id == TEA else CUPS, quantity, net_minor, 0, *taken)


def booked(command: RefundOrder, *parts: tuple[int, int, int], was_shipped: bool = False) -> Refund:
    """`parts` are (line, units, minor units)."""
    given_back = tuple(GivenBack(*part) for part in parts)
    requested = requested_lines(command, "CNY")
    fingerprint = refund_fingerprint_of(command)
    return Refund(
        command.refund_id, LATER, given_back, fingerprint=fingerprint, was_shipped=was_shipped, asked=requested
    )


def booked_before(*parts: tuple[int, int, int]) -> Refund:
    """A refund stored by an older version, which has only the refunded parts."""
    return Refund("old", NOW, tuple(GivenBack(*part) for part in parts), fingerprint="", was_shipped=True)


def decide_refund(state: State, command: RefundOrder) -> Any:
    return decide.refund(state, message(command, time=LATER))


def given_back(order: Order, *commands: RefundOrder) -> list[tuple[tuple[int, int, int], ...]]:
    """The parts of each refund: (line, units, minor units)."""
    state = order_state(order)
    for command in commands:
        decision = decide_refund(state, command)
        assert decision.outcome == "refunded", decision
        state = decision.state
    refunds = state.orders[KEY].refunds
    return [tuple((part.line, part.quantity, part.amount_minor) for part in each.lines) for each in refunds]


def refund_refused(state: State, reason: str, detail: str) -> Decision[State]:
    event = RefundRefused(shop_id=SHOP, order_id=ORDER, refund_id="refund-1", reason=reason, detail=detail)
    return Decision(state, (event,), "refused")


LINES = (a_line(1, TEA, 3, 1_001), a_line(2, CUP, 2, 500), a_line(3, TEA, 2, 0), a_line(4, TEA, 1, 299))


refund_lines = st.builds(
    a_refund_line,
    st.sampled_from([TEA, CUP]),
    st.integers(0, 4),
    st.none() | st.integers(0, 800).map(lambda minor: f"{minor / 100:.2f}"),
    st.none() | st.integers(1, 4),
)
