"""Loads and saves the catalogue; its collections are published views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from contracts.catalog.terms import terms_of
from contracts.catalog.v1 import DefineCategory, DefineProduct, DefineTag, RemoveCategory, RemoveTag
from contracts.catalog.view import CATEGORIES, PRODUCTS, TAGS, Category, Product, Tag
from contracts.subjects import OfCategory, OfTag
from contracts.wire.envelope import Message
from infra.ports.store import Collection, Document, Index, Query, Transaction
from infra.runtime.repository import Codec, Found, Loaded, Repository, with_ids
from workers.catalog.model import State

Consumed = DefineProduct | DefineCategory | RemoveCategory | DefineTag | RemoveTag


class _Products(Codec[Product]):
    """Adds the search terms of the name, which are derived."""

    def to_document(self, entity: Product) -> Document:
        return {**super().to_document(entity), "terms": list(terms_of(entity.name))}


_products = _Products(Product, key="product_id")
_categories = Codec(Category, key="category_id")
_tags = Codec(Tag, key="tag_id")


class CatalogRepository(Repository[State, Consumed]):
    collections: ClassVar[tuple[Collection, ...]] = (
        Collection(
            PRODUCTS,
            "products by id",
            (
                Index((("category_id", 1), ("_id", 1)), "the products of a category, and whether it has any"),
                Index((("tags", 1), ("_id", 1)), "the products with a tag"),
                Index((("terms", 1), ("_id", 1)), "the products by a word of their name"),
                Index((("active", 1), ("_id", 1)), "the products that are active, or not"),
            ),
        ),
        Collection(CATEGORIES, "categories by id", (Index((("removed", 1), ("_id", 1)), "those that exist"),)),
        Collection(TAGS, "tags by id", (Index((("removed", 1), ("_id", 1)), "those that exist"),)),
    )

    def __init__(
        self,
        products: Loaded[int, Product],
        categories: Loaded[int, Category],
        tags: Loaded[int, Tag],
        in_use: frozenset[int],
    ) -> None:
        self._products = products
        self._categories = categories
        self._tags = tags
        self._in_use = in_use

    @classmethod
    def queries(cls, messages: Sequence[Message[Consumed]]) -> dict[str, Query]:
        data = [message.data for message in messages]
        return {
            "products": with_ids(PRODUCTS, (d.product_id for d in data if isinstance(d, DefineProduct))),
            "categories": with_ids(
                CATEGORIES, (d.category_id for d in data if isinstance(d, DefineProduct | OfCategory))
            ),
        }

    @classmethod
    async def load(cls, tx: Transaction, messages: Sequence[Message[Consumed]], found: Found) -> Self:
        data = [message.data for message in messages]
        products = _products.loaded(found["products"])
        tags = Loaded(await _tags.fetch(tx, TAGS, (tag for d in data for tag in _tags_of(d, products))))
        leaving = {d.category_id for d in data if isinstance(d, RemoveCategory)}
        in_use = {
            category_id
            for category_id in leaving
            if await tx.find(PRODUCTS, {"category_id": category_id}, limit=1, fields=("_id",))
        }
        return cls(products, _categories.loaded(found["categories"]), tags, frozenset(in_use))

    def state_for(self, message: Message[Consumed]) -> State:
        data = message.data
        return State(
            products=self._products.pick([data.product_id] if isinstance(data, DefineProduct) else ()),
            categories=self._categories.pick(
                [data.category_id] if isinstance(data, DefineProduct | OfCategory) else ()
            ),
            tags=self._tags.pick(_tags_of(data, self._products)),
            in_use=self._in_use,
        )

    def keep(self, state: State) -> None:
        self._products.keep(state.products)
        self._categories.keep(state.categories)
        self._tags.keep(state.tags)

    async def save(self, tx: Transaction) -> None:
        await _products.save(tx, PRODUCTS, self._products)
        await _categories.save(tx, CATEGORIES, self._categories)
        await _tags.save(tx, TAGS, self._tags)


def _tags_of(data: Consumed, products: Loaded[int, Product]) -> set[int]:
    """The tags that a message affects: the named one, or a product's old and new ones."""
    if not isinstance(data, DefineProduct):
        return {data.tag_id} if isinstance(data, OfTag) else set()
    known = products.get(data.product_id)
    return {*data.tags, *(known.tags if known else ())}
