"""The catalogue as one message sees it. Its entities are the published view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from contracts.catalog.view import Product


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The products that a message names, where they exist."""

    products: Mapping[int, Product] = field(default_factory=dict)

    def with_product(self, product: Product) -> Self:
        return replace(self, products={**self.products, product.product_id: product})
