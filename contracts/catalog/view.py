"""The published view of the catalogue, owned by `catalog`. `_id` is the number of the thing.

A product's document also has `terms`: what its name is found by (contracts.catalog.terms).
"""

from __future__ import annotations

from dataclasses import dataclass

PRODUCTS = "catalog.products"
CATEGORIES = "catalog.categories"
TAGS = "catalog.tags"


@dataclass(frozen=True, slots=True)
class Product:
    """`category_name` is what the sender of the definition called the category; its own name is the category's."""

    product_id: int
    name: str
    category_id: int
    active: bool
    category_name: str | None = None
    image_url: str | None = None
    tags: tuple[int, ...] = ()
    version: int = 1


@dataclass(frozen=True, slots=True)
class Category:
    """A removed one stays, so that its number and its versions are never used again."""

    category_id: int
    name: str
    version: int = 1
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Tag:
    """`products` is how many products have it. A removed one stays, as a category does."""

    tag_id: int
    name: str
    version: int = 1
    removed: bool = False
    products: int = 0
