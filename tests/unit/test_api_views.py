"""The views that the API reads are what the workers write; and what a principal reaches is part of the query."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest

from api.access.scope import NOTHING, orders_filter
from api.identity.principal import Kind, Principal
from api.orders.view import order_of, order_view
from contracts.orders import view
from contracts.rewards.view import Progress
from infra.runtime.repository import Codec
from tests.builders import SELLER, an_order
from workers.order_intake import model
from workers.reward_checks.model import Progress as OwnProgress


def test_an_order_is_read_as_it_was_written() -> None:
    order = an_order()
    read = order_of(Codec(model.Order, key="key").to_document(order))
    told = {field.name for field in fields(view.Order)} - {"lines", "upline", "refunds"}
    assert {name: getattr(read, name) for name in told} == {name: getattr(order, name) for name in told}
    assert (read.net_minor, read.total_minor) == (order.net_minor, order.total_minor)
    assert [(line.line, line.net_minor) for line in read.lines] == [(1, order.lines[0].net_minor)]
    assert get_args(model.Status) == view.STATUSES


def test_a_month_is_read_as_it_was_written() -> None:
    own = OwnProgress("3/2026-11/CNY", SELLER, "2026-11", "CNY", 9000, 1, ("monthly_sales",))
    document = Codec(OwnProgress, key="key").to_document(own)
    assert Codec(Progress, key="key").to_entity(document) == Progress(
        "3/2026-11/CNY", SELLER, "2026-11", "CNY", 9000, 1, ("monthly_sales",)
    )


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


def test_nobody_learns_who_stands_above_them() -> None:
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
