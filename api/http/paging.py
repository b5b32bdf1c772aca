"""Lists page by page, in a stable order.

A page begins after the last document of the page before, by sort key and `_id`, so an insertion or a removal neither
repeats nor skips any other document. The cursor is opaque to clients and not trusted: it holds only a position, each
part is checked, and the filters of the request and of the principal apply to every page.

A page examines a bounded number of documents, however few match all filters: it scans the index of the filter that
gets furthest, or of what the principal may see, and ends early where too few documents match the others. `next`
continues from there. An index for every pair of filters would cost every order more than it saves. It also ends early
where its documents are large, since their size is what a sender chose: no page takes more memory than PAGE_BYTES_MAX
and one document.
"""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from api.http.conditions import json_of
from api.http.parameters import AS_IN_JSON
from api.http.problems import Problem, Reason
from api.http.turns import built
from api.storage.protocols import Documents
from infra.ports.store import Document

LIMIT_MAX = 200
"""More would make one request slow for everyone; a client that needs all follows `next`."""

SCANNED_MAX = 1_000
"""Documents to scan along each filter before a page ends early: a few milliseconds."""

PAGE_BYTES_MAX = 1024 * 1024
"""Stored documents of a page, beyond the first: 500 usual orders, or the largest one."""

_WAYS_MAX = 4
"""Filters to try as the one to scan by; each costs a query."""

REASONS = {
    "invalid_cursor": Reason(
        422,
        "The cursor does not belong to this list; start again without it.",
        "游标无效，请去掉该参数后重新查询。",
    )
}

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="The most items on a page.", examples=[50]), AS_IN_JSON]
Cursor = Annotated[
    str | None,
    Query(max_length=400, pattern=r"^[A-Za-z0-9_-]+$", description="From `next` of the page before; opaque."),
]
T = TypeVar("T")
_INT_MAX = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Page(BaseModel, Generic[T]):
    """`next` is the address of the next page, with the same filters. Where few items of a long list match them, or
    items are large, a page before the last may have fewer items than `limit`, or none.
    """

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """`Page[ProductView]` is `ProductPage`: many languages have no brackets in names."""
        shown: type[BaseModel] = params[0]
        return f"{shown.model_config.get('title') or shown.__name__}Page"

    items: list[T]
    next: str | None = Field(
        description="The address of the next page; null on the last. Only `next` shows whether there are more: "
        "a page before the last may be short, or empty.",
        examples=[None],
    )


