"""Categories and tags: created, found, renamed, and removed unless a product uses them.

Both work the same way; a `Label` holds the differences.
"""

# FastAPI evaluates the annotations of routes that are made in a function, so they must not be strings.
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access.guard import needs
from api.access.ports import Here, Ports
from api.access.writing import Writing, written
from api.catalog.view import BY_NUMBER, Versioned, expected_version, with_etag
from api.http.bodies import VISIBLE, Body, BodyRoute
from api.http.conditions import NOT_MODIFIED, IfMatch, IfNoneMatch, read_response
from api.http.ids import ShownId
from api.http.paging import Cursor, Limit, Page, next_link, page_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, Responses, documented, problem_answer
from api.identity.principal import Principal
from contracts.catalog.v1 import CategoryName, DefineCategory, DefineTag, RemoveCategory, RemoveTag, TagName
from contracts.catalog.view import CATEGORIES, TAGS, Category, Tag
from contracts.wire.envelope import Command
from infra.ports.store import Document
from infra.runtime.repository import Codec

Reads = Annotated[Principal, needs("products:read")]
Writes = Annotated[Principal, needs("products:write")]


class CategoryView(Versioned):
    model_config = ConfigDict(title="Category")

    category_id: ShownId = Field(examples=[7])
    name: str = Field(examples=["Tea"])


class TagView(Versioned):
    model_config = ConfigDict(title="Tag")

    tag_id: ShownId = Field(examples=[3])
    name: str = Field(examples=["organic"])
    products: int = Field(description="The number of products with this tag.", examples=[12])


class CategoryRequest(Body):
    name: Annotated[CategoryName, VISIBLE]


class TagRequest(Body):
    name: Annotated[TagName, VISIBLE]


@dataclass(frozen=True, slots=True)
class Label:
    noun: str
    plural: str
    collection: str
    example: int
    body: type[Body]
    view: type[Versioned]
    codec: Codec[Any]
    define: Callable[..., Command]
    remove: Callable[..., Command]
    use: str
    """How a product uses it, for the description of its removal."""

    @property
    def key(self) -> str:
        return f"{self.noun}_id"

    def view_of(self, document: Document) -> Versioned:
        return self.view.model_validate(self.codec.to_entity(document), from_attributes=True)

    async def find(self, ports: Ports, number: int) -> Versioned:
        """Raises Problem not_found, also for a removed one."""
        found = await ports.store.find(self.collection, {"_id": number, "removed": False}, limit=1)
        if not found:
            raise Problem("not_found")
        return self.view_of(found[0])

    async def shown(self, ports: Ports, number: int) -> Response:
        return with_etag(await self.find(ports, number))


_REMOVED_SINCE = problem_answer("`not_found`: this request is a repeat, and what it created has been removed since.")
_REMOVING = written("not_defined", "precondition_failed", "outdated", "in_use", shown=BaseModel)
_REMOVED: Responses = {
    204: {"description": "Removed."},
    **{status: answer for status, answer in _REMOVING.items() if status != 200},
}


def routes_of(label: Label) -> APIRouter:
    router = APIRouter(prefix=f"/api/{label.plural}", tags=[label.plural], route_class=BodyRoute)
    View, LabelRequest = label.view, label.body  # noqa: N806  (classes)
    a_noun, one = f"a {label.noun}", f"/{{{label.key}}}"
    Number = Annotated[  # noqa: N806
        int,
        Path(alias=label.key, ge=1, le=2**63 - 1, description=f"The {label.noun}.", examples=[label.example]),
        AS_IN_JSON,
    ]

    @router.post(
        "",
        name=f"create_{label.noun}",
        summary=f"Create {a_noun}",
        response_model=View,
        status_code=201,
        responses={**written("outdated", shown=View, created=True), 404: _REMOVED_SINCE},
    )
    async def create(body: LabelRequest, ports: Here, principal: Writes, writing: Writing) -> Response:  # type: ignore[valid-type]
        """The server assigns the number. A repeat with the same Idempotency-Key is 404 once it has been removed."""
        number = await writing.number(label.noun, view=label.collection)
        command = label.define(**{label.key: number}, name=body.name, expected_version=0)  # type: ignore[attr-defined]
        location = f"/api/{label.plural}/{number}"
        return await writing.write(command, lambda: label.shown(ports, number), location=location)

    @router.get(
        "",
        name=f"list_{label.plural}",
        summary=f"List {label.plural}",
        response_model=Page[View],  # type: ignore[valid-type]
        responses=documented("invalid_cursor"),
    )
    async def list_all(
        request: Request, ports: Here, principal: Reads, limit: Limit = 50, cursor: Cursor = None
    ) -> Page[Versioned]:
        """By number."""
        found, after = await page_of(
            ports.store, label.collection, BY_NUMBER, listed=[{"removed": False}], cursor=cursor, limit=limit
        )
        return Page(items=[label.view_of(document) for document in found], next=next_link(request, after))

    @router.get(
        one,
        name=f"show_{label.noun}",
        summary=f"Show {a_noun}",
        response_model=View,
        responses={**NOT_MODIFIED, **documented("not_found")},
    )
    async def show(
        number: Number, request: Request, ports: Here, principal: Reads, if_none_match: IfNoneMatch = None
    ) -> Response:
        shown = await label.find(ports, number)
        return read_response(request, shown, shown.version)

    @router.patch(
        one,
        name=f"change_{label.noun}",
        summary=f"Change {a_noun}",
        response_model=View,
        responses=written("not_found", "precondition_failed", "outdated", shown=View),
    )
    async def change(
        number: Number,
        body: LabelRequest,  # type: ignore[valid-type]
        ports: Here,
        principal: Writes,
        writing: Writing,
        if_match: IfMatch = None,
    ) -> Response:
        known = await label.find(ports, number)
        expected = expected_version(if_match, known.version)
        command = label.define(**{label.key: number}, name=body.name, expected_version=expected)  # type: ignore[attr-defined]
        return await writing.write(command, lambda: label.shown(ports, number), before=known.model_dump())

    @router.delete(
        one,
        name=f"remove_{label.noun}",
        summary=f"Remove {a_noun}",
        description=f"Refused while a product {label.use} it. Its number is not assigned again.",
        response_model=None,
        status_code=204,
        responses=_REMOVED,
    )
    async def remove(
        number: Number, ports: Here, principal: Writes, writing: Writing, if_match: IfMatch = None
    ) -> Response:
        found = await ports.store.find(label.collection, {"_id": number}, limit=1)
        known = label.view_of(found[0]) if found else None
        expected = expected_version(if_match, known.version if known else 0)
        command = label.remove(**{label.key: number}, expected_version=expected)
        return await writing.write(command, _gone, before=known.model_dump() if known else None)

    return router


async def _gone() -> Response:
    return Response(status_code=204)


CATEGORY = Label(
    noun="category",
    plural="categories",
    collection=CATEGORIES,
    example=7,
    body=CategoryRequest,
    view=CategoryView,
    codec=Codec(Category, key="category_id"),
    define=DefineCategory,
    remove=RemoveCategory,
    use="is in",
)
TAG = Label(
    noun="tag",
    plural="tags",
    collection=TAGS,
    example=3,
    body=TagRequest,
    view=TagView,
    codec=Codec(Tag, key="tag_id"),
    define=DefineTag,
    remove=RemoveTag,
    use="has",
)
ROUTERS = tuple(routes_of(label) for label in (CATEGORY, TAG))
