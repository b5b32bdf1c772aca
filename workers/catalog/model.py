"""The catalogue data for one message. Its entities are the published view."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.catalog.view import Category, Product, Tag


@dataclass(frozen=True, slots=True)
class State:
    """The entities that a message names, if they exist. `in_use` are the named categories that have products."""

    products: Mapping[int, Product] = field(default_factory=dict)
    categories: Mapping[int, Category] = field(default_factory=dict)
    tags: Mapping[int, Tag] = field(default_factory=dict)
    in_use: frozenset[int] = frozenset()

    def lacks(self, tags: Iterable[int]) -> list[int]:
        """The tags that do not exist, or were removed."""
        return [tag_id for tag_id in tags if tag_id not in self.tags or self.tags[tag_id].removed]

    def with_product(self, product: Product) -> Self:
        return replace(self, products={**self.products, product.product_id: product})

    def with_category(self, category: Category) -> Self:
        return replace(self, categories={**self.categories, category.category_id: category})

    def with_tag(self, tag: Tag) -> Self:
        return replace(self, tags={**self.tags, tag.tag_id: tag})

    def retag(self, before: Collection[int], after: Collection[int]) -> Self:
        """The catalogue after a product's tags changed: the tags' product counts are updated."""
        changes = {tag: 1 for tag in after if tag not in before} | {tag: -1 for tag in before if tag not in after}
        counted = {tag: replace(self.tags[tag], products=self.tags[tag].products + by) for tag, by in changes.items()}
        return replace(self, tags={**self.tags, **counted})
