"""Loads and saves products; the collection is a published view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from contracts.catalog.view import PRODUCTS, Product
from contracts.envelope import Message
from infra.runtime.repository import Codec, Loaded
from infra.runtime.store import Collection, Index, Transaction
from workers.catalog.model import Catalogue

_products = Codec(Product, key="product_id")


class CatalogRepository:
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(PRODUCTS, "products by id", (Index((("category_id", 1),), "the products of a category"),)),
    )

    def __init__(self, products: Loaded[int, Product]) -> None:
        self._products = products

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Any]]) -> Self:
        return cls(await _products.fetch(tx, PRODUCTS, (message.data.product_id for message in messages)))

    def state_for(self, message: Message[Any]) -> Catalogue:
        return Catalogue(self._products.pick([message.data.product_id]))

    def keep(self, state: Catalogue) -> None:
        self._products.keep(state.products)

    async def save(self, tx: Transaction) -> None:
        await _products.save(tx, PRODUCTS, self._products)
