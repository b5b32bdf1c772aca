"""Loads the orders a batch names and the reference data it is checked against; saves the orders that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from contracts.catalog.view import PRODUCTS, Product
from contracts.clock.v1 import ClockTicked
from contracts.envelope import Message
from contracts.network.view import DISTRIBUTORS, SHOPS, Distributor, Shop
from contracts.orders.v2 import PlaceOrder
from contracts.rules.view import RULES, RuleSet
from infra.runtime.repository import Codec, Loaded
from infra.runtime.store import Collection, Index, Transaction
from workers.order_intake.model import Desk, Order

ORDERS = "order_intake.orders"
DUE_MAX = 500
"""Overdue orders cancelled by one tick; the next tick takes the rest."""

_orders = Codec(Order, key="key")
_shops = Codec(Shop, key="shop_id")
_distributors = Codec(Distributor, key="distributor_id")
_products = Codec(Product, key="product_id")
_rules = Codec(RuleSet, key="rule_version")
to_order = _orders.to_entity


class OrderRepository:
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            ORDERS,
            "every accepted order, by shop and order id",
            (Index((("due_at", 1),), "orders whose payment deadline has passed", sparse=True),),
        ),
    )

    def __init__(
        self,
        orders: Loaded[str, Order],
        shops: Loaded[str, Shop],
        distributors: Loaded[int, Distributor],
        products: Loaded[int, Product],
        rules: tuple[RuleSet, ...],
    ) -> None:
        self._orders = orders
        self._shops = shops
        self._distributors = distributors
        self._products = products
        self._rules = rules
        self._due: list[str] = []

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Any]]) -> Self:
        data = [message.data for message in messages]
        placed = [d for d in data if isinstance(d, PlaceOrder)]
        orders = await _orders.fetch(tx, ORDERS, (d.key for d in data if hasattr(d, "key")))
        shops = await _shops.fetch(tx, SHOPS, (d.shop_id for d in placed))
        distributors = await _with_uplines(tx, placed)
        products = await _products.fetch(tx, PRODUCTS, (line.product_id for d in placed for line in d.lines))
        rules = tuple(map(_rules.to_entity, await tx.find(RULES, {}))) if placed else ()
        loaded = cls(orders, shops, distributors, products, rules)
        if ticks := [d.at for d in data if isinstance(d, ClockTicked)]:
            due = await tx.find(ORDERS, {"due_at": {"$lte": max(ticks)}}, sort=(("due_at", 1),), limit=DUE_MAX)
            loaded._orders = Loaded(_orders.by_key(due))
            loaded._due = [document["_id"] for document in due]
        return loaded

    def state_for(self, message: Message[Any]) -> Desk:
        data = message.data
        if isinstance(data, ClockTicked):
            return Desk(self._orders.pick(self._due))
        if not isinstance(data, PlaceOrder):
            return Desk(self._orders.pick([data.key]))
        seller = self._distributors.get(data.distributor_id)
        chain = (data.distributor_id, *seller.upline) if seller else ()
        return Desk(
            orders=self._orders.pick([data.key]),
            shop=self._shops.get(data.shop_id),
            distributors=self._distributors.pick(chain),
            products=self._products.pick({line.product_id for line in data.lines}),
            rules=self._rules,
        )

    def keep(self, state: Desk) -> None:
        self._orders.keep(state.orders)

    async def save(self, tx: Transaction) -> None:
        await _orders.save(tx, ORDERS, self._orders)


async def _with_uplines(tx: Transaction, placed: Sequence[PlaceOrder]) -> Loaded[int, Distributor]:
    """The sellers and everyone above them, in two queries."""
    sellers = _distributors.by_key(
        await tx.find(DISTRIBUTORS, {"_id": {"$in": list({d.distributor_id for d in placed})}}) if placed else []
    )
    above = {sponsor_id for seller in sellers.values() for sponsor_id in seller.upline} - sellers.keys()
    uplines = _distributors.by_key(await tx.find(DISTRIBUTORS, {"_id": {"$in": list(above)}}) if above else [])
    return Loaded({**sellers, **uplines})
