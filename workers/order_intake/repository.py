"""Loads the orders of a batch and the reference data they are checked against; saves the changed orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import ClassVar, Self

from contracts.catalog.view import PRODUCTS, Product
from contracts.clock.v1 import ClockTicked
from contracts.network.view import (
    DISTRIBUTOR_ORDERS_MAX,
    DISTRIBUTORS,
    SHOPS,
    SPONSORS_PATH,
    TEAMS,
    Distributor,
    Shop,
    Team,
)
from contracts.orders.placing import placer_of
from contracts.orders.v1 import UPLINE_DEPTH_MAX, ChangeAfterSale, RefundOrder, UpdateStatus
from contracts.orders.v2 import PlaceOrder
from contracts.orders.view import (
    LISTS,
    ORDERS,
    downline_list,
    number_list,
    seller_list,
    shop_list,
    status_list,
    unpaid_list,
)
from contracts.rules.view import RULES, Tenure
from contracts.stock.v1 import StockReleaseRequested, StockReserved, StockShort
from contracts.subjects import OfOrder
from contracts.wire.envelope import Message
from infra.ports.store import Ancestors, Collection, Document, Find, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.order_intake.model import Order, Placer, State, place_of
from workers.order_intake.placers import limit_of, limited_as

PLACERS = "order_intake.placers"

DUE_MAX, DUE_BYTES_MAX = 500, 4 * 2**20
"""Overdue orders cancelled by one tick; the next tick takes the rest. An order of 500 lines has 0.1 MB."""

UNPAID = "unpaid"
"""The field with the place of an unpaid order among all of them, the last received last."""

EXAMINED_MAX, EXAMINED_BYTES_MAX = 100, 8 * 2**20
"""Unpaid orders that one request examines, and their bytes for all requests of a batch together; each examines one."""

Consumed = (
    PlaceOrder
    | UpdateStatus
    | RefundOrder
    | ChangeAfterSale
    | StockReserved
    | StockShort
    | StockReleaseRequested
    | ClockTicked
)

Where = dict[str, object]


def _on_lists(order: Order) -> Document:
    """The published field `lists`, and the private one that is indexed for shortages."""
    uplines = [downline_list(up.distributor_id) for up in order.upline]
    own = (shop_list(order.shop_id), seller_list(order.distributor_id), number_list(order.order_id))
    lists = [*own, status_list(order.status), *uplines]
    if order.placed_by is not None and order.status == "pending" and not order.prepaid:
        lists.append(unpaid_list(limit_of(order.placed_by)[0]))
    return {LISTS: lists, UNPAID: order.place_among_unpaid}


_orders = Codec(Order, key="key", derived=_on_lists)
_shops = Codec(Shop, key="shop_id")
_distributors = Codec(Distributor, key="distributor_id")
_teams = Codec(Team, key="team_id")
_products = Codec(Product, key="product_id")
to_order = _orders.to_entity

_TENURE = ("terms.market", "effective_from", "retired_from")


def _to_tenure(rules: Document) -> Tenure:
    return Tenure(rules["_id"], rules["terms"]["market"], rules["effective_from"], rules.get("retired_from"))


@dataclass(frozen=True, slots=True)
class Lineage:
    """The sellers of a batch with everyone who was ever above them, their teams, and all past and present leaders.

    Read-only and shared by all orders of the batch; each order reads it as of its own time.
    """

    distributors: Mapping[int, Distributor]
    teams: Mapping[int, Team]


class OrderRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            ORDERS,
            "every accepted order, by shop and order id",
            (
                Index((("due_at", 1),), "orders whose payment deadline has passed", sparse=True),
                Index(((UNPAID, 1),), "unpaid orders in the order of their receipt, for shortages", sparse=True),
                Index((("placed_at", 1), ("_id", 1)), "orders of a period, for rehearsal; the list of all orders"),
                Index(((LISTS, 1), ("placed_at", 1), ("_id", 1)), "the orders of a list, newest first"),
            ),
        ),
        Collection(PLACERS, "counts the orders that each distributor has placed over HTTP, with any login"),
    )

    def __init__(
        self,
        orders: Loaded[str, Order],
        shops: Loaded[str, Shop],
        lineage: Lineage,
        products: Loaded[int, Product],
        tenures: tuple[Tenure, ...],
        due: Sequence[str],
        pages: Mapping[str | None, Sequence[str]],
        placers: Loaded[str, Placer],
        limited: Mapping[str, str],
    ) -> None:
        self._orders = orders
        self._shops = shops
        self._lineage = lineage
        self._products = products
        self._tenures = tenures
        self._due = due
        self._pages = pages
        self._placers = placers
        self._limited = limited

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        data = [message.data for message in messages]
        if ends := [d.after_order for d in data if isinstance(d, StockReleaseRequested)]:
            return {"ends": Find(ORDERS, {"_id": {"$in": [*filter(None, ends)]}}, fields=("received_at",))}
        orders = with_ids(ORDERS, (d.key for d in data if isinstance(d, OfOrder)))
        placed = [d for d in data if isinstance(d, PlaceOrder)]
        if not placed:
            return {"orders": orders}
        placers = _placer_ids(messages)
        # Those whose chains are needed: without orders of distributors, the sellers.
        sellers = sorted({d.distributor_id for d in placed} | {int(each) for each in placers if each.isdecimal()})
        return {
            "orders": orders,
            "shops": with_ids(SHOPS, (d.shop_id for d in placed)),
            # All past and present chains in one query.
            "lineage": Ancestors(DISTRIBUTORS, sellers, via=SPONSORS_PATH, depth_max=UPLINE_DEPTH_MAX - 1),
            "products": with_ids(PRODUCTS, (line.product_id for d in placed for line in d.lines)),
            "tenures": Find(RULES, {"stage": "active"}, fields=_TENURE),
            **_of_placers(placers),
        }

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        sellers = {message.data.distributor_id for message in messages if isinstance(message.data, PlaceOrder)}
        data = [message.data for message in messages]
        due = await _due(tx, [d.at for d in data if isinstance(d, ClockTicked)])
        requests = list(dict.fromkeys(d.after_order for d in data if isinstance(d, StockReleaseRequested)))
        pages = await _pages(tx, requests, {end["_id"]: end.get("received_at") for end in found["ends"]})
        orders = (found["orders"], due, *pages.values())
        lineage = await _lineage(tx, sellers, _distributors.by_key(found["lineage"]))
        limited = {
            placer: limited_as(placer, lineage.distributors, message.received_at)
            for message in messages
            if (placer := _placer_of(message)) is not None
        }
        return cls(
            _orders.loaded(chain.from_iterable(orders)),
            _shops.loaded(found["shops"]),
            lineage,
            _products.loaded(found["products"]),
            tuple(map(_to_tenure, found["tenures"])),
            due=[document["_id"] for document in due],
            pages={after: [document["_id"] for document in page] for after, page in pages.items()},
            placers=Loaded(await _placers(tx, limited, found)),
            limited=limited,
        )

    def state_for(self, message: Message[Consumed]) -> State:
        data = message.data
        if isinstance(data, StockReleaseRequested):
            return State(self._orders.pick(self._pages[data.after_order]))
        if not isinstance(data, OfOrder):
            return State(self._orders.pick(self._due))
        if not isinstance(data, PlaceOrder):
            return State(self._orders.pick([data.key]))
        return State(
            orders=self._orders.pick([data.key]),
            shop=self._shops.get(data.shop_id),
            distributors=self._lineage.distributors,
            teams=self._lineage.teams,
            products=self._products.pick({line.product_id for line in data.lines}),
            tenures=self._tenures,
            placer=self._placers.get(self._limited[placer]) if (placer := _placer_of(message)) is not None else None,
        )

    def keep(self, state: State) -> None:
        self._orders.keep(state.orders)
        if state.placer is not None:
            self._placers.keep({state.placer.placer: state.placer})

    async def save(self, tx: Transaction) -> None:
        await _orders.save(tx, ORDERS, self._orders)
        if turns := [{"_id": after.placer, "turn": after.turn} for _, after in self._placers.changed]:
            await tx.replace(PLACERS, turns)


async def _due(tx: Transaction, ticks: Sequence[datetime]) -> list[Document]:
    """The orders that have been overdue for the longest time."""
    if not ticks:
        return []
    where, order = {"due_at": {"$lte": max(ticks)}}, (("due_at", 1),)
    due, _ = await tx.find_some(ORDERS, where, sort=order, limit=DUE_MAX, bytes_max=DUE_BYTES_MAX)
    return due


async def _pages(
    tx: Transaction, requests: Sequence[str | None], ends: Mapping[str, datetime | None]
) -> dict[str | None, list[Document]]:
    """The unpaid orders for each request, the last received first: those received before the order where the last page
    ended, or the last ones of all. `ends` has when the orders of such ends were received.
    """
    pages: dict[str | None, list[Document]] = {}
    for after in requests:
        end = ends.get(after) if after is not None else None
        where = {UNPAID: {"$gt": ""} if after is None or end is None else {"$lt": place_of(end, after)}}
        pages[after], _ = await tx.find_some(
            ORDERS,
            where,
            sort=((UNPAID, -1),),
            limit=EXAMINED_MAX,
            bytes_max=EXAMINED_BYTES_MAX // len(requests),
        )
    return pages


def _placer_of(message: Message[Consumed]) -> str | None:
    return placer_of(message.source) if isinstance(message.data, PlaceOrder) else None


def _placer_ids(messages: Sequence[Message[Consumed]]) -> list[str]:
    """The distributors who place orders of the batch; none in a batch of shops."""
    return sorted({placer for message in messages if (placer := _placer_of(message)) is not None})


def _of_placers(ids: Sequence[str]) -> dict[str, Query]:
    if not ids:
        return {}
    where = {LISTS: {"$in": [unpaid_list(placer) for placer in ids]}}
    most = len(ids) * DISTRIBUTOR_ORDERS_MAX
    return {
        "placers": with_ids(PLACERS, ids),
        "unpaid": Find(ORDERS, where, limit=most, fields=("placed_by", "lines")),
    }


async def _placers(tx: Transaction, limited: Mapping[str, str], found: Found) -> dict[str, Placer]:
    """By whom they are limited as; new distributors, who have no limit of their own, cost two more queries."""
    known, unpaid = [*found["placers"]], [*found["unpaid"]]
    shared = _of_placers(sorted(set(limited.values()) - limited.keys()))
    if shared:
        known += await shared["placers"].run(tx)
        unpaid += await shared["unpaid"].run(tx)
    turns = {document["_id"]: document["turn"] for document in known}
    placers = {placer: Placer(placer, turn=turns.get(placer, 0)) for placer in (*limited, *limited.values())}
    for order in unpaid:
        limit, distributor = limit_of(order["placed_by"])
        placers[limit] = placers[limit].with_unpaid(distributor, sum(line["quantity"] for line in order["lines"]))
    return placers


async def _lineage(tx: Transaction, seller_ids: set[int], distributors: dict[int, Distributor]) -> Lineage:
    """One extra query for the sellers' teams and one for their leaders, if there are any."""
    memberships = (entry for key in seller_ids & distributors.keys() for entry in distributors[key].teams)
    teams = await _teams.fetch(tx, TEAMS, (entry.team_id for entry in memberships if entry.team_id is not None))
    leaders = {entry.leader_id for team in teams.values() for entry in team.leaders} - distributors.keys()
    distributors |= await _distributors.fetch(tx, DISTRIBUTORS, leaders)
    return Lineage(distributors, teams)
