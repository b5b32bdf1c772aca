"""The data that every trial begins with: made once through the workers, and copied into a database for each trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from contracts.catalog.v1 import DefineProduct
from contracts.stock.v1 import ReceiveStock
from infra.adapters.mongo import MongoStore
from infra.demo.baskets import Basket, baskets
from infra.demo.population import Population, populate
from infra.demo.quiet import wait_until_quiet
from infra.demo.shop import Shop
from infra.demo.traffic import Publication, traffic
from infra.processes import process
from infra.processes.fleet import Fleet
from infra.runtime import roster
from infra.runtime.topology import topology_of
from infra.settings import Settings
from tests.faults.nemesis_load import order_of

PLENTY_PRODUCTS = 50
_PLENTY_FROM = 990_000_001
_PLENTY_UNITS = 1_000_000
_QUIET_WITHIN_S = 180.0
_INSERT_AT_ONCE = 1_000

GROUPS = roster.groups(
    ("order_intake",), ("stock_reservation",), ("commission_calculation", "reward_checks"), with_clock=True
)
"""Four processes, which two cores can run; a kill ends all workers of the group."""

QUICK_GROUPS = roster.groups(("order_intake",), with_clock=True)


@dataclass(slots=True)
class Stage:
    """Baskets, the shops and distributors that they need, their traffic, and the stored documents."""

    baskets: Sequence[Basket]
    population: Population
    publications: tuple[Publication, ...]
    collections: dict[str, list[RawBSONDocument]] = field(default_factory=dict)

    @classmethod
    def of(cls, orders: int) -> Stage:
        bought = list(baskets(orders))
        population = populate(bought)
        return cls(bought, population, traffic(bought, population.distributor_of))

    def order(self, suffix: str, number: int = 0) -> Publication:
        """A new order of a product that is always in stock."""
        basket = self.baskets[number % len(self.baskets)]
        # A leader retires in the middle of the year; this order must be accepted all the same.
        early = basket._replace(placed_at=self.baskets[0].placed_at + timedelta(seconds=number % 60))
        product_id = _PLENTY_FROM + number % PLENTY_PRODUCTS
        return order_of(early, self.population.distributor_of(basket.household_id), product_id, suffix)

    async def prepare(self, settings: Settings, environment: dict[str, str], logs: Path) -> None:
        """Send the commands of the set-up through real workers, and keep what they stored."""
        plenty = range(_PLENTY_FROM, _PLENTY_FROM + PLENTY_PRODUCTS)
        products = [
            DefineProduct(product_id=p, name=f"plenty {p}", category_id=1, category_name="PLENTY") for p in plenty
        ]
        stock = [ReceiveStock(receipt_id=f"plenty-{p}", product_id=p, quantity=_PLENTY_UNITS) for p in plenty]
        waves = (*self.population.waves(), (*products, *stock))
        workers = roster.load_all()
        await process.prepare(settings)
        store = MongoStore.connect(settings.mongodb_url, settings.database)
        fleet = Fleet(QUICK_GROUPS, environment, logs=logs)
        fleet.start()
        try:
            async with Shop(settings.rabbitmq_url) as shop:
                for wave in waves:
                    await shop.command(wave, on_progress=lambda _: None)
                    await wait_until_quiet(
                        settings.rabbitmq_url,
                        store,
                        topology_of(workers, settings),
                        workers,
                        with_retries=True,
                        timeout_s=_QUIET_WITHIN_S,
                    )
        finally:
            fleet.stop()
            store.close()
        with MongoClient[RawBSONDocument](settings.mongodb_url, document_class=RawBSONDocument) as client:
            database = client[settings.database]
            for name in database.list_collection_names():
                if found := list(database[name].find()):
                    self.collections[name] = found
            client.drop_database(settings.database)

    def copy_into(self, mongodb_url: str, database: str) -> None:
        """Fill a prepared, empty database."""
        with MongoClient[RawBSONDocument](mongodb_url, document_class=RawBSONDocument) as client:
            for name, documents in self.collections.items():
                for begin in range(0, len(documents), _INSERT_AT_ONCE):
                    client[database][name].insert_many(documents[begin : begin + _INSERT_AT_ONCE], ordered=False)
