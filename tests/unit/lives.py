"""Lives of paid orders as order_intake tells them, whatever their shops ask for: what others may come to hear."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from contracts.orders.v1 import RefundLine
from contracts.wire.envelope import Message
from tests.builders import (
    CUP,
    TEA,
    a_placed_line,
    a_refund_line,
    message,
    order_state,
    place,
    refund,
    reserved,
    rules,
    update,
)
from workers.order_intake import decide
from workers.order_intake.model import Order

Told = Message[Any]

_asked_for = st.builds(
    a_refund_line,
    st.sampled_from([TEA, CUP]),
    st.integers(0, 3),
    st.none() | st.integers(0, 3_000).map(lambda minor: f"{minor / 100:.2f}"),
)
_wishes = st.one_of(
    st.lists(_asked_for, min_size=1, max_size=3).map(tuple), st.sampled_from(["shipped", "completed", "cancelled"])
)


@st.composite
def lives(draw: st.DrawFn, order_id: str = "1001", rule_version: int = 1) -> tuple[Order, list[Told]]:
    """An order in the end, and all that was said of it on the way, `order.accepted` first."""
    lines = [
        a_placed_line(product_id, draw(st.integers(1, 4)), str(Decimal(draw(st.integers(0, 6_000))) / 100))
        for product_id in (TEA, CUP, TEA)
    ]
    command = place(order_id, lines=lines, prepaid=True)
    answer = decide.place(order_state(tenures=(rules(rule_version).tenure,)), message(command))
    told = [*answer.publish]
    answer = decide.note_reserved(answer.state, message(reserved(order_id=order_id)))
    told += answer.publish
    for number, asked in enumerate(draw(st.lists(_wishes, max_size=8))):
        after = _ask(answer.state, order_id, f"refund-{number}", asked)
        if isinstance(after, decide.Decision):
            answer = after
            told += [event for event in after.publish if "refused" not in event.message_type]
    [order] = answer.state.orders.values()
    return order, [message(event) for event in told]


def _ask(state: Any, order_id: str, refund_id: str, asked: str | tuple[RefundLine, ...]) -> Any:
    if isinstance(asked, str):
        return decide.update_status(state, message(update(asked, order_id)))
    return decide.refund(state, message(refund(*asked, refund_id=refund_id, order_id=order_id)))


def resent(told: Told) -> Told:
    """The same event under another id, which no journal knows."""
    return told.model_copy(update={"id": "resent"})
