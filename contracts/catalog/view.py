"""The published view of the catalogue: collection `catalog.products`, owned by `catalog`."""

from __future__ import annotations

from dataclasses import dataclass

PRODUCTS = "catalog.products"


@dataclass(frozen=True, slots=True)
class Product:
    """`_id` is the product id."""

    product_id: int
    name: str
    category_id: int
    active: bool
    category_name: str | None = None
