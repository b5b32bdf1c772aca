"""Tags: created, found, named otherwise, and removed where no product needs them."""

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
    TagView,
    expected_version,
    find_tag,
    gone,
    tag_view,
    with_etag,
)
from api.http.bodies import Body, BodyRoute
from api.http.conditions import NOT_MODIFIED, IfMatch, IfNoneMatch, read_response
from api.http.paging import Cursor, Limit, Page, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import documented
from api.identity.principal import Principal
from contracts.catalog.v1 import DefineTag, RemoveTag, TagName
from contracts.catalog.view import TAGS

router = APIRouter(prefix="/api/tags", tags=["tags"], route_class=BodyRoute)

Reads = Annotated[Principal, needs("products:read")]
Writes = Annotated[Principal, needs("products:write")]
Number = Annotated[int, Path(ge=1, le=2**63 - 1, description="The tag.", examples=[3]), AS_IN_JSON]


class TagWish(Body):
    name: TagName


@router.post(
    "",
    summary="Create a tag",
    response_model=TagView,
    status_code=201,
    responses={**written("outdated", shown=TagView, created=True), 404: REMOVED_SINCE},
)
async def create_tag(body: TagWish, ports: Here, principal: Writes, writing: Writing) -> Response:
    """The number is given here. A repeat with the same Idempotency-Key is 404 once the thing has been removed."""
    tag_id = await writing.number("tag", view=TAGS)
    command = DefineTag(tag_id=tag_id, name=body.name, expected_version=0)
    return await writing.write(command, lambda: _shown(ports, tag_id), location=f"/api/tags/{tag_id}")


@router.get("", summary="List tags", responses=documented("invalid_cursor"))
async def list_tags(
    request: Request, ports: Here, principal: Reads, limit: Limit = 50, cursor: Cursor = None
) -> Page[TagView]:
    """By number."""
    found, after = await page_of(ports.store, TAGS, BY_NUMBER, listed=[{"removed": False}], cursor=cursor, limit=limit)
    return Page(items=[tag_view(document) for document in found], next=next_link(request, after))


@router.get(
    "/{tag_id}",
    summary="Show a tag",
    response_model=TagView,
    responses={**NOT_MODIFIED, **documented("not_found")},
)
async def show_tag(
    tag_id: Number, request: Request, ports: Here, principal: Reads, if_none_match: IfNoneMatch = None
) -> Response:
    shown = await find_tag(ports.store, tag_id)
    return read_response(request, shown, shown.version)


@router.patch(
    "/{tag_id}",
    summary="Change a tag",
    response_model=TagView,
    responses=written("not_found", "precondition_failed", "outdated", shown=TagView),
)
async def change_tag(
    tag_id: Number, body: TagWish, ports: Here, principal: Writes, writing: Writing, if_match: IfMatch = None
) -> Response:
    known = await find_tag(ports.store, tag_id)
    command = DefineTag(tag_id=tag_id, name=body.name, expected_version=expected_version(if_match, known.version))
    return await writing.write(command, lambda: _shown(ports, tag_id), before=known.model_dump())


@router.delete(
    "/{tag_id}",
    summary="Remove a tag",
    response_model=None,
    status_code=204,
    responses=REMOVED,
)
async def remove_tag(
    tag_id: Number, ports: Here, principal: Writes, writing: Writing, if_match: IfMatch = None
) -> Response:
    """Refused while a product has it. Its number is not given again."""
    known = await ports.store.find(TAGS, {"_id": tag_id}, limit=1)
    version = known[0]["version"] if known else 0
    command = RemoveTag(tag_id=tag_id, expected_version=expected_version(if_match, version))
    before = tag_view(known[0]).model_dump() if known else None
    return await writing.write(command, gone, before=before)


async def _shown(ports: Ports, tag_id: int) -> Response:
    return with_etag(await find_tag(ports.store, tag_id))
