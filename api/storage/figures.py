"""Cached figures: hot products with their stock, and a distributor's month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from typing_extensions import TypedDict

from api.storage.cache import Cached
from api.storage.protocols import Documents
from contracts.catalog.view import PRODUCTS
from contracts.commissions.earnings import EARNINGS, FIGURES, currency_of, in_month
from contracts.commissions.v1 import CommissionAccrued, CommissionReversed
from contracts.fields import Zone
from contracts.money import to_minor
from contracts.orders.v1 import OrderAccepted
from contracts.orders.view import ORDERS
from contracts.stock.v1 import StockAdjusted, StockReceived, StockReleased, StockReserved
from contracts.stock.view import ITEMS, Lot, StockItem
from infra.gateway.event_listener import Event
from infra.ports.cache import Cache
from infra.ports.store import Reader
from infra.ports.time import Time
from infra.settings import Settings

HOT_MAX = 100
_NEWEST_ORDERS = 2_000
"""Hot products are those of the newest orders. Counting this many takes a few milliseconds."""

_HOT = "all"


def _known(currency: str) -> str:
    """Raises MoneyError, a ValueError, for a currency that never existed."""
    to_minor(Decimal(0), currency)
    return currency


_Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Hot(TypedDict):
    product_id: Annotated[int, Field(ge=1, lt=2**63)]
    name: Annotated[str, Field(max_length=200)] | None
    orders: _Count
    units: _Count


class _Sums(TypedDict):
    orders: _Count
    net_sales_minor: int
    commissions_minor: int


_HotList = Annotated[list[_Hot], Field(max_length=HOT_MAX)]
_Stock = tuple[Zone, list[tuple[str, str | None, int, int]]]
"""The zone of the product's days, and its lots."""
_Month = dict[Annotated[str, AfterValidator(_known)], _Sums]

TYPES = tuple(
    payload.message_type
    for payload in (
        OrderAccepted,
        CommissionAccrued,
        CommissionReversed,
        StockReceived,
        StockAdjusted,
        StockReserved,
        StockReleased,
    )
)
"""The events that change a figure."""


