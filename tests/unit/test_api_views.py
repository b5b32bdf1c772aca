"""A principal's reach is part of the query, and an order shows each principal only their part."""

from __future__ import annotations

import pytest

from api.access.scope import NOTHING, orders_filter
from api.identity.principal import Kind, Principal
from api.orders.view import order_of, order_view
from infra.runtime.repository import Codec
from tests.builders import SELLER, an_order
from workers.order_intake import model


def a_principal(kind: Kind, distributor_id: int | None = None, shop_id: str | None = None) -> Principal:
    return Principal(kind, "someone", frozenset(), distributor_id, shop_id)


@pytest.mark.parametrize(
    ("principal", "condition"),
    [
        (a_principal("admin"), {}),
        (a_principal("admin", 7), {}),
        (a_principal("distributor", 7), {"lists": "downline/7"}),
        (a_principal("shop", shop_id="shop-1"), {"lists": "shop/shop-1"}),
        (a_principal("distributor"), NOTHING),
        (a_principal("shop"), NOTHING),
    ],
)
def test_everyone_reaches_their_own_orders(principal: Principal, condition: dict[str, object]) -> None:
    assert orders_filter(principal) == condition


def test_an_order_does_not_reveal_the_upline_of_the_principal() -> None:
    order = order_of(Codec(model.Order, key="key").to_document(an_order()))
    shown = {
        who: [up.distributor_id for up in order_view(order, principal).upline]
        for who, principal in (
            ("seller", a_principal("distributor", SELLER)),
            ("sponsor", a_principal("distributor", 2)),
            ("shop", a_principal("shop", shop_id=order.shop_id)),
            ("admin", a_principal("admin")),
        )
    }
    assert shown["seller"] == shown["shop"] == [SELLER]
    assert shown["sponsor"] == [SELLER, 2]
    assert len(shown["admin"]) == len(order.upline)
