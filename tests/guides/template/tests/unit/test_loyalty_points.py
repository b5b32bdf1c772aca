"""Points: one for each whole unit of net sales, once for each order."""

from __future__ import annotations

from contracts.loyalty.v1 import PointsEarned
from workers.loyalty_points.decide import earn
from workers.loyalty_points.model import Credit, State

from contracts.wire.decision import Decision
from tests.builders import KEY, ORDER, SELLER, SHOP, an_order_line, message, paid

EARNED = State({KEY: Credit(KEY, SELLER, 90)})


def test_a_paid_order_earns_the_whole_units_of_its_net() -> None:
    decision = earn(State(), message(paid(lines=(an_order_line(net="90.70"),))))

    earned = PointsEarned(shop_id=SHOP, order_id=ORDER, distributor_id=SELLER, points=90)
    assert decision == Decision(EARNED, (earned,), "earned")


def test_the_same_order_earns_nothing_again() -> None:
    assert earn(EARNED, message(paid())) == Decision(EARNED, outcome="duplicate")


def test_an_order_of_less_than_a_unit_earns_nothing() -> None:
    decision = earn(State(), message(paid(lines=(an_order_line(net="0.50"),))))

    assert decision == Decision(State({KEY: Credit(KEY, SELLER, 0)}), outcome="too_small")