@dataclass(frozen=True, slots=True)
class Sorting:
    """By `field`, which every document has, then by `_id`. `kind` and `id_kind` are int, str or datetime.

    An index must begin with the equality filters, continue with `field` and end with `_id`, all in `direction`.
    """

    field: str
    kind: type
    direction: int = 1
    id_kind: type = str

    @property
    def keys(self) -> tuple[tuple[str, int], ...]:
        own = () if self.field == "_id" else ((self.field, self.direction),)
        return (*own, ("_id", self.direction))

    def after(self, cursor: str) -> list[dict[str, Any]]:
        """The conditions, joined by OR, for what follows a cursor; an index serves each of them in order.

        Raises Problem invalid_cursor.
        """
        value, key = _read(cursor, self)
        beyond = "$gt" if self.direction > 0 else "$lt"
        if self.field == "_id":
            return [{"_id": {beyond: key}}]
        return [{self.field: value, "_id": {beyond: key}}, {self.field: {beyond: value}}]

    def is_after(self, document: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether a document comes after another one in the list."""
        ours, theirs = ((_at(one, self.field), one["_id"]) for one in (document, other))
        return bool(ours > theirs if self.direction > 0 else ours < theirs)

    def cursor(self, document: Mapping[str, Any]) -> str:
        position = [self.field, _plain(_at(document, self.field)), _plain(document["_id"])]
        return urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).rstrip(b"=").decode()


async def page_of(
    store: Documents,
    collection: str,
    sorting: Sorting,
    *,
    reach: Mapping[str, Any] | None = None,
    listed: Sequence[Mapping[str, Any]] = (),
    within: Sequence[Mapping[str, Any]] = (),
    checked: Sequence[Mapping[str, Any]] = (),
    cursor: str | None,
    limit: int,
    fields: Sequence[str] = (),
    bytes_max: int = PAGE_BYTES_MAX,
) -> tuple[list[Document], str | None]:
    """The next documents that meet all conditions, and the cursor of the next page, None on the last.

    `reach`: what the principal may see, served by an index; {} or None is everything. Only along it is such a list
    scanned: where a page ends early along another filter shows where documents are that the principal may not see.
    `listed`: conditions, each served by an index in the order of the list; without any, the whole collection is
    scanned. `within`: bounds of the sort field. `checked`: conditions that no index serves. `fields`: those to read,
    with the sort field; without any, all.
    """
    indexed = [dict(one) for number, one in enumerate(listed) if one and one not in listed[:number]]
    others = [dict(one) for one in checked if one]
    if reach:
        indexed, others = [dict(reach)], [*(one for one in indexed if one != reach), *others]
    after = sorting.after(cursor) if cursor is not None else [{}]
    ways = _Ways(
        store, collection, sorting, [*indexed, *others], [[*within, place] for place in after], fields, limit, bytes_max
    )
    first, *rest = indexed[:_WAYS_MAX] or [{}]
    if len(indexed) < 2 and not others:
        found, more = await ways.all_of(first)
    else:
        found, more = await ways.left_of(first, SCANNED_MAX)
        if not more:
            return await _short_page(ways, [first, *rest])
    return found, sorting.cursor(found[-1]) if more else None


@dataclass(frozen=True, slots=True)
class _Ways:
    """A list under several conditions, scanned along the index of one of them. `ranges`: the bounds of each part of the
    list that is still to come. A read ends after `limit` documents or `bytes_max`; it returns whether more follow.
    """

    store: Documents
    collection: str
    sorting: Sorting
    conditions: Sequence[Mapping[str, Any]]
    ranges: Sequence[Sequence[Mapping[str, Any]]]
    fields: Sequence[str]
    limit: int
    bytes_max: int

    def _along(self, way: Mapping[str, Any]) -> dict[str, Any]:
        parts = [_all([way, *bounds]) for bounds in self.ranges]
        return {"$or": parts} if len(parts) > 1 else parts[0]

    async def all_of(self, way: Mapping[str, Any]) -> tuple[list[Document], bool]:
        """The documents along this way, whatever the other conditions."""
        return await self.store.find_some(
            self.collection,
            self._along(way),
            sort=self.sorting.keys,
            limit=self.limit,
            fields=self.fields,
            bytes_max=self.bytes_max,
        )

    async def left_of(self, way: Mapping[str, Any], scanned: int) -> tuple[list[Document], bool]:
        """Those of the first `scanned` documents along this way that match the other conditions."""
        others = [condition for condition in self.conditions if condition != way]
        shown = [{"$project": dict.fromkeys(self.fields, 1)}] if self.fields else []
        stages = [*self._ordered(way), {"$limit": scanned}, {"$match": _all(others)}, *shown]
        return await self.store.summarise_some(self.collection, stages, limit=self.limit, bytes_max=self.bytes_max)

    async def end_of(self, way: Mapping[str, Any]) -> Document | None:
        """The last document to scan along this way; None where there are fewer than SCANNED_MAX."""
        place = {"$project": {self.sorting.field: 1}}
        stages = [*self._ordered(way), {"$skip": SCANNED_MAX - 1}, {"$limit": 1}, place]
        return next(iter(await self.store.summarise(self.collection, stages)), None)

    def _ordered(self, way: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        """A stage after the sort keeps the server from choosing the index of another condition."""
        return {"$match": self._along(way)}, {"$sort": dict(self.sorting.keys)}


async def _short_page(ways: _Ways, some: Sequence[Mapping[str, Any]]) -> tuple[list[Document], str | None]:
    """A page along the way that gets furthest, which may end early.

    The end is read before the documents in front of it, so that no document inserted in between is skipped.
    """
    sorting = ways.sorting
    ends = await asyncio.gather(*map(ways.end_of, some))
    way, end = some[0], ends[0]
    for another, beyond in zip(some, ends, strict=True):
        if end is not None and (beyond is None or sorting.is_after(beyond, end)):
            way, end = another, beyond
    found, more = await ways.left_of(way, 2 * SCANNED_MAX)
    shown = [document for document in found if end is None or not sorting.is_after(document, end)]
    if more and len(shown) == len(found):
        return shown, sorting.cursor(shown[-1])
    return shown, sorting.cursor(end) if end is not None else None


def _all(conditions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    some = [dict(condition) for condition in conditions if condition]
    return {"$and": some} if len(some) > 1 else some[0] if some else {}


async def built_page(kind: type[Page[T]], parts: int, items: Callable[[], list[T]], next_page: str | None) -> Response:
    """A page as JSON; one of many parts is built in a thread."""

    def page() -> Response:
        return Response(json_of(kind(items=items(), next=next_page)), media_type="application/json")

    return await built(parts, page)


def next_link(request: Request, cursor: str | None) -> str | None:
    """The address of the next page: that of this page, with another cursor."""
    if cursor is None:
        return None
    url = request.url.include_query_params(cursor=cursor)
    return f"{url.path}?{url.query}"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        # The store keeps milliseconds.
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
        raise ValueError("not of the type of the sort field")
    if isinstance(value, str):
        value.encode()
        return value
    if not -_INT_MAX <= value < _INT_MAX:
        raise ValueError("not a 64-bit number")
    if kind is datetime:
        return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000)
    return value
