"""Categories: created, found, named otherwise, and removed where no product needs them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.access.guard import needs
from api.access.ports import Here, Ports
from api.access.writing import Writing, written
from api.catalog.view import (
    BY_NUMBER,
    REMOVED,
    REMOVED_SINCE,
    CategoryView,
    category_view,
    expected_version,
    find_category,
    gone,
    with_etag,
)
from api.http.bodies import Body, BodyRoute
from api.http.conditions import NOT_MODIFIED, IfMatch, IfNoneMatch, read_response
from api.http.paging import Cursor, Limit, Page, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import documented
from api.identity.principal import Principal
from contracts.catalog.v1 import CategoryName, DefineCategory, RemoveCategory
from contracts.catalog.view import CATEGORIES

router = APIRouter(prefix="/api/categories", tags=["categories"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("products:read")]
Writes = Annotated[Principal, needs("products:write")]
Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="The category.", examples=[7]), AS_IN_JSON]


class CategoryWish(Body):
    name: CategoryName


@router.post(
    "",
    summary="Create a category",
    response_model=CategoryView,
    status_code=201,
    responses={**written("outdated", shown=CategoryView, created=True), 404: REMOVED_SINCE},
)
async def create_category(body: CategoryWish, ports: Here, principal: Writes, writing: Writing) -> Response:
    """The number is given here. A repeat with the same Idempotency-Key is 404 once the thing has been removed."""
    category_id = await writing.number("category", view=CATEGORIES)
    command = DefineCategory(category_id=category_id, name=body.name, expected_version=0)
    return await writing.write(command, lambda: _shown(ports, category_id), location=f"/api/categories/{category_id}")


@router.get("", summary="List categories", responses=documented("invalid_cursor"))
async def list_categories(
    request: Request, ports: Here, principal: Reads, limit: Limit = 50, cursor: Cursor = None
) -> Page[CategoryView]:
    """By number."""
    found, after = await page_of(
        ports.store, CATEGORIES, BY_NUMBER, listed=[{"removed": False}], cursor=cursor, limit=limit
    )
    return Page(items=[category_view(document) for document in found], next=next_link(request, after))


@router.get(
    "/{category_id}",
    summary="Show a category",
    response_model=CategoryView,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def show_category(
    category_id: Number, request: Request, ports: Here, principal: Reads, if_none_match: IfNoneMatch = None
) -> Response:
    shown = await find_category(ports.store, category_id)
    return read_response(request, shown, shown.version)


@router.patch(
    "/{category_id}",
    summary="Change a category",
    response_model=CategoryView,
    responses=written("not_found", "precondition_failed", "outdated", shown=CategoryView),
)
async def change_category(
    category_id: Number, body: CategoryWish, ports: Here, principal: Writes, writing: Writing, if_match: IfMatch = None
) -> Response:
    known = await find_category(ports.store, category_id)
    command = DefineCategory(
        category_id=category_id, name=body.name, expected_version=expected_version(if_match, known.version)
    )
    return await writing.write(command, lambda: _shown(ports, category_id), before=known.model_dump())


@router.delete(
    "/{category_id}",
    summary="Remove a category",
    response_model=None,
    status_code=204,
    responses=REMOVED,
)
async def remove_category(
    category_id: Number, ports: Here, principal: Writes, writing: Writing, if_match: IfMatch = None
) -> Response:
    """Refused while a product is in it. Its number is not given again."""
    known = await ports.store.find(CATEGORIES, {"_id": category_id}, limit=1)
    version = known[0]["version"] if known else 0
    command = RemoveCategory(category_id=category_id, expected_version=expected_version(if_match, version))
    before = category_view(known[0]).model_dump() if known else None
    return await writing.write(command, gone, before=before)


async def _shown(ports: Ports, category_id: int) -> Response:
    return with_etag(await find_category(ports.store, category_id))