class Figures:
    def __init__(self, store: Documents, cache: Cache, time: Time, settings: Settings) -> None:
        self._store = store
        self._time = time
        prefix = f"{settings.database}:cache:"
        self._hot = Cached(cache, f"{prefix}hot:", self._read_hot, shape=_HotList)
        self._stock = Cached(cache, f"{prefix}stock:", self._read_stock, shape=_Stock)
        self._months = Cached(cache, f"{prefix}month:", self._read_months, shape=_Month)

    async def hot(self) -> list[dict[str, Any]]:
        """The products with the most orders among the newest ones, hottest first: id, name, orders and units."""
        hot: list[dict[str, Any]] = await self._hot.get(_HOT) or []
        return hot

    async def stock(self, product_ids: Sequence[int]) -> dict[int, dict[str, int]]:
        """Units on hand, and those that may be sold today, of the products that ever had stock."""
        found = await self._stock.get_many([str(product_id) for product_id in product_ids])
        now = self._time.now()
        return {int(key): _units(_item_of(zone, lots), now) for key, (zone, lots) in found.items()}

    async def month(self, distributor_id: int, month: date) -> dict[str, dict[str, int]]:
        """By currency: paid orders sold that were placed in this month of their rules' zone, their net after refunds,
        and the commissions booked in it (UTC), net of those clawed back in it; in minor units.
        """
        found: dict[str, dict[str, int]] = await self._months.get(f"{distributor_id}/{month:%Y-%m}") or {}
        return found

    async def on_events(self, events: Sequence[Event]) -> None:
        """Invalidate the figures that these events change."""
        products, distributors, hot = set(), set(), False
        for event in events:
            event_type, data = event.get("type"), event.get("data") or {}
            if event_type == OrderAccepted.message_type:
                hot = True
            elif event_type in (CommissionAccrued.message_type, CommissionReversed.message_type):
                distributors |= _distributors_in(data)
            else:
                products |= {data.get("product_id"), *(pick["product_id"] for pick in data.get("picks", ()))}
        now = self._time.now()
        # A late payment belongs to the month in which the order was placed, and in the zone of the rules the next month
        # may have begun.
        days = (now, now.replace(day=1) - timedelta(days=1), now + timedelta(days=1))
        months = {f"{day:%Y-%m}" for day in days}
        await self._stock.invalidate([str(product_id) for product_id in products if product_id is not None])
        await self._months.invalidate(
            [f"{distributor_id}/{month}" for distributor_id in distributors for month in months]
        )
        await self._hot.invalidate([_HOT] if hot else [])

    async def _read_hot(self, keys: Sequence[str]) -> Mapping[str, Any]:
        newest = (
            {"$sort": {"placed_at": -1}},
            {"$limit": _NEWEST_ORDERS},
            {"$match": {"status": {"$nin": ["rejected", "cancelled"]}}},
        )
        # An order counts once for a product that it has on many lines.
        counted = await self._store.summarise(
            ORDERS,
            [
                *newest,
                {"$project": {"product": {"$setUnion": ["$lines.product_id", []]}}},
                {"$unwind": "$product"},
                {"$group": {"_id": "$product", "orders": {"$sum": 1}}},
                {"$sort": {"orders": -1, "_id": 1}},
                {"$limit": HOT_MAX},
            ],
        )
        orders = {one["_id"]: one["orders"] for one in counted}
        summed = await self._store.summarise(
            ORDERS,
            [
                *newest,
                {"$project": {"lines.product_id": 1, "lines.quantity": 1}},
                {"$unwind": "$lines"},
                {"$match": {"lines.product_id": {"$in": list(orders)}}},
                {"$group": {"_id": "$lines.product_id", "units": {"$sum": "$lines.quantity"}}},
            ],
        )
        units = {one["_id"]: one["units"] for one in summed}
        names = {
            product["_id"]: product["name"]
            for product in await self._store.find(PRODUCTS, {"_id": {"$in": list(orders)}}, fields=("name",))
        }
        hot = [
            {"product_id": key, "name": names.get(key), "orders": count, "units": units.get(key, 0)}
            for key, count in orders.items()
        ]
        return dict.fromkeys(keys, hot)

    async def _read_stock(self, keys: Sequence[str]) -> Mapping[str, Any]:
        """The lots, not their sums: what may be sold changes with the day, without an event."""
        wanted = [int(key) for key in keys]
        found = await self._store.find(ITEMS, {"_id": {"$in": wanted}}, fields=("lots", "zone"))
        names = ("batch_id", "expires_on", "on_hand", "reserved")
        return {
            str(item["_id"]): (item.get("zone", "UTC"), [[lot.get(name) for name in names] for lot in item["lots"]])
            for item in found
        }

    async def _read_months(self, keys: Sequence[str]) -> Mapping[str, Any]:
        parts = {key: key.split("/") for key in keys}
        return {key: await month_of(self._store, int(who), month) for key, (who, month) in parts.items()}


async def month_of(reader: Reader, distributor_id: int, month: str) -> dict[str, dict[str, int]]:
    """The figures of a month (`2026-11`) from its running sums, which are a few documents."""
    figures: defaultdict[str, dict[str, int]] = defaultdict(
        lambda: {"orders": 0, "net_sales_minor": 0, "commissions_minor": 0}
    )
    for document in await reader.find(EARNINGS, in_month(distributor_id, month), fields=FIGURES):
        if document.keys().isdisjoint(FIGURES):
            continue
        orders, sold, refunded, booked = (document.get(name, 0) for name in FIGURES)
        sums = figures[currency_of(document)]
        sums["orders"] += orders
        sums["net_sales_minor"] += sold - refunded
        sums["commissions_minor"] += booked
    return dict(figures)


def next_month(first_day: datetime) -> datetime:
    return (first_day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _item_of(zone: str, lots: Iterable[Sequence[Any]]) -> StockItem:
    return StockItem(0, tuple(Lot(*lot) for lot in lots), zone=zone)


def _units(item: StockItem, now: datetime) -> dict[str, int]:
    return {"on_hand": item.on_hand, "available": item.sellable(now)}


def _distributors_in(data: Mapping[str, Any]) -> set[int]:
    """The distributors who earn from the order, and the upline of its seller, who is one of them."""
    earning = {entry["distributor_id"] for entry in data.get("entries", ())}
    return earning | {up["distributor_id"] for plan in data.get("unpaid", ()) for up in plan["uplines"]}
