"""Products as shown, and the version that an edit expects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from api.access.scope import NOTHING
from api.http.conditions import check_match, etag_of
from api.http.ids import ShownId
from api.http.paging import Sorting
from api.http.problems import Problem
from contracts.catalog.terms import wanted_terms
from contracts.catalog.view import CATEGORIES, PRODUCTS, Product
from infra.ports.store import Document, Reader
from infra.runtime.repository import Codec

BY_NUMBER = Sorting("_id", int, id_kind=int)

_products = Codec(Product, key="product_id")
_OF_VERSION = re.compile(r'"([1-9][0-9]{0,17})"')


class Versioned(BaseModel):
    version: int = Field(description="Grows by one with each change; it is the ETag.", examples=[1])


class ProductView(Versioned):
    model_config = ConfigDict(title="Product")

    product_id: ShownId = Field(examples=[1082185])
    name: str = Field(examples=["Green tea"])
    image_url: str | None = Field(examples=["https://img.example/green-tea.jpg"])
    category_id: ShownId = Field(examples=[7])
    tags: list[ShownId] = Field(description="The numbers of its tags.", examples=[[3]])
    active: bool = Field(description="An inactive product cannot be ordered.", examples=[True])


def product_of(document: Document) -> Product:
    return _products.to_entity(document)


def product_view(product: Product) -> ProductView:
    return ProductView.model_validate(product, from_attributes=True)


async def find_product(reader: Reader, product_id: int) -> Product:
    """Raises Problem not_found."""
    found = await reader.find(PRODUCTS, {"_id": product_id}, limit=1)
    if not found:
        raise Problem("not_found")
    return product_of(found[0])


async def require_category(reader: Reader, category_id: int) -> None:
    """A shop's message may use a category before its definition; over HTTP an undefined number is a mistake.

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
    """The version that If-Match names, for the worker to compare: only the worker can do so without a race.

    A version that is not current is passed on: the request may be a repeat of the one that changed it. Raises Problem
    precondition_failed for an invalid version.
    """
    if if_match is None or if_match.strip() == "*":
        return None if if_match is None else version
    if (tag := _OF_VERSION.fullmatch(if_match.strip())) is not None:
        return int(tag.group(1))
    check_match(if_match, etag_of(version))
    return version


def with_etag(view: Versioned) -> JSONResponse:
    """The answer to a write: the new state, and its ETag."""
    return JSONResponse(view.model_dump(mode="json"), headers={"ETag": etag_of(view.version)})
