"""What the store's port promises of documents: which ones a query finds, in which order, with which fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from operator import ge, gt, le, lt
from typing import Any

import bson

from infra.ports.store import Change, Document, Increment

Where = Mapping[str, Any]
Sort = Sequence[tuple[str, int]]

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {"$gt": gt, "$gte": ge, "$lt": lt, "$lte": le}


def climb(documents: Mapping[Any, Document], ids: Iterable[Any], via: str, depth_max: int | None) -> list[Document]:
    """The documents with these ids, and those that they lead to in at most `depth_max` steps; nearest first."""
    found: dict[Any, Document] = {}
    ahead = list(dict.fromkeys(ids))
    steps = 0
    while ahead and (depth_max is None or steps <= depth_max):
        reached = {key: documents[key] for key in ahead if key in documents and key not in found}
        found |= reached
        ahead = list(dict.fromkeys(key for document in reached.values() for key in _keys_at(document, via)))
        steps += 1
    return list(found.values())


def _keys_at(document: Document, path: str) -> Iterator[Any]:
    return (value for value in values_at(document, path) if value is not None and value.__hash__)


def changed(document: Document, change: Change) -> Document:
    """The document after a change of some of its fields."""
    return {**{name: value for name, value in document.items() if name not in change.gone}, **change.fields}


def increased(document: Document | None, increment: Increment) -> Document:
    """The document after an increment, which creates it if it is missing."""
    after = deepcopy(document) if document else {"_id": increment.id, **increment.fixed}
    for path, amount in increment.amounts.items():
        *way, name = path.split(".")
        place = after
        for step in way:
            place = place.setdefault(step, {})
        place[name] = place.get(name, 0) + amount
    return after


def matches(document: Document, where: Where) -> bool:
    """Whether the document meets every condition; a path through an array is met by any of its items."""
    return all(_meets(list(values_at(document, path)), condition) for path, condition in where.items())


def _meets(values: Sequence[Any], condition: Any) -> bool:
    if condition is None:
        return not values or None in values
    if not _has_operators(condition):
        return condition in values
    return all(any(_holds(value, operator, operand) for value in values) for operator, operand in condition.items())


def _holds(value: Any, operator: str, operand: Any) -> bool:
    if operator == "$in":
        return value in operand
    if operator not in _COMPARISONS:
        raise NotImplementedError(f"the port does not promise the operator {operator}")
    # MongoDB compares within a type only: a text is neither above nor below a number.
    return _kind(value) is _kind(operand) and _COMPARISONS[operator](value, operand)


def _kind(value: Any) -> type:
    """Numbers are of one kind; bson reads those beyond 32 bits as an integer class of its own."""
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def _has_operators(condition: Any) -> bool:
    return isinstance(condition, Mapping) and any(name.startswith("$") for name in condition)


def listed(condition: Any) -> Sequence[Any] | None:
    """The values that a condition allows, if it lists them."""
    if condition is None:
        return None
    if not _has_operators(condition):
        return [condition] if condition.__hash__ else None
    values: Sequence[Any] | None = condition.get("$in")
    return values


def values_at(value: Any, path: str) -> Iterator[Any]:
    """Every value at the dotted path. An array in the path yields each of its items, at the end also itself."""
    if isinstance(value, list):
        for item in value:
            yield from values_at(item, path)
    if not path:
        yield value
    elif isinstance(value, dict):
        name, _, rest = path.partition(".")
        if name in value:
            yield from values_at(value[name], rest)


def indexable(document: Document, path: str) -> Iterator[Any]:
    return (value for value in values_at(document, path) if value.__hash__)


def rank(document: Document, path: str) -> tuple[bool, Any]:
    """A missing value sorts first."""
    value = next(values_at(document, path), None)
    return (value is not None, value)


def project(document: Document, fields: Sequence[str]) -> Document:
    """A copy of the document, or of the named fields and `_id`."""
    if not fields:
        return _part(document, {})
    tree: dict[str, Any] = {}
    for path in ("_id", *fields):
        node = tree
        for name in path.split("."):
            node = node.setdefault(name, {})
    return _part(document, tree)


def _part(value: Any, tree: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_part(item, tree) for item in value if not tree or isinstance(item, dict | list)]
    if isinstance(value, dict):
        wanted = {name: tree.get(name, {}) for name in value if not tree or name in tree}
        return {
            name: _part(value[name], part)
            for name, part in wanted.items()
            if not part or isinstance(value[name], dict | list)
        }
    return value


def some_of(found: Sequence[Document], limit: int, bytes_max: int) -> tuple[list[Document], bool]:
    """The first documents, at most `limit` of them and `bytes_max` together, but one at least; whether more follow."""
    taken: list[Document] = []
    read_bytes = 0
    for document in found:
        read_bytes += len(bson.encode(document))
        if len(taken) == limit or (taken and read_bytes > bytes_max):
            return taken, True
        taken.append(document)
    return taken, False


def parts_of(documents: Iterable[Document], array: str, field: str, values: Iterable[Any]) -> list[Document]:
    """The `_id` of each document, and the items of its array whose field has one of these values."""
    wanted = set(values)
    return [
        {"_id": each["_id"], array: [item for item in each[array] if item[field] in wanted] if array in each else None}
        for each in documents
    ]


class BoundedByFind:
    """The bounded reads of a store or a transaction, by its `find`."""

    async def find(
        self, collection: str, where: Where, *, sort: Sort = (), limit: int = 0, fields: Sequence[str] = ()
    ) -> list[Document]:
        raise NotImplementedError(f"{self.__class__.__name__} finds nothing")

    async def find_parts(
        self,
        collection: str,
        where: Where,
        *,
        array: str,
        field: str,
        values: Sequence[Any],
        limit: int,
        bytes_max: int,
    ) -> tuple[list[Document], bool]:
        found = await self.find(collection, where, fields=(array,))
        return some_of(parts_of(found, array, field, values), limit, bytes_max)

    async def scan_parts(
        self,
        collection: str,
        where: Where,
        *,
        arrays: Sequence[str],
        by: Sequence[str],
        values: Sequence[Any],
        newest_first: bool,
        fields: Sequence[str],
        items_max: int,
        bytes_max: int,
    ) -> tuple[list[Document], bool]:
        found = await self.find(collection, where, sort=(("_id", -1),) if newest_first else ())
        taken: list[Document] = []
        items = scanned_bytes = 0
        for document in found:
            if taken and (items >= items_max or scanned_bytes >= bytes_max):
                return taken, True
            scanned_bytes += len(bson.encode(document))
            wanted = set(values)
            parts = {
                name: [item for item in document[name] if wanted & {item[field] for field in by}]
                for name in arrays
                if name in document
            }
            items += sum(map(len, parts.values()))
            taken.append({**project(document, fields), **parts})
        return taken, False

    async def find_some(
        self,
        collection: str,
        where: Where,
        *,
        sort: Sort = (),
        limit: int,
        fields: Sequence[str] = (),
        bytes_max: int,
    ) -> tuple[list[Document], bool]:
        return some_of(await self.find(collection, where, sort=sort, fields=fields), limit, bytes_max)
