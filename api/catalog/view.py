"""Products, categories and tags as they are shown, and the version that an edit expects of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access.scope import NOTHING
from api.access.writing import written
from api.http.conditions import check_match, etag_of
from api.http.ids import ShownId
from api.http.paging import Sorting
from api.http.problems import Problem, Responses, problem_answer
from contracts.catalog.terms import wanted_terms
from contracts.catalog.view import CATEGORIES, PRODUCTS, TAGS, Category, Product, Tag
from infra.ports.store import Document, Reader
from infra.runtime.repository import Codec

BY_NUMBER = Sorting("_id", int, id_kind=int)

_products = Codec(Product, key="product_id")
_categories = Codec(Category, key="category_id")
_tags = Codec(Tag, key="tag_id")
_OF_VERSION = re.compile(r'"([1-9][0-9]{0,17})"')


class _Versioned(BaseModel):
    version: int = Field(description="Grows by one with each change; it is the ETag.", examples=[1])


class ProductView(_Versioned):
    model_config = ConfigDict(title="Product")

    product_id: ShownId = Field(examples=[1082185])
    name: str = Field(examples=["Green tea"])
    image_url: str | None = Field(examples=["https://img.example/green-tea.jpg"])
    category_id: ShownId = Field(examples=[7])
    tags: list[ShownId] = Field(description="The numbers of its tags.", examples=[[3]])
    active: bool = Field(description="An inactive product cannot be ordered.", examples=[True])


class CategoryView(_Versioned):
    model_config = ConfigDict(title="Category")

    category_id: ShownId = Field(examples=[7])
    name: str = Field(examples=["Tea"])


class TagView(_Versioned):
    model_config = ConfigDict(title="Tag")

    tag_id: ShownId = Field(examples=[3])
    name: str = Field(examples=["organic"])
    products: int = Field(description="How many products have it.", examples=[12])


def product_of(document: Document) -> Product:
    return _products.to_entity(document)


def product_view(product: Product) -> ProductView:
    return ProductView(
        product_id=product.product_id,
        name=product.name,
        image_url=product.image_url,
        category_id=product.category_id,
        tags=list(product.tags),
        active=product.active,
        version=product.version,
    )


def category_view(document: Document) -> CategoryView:
    category = _categories.to_entity(document)
    return CategoryView(category_id=category.category_id, name=category.name, version=category.version)


def tag_view(document: Document) -> TagView:
    tag = _tags.to_entity(document)
    return TagView(tag_id=tag.tag_id, name=tag.name, products=tag.products, version=tag.version)


async def find_product(reader: Reader, product_id: int) -> Product:
    """Raises Problem not_found."""
    return product_of(await _find(reader, PRODUCTS, {"_id": product_id}))


async def find_category(reader: Reader, category_id: int) -> CategoryView:
    """Raises Problem not_found, for a removed one too."""
    return category_view(await _find(reader, CATEGORIES, {"_id": category_id, "removed": False}))


async def find_tag(reader: Reader, tag_id: int) -> TagView:
    """Raises Problem not_found, for a removed one too."""
    return tag_view(await _find(reader, TAGS, {"_id": tag_id, "removed": False}))


async def _find(reader: Reader, collection: str, where: dict[str, Any]) -> Document:
    found = await reader.find(collection, where, limit=1)
    if not found:
        raise Problem("not_found")
    return found[0]


async def require_category(reader: Reader, category_id: int) -> None:
    """Shops may bring categories of their own by message; here a number that nobody defined is a mistake.

    Raises Problem category_unknown.
    """
    if not await reader.find(CATEGORIES, {"_id": category_id, "removed": False}, limit=1, fields=("_id",)):
        raise Problem("category_unknown", detail=f"category_id: there is no category {category_id}; create it first.")


def named(query: str | None) -> Sequence[dict[str, Any]]:
    """The conditions for names that have every word of the query, or begin one with it."""
    if query is None:
        return ()
    return [{"terms": term} for term in wanted_terms(query)] or [NOTHING]


def expected_version(if_match: str | None, version: int) -> int | None:
    """The version that If-Match says is edited, for the worker to compare: only there nobody can come in between.

    One that is not the present one is passed on: the request may be a repeat of the one that changed it. Raises Problem
    precondition_failed where no version of ours is named.
    """
    if if_match is None or if_match.strip() == "*":
        return None if if_match is None else version
    if (tag := _OF_VERSION.fullmatch(if_match.strip())) is not None:
        return int(tag.group(1))
    check_match(if_match, etag_of(version))
    return version


def with_etag(view: ProductView | CategoryView | TagView) -> JSONResponse:
    """For an answer to a write: what it has become, and the ETag to edit it by."""
    return JSONResponse(view.model_dump(mode="json"), headers={"ETag": etag_of(view.version)})


async def gone() -> Response:
    return Response(status_code=204)


_WRITTEN = written("not_defined", "precondition_failed", "outdated", "in_use", shown=BaseModel)
REMOVED: Responses = {204: {"description": "It is gone."}, **{code: _WRITTEN[code] for code in _WRITTEN if code != 200}}
"""The `responses=` of a route that removes."""
REMOVED_SINCE = problem_answer("`not_found`: this request was sent before, and what it made has been removed since.")
"""The 404 of a route that makes what can be removed."""
