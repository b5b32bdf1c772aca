"""Loads the orders a batch names and the reference data it is checked against; saves the orders that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from contracts.catalog.view import PRODUCTS, Product
from contracts.clock.v1 import ClockTicked
from contracts.envelope import Message
from contracts.network.view import DISTRIBUTORS, SHOPS, SPONSORS_PATH, TEAMS, Distributor, Shop, Team
from contracts.orders.v1 import UPLINE_DEPTH_MAX
from contracts.orders.v2 import PlaceOrder
from contracts.orders.view import ORDERS, UPLINE_PATH
from contracts.rules.view import RULES, RuleSet
from infra.runtime.repository import Codec, Loaded
from infra.runtime.store import Collection, Index, Transaction
from workers.order_intake.model import Desk, Order

DUE_MAX = 500
"""Overdue orders cancelled by one tick; the next tick takes the rest."""

_orders = Codec(Order, key="key")
_shops = Codec(Shop, key="shop_id")
_distributors = Codec(Distributor, key="distributor_id")
_teams = Codec(Team, key="team_id")
_products = Codec(Product, key="product_id")
_rules = Codec(RuleSet, key="rule_version")
to_order = _orders.to_entity


@dataclass(frozen=True, slots=True)
class Lineage:
    """The sellers of a batch with everyone who ever stood above them, their teams, and those who ever led these.

    Read only, so one is enough for all orders of the batch, each of which looks as of its own time.
    """

    distributors: Mapping[int, Distributor]
    teams: Mapping[int, Team]


class OrderRepository:
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            ORDERS,
            "every accepted order, by shop and order id",
            (
                Index((("due_at", 1),), "orders whose payment deadline has passed", sparse=True),
                Index((("placed_at", 1), ("_id", 1)), "orders of a period, for rehearsal, and lists of all"),
                Index((("shop_id", 1), ("placed_at", 1), ("_id", 1)), "a shop's orders, newest first"),
                Index((("distributor_id", 1), ("placed_at", 1), ("_id", 1)), "a seller's orders, newest first"),
                Index((("status", 1), ("placed_at", 1), ("_id", 1)), "the orders of a status, newest first"),
                Index(
                    ((UPLINE_PATH, 1), ("placed_at", 1), ("_id", 1)),
                    "the orders of a distributor and of everyone below, newest first",
                ),
                Index((("order_id", 1),), "an order by the shop's own number alone"),
            ),
        ),
    )

    def __init__(
        self,
        orders: Loaded[str, Order],
        shops: Loaded[str, Shop],
        lineage: Lineage,
        products: Loaded[int, Product],
        rules: tuple[RuleSet, ...],
    ) -> None:
        self._orders = orders
        self._shops = shops
        self._lineage = lineage
        self._products = products
        self._rules = rules
        self._due: list[str] = []

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Any]]) -> Self:
        data = [message.data for message in messages]
        placed = [d for d in data if isinstance(d, PlaceOrder)]
        orders = await _orders.fetch(tx, ORDERS, (d.key for d in data if hasattr(d, "key")))
        shops = await _shops.fetch(tx, SHOPS, (d.shop_id for d in placed))
        lineage = await _lineage(tx, {d.distributor_id for d in placed})
        products = await _products.fetch(tx, PRODUCTS, (line.product_id for d in placed for line in d.lines))
        rules = tuple(map(_rules.to_entity, await tx.find(RULES, {"stage": "active"}))) if placed else ()
        loaded = cls(orders, shops, lineage, products, rules)
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
        return Desk(
            orders=self._orders.pick([data.key]),
            shop=self._shops.get(data.shop_id),
            distributors=self._lineage.distributors,
            teams=self._lineage.teams,
            products=self._products.pick({line.product_id for line in data.lines}),
            rules=self._rules,
        )

    def keep(self, state: Desk) -> None:
        self._orders.keep(state.orders)

    async def save(self, tx: Transaction) -> None:
        await _orders.save(tx, ORDERS, self._orders)


async def _lineage(tx: Transaction, seller_ids: set[int]) -> Lineage:
    """One query for all chains, however they changed; one more for teams and one for their leaders, where there are."""
    if not seller_ids:
        return Lineage({}, {})
    found = await tx.ancestors(DISTRIBUTORS, sorted(seller_ids), via=SPONSORS_PATH, depth_max=UPLINE_DEPTH_MAX - 1)
    distributors = _distributors.by_key(found)
    memberships = (entry for key in seller_ids & distributors.keys() for entry in distributors[key].teams)
    team_ids = sorted({entry.team_id for entry in memberships if entry.team_id is not None})
    teams = _teams.by_key(await tx.find(TEAMS, {"_id": {"$in": team_ids}})) if team_ids else {}
    leaders = {entry.leader_id for team in teams.values() for entry in team.leaders} - distributors.keys()
    if leaders:
        distributors |= _distributors.by_key(await tx.find(DISTRIBUTORS, {"_id": {"$in": sorted(leaders)}}))
    return Lineage(distributors, teams)
