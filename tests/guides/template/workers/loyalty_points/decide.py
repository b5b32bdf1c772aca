"""The rules of points."""

from __future__ import annotations

from decimal import Decimal

from contracts.loyalty.v1 import PointsEarned
from workers.loyalty_points.model import Credit, State

from contracts.orders.v1 import OrderPaid
from contracts.wire.decision import Decision
from contracts.wire.envelope import Message


def earn(state: State, message: Message[OrderPaid]) -> Decision[State]:
    """An order earns its seller a point for each whole unit of its net, once."""
    order = message.data
    if order.key in state.credits:
        return Decision(state, outcome="duplicate")
    points = int(sum((line.net for line in order.lines), Decimal(0)))
    after = state.with_credit(Credit(order.key, order.distributor_id, points))
    if not points:
        return Decision(after, outcome="too_small")
    earned = PointsEarned(
        shop_id=order.shop_id, order_id=order.order_id, distributor_id=order.distributor_id, points=points
    )
    return Decision(after, (earned,), "earned")
