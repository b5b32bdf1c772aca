"""Reference data of orders: shops, products, network and stock, the same for every contender."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:  # The peers' processes need the constants below, but not the demo's 150 MB of baskets.
    from infra.demo.population import Population

SHOPS, PRODUCTS, DISTRIBUTORS = "shops", "products", "distributors"
STOCK, BALANCES = "stock", "balances"

_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Reference:
    """Currencies of shops, categories of products, sponsors of distributors, and units of products in stock, by id."""

    shops: Mapping[str, str]
    products: Mapping[int, int]
    sponsors: Mapping[int, int | None]
    stock: Mapping[int, int]

    @classmethod
    def empty(cls) -> Self:
        return cls({}, {}, {}, {})

    @classmethod
    def of(cls, population: Population) -> Self:
        """The network as registered at first, with all lots of a product together."""
        stock: Counter[int] = Counter()
        for receipt in population.receipts:
            stock[receipt.product_id] += receipt.quantity
        return cls(
            shops={shop.shop_id: shop.currency for shop in population.shops},
            products={product.product_id: product.category_id for product in population.products},
            sponsors={each.distributor_id: each.sponsor_id for each in population.distributors},
            stock=dict(stock),
        )

    def upline(self, distributor_id: int) -> list[int]:
        """The seller and up to two distributors above."""
        upline: list[int] = []
        sponsor: int | None = distributor_id
        while sponsor is not None and len(upline) < _LEVELS:
            upline.append(sponsor)
            sponsor = self.sponsors[sponsor]
        return upline

    async def store(self, database: Any) -> None:
        """Insert a document for each; a distributor's document holds the upline, so reading it needs no walk."""
        documents: dict[str, list[dict[str, Any]]] = {
            SHOPS: [{"_id": key, "currency": currency} for key, currency in self.shops.items()],
            PRODUCTS: [{"_id": key, "category_id": category} for key, category in self.products.items()],
            DISTRIBUTORS: [{"_id": key, "upline": self.upline(key), "active": True} for key in self.sponsors],
            STOCK: [{"_id": key, "available": units} for key, units in self.stock.items()],
            BALANCES: [{"_id": key, "amount_minor": 0} for key in self.sponsors],
        }
        for collection, found in documents.items():
            await database[collection].insert_many(found)
