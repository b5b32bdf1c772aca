"""The published view of the catalogue, owned by `catalog`. `_id` is the entity's number.

A product's document also has `terms`, the search terms of its name (contracts.catalog.terms).
"""

from __future__ import annotations

from dataclasses import dataclass

PRODUCTS = "catalog.products"
CATEGORIES = "catalog.categories"
TAGS = "catalog.tags"


@dataclass(frozen=True, slots=True)
class Product:
    """`category_name` is the name that the product's definition gave; the category may have another name."""

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
    """A removed category stays stored, so that its number and its versions are never used again."""

    category_id: int
    name: str
    version: int = 1
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Tag:
    """`products` is how many products have it. A removed tag stays stored, like a category."""

    tag_id: int
    name: str
    version: int = 1
    removed: bool = False
    products: int = 0
