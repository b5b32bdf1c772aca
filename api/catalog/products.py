"""Products: created, found, changed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from api.access.guard import needs
from api.access.ports import Here, Ports
from api.access.writing import Writing, written
from api.catalog.view import (
    BY_NUMBER,
    ProductView,
    expected_version,
    find_product,
    named,
    product_of,
    product_view,
    require_category,
    with_etag,
)
from api.http.bodies import VISIBLE, Body, BodyRoute
from api.http.conditions import NOT_MODIFIED, IfMatch, IfNoneMatch, read_response
from api.http.paging import Cursor, Limit, Page, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, documented
from api.identity.principal import Principal
from contracts.catalog.v1 import DefineProduct, ImageUrl, Name, Tags
from contracts.catalog.view import PRODUCTS
from contracts.fields import CategoryId, is_visible_address, is_visible_name

router = APIRouter(prefix="/api/products", tags=["products"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("products:read")]
Writes = Annotated[Principal, needs("products:write")]
ProductNumber = Annotated[int, Path(ge=1, le=2**63 - 1, description="The product.", examples=[1082185]), AS_IN_JSON]

Active = Annotated[bool, Field(strict=True, description="An inactive product cannot be ordered.")]


class NewProduct(Body):
    name: Annotated[Name, VISIBLE]
    image_url: ImageUrl | None = None
    category_id: CategoryId
    tags: Tags = ()
    active: Active = True


class ChangeProduct(Body):
    """An absent field keeps its value; an `image_url` of null removes the image."""

    name: Annotated[Name, VISIBLE] | None = None
    image_url: ImageUrl | None = None
    category_id: CategoryId | None = None
    tags: Tags | None = None
    active: Active | None = None


@router.post(
    "",
    summary="Create a product",
    response_model=ProductView,
    status_code=201,
    responses=written("category_unknown", "tag_unknown", "outdated", shown=ProductView, created=True),
)
async def create_product(body: NewProduct, ports: Here, principal: Writes, writing: Writing) -> Response:
    """The server assigns the number. Category and tags must exist already."""
    await require_category(ports.store, body.category_id)
    product_id = await writing.number("product", view=PRODUCTS)
    command = DefineProduct(product_id=product_id, expected_version=0, **body.model_dump())
    return await writing.write(command, lambda: _shown(ports, product_id), location=f"/api/products/{product_id}")


@router.get("", summary="List products", responses=documented("invalid_cursor"))
async def list_products(
    request: Request,
    ports: Here,
    principal: Reads,
    q: Annotated[
        str | None,
        Query(max_length=100, description="Words of the name, or their beginnings.", examples=["green te"]),
    ] = None,
    category_id: Annotated[int | None, Query(ge=1, le=2**63 - 1, examples=[7]), AS_IN_JSON] = None,
    tag: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="Products with this tag.", examples=[3]), AS_IN_JSON
    ] = None,
    active: Annotated[bool | None, Query(description="Products that can be ordered, or those that cannot.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ProductView]:
    """By number. Several filters are combined by AND."""
    filters = {"category_id": category_id, "tags": tag, "active": active}
    where = [{name: value} for name, value in filters.items() if value is not None]
    found, after = await page_of(
        ports.store, PRODUCTS, BY_NUMBER, listed=[*named(q), *where], cursor=cursor, limit=limit
    )
    return Page(items=[product_view(product_of(document)) for document in found], next=next_link(request, after))


@router.get(
    "/{product_id}",
    summary="Show a product",
    response_model=ProductView,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def show_product(
    product_id: ProductNumber, request: Request, ports: Here, principal: Reads, if_none_match: IfNoneMatch = None
) -> Response:
    product = await find_product(ports.store, product_id)
    return read_response(request, product_view(product), product.version)


@router.patch(
    "/{product_id}",
    summary="Change a product",
    response_model=ProductView,
    responses=written(
        *("not_found", "precondition_required", "precondition_failed", "outdated", "category_unknown", "tag_unknown"),
        shown=ProductView,
    ),
)
async def change_product(
    product_id: ProductNumber,
    body: ChangeProduct,
    ports: Here,
    principal: Writes,
    writing: Writing,
    if_match: IfMatch = None,
) -> Response:
    """If-Match is required: an absent field keeps the value of the version that it names, so no other change is lost.

    Orders keep the category of their acceptance.
    """
    product = await find_product(ports.store, product_id)
    if if_match is None:
        raise Problem("precondition_required")
    expected = expected_version(if_match, product.version)
    same_category = body.category_id in (None, product.category_id)
    if body.category_id is not None and not same_category:
        await require_category(ports.store, body.category_id)
    sent = {name: getattr(body, name) for name in body.model_fields_set}
    changes = {name: value for name, value in sent.items() if value is not None or name == "image_url"}
    known = product_view(product).model_dump()
    for name, is_visible in (("name", is_visible_name), ("image_url", is_visible_address)):
        if (value := (known | changes)[name]) is not None and not is_visible(value):
            raise Problem("invalid_message", detail=f"{name}: the stored one has invisible characters; give another.")
    # The stored category name is that of the old category.
    category_name = product.category_name if same_category and is_visible_name(product.category_name or "") else None
    command = DefineProduct(
        **{name: value for name, value in known.items() if name != "version"} | changes,
        category_name=category_name,
        expected_version=expected,
    )
    return await writing.write(command, lambda: _shown(ports, product_id), before=known)


async def _shown(ports: Ports, product_id: int) -> Response:
    return with_etag(product_view(await find_product(ports.store, product_id)))
