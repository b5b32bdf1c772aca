"""Random histories of paid orders: the events that order_intake publishes and other workers receive."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from contracts.orders.v1 import RefundLine
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message
from tests.builders import CUP, TEA, a_placed_line, a_refund_line, message, order_state, place, refund, rules, update
from tests.stock_builders import reserved
from workers.order_intake import decide
from workers.order_intake.model import Order

Event = Message[Any]

_refund_lines = st.builds(
    a_refund_line,
    st.sampled_from([TEA, CUP]),
    st.integers(0, 3),
    st.none() | st.integers(0, 3_000).map(lambda minor: f"{minor / 100:.2f}"),
)
_requests = st.one_of(
    st.lists(_refund_lines, min_size=1, max_size=3).map(tuple), st.sampled_from(["shipped", "completed", "cancelled"])
)


@st.composite
def order_histories(draw: st.DrawFn, order_id: str = "1001", rule_version: int = 1) -> tuple[Order, list[Event]]:
    """An order in its last state, and all events about it, `order.accepted` first."""
    lines = [
        a_placed_line(product_id, draw(st.integers(1, 4)), str(Decimal(draw(st.integers(0, 6_000))) / 100))
        for product_id in (TEA, CUP, TEA)
    ]
    command = place(order_id, lines=lines, prepaid=True)
    answer = decide.place(order_state(tenures=(rules(rule_version).tenure,)), message(command))
    events = [*answer.publish]
    answer = decide.note_reserved(answer.state, message(reserved(order_id=order_id)))
    events += answer.publish
    for number, requested in enumerate(draw(st.lists(_requests, max_size=8))):
        after = _request(answer.state, order_id, f"refund-{number}", requested)
        if isinstance(after, Decision):
            answer = after
            events += [event for event in after.publish if "refused" not in event.message_type]
    [order] = answer.state.orders.values()
    return order, [message(event) for event in events]


def _request(state: Any, order_id: str, refund_id: str, requested: str | tuple[RefundLine, ...]) -> Any:
    if isinstance(requested, str):
        return decide.update_status(state, message(update(requested, order_id)))
    return decide.refund(state, message(refund(*requested, refund_id=refund_id, order_id=order_id)))


def resent(event: Event) -> Event:
    """The same event under another id, unknown to the journal."""
    return event.model_copy(update={"id": "resent"})
