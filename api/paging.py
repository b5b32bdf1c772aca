"""Lists page by page, in an order that does not change under the reader.

A page begins after the last document of the one before, by its sort key and its `_id`, so what is added or taken out
meanwhile neither repeats nor skips anything else. The cursor is opaque to clients and believed by nobody: it holds a
position only, each part is checked, and the filters of the request and of the principal apply anew to every page.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request
from pydantic import BaseModel, Field

from api.parameters import AS_IN_JSON
from api.problems import Problem, Reason, say
from infra.runtime.store import Document, Reader

LIMIT_MAX = 200
"""More would make one request heavy for everyone; whoever needs all follows `next`."""

say(
    {
        "invalid_cursor": Reason(
            422,
            "The cursor is none that this list gave out; begin again without it.",
            "游标无效，请去掉该参数后重新查询。",
        )
    }
)

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="How many on a page.", examples=[50]), AS_IN_JSON]
Cursor = Annotated[
    str | None,
    Query(max_length=400, pattern=r"^[A-Za-z0-9_-]+$", description="From `next` of the page before; opaque."),
]
T = TypeVar("T")
_INT_MAX = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Page(BaseModel, Generic[T]):
    """`next` is the address of the next page, with the same filters."""

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """`Page[ProductView]` is `ProductPage`: many languages have no brackets in names."""
        shown: type[BaseModel] = params[0]
        return f"{shown.model_config.get('title') or shown.__name__}Page"

    items: list[T]
    next: str | None = Field(description="The address of the next page; null on the last.")


@dataclass(frozen=True, slots=True)
class Sorting:
    """By `field`, which every document has, then by `_id`. `kind` and `id_kind` are int, str or datetime.

    An index must begin with the filters that are equal, go on with `field` and end with `_id`, all in `direction`.
    """

    field: str
    kind: type
    direction: int = 1
    id_kind: type = str

    @property
    def keys(self) -> tuple[tuple[str, int], ...]:
        own = () if self.field == "_id" else ((self.field, self.direction),)
        return (*own, ("_id", self.direction))

    def after(self, cursor: str) -> dict[str, Any]:
        """The condition for what comes after a cursor. Raises Problem invalid_cursor."""
        value, key = _read(cursor, self)
        beyond = "$gt" if self.direction > 0 else "$lt"
        if self.field == "_id":
            return {"_id": {beyond: key}}
        # The first part bounds the index scan; the second goes on among equals.
        bound = {self.field: {beyond + "e": value}}
        return {"$and": [bound, {"$or": [{self.field: {beyond: value}}, {"_id": {beyond: key}}]}]}

    def cursor(self, document: Mapping[str, Any]) -> str:
        position = [self.field, _plain(_at(document, self.field)), _plain(document["_id"])]
        return urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).rstrip(b"=").decode()


async def page_of(
    reader: Reader,
    collection: str,
    where: Sequence[Mapping[str, Any]],
    sorting: Sorting,
    *,
    cursor: str | None,
    limit: int,
    fields: Sequence[str] = (),
) -> tuple[list[Document], str | None]:
    """The documents that meet all of `where`, and the cursor of the next page, None on the last.

    `fields`, where given, must contain the field that is sorted by.
    """
    conditions = [dict(condition) for condition in where if condition]
    if cursor is not None:
        conditions.append(sorting.after(cursor))
    combined = {"$and": conditions} if len(conditions) > 1 else conditions[0] if conditions else {}
    found = await reader.find(collection, combined, sort=sorting.keys, limit=limit + 1, fields=fields)
    shown = found[:limit]
    return shown, sorting.cursor(shown[-1]) if len(found) > limit else None


def next_link(request: Request, cursor: str | None) -> str | None:
    """The address of the next page: this one's, with another cursor."""
    if cursor is None:
        return None
    url = request.url.include_query_params(cursor=cursor)
    return f"{url.path}?{url.query}"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        # Milliseconds are all that the store keeps.
        return (value - _EPOCH) // timedelta(milliseconds=1)
    return value


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value[name]
    return value


def _read(cursor: str, sorting: Sorting) -> tuple[Any, Any]:
    try:
        position = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        field, value, key = position
        if field != sorting.field:
            raise ValueError("the cursor of another list")
        return _checked(value, sorting.id_kind if field == "_id" else sorting.kind), _checked(key, sorting.id_kind)
    except (ValueError, TypeError, RecursionError, OverflowError, OSError):
        raise Problem("invalid_cursor") from None


def _checked(value: Any, kind: type) -> Any:
    plain = str if kind is str else int
    if type(value) is not plain:
        raise ValueError("not of the kind that is sorted by")
    if isinstance(value, str):
        value.encode()
        return value
    if not -_INT_MAX <= value < _INT_MAX:
        raise ValueError("no 64-bit number")
    if kind is datetime:
        return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000)
    return value
