"""A shop with a login numbers its orders itself: under its next number another order would be reported as paid."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from api.http.problems import Problem
from api.identity.model import Client
from api.identity.principal import Principal
from api.identity.repository import CLIENTS, COLLECTIONS
from api.orders.checks import SimpleOrder, require_no_number_of_a_shop
from tests.workflow.in_memory import InMemoryStore

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def order(order_id: str | None) -> SimpleOrder:
    named = {"order_id": order_id} if order_id else {}
    return SimpleOrder.model_validate(
        {"distributor_id": 3, "product_id": 7, "quantity": 1, "total_price": "9.00", **named}
    )


async def refused(kind: Literal["admin", "shop"], order_id: str | None, shop_id: str, **more: Any) -> bool:
    store: Any = InMemoryStore(COLLECTIONS)
    for client in (
        Client("shop.s1", "s1", "shop", NOW, shop_id="s1"),
        Client("shop.s2", "s2", "shop", NOW, shop_id="s2", active=False),
    ):
        await store.transact(lambda tx, client=client: CLIENTS.insert(tx, client))
    principal = Principal(kind, "ann", frozenset({"orders:write"}), shop_id=shop_id if kind == "shop" else None)
    try:
        await require_no_number_of_a_shop(store, principal, order(order_id), shop_id, **{"all_shops": False, **more})
    except Problem as problem:
        return problem.reason == "order_id_reserved"
    return False


@pytest.mark.parametrize(
    ("kind", "order_id", "shop_id", "is_refused"),
    [
        ("admin", "web-1", "s1", True),
        ("admin", None, "s1", False),
        # No shop chooses such a number.
        ("admin", "o-desk-1", "s1", False),
        ("shop", "web-1", "s1", False),
        # Without a login, or with one that was ended, the shop numbers nothing.
        ("admin", "web-1", "s2", False),
        ("admin", "web-1", "s3", False),
    ],
)
async def test_only_the_shop_names_its_orders(
    kind: Literal["admin", "shop"], order_id: str | None, shop_id: str, *, is_refused: bool
) -> None:
    assert await refused(kind, order_id, shop_id) is is_refused


async def test_where_logins_are_not_known_every_shop_may_have_one() -> None:
    assert await refused("admin", "web-1", "s3", all_shops=True)
    assert not await refused("admin", None, "s3", all_shops=True)
